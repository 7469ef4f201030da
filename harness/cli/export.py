"""`benchtab export`: attempts, scores, charges, runs or the report as CSV or Parquet, by the file's ending."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import DbOption, PricingOption, open_ledger
from harness.errors import InputError

if TYPE_CHECKING:
    from harness.ledger import Ledger
    from harness.pricing import PriceBook
    from harness.streams import RowStream

TABLES = ("attempts", "scores", "charges", "runs", "report")


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("export")(export)


def export(
    table: Annotated[str, typer.Argument(metavar="TABLE", help=", ".join(TABLES))],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="A .csv or .parquet file.")],
    run: Annotated[list[str] | None, typer.Option("--run", help="Only this run; repeatable. Default: all.")] = None,
    db: DbOption = None,
    pricing: PricingOption = None,
) -> None:
    """Write one table to a file, streamed; equal ledgers give equal bytes."""
    from harness.price_files import load_price_book

    if table not in TABLES:
        raise InputError(f"no table {table!r}", where="TABLE", fix=f"one of: {', '.join(TABLES)}")
    if output.suffix not in (".csv", ".parquet"):
        raise InputError(
            f"cannot tell the format of {output.name!r}", where="--output", fix="end it in .csv or .parquet"
        )
    with open_ledger(db) as ledger:
        count = export_table(ledger, load_price_book(pricing), table, output, run or None)
    typer.echo(f"{count:,} rows of {table} written to {output}", err=True)


def export_table(ledger: Ledger, book: PriceBook, table: str, output: Path, run_ids: list[str] | None = None) -> int:
    """Write a table to a file beside its final name, then move it there; returns the number of rows."""
    from harness.rendering.streams import write_stream_csv, write_stream_parquet

    stream = _stream(ledger, book, table, run_ids)
    output.parent.mkdir(parents=True, exist_ok=True)
    unfinished = output.with_name(f".{output.name}.unfinished")
    try:
        write = write_stream_parquet if output.suffix == ".parquet" else write_stream_csv
        count = write(stream, unfinished)
        unfinished.replace(output)
    finally:
        unfinished.unlink(missing_ok=True)
    return count


def _stream(ledger: Ledger, book: PriceBook, table: str, run_ids: list[str] | None) -> RowStream:
    from harness.reports.exports import export_stream
    from harness.streams import RowStream

    if table != "report":
        return export_stream(ledger, table, book=book, run_ids=run_ids)
    from harness.reports.assembly import spend_report
    from harness.reports.spend_tables import spend_table

    made = spend_table(spend_report(ledger, book, run_ids))
    columns = list(zip(*made.rows, strict=True))
    return RowStream(name=table, columns=made.columns, batches=iter([columns] if columns else []))
