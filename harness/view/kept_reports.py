"""Reports of single runs, kept while nothing of the run or of the prices changes: a page of a large run is quick again.

Data flows ledger + price book -> `spend_report` -> `KeptReport`, a few of them in memory.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime
from weakref import WeakKeyDictionary

from harness.documents.page import Page
from harness.ledger import Ledger, RunRecord
from harness.reports.facts.assembly import spend_report
from harness.reports.spend.report import SpendReport
from harness.reports.spend.spend_page import report_page
from harness.view.page_values import Sources
from harness.view.run_summaries import run_summaries

_MOST_KEPT = 6


@dataclass(frozen=True, slots=True)
class KeptReport:
    """A run's report and its page."""

    report: SpendReport
    page: Page


_KEPT: WeakKeyDictionary[Ledger, OrderedDict[Hashable, KeptReport]] = WeakKeyDictionary()
_GUARD = threading.Lock()


def kept_report(sources: Sources, run: RunRecord, *, as_of: datetime | None, what_if: str | None) -> KeptReport:
    """Give the report of one run, made anew only where something has changed.

    Raises:
        InputError: a question that cannot be asked of a report.
    """
    # what stays the same is looked at first: what changes meanwhile makes the report old, never too young
    key = (run.run_id, as_of, what_if, sources.book.sha256, run_summaries(sources).standing(run))
    with _GUARD:
        kept = _KEPT.setdefault(sources.ledger, OrderedDict())
        if key in kept:
            kept.move_to_end(key)
            return kept[key]
    report = spend_report(sources.ledger, sources.book, [run.run_id], as_of=as_of, what_if=what_if)
    made = KeptReport(report, report_page(report))
    with _GUARD:
        kept[key] = made
        while len(kept) > _MOST_KEPT:
            kept.popitem(last=False)
    return made
