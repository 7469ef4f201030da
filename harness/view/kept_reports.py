"""Reports of single runs, kept while nothing of the run or of the prices changes: a page of a large run is quick again.

Data flows ledger + price book -> `spend_report` -> `KeptReport`, a few of them in memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from harness.documents.page import Page
from harness.ledger import RunRecord
from harness.reports.facts.assembly import spend_report
from harness.reports.spend.report import SpendReport
from harness.reports.spend.spend_page import report_page
from harness.view.page_values import Sources
from harness.view.run_summaries import run_summaries


@dataclass(frozen=True, slots=True)
class KeptReport:
    """A run's report and its page."""

    report: SpendReport
    page: Page


def kept_report(sources: Sources, run: RunRecord, *, as_of: datetime | None, what_if: str | None) -> KeptReport:
    """Give the report of one run, made anew only where something has changed.

    Raises:
        InputError: a question that cannot be asked of a report.
    """

    def make() -> KeptReport:
        report = spend_report(sources.ledger, sources.book, [run.run_id], as_of=as_of, what_if=what_if)
        return KeptReport(report, report_page(report))

    # what stays the same is looked at first: what changes meanwhile makes the report old, never too young
    key = (run.run_id, as_of, what_if, sources.book.sha256, run_summaries(sources).standing(run))
    return sources.reports.of(key, make)
