"""What a night leaves behind: report, Markdown summary, JUnit XML, history page and the comparison as JSON.

Data flows `Night` + ledger -> renderers -> files in the output folder.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from harness.documents.document import Document
from harness.documents.page import Page, Section
from harness.ledger import Ledger
from harness.nightly.history import job_history
from harness.nightly.night_result import Night
from harness.nightly.summary import gate_tables, junit_cases, summary_tables
from harness.pricing.book import PriceBook
from harness.secrets import redact_known

DOCUMENT_FILES = {"report.html": "html", "summary.md": "md", "night.json": "json"}
"""Files that hold the night itself, each in a format of its own."""
FILES = ("report.html", "summary.md", "junit.xml", "history.html", "night.json")


def write_files(night: Night, folder: Path, *, ledger: Ledger, book: PriceBook, history: int) -> list[Path]:
    """Write every file of `FILES` into a folder; returns their paths."""
    from harness.rendering.html.html_history import to_history_page
    from harness.rendering.junit import to_junit

    document = night_document(night)
    nights, trends = job_history(ledger, book, night.name, nights=history)
    texts = {name: _text(document, form) for name, form in DOCUMENT_FILES.items()} | {
        "junit.xml": to_junit(night.name, junit_cases(night)),
        "history.html": to_history_page(night.name, nights, trends),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        (folder / name).write_text(redact_known(texts[name]), encoding="utf-8")
    return [folder / name for name in FILES]


def night_document(night: Night) -> Document:
    """Give a night in every form."""
    return Document(
        terminal=lambda _: summary_tables(night),
        markdown=lambda: summary_tables(night),
        fields=lambda: night_object(night),
        page=lambda: _page(night),
    )


def _text(document: Document, form: str) -> str:
    from harness.rendering.formats import FORMATS

    write = FORMATS[form].text
    assert write is not None
    return write(document)


def _page(night: Night) -> Page:
    """The spend report of the night, under what the gate said of it."""
    from harness.reports.spend.spend_page import report_page

    said = tuple(Section(table=table) for table in gate_tables(night))
    return replace(report_page(night.report), leading=said)


def night_object(night: Night) -> dict[str, object]:
    """Write a night as JSON values; `comparison` is the object of `benchtab compare --json`."""
    from harness.money import from_pico
    from harness.reports.compare.comparison import comparison_object
    from harness.reports.report_parts import report_document

    return {
        "name": night.name,
        "run": night.result.run_id,
        "status": night.result.status,
        "baseline": night.base,
        "verdict": night.verdict,
        "exit_code": night.exit_code,
        "on_inconclusive": night.on_inconclusive,
        "notes": list(night.notes),
        "comparison": None if night.comparison is None else comparison_object(night.comparison),
        "budgets": [
            {
                "scope": budget.scope,
                "cap_usd": None if budget.cap_pico_usd is None else from_pico(budget.cap_pico_usd),
                "spent_or_possibly_billed_usd": from_pico(budget.spent_pico_usd + budget.reserved_pico_usd),
            }
            for budget in night.budgets
        ],
        "report": report_document(night.report),
    }
