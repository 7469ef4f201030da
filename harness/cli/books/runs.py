"""`benchtab runs list|show`: the runs that the ledger holds."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.terminal import completion
from harness.cli.terminal.options import DbOption, JsonOption, open_ledger
from harness.cli.terminal.output import print_out


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    runs = typer.Typer(help="Stored runs: list, show.", no_args_is_help=True, rich_markup_mode=None)
    runs.command("list")(list_runs)
    runs.command("show")(show)
    app.add_typer(runs, name="runs")


def list_runs(db: DbOption = None, as_json: JsonOption = False) -> None:
    """List the stored runs, oldest first."""
    from harness.rendering.console import print_table
    from harness.rendering.json_text import to_json
    from harness.reports.ledgers import run_facts, run_table

    with open_ledger(db) as ledger:
        facts = run_facts(ledger)
        if as_json:
            print_out(to_json({"runs": facts}))
        else:
            print_table(run_table(facts, database=ledger.database))


def show(
    run: Annotated[
        str,
        typer.Argument(metavar="RUN", autocompletion=completion.runs, help="Id of a run, see `benchtab runs list`."),
    ],
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one run: suites, models, versions, digests, how far each model is, and who works on it."""
    from harness.rendering.console import print_table
    from harness.rendering.json_text import to_json
    from harness.reports.ledgers import cell_table, run_detail
    from harness.reports.underway.worker_facts import worker_table

    with open_ledger(db) as ledger:
        detail = run_detail(ledger, run)
    if as_json:
        print_out(to_json(detail))
    else:
        print_table(cell_table(detail))
        if "workers" in detail:
            print_table(worker_table(detail))
