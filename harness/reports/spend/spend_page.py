"""The spend report as a page and in every other form: what a manager reads in a minute first, the details below.

Pure. Data flows SpendReport + `REPORTS` -> `Page`, `Document`.
"""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

from harness.documents.document import Document
from harness.documents.page import Figure, Page, Section
from harness.documents.table import Sentences, Table
from harness.instants import from_us
from harness.money import add
from harness.reports.facts.report_facts import NOTHING, Spend
from harness.reports.precision.precision_table import drawn_rows, saved_usd
from harness.reports.report_parts import Shown, charts_in, paragraphs_on, pieces_on, report_document, tables_on
from harness.reports.spend import wording
from harness.reports.spend.report import GROUPS, SpendReport
from harness.reports.spend.spend_tables import label, spend_table, summary_table, title
from harness.runner.options.command_line import command, run_words
from harness.version import __version__


def report_page(report: SpendReport) -> Page:
    """Lay out the page of a spend report."""
    shown = Shown(report=report)
    whole = summary_table(report)
    pieces = pieces_on("page", shown)
    return Page(
        title=title(report),
        subtitle=_subtitle(report),
        figures=tuple(_figures(report)),
        charts=charts_in(pieces),
        main=replace(whole, title="All rows", notes=()),
        sections=(
            *(Section(table=piece) for piece in pieces if isinstance(piece, Table)),
            *(Section(table=table, folded=True) for table in tables_on("page details", shown) if table.rows),
        ),
        marks=tuple(sorted(filter(None, {row.facts.mark for row in report.rows}))),
        verdict=tuple(line for piece in pieces if isinstance(piece, Sentences) for line in piece.lines),
        warnings=whole.notes,
        commands=_commands(report),
        footer=(f"benchtab {__version__}", f"price book {report.price_book_sha256[:16]}"),
    )


def spend_document(report: SpendReport) -> Document:
    """Give the report in every form."""
    return Document(
        terminal=lambda width: paragraphs_on("terminal", Shown(report=report, width=width)),
        markdown=lambda: paragraphs_on("markdown", Shown(report=report)),
        fields=lambda: report_document(report),
        page=lambda: report_page(report),
        rows=lambda: spend_table(report),
    )


def _subtitle(report: SpendReport) -> str:
    if not report.runs:
        return f"{len(report.rows)} rows"
    began = [from_us(run.created_at_us) for run in report.runs]
    first, last = min(began), max(began)
    days = f"{first:%Y-%m-%d}" if first.date() == last.date() else f"{first:%Y-%m-%d} to {last:%Y-%m-%d}"
    runs = "1 run" if len(report.runs) == 1 else f"{len(report.runs)} runs"
    return f"{runs}, {days} (UTC)"


def _figures(report: SpendReport) -> list[Figure]:
    everything = reduce(Spend.plus, (spend for group in report.groups for spend in group.spends), NOTHING)
    detail = wording.coverage(everything)
    found = [Figure(value=wording.whole(everything), caption=f"whole bill{_included(report)}", detail=detail)]
    for group in report.groups:
        if group.n_rows:
            answers = f"{group.n_solves:,} answers, {wording.tokens(group.solve.tokens.output_tokens)} output tokens"
            found.append(Figure(value=wording.whole(group.solve), caption=GROUPS[group.name], detail=answers))
    found += _saved(report)
    found += _best(report)
    return found


def _included(report: SpendReport) -> str:
    others = {
        "judges": any(group.judge.n_attempts for group in report.groups),
        "simulated users": any(group.user_simulator.n_attempts for group in report.groups),
        "models of tools": any(group.tool.n_attempts for group in report.groups),
    }
    names = [name for name, has_some in others.items() if has_some]
    return f", {' and '.join(names)} included" if names else ""


def _saved(report: SpendReport) -> list[Figure]:
    """Say what asking no further than needed has saved."""
    rows = [(saved_usd(row, drawn), drawn.whole_usd) for row, drawn in drawn_rows(report.rows)]
    known = [(saved, whole) for saved, whole in rows if saved is not None and whole is not None]
    if not known:
        return []
    whole = wording.dollars(sum(whole for _, whole in known))
    return [Figure(value=wording.dollars(sum(saved for saved, _ in known)), caption="saved by asking as far as needed",
                   detail=f"whole suites would have cost about {whole}")]  # fmt: skip


def _best(report: SpendReport) -> list[Figure]:
    """Name the cheapest correct answer, and what share of the bill bought no score."""
    priced = [row for row in report.rows if row.cost_per_correct_usd is not None and not row.facts.solve.is_lower_bound]
    found = []
    if priced:
        best = min(priced, key=lambda row: row.cost_per_correct_usd or 0)
        found.append(Figure(value=wording.dollars(best.cost_per_correct_usd), caption="cheapest correct answer",
                            detail=f"{label(best)}, {best.facts.suite}"))  # fmt: skip
    wasted = add(group.solve.wasted_usd for group in report.groups)
    if wasted:
        found.append(Figure(value=wording.dollars(wasted), caption="spent on failed or cut answers"))
    return found


def _commands(report: SpendReport) -> tuple[str, ...]:
    """The report itself, then every run that a command can repeat; all quoted for a shell."""
    names = [run.run_id for run in report.runs]
    asked = ["--as-of", f"{report.as_of:%Y-%m-%dT%H:%M:%SZ}"] if report.as_of else []
    asked += [word for question in (report.what_if or "").split(",") if question for word in ("--what-if", question)]
    again = [command(["report", *names, *asked, "-o", "report.html"])] if names else []
    runs = (command(run_words(run.config)) for run in report.runs if run.config.get("models"))
    return (*again, *dict.fromkeys(runs))
