"""`benchtab budgets list|set|clear`: caps on a day, a month, a model or a run, over the whole ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.terminal.options import DbOption, JsonOption, open_ledger
from harness.cli.terminal.output import print_out, say

if TYPE_CHECKING:
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
    samples: Annotated[bool, typer.Option("--samples", help="Also the caps of single samples.")] = False,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the caps, what counts against them and what is left."""
    from harness.ledger.reading.conversations.counted_budgets import n_sample_budgets
    from harness.rendering.console import print_table
    from harness.rendering.json_text import to_json
    from harness.reports.budgets.budget_table import budget_table, shown_budgets

    with open_ledger(db) as ledger:
        stored = shown_budgets(ledger.budgets(of_samples=samples).values(), show_all=show_all)
        n_of_samples = n_sample_budgets(ledger)
        title, n_left_out = f"Budgets of {ledger.database}", 0 if samples else n_of_samples
        table = budget_table(stored, title, n_of_samples=n_left_out)
    if as_json:
        names = [column.name for column in table.columns]
        listed = [dict(zip(names, row, strict=True)) for row in table.rows]
        print_out(to_json({"budgets": listed, "n_sample_budgets": n_of_samples}))
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


def _said(budget: Budget) -> str:
    from harness.money import from_pico, plain

    used = plain(from_pico(budget.spent_pico_usd + budget.reserved_pico_usd))
    if budget.cap_pico_usd is None or budget.left_pico_usd is None:
        return f"no cap, ${used} used so far"
    cap, left = plain(from_pico(budget.cap_pico_usd)), plain(from_pico(budget.left_pico_usd))
    return f"cap ${cap}, ${used} used so far, ${left} left"
