"""`benchtab report`: the spend report over stored runs, for people, scripts and files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.terminal import completion
from harness.cli.terminal.help_pages import examples
from harness.cli.terminal.options import DbOption, JsonOption, PricingOption, open_ledger
from harness.cli.terminal.output import print_document, print_out, say
from harness.cli.terminal.told_again import Question, Told, is_kept, kept_runs, told_again
from harness.errors import InputError
from harness.rendering.formats import EVERY_FORM, FORMATS, chosen_format, in_words, text_formats
from harness.resources import ledger_name
from harness.secrets import redact_known

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.documents.document import Document
    from harness.ledger import Ledger
    from harness.pricing.book import PriceBook
    from harness.reports.facts.samples.kept_runs import KeptRuns
    from harness.reports.spend.report import SpendReport


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("report", epilog=EXAMPLES)(report)


EXAMPLES = examples(
    "benchtab report                          # all complete runs",
    "benchtab report RUN -o report.html       # or .md, .csv, .json",
    "benchtab report RUN --as-of 2025-06-10   # at that day's prices",
    "benchtab report --dearest 20             # the samples that cost most",
    "benchtab report RUN --sample TASK/SAMPLE # one question, every attempt",
    "benchtab report --frames-ladder          # how many frames are enough",
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
        typer.Option(
            "--format",
            help=f"{in_words(text_formats(EVERY_FORM))}. Default: by the ending of FILE, else table.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help=f"Write to this file: {in_words([each.endings[0] for each in FORMATS.values()])}.",
        ),
    ] = None,
    sample: Annotated[
        str | None,
        typer.Option(
            "--sample",
            metavar="ID",
            help="One sample in full, with every attempt and how its cost came about: SAMPLE, TASK/SAMPLE, attempt:N, "
            "planned:N, or a request's id.",
        ),
    ] = None,
    dearest: Annotated[int | None, typer.Option("--dearest", metavar="N", help="The N samples that cost most.")] = None,
    models: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="MODEL", help="With --sample or --dearest: only these; repeatable."),
    ] = None,
    frames_ladder: Annotated[
        bool,
        typer.Option(
            "--frames-ladder",
            help="Runs over videos: score, tokens and dollars by frames per clip, and the cheapest that is not worse.",
        ),
    ] = False,
    margin: Annotated[
        str | None,
        typer.Option(
            "--margin", metavar="2pt", help="With --frames-ladder: a score lower by less is not worse. Default: 2pt."
        ),
    ] = None,
    charts: Annotated[
        Path | None, typer.Option("--charts", metavar="DIR", help="Write every chart as SVG and PNG into this folder.")
    ] = None,
    recount: Annotated[
        bool, typer.Option("--recount", help="Count everything anew, whatever was kept of an earlier report.")
    ] = False,
    json_output: JsonOption = False,
    db: DbOption = None,
    pricing: PricingOption = None,
) -> None:
    """Print what stored runs cost, reasoning models against the others."""
    from harness.instants import asked_instant

    chosen = chosen_format("json" if json_output else output_format, output)
    if sample is not None or dearest is not None:
        _refuse_others(sample, dearest, as_of, what_if, charts, frames_ladder=frames_ladder)
        _about_samples(sample, dearest, runs or [], models or [], chosen, output, db, pricing)
        return
    if frames_ladder:
        _refuse_others(None, None, as_of, what_if, None, frames_ladder=True)
        _about_frames(runs or [], margin, chosen, output, charts, db, pricing)
        return
    if margin is not None:
        raise InputError("--margin is of the frames ladder", where="--margin", fix="add --frames-ladder")
    if models:
        raise InputError("--model chooses among samples", where="--model", fix="add --sample ID or --dearest N")
    instant = None if as_of is None else asked_instant(as_of, where="--as-of", zoneless="utc")
    question = Question(runs=runs, as_of=instant, what_if=what_if, form=chosen, output=output)
    told = None
    if charts is None and FORMATS[chosen].text is not None:
        told = told_again(question, ledger_name(db), pricing, recount=recount)
    if told is not None and told.text is not None:
        _tell(told.text, chosen, output)
    else:
        _make(question, db, pricing, charts, told, kept_runs(recount=recount))


def _make(
    question: Question,
    db: str | None,
    pricing: Path | None,
    charts: Path | None,
    told: Told | None,
    kept: KeptRuns | None,
) -> None:
    """Make the report, tell it, and keep what was told where that is worth it."""
    from harness.pricing.price_files import load_price_book
    from harness.reports.facts.assembly import spend_report
    from harness.reports.questions import joined
    from harness.reports.spend.spend_page import spend_document

    what_if = joined(question.what_if or ())
    with open_ledger(db) as ledger:
        made = spend_report(
            ledger, load_price_book(pricing), question.runs or None, as_of=question.as_of, what_if=what_if, kept=kept
        )
    if charts is not None:
        _write_charts(made, charts)
    document = spend_document(made)
    text = None if told is None or not is_kept(made) else question.text_of(document)
    if told is not None and text is not None:
        _tell(text, question.form, question.output)
        told.keep(text)
    elif question.output is None:
        print_document(document, question.form)
    else:
        _write(document, question.form, question.output)


def _tell(text: str, form: str, output: Path | None) -> None:
    """Print a text as its format is printed, or write it to a file."""
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(redact_known(text), encoding="utf-8")
        say(f"report written to {output}")
    elif FORMATS[form].show is not None:
        from harness.cli.terminal.kept_texts import read_paragraphs
        from harness.rendering.console import print_paragraphs

        print_paragraphs(read_paragraphs(text))
    else:
        print_out(text, nl=not text.endswith("\n"), exact=True)


def _refuse_others(
    sample: str | None,
    dearest: int | None,
    as_of: str | None,
    what_if: list[str] | None,
    charts: Path | None,
    *,
    frames_ladder: bool,
) -> None:
    given = {"--sample": sample, "--dearest": dearest, "--as-of": as_of, "--what-if": what_if, "--charts": charts}
    given["--frames-ladder"] = frames_ladder
    named = [name for name, value in given.items() if value]
    if len(named) > 1:
        raise InputError(f"{' and '.join(named)} do not go together", where=named[0], fix="give one of them")


def _about_samples(
    sample: str | None, dearest: int | None, runs: Sequence[str], models: Sequence[str], chosen: str,
    output: Path | None, db: str | None, pricing: Path | None,
) -> None:  # fmt: skip
    """Print or write one sample, or the dearest ones."""
    from harness.cli.books.sample_reports import dearest_report, sample_report
    from harness.pricing.price_files import load_price_book

    if FORMATS[chosen].form == "page":
        raise InputError("samples have no page as a file", where="--format", fix="benchtab view shows them as pages")
    with open_ledger(db) as ledger:
        book = load_price_book(pricing)
        if sample is not None:
            document = sample_report(ledger, book, sample, runs, models, is_whole=FORMATS[chosen].form != "terminal")
        else:
            document = dearest_report(ledger, book, dearest or 0, runs, models, db, pricing)
    if output is None:
        print_document(document, chosen)
    else:
        _write(document, chosen, output)


def _about_frames(
    runs: Sequence[str], margin: str | None, chosen: str, output: Path | None, charts: Path | None,
    db: str | None, pricing: Path | None,
) -> None:  # fmt: skip
    """Print or write the frames ladder, with its charts."""
    from harness.pricing.price_files import load_price_book
    from harness.rendering.chart_files import write_charts
    from harness.reports.compare.gate_rules import parse_share
    from harness.reports.frames.frames_ladder import DEFAULT_MARGIN
    from harness.reports.frames.frames_tables import ladder_charts, ladder_document
    from harness.reports.frames.stored_ladder import stored_ladders

    if FORMATS[chosen].form == "page":
        raise InputError(
            "the frames ladder has no page as a file", where="--format", fix="--format md and --charts DIR"
        )
    stated = parse_share(margin, "pt", "--margin")
    with open_ledger(db) as ledger:
        share = DEFAULT_MARGIN if stated is None else stated
        ladders = stored_ladders(ledger, load_price_book(pricing), runs or None, margin=share)
    if charts is not None:
        written = write_charts(ladder_charts(ladders), charts)
        say(f"{written} charts as SVG and PNG in {charts}")
    document = ladder_document(ladders)
    if output is None:
        print_document(document, chosen)
    else:
        _write(document, chosen, output)


def print_report(ledger: Ledger, book: PriceBook, run_ids: Sequence[str] | None, output_format: str = "table") -> None:
    """Make the report and print it."""
    from harness.reports.facts.assembly import spend_report
    from harness.reports.spend.spend_page import spend_document

    print_document(spend_document(spend_report(ledger, book, run_ids)), output_format)


def _write(made: Document, output_format: str, output: Path) -> None:
    """Write a document to a file: as text, else as rows."""
    from harness.rendering.export_files import stream_of, write_file

    text = FORMATS[output_format].text
    if text is not None:
        _tell(text(made), output_format, output)
        return
    if made.rows is not None:
        write_file(stream_of(made.rows()), output)
    say(f"report written to {output}")


def _write_charts(made: SpendReport, folder: Path) -> None:
    from harness.rendering.chart_files import write_charts
    from harness.reports.report_parts import Shown, charts_in, pieces_on

    written = write_charts(charts_in(pieces_on("chart files", Shown(report=made))), folder)
    say(f"{written} charts as SVG and PNG in {folder}")
