"""`benchtab export`: tables of the ledger and the report as files, and records in formats that other tools read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.terminal.help_pages import examples
from harness.cli.terminal.options import DbOption, PricingOption, open_ledger
from harness.cli.terminal.output import say
from harness.rendering.export_files import export_table, exports
from harness.rendering.formats import file_endings, in_words
from harness.rendering.record_files import RECORDS

_RECORDS = "; for eee a folder or .jsonl, for otlp .json or .jsonl."
ENDINGS = in_words(file_endings({"rows"}, rows=True))


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("export", epilog=EXAMPLES)(export)


EXAMPLES = examples(
    "benchtab export charges -o charges.parquet",
    "benchtab export attempts -o attempts.csv --run RUN",
    "benchtab export eee -o every-eval-ever/",
    "benchtab export otlp -o traces.json",
    "benchtab export focus -o costs.csv",
)


def export(
    table: Annotated[str, typer.Argument(metavar="TABLE", help=", ".join(exports()))],
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help=f"A {ENDINGS} file; for eee a folder or .jsonl, for otlp .json or .jsonl.",
        ),
    ],
    run: Annotated[list[str] | None, typer.Option("--run", help="Only this run; repeatable. Default: all.")] = None,
    floats: Annotated[bool, typer.Option("--floats", help="Dollars as floats, not exact decimals (Parquet).")] = False,
    db: DbOption = None,
    pricing: PricingOption = None,
) -> None:
    """Write one table to a file, streamed; equal ledgers give equal bytes.

    Beside the tables: eee = Every Eval Ever (aggregates and instance records), otlp = OpenTelemetry spans of
    generative AI, focus = cost rows of FinOps FOCUS 1.2.
    """
    from harness.pricing.price_files import load_price_book

    with open_ledger(db) as ledger:
        book = load_price_book(pricing)
        count = export_table(ledger, book, table, output, run or None, floats=floats, tell=say)
    say(f"{count:,} {RECORDS[table].unit if table in RECORDS else 'rows'} of {table} written to {output}")
