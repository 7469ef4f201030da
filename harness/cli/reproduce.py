"""`benchtab reproduce`: what a published spend table determines, computed from its figures and the price book."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.terminal.options import JsonOption, PricingOption
from harness.cli.terminal.output import print_out

DEFAULT_TABLE = "artificial-analysis-2025-04"


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("reproduce")(reproduce)


def reproduce(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A shipped table, or the path of your own .toml file.")
    ] = DEFAULT_TABLE,
    ledger: Annotated[
        str | None, typer.Option("--ledger", metavar="URL", help="Keep the reconstructed ledger here (a new one).")
    ] = None,
    rebuild: Annotated[
        bool, typer.Option("--rebuild/--no-rebuild", help="Rebuild the bill request by request and report on it.")
    ] = True,
    json_output: JsonOption = False,
    pricing: PricingOption = None,
) -> None:
    """Re-compute a published spend table: which prices and token counts fit, and what stays open."""
    from harness.pricing.price_files import load_price_book
    from harness.rendering.console import print_table
    from harness.rendering.json_text import to_json
    from harness.reproduction.layout import reproduction_object, reproduction_tables
    from harness.reproduction.published import load_published
    from harness.reproduction.rebuild import rebuilt_bill
    from harness.reproduction.results import reproduce as solve

    book = load_price_book(pricing)
    solved = solve(load_published(name), book)
    bill = rebuilt_bill(solved, book, ledger and Path(ledger)) if rebuild else []
    if json_output:
        print_out(to_json(reproduction_object(solved, bill)))
        return
    for table in reproduction_tables(solved, bill):
        print_table(table)
