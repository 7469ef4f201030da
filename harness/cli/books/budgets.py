"""`benchtab budgets list|set|clear`: caps on a day, a month, a model or a run, over the whole ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.terminal.options import DbOption, JsonOption, open_ledger
from harness.cli.terminal.output import print_out, say

if TYPE_CHECKING:
    from decimal import Decimal

    from harness.documents.table import Table
    from harness.ledger.records import Budget

ScopeArgument = Annotated[
    str, typer.Argument(metavar="SCOPE", help="day:2026-11-22, month:2026-11 (UTC), model:provider/name or run:RUN.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    budgets = typer.Typer(help="Caps over the whole ledger: list, set, clear.", no_args_is_help=True)
    budgets.command("list")(list_budgets)
    budgets.command("set")(set_budget)
    budgets.command("clear")(clear_budget)
    app.add_typer(budgets, name="budgets")


def list_budgets(
    show_all: Annotated[bool, typer.Option("--all", help="Also what was spent where there is no cap.")] = False,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the caps, what counts against them and what is left."""
    from harness.rendering.console import print_table
    from harness.rendering.json_text import to_json

    with open_ledger(db) as ledger:
        stored = [one for one in ledger.budgets().values() if show_all or _is_shown(one)]
        table = _table(stored, ledger.database)
    if as_json:
        names = [column.name for column in table.columns]
        print_out(to_json({"budgets": [dict(zip(names, row, strict=True)) for row in table.rows]}))
    else:
        print_table(table)


def set_budget(
    scope: ScopeArgument,
    usd: Annotated[str, typer.Argument(metavar="USD", help="Cap in dollars, for example 5 or 0.25.")],
    db: DbOption = None,
) -> None:
    """Cap a scope; what was spent there before counts. A run stops (exit 3) before a request could exceed a cap."""
    from harness.money import to_pico_ceiling
    from harness.runner.budgets import check_scope, parse_cap

    checked, cap = check_scope(scope), parse_cap(usd)
    with open_ledger(db, create=True) as ledger:
        stored = ledger.set_budget(checked, to_pico_ceiling(cap))
    say(f"{checked}: {_said(stored)}")


def clear_budget(scope: ScopeArgument, db: DbOption = None) -> None:
    """Lift the cap of a scope; what is spent there is still counted."""
    from harness.runner.budgets import check_scope

    checked = check_scope(scope)
    with open_ledger(db) as ledger:
        stored = ledger.set_budget(checked, None)
    say(f"{checked}: {_said(stored)}")


def _is_shown(budget: Budget) -> bool:
    """Show caps; the one over simulated spending, set with a day's or a month's, only where there was some."""
    from harness.ledger.scopes import is_twin

    has_cap = budget.cap_pico_usd is not None
    return has_cap and (not is_twin(budget.scope) or budget.spent_pico_usd + budget.reserved_pico_usd > 0)


def _said(budget: Budget) -> str:
    from harness.money import from_pico, plain

    used = plain(from_pico(budget.spent_pico_usd + budget.reserved_pico_usd))
    if budget.cap_pico_usd is None or budget.left_pico_usd is None:
        return f"no cap, ${used} used so far"
    cap, left = plain(from_pico(budget.cap_pico_usd)), plain(from_pico(budget.left_pico_usd))
    return f"cap ${cap}, ${used} used so far, ${left} left"


def _table(budgets: list[Budget], database: str) -> Table:
    from harness.documents.table import Column, Table
    from harness.money import from_pico

    def dollars(pico: int | None) -> Decimal | None:
        return None if pico is None else from_pico(pico)

    return Table(
        name="budgets",
        title=f"Budgets of {database}",
        columns=(
            Column(name="scope"),
            Column(name="cap_usd", kind="usd", unit="USD", title="cap"),
            Column(name="spent_usd", kind="usd", unit="USD", title="spent"),
            Column(name="reserved_usd", kind="usd", unit="USD", title="reserved"),
            Column(name="left_usd", kind="usd", unit="USD", title="left"),
        ),
        rows=[
            (
                one.scope,
                dollars(one.cap_pico_usd),
                dollars(one.spent_pico_usd),
                dollars(one.reserved_pico_usd),
                dollars(one.left_pico_usd),
            )
            for one in budgets
        ],
        notes=(
            "reserved: in flight, or sent and never settled (possibly billed)",
            "simulated-day, simulated-month: what simulated models spent under the same cap; it never fills a real one",
        ),
    )
