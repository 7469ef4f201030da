"""`benchtab db info|upgrade`: what the ledger is and holds; leading an older one to this program's schema."""

from __future__ import annotations

import typer

from harness.cli.terminal.options import DbOption, JsonOption
from harness.cli.terminal.output import print_out, say
from harness.resources import ledger_name


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    db = typer.Typer(help="The ledger itself: info, upgrade.", no_args_is_help=True, rich_markup_mode=None)
    db.command("info")(info)
    db.command("upgrade")(upgrade)
    app.add_typer(db, name="db")


def info(db: DbOption = None, as_json: JsonOption = False) -> None:
    """Say where the ledger is, its schema version, its size and how many rows it holds."""
    from harness.ledger.reading.holdings import ledger_facts
    from harness.rendering.console import print_table
    from harness.rendering.json_text import to_json
    from harness.reports.ledgers import ledger_table

    facts = ledger_facts(ledger_name(db))
    if as_json:
        print_out(to_json(facts))
    else:
        print_table(ledger_table(facts))


def upgrade(db: DbOption = None) -> None:
    """Lead an older ledger to this program's schema; make a copy of it first. Does nothing to a current one."""
    from harness.ledger import upgrade_ledger

    before, after = upgrade_ledger(ledger_name(db))
    say(f"schema {after}, as before" if before == after else f"schema {before or 'none'} -> {after}")
