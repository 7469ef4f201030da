"""Reports of single runs as the view keeps them: a page of a large run is quick again while nothing of it changes.

Data flows ledger + price book -> `spend_report` -> `KeptReport`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from harness.documents.page import Page
from harness.ledger import Ledger
from harness.pricing.book import PriceBook
from harness.reports.facts.assembly import spend_report
from harness.reports.spend.report import SpendReport
from harness.reports.spend.spend_page import report_page


@dataclass(frozen=True, slots=True)
class KeptReport:
    """A run's report and its page."""

    report: SpendReport
    page: Page

    @classmethod
    def of(
        cls, ledger: Ledger, book: PriceBook, run_id: str, *, as_of: datetime | None, what_if: str | None
    ) -> KeptReport:
        """Make both.

        Raises:
            InputError: a question that cannot be asked of a report.
        """
        report = spend_report(ledger, book, [run_id], as_of=as_of, what_if=what_if)
        return cls(report, report_page(report))
