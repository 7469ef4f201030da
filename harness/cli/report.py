"""`benchtab report`: the spend report over stored runs, for people, scripts and files."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from harness.cli.terminal import completion
from harness.cli.terminal.help_pages import examples
from harness.cli.terminal.options import DbOption, JsonOption, PricingOption, open_ledger
from harness.cli.terminal.output import print_out, say
from harness.errors import InputError
from harness.secrets import redact_known

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.documents.table import Table
    from harness.ledger import Ledger
    from harness.pricing.book import PriceBook
    from harness.reports.compare.pairs import Pairs
    from harness.reports.spend.report import SpendReport

FORMATS = ("table", "json", "md", "csv", "html")
ENDINGS = {
    ".html": "html", ".htm": "html", ".md": "md", ".markdown": "md", ".csv": "csv", ".json": "json", ".txt": "table",
    ".xlsx": "xlsx",
}  # fmt: skip
"""What a file's ending says of its format; a workbook is no text, so no --format names it."""


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("report", epilog=EXAMPLES)(report)


EXAMPLES = examples(
    "benchtab report                          # all complete runs",
    "benchtab report RUN -o report.html       # or .md, .csv, .json",
    "benchtab report RUN --as-of 2025-06-10   # at that day's prices",
    "benchtab report RUN --what-if batch --what-if sim/reasoner=openai/o1",
)


def report(
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="RUN", autocompletion=completion.runs, help="Runs. Default: complete ones."),
    ] = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="WHEN", help="Prices of this date or instant (UTC).")
    ] = None,
    what_if: Annotated[
        list[str] | None,
        typer.Option(
            "--what-if",
            metavar="QUESTION",
            help="batch, no-cache, model=provider/name (all rows) or provider/name=provider/name (rows of one model); "
            "repeatable.",
        ),
    ] = None,
    output_format: Annotated[
        str | None,
        typer.Option("--format", help="table, json, md, csv or html. Default: by the ending of FILE, else table."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="FILE", help="Write to this file: .html, .md, .csv, .xlsx, .json or .txt."
        ),
    ] = None,
    charts: Annotated[
        Path | None, typer.Option("--charts", metavar="DIR", help="Write every chart as SVG and PNG into this folder.")
    ] = None,
    json_output: JsonOption = False,
    db: DbOption = None,
    pricing: PricingOption = None,
) -> None:
    """Print what stored runs cost, reasoning models against the others."""
    from harness.instants import asked_instant
    from harness.pricing.price_files import load_price_book
    from harness.reports.questions import joined

    chosen = chosen_format("json" if json_output else output_format, output)
    instant = None if as_of is None else asked_instant(as_of, where="--as-of", zoneless="utc")
    with open_ledger(db) as ledger:
        print_report(
            ledger,
            load_price_book(pricing),
            runs or None,
            output_format=chosen,
            output=output,
            charts=charts,
            as_of=instant,
            what_if=joined(what_if or ()),
        )


def chosen_format(asked: str | None, output: Path | None) -> str:
    """Choose how to write: as asked, else by the file's ending, else as a table.

    Raises:
        InputError: no such format, an ending that says none, or one that says another than asked.
    """
    if asked is not None and asked not in FORMATS:
        raise InputError(f"no format {asked!r}", where="--format", fix=f"one of: {', '.join(FORMATS)}")
    if output is None:
        return asked or "table"
    ending = output.suffix.lower()
    told = ENDINGS.get(ending)
    if asked is None and told is None:
        raise InputError(
            f"no format is known for {output.name!r}",
            where="-o",
            fix=f"end it with one of {', '.join(ENDINGS)}, or name a --format"
            + ("; for Excel: .xlsx" if ending.startswith(".xls") else ""),
        )
    if asked is not None and told not in (None, "table", asked):  # a .txt may hold any text
        raise InputError(
            f"{output.name!r} says {told}, --format says {asked}",
            where="-o",
            fix="leave --format out, or rename the file",
        )
    return asked or told or "table"


def print_report(
    ledger: Ledger,
    book: PriceBook,
    run_ids: Sequence[str] | None,
    *,
    output_format: str = "table",
    output: Path | None = None,
    charts: Path | None = None,
    as_of: datetime | None = None,
    what_if: str | None = None,
) -> None:
    """Make the report and print it, or write it to a file."""
    from harness.reports.facts.assembly import spend_report

    made = spend_report(ledger, book, run_ids, as_of=as_of, what_if=what_if)
    if charts is not None:
        from harness.rendering.chart_files import write_charts
        from harness.reports.spend_charts import report_charts

        written = write_charts(report_charts(made), charts)
        say(f"{written} charts as SVG and PNG in {charts}")
    if output is None and output_format == "table":
        _print_tables(made)
        return
    if output is not None and output_format == "xlsx":
        from harness.rendering.export_files import stream_of, write_file
        from harness.reports.spend.spend_tables import spend_table

        write_file(stream_of(spend_table(made)), output)
        say(f"report written to {output}")
        return
    text = report_text(made, output_format)
    if output is None:
        print_out(text, nl=not text.endswith("\n"), exact=True)
        return
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(redact_known(text), encoding="utf-8")
    say(f"report written to {output}")


def report_text(made: SpendReport, output_format: str) -> str:
    """Write the report in one of `FORMATS`."""
    import io

    if output_format == "json":
        from harness.rendering.json_text import to_json
        from harness.reports.compare.verdict import report_document

        return to_json(report_document(made)) + "\n"
    if output_format == "html":
        from harness.rendering.html.html_page import to_html
        from harness.reports.spend_page import report_page

        return to_html(report_page(made))
    from harness.reports.spend.spend_tables import prices_table, spend_table

    out = io.StringIO()
    if output_format == "csv":
        from harness.rendering.csv_text import write_csv

        write_csv(spend_table(made), out)
    elif output_format == "md":
        from harness.rendering.markdown import to_list, to_markdown
        from harness.reports.compare.verdict import HEADING, verdict

        pairs, tables = _pairs_and_tables(made)
        out.write(to_list(HEADING, verdict(made, pairs)))
        out.write(to_markdown([*tables, prices_table(made)]))
    else:
        _print_tables(made, out)
    return out.getvalue()


def _print_tables(made: SpendReport, file: IO[str] | None = None) -> None:
    from harness.rendering.console import output_width, print_list, print_table
    from harness.reports.compare.verdict import HEADING, verdict

    width = output_width(file)
    pairs, tables = _pairs_and_tables(made, width)
    print_list(HEADING, verdict(made, pairs), file=file, width=width)
    for table in tables:
        print_table(table, file=file, width=width)


def _pairs_and_tables(made: SpendReport, width: int | None = None) -> tuple[Pairs, list[Table]]:
    """The tables for people in their order, and the pairs of rows that some of them rest on."""
    from harness.documents.table import without_repeated
    from harness.reports.compare.pairs import all_pairs
    from harness.reports.compare.verdict import ladder_table, pairs_table
    from harness.reports.spend.spend_tables import summary_table, totals_table
    from harness.reports.spend.task_table import task_score_tables

    pairs = all_pairs(made)
    compared = [without_repeated(table, "suite") for table in (pairs_table(made, pairs), ladder_table(made, pairs))
                if table.rows]  # fmt: skip
    return pairs, [summary_table(made), *compared, *task_score_tables(made, width=width), totals_table(made)]
