"""What a night leaves behind: report, Markdown summary, JUnit XML, history page and the comparison as JSON.

Data flows `Night` + ledger -> renderers -> files in the output folder.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from harness.documents.page import Page, Section
from harness.ledger import Ledger
from harness.nightly.history import job_history
from harness.nightly.night import Night
from harness.nightly.summary import gate_tables, junit_cases, summary_tables
from harness.pricing.book import PriceBook
from harness.secrets import redact_known

FILES = ("report.html", "summary.md", "junit.xml", "history.html", "night.json")


def write_files(night: Night, folder: Path, *, ledger: Ledger, book: PriceBook, history: int) -> list[Path]:
    """Write every file of `FILES` into a folder; returns their paths."""
    from harness.rendering.html.html_history import to_history_page
    from harness.rendering.html.html_page import to_html
    from harness.rendering.json_text import to_json
    from harness.rendering.junit import to_junit
    from harness.rendering.markdown import to_markdown

    nights, trends = job_history(ledger, book, night.name, nights=history)
    texts = {
        "report.html": to_html(_page(night)),
        "summary.md": to_markdown(summary_tables(night)),
        "junit.xml": to_junit(night.name, junit_cases(night)),
        "history.html": to_history_page(night.name, nights, trends),
        "night.json": to_json(night_object(night)) + "\n",
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        (folder / name).write_text(redact_known(texts[name]), encoding="utf-8")
    return [folder / name for name in FILES]


def _page(night: Night) -> Page:
    """The spend report of the night, under what the gate said of it."""
    from harness.reports.spend_page import report_page

    said = tuple(Section(table=table) for table in gate_tables(night))
    return replace(report_page(night.report), leading=said)


def night_object(night: Night) -> dict[str, object]:
    """Write a night as JSON values; `comparison` is the object of `benchtab compare --json`."""
    from harness.money import from_pico
    from harness.reports.compare.comparison import comparison_object
    from harness.reports.compare.verdict import report_document

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
