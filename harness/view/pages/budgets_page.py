"""The page of budgets: caps over the whole ledger, what counts against each, and what is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from harness.ledger.reading.conversations.counted_budgets import n_sample_budgets
from harness.ledger.records import Budget
from harness.ledger.scopes import is_twin
from harness.rendering.export_files import stream_of
from harness.reports.budgets.budget_table import budget_table, shown_budgets
from harness.view.page_addresses import price_address, run_address
from harness.view.page_values import Asked, Grid, Shown

GROUPS: Mapping[str, str] = {
    "day": "Days (UTC)", "month": "Months (UTC)", "model": "Models", "run": "Runs", "simulated": "Simulated spending",
}  # fmt: skip
"""Kinds of scopes in the order of the page; what simulated models spent of a day or month stands apart."""
NEARLY_FULL = 0.9
"""Share of a cap from which a bar is marked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """How much of a cap is used.

    Attributes:
        share: spent and reserved over the cap, at most 1.
        said: the share in words.
    """

    scope: str
    link: str | None
    share: float
    said: str

    @property
    def is_nearly_full(self) -> bool:
        """Whether hardly anything is left."""
        return self.share >= NEARLY_FULL


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Budgets of one kind of scope: bars of the capped ones, and all of them as a table."""

    name: str
    title: str
    bars: Sequence[Bar]
    grid: Grid


def budgets_page(asked: Asked) -> Shown:
    """Show every cap with its use; `?all=yes` also what was spent where there is no cap."""
    show_all = bool(asked.one("all"))
    ledger = asked.sources.ledger
    budgets = shown_budgets(ledger.budgets().values(), show_all=show_all)
    table = budget_table(budgets, "Budgets", n_of_samples=n_sample_budgets(ledger))
    groups = {name: [one for one in budgets if _kind(one) == name] for name in GROUPS}
    return Shown(
        template="budgets.html.j2",
        title="Budgets",
        values={
            "groups": [_group(name, some) for name, some in groups.items() if some],
            "show_all": show_all,
            "nearly_full": NEARLY_FULL,
            "notes": table.notes,
        },
        downloads={"budgets": lambda: stream_of(table)},
    )


def _kind(budget: Budget) -> str:
    return "simulated" if is_twin(budget.scope) else budget.scope.partition(":")[0]


def _group(name: str, budgets: Sequence[Budget]) -> Group:
    table = replace(budget_table(budgets, GROUPS[name]), name=f"{name}_budgets", notes=())
    links = [_link(one.scope) for one in budgets]
    bars = [_bar(one, link) for one, link in zip(budgets, links, strict=True) if one.cap_pico_usd is not None]
    return Group(name=name, title=GROUPS[name], bars=bars, grid=Grid(table=table, links={"scope": links}))


def _bar(budget: Budget, link: str | None) -> Bar:
    cap, used = budget.cap_pico_usd or 0, budget.spent_pico_usd + budget.reserved_pico_usd
    share = min(1.0, used / cap) if cap else 1.0
    over = " (more than the cap)" if used > cap else ""
    return Bar(scope=budget.scope, link=link, share=share, said=f"{share:.1%} used{over}")


def _link(scope: str) -> str | None:
    """Lead to the run or to the prices of the model."""
    kind, _, name = scope.partition(":")
    if kind == "run":
        return run_address(name)
    provider, slash, model = name.partition("/")
    return price_address(provider, model) if kind == "model" and slash else None
