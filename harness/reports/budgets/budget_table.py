"""Caps as a table: what was spent under each, what is reserved, and what is left.

Pure. Data flows `Budget`s of a ledger -> `Table`.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from harness.documents.table import Column, Table
from harness.ledger.records import Budget
from harness.ledger.scopes import is_twin
from harness.money import from_pico

_COLUMNS = (
    Column(name="scope"),
    Column(name="cap_usd", kind="usd", unit="USD", title="cap"),
    Column(name="spent_usd", kind="usd", unit="USD", title="spent"),
    Column(name="reserved_usd", kind="usd", unit="USD", title="reserved"),
    Column(name="left_usd", kind="usd", unit="USD", title="left"),
)
_NOTES = (
    "reserved: in flight, or sent and never settled (possibly billed)",
    "simulated-day, simulated-month: what simulated models spent under the same cap; it never fills a real one",
)


def shown_budgets(budgets: Iterable[Budget], *, show_all: bool) -> list[Budget]:
    """Choose those to list: the capped ones, or also what was spent where there is no cap."""
    return [one for one in budgets if show_all or _is_shown(one)]


def _is_shown(budget: Budget) -> bool:
    """Show caps; the one over simulated spending, set with a day's or a month's, only where there was some."""
    has_cap = budget.cap_pico_usd is not None
    return has_cap and (not is_twin(budget.scope) or budget.spent_pico_usd + budget.reserved_pico_usd > 0)


def budget_table(budgets: Iterable[Budget], title: str, *, n_of_samples: int = 0) -> Table:
    """List budgets in their order; a cell is None where there is no cap.

    Args:
        n_of_samples: budgets of single samples, which are not listed.
    """
    rows = [
        (
            one.scope,
            _dollars(one.cap_pico_usd),
            _dollars(one.spent_pico_usd),
            _dollars(one.reserved_pico_usd),
            _dollars(one.left_pico_usd),
        )
        for one in budgets
    ]
    return Table(name="budgets", title=title, columns=_COLUMNS, rows=rows, notes=(*_NOTES, *_of_samples(n_of_samples)))


def _of_samples(n_of_samples: int) -> tuple[str, ...]:
    if not n_of_samples:
        return ()
    which = "1 sample has a cap of its own" if n_of_samples == 1 else f"{n_of_samples:,} samples have caps of their own"
    return (f"{which}, not listed one by one: what they spend counts under the other caps, too",)


def _dollars(pico: int | None) -> Decimal | None:
    return None if pico is None else from_pico(pico)
