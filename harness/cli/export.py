"""`benchtab export`: samples, attempts, scores, charges, runs or the report as a file, its format by the ending."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.terminal.help_pages import examples
from harness.cli.terminal.options import DbOption, PricingOption, open_ledger
from harness.cli.terminal.output import say
from harness.rendering.export_files import export_table, export_tables
from harness.rendering.formats import file_endings, in_words

ENDINGS = in_words(file_endings({"rows"}, rows=True))


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("export", epilog=EXAMPLES)(export)


EXAMPLES = examples(
    "benchtab export charges -o charges.parquet",
    "benchtab export attempts -o attempts.csv --run RUN",
)


def export(
    table: Annotated[str, typer.Argument(metavar="TABLE", help=", ".join(export_tables()))],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="FILE", help=f"A {ENDINGS} file."),
    ],
    run: Annotated[list[str] | None, typer.Option("--run", help="Only this run; repeatable. Default: all.")] = None,
    floats: Annotated[bool, typer.Option("--floats", help="Dollars as floats, not exact decimals (Parquet).")] = False,
    db: DbOption = None,
    pricing: PricingOption = None,
) -> None:
    """Write one table to a file, streamed; equal ledgers give equal bytes."""
    from harness.pricing.price_files import load_price_book

    with open_ledger(db) as ledger:
        count = export_table(ledger, load_price_book(pricing), table, output, run or None, floats=floats)
    say(f"{count:,} rows of {table} written to {output}")
