"""Comparisons that were made, kept while nothing of their ledger changes: a report of a million attempts takes seconds.

Data flows what is asked + the newest ids of the ledger -> `Comparison`, made once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

from harness.ledger.reading.viewed.indexed_rows import heads
from harness.ledger.reading.viewed.run_changes import under_way_counts
from harness.reports.compare.comparison import Comparison
from harness.view.page_values import Sources


def kept_comparison(
    sources: Sources, runs: tuple[str, str], asked: Hashable, make: Callable[[], Comparison]
) -> Comparison:
    """Give a comparison as the ledger stands.

    Rows are only ever added, save that attempts under way are settled: the same newest ids and the same number of
    those is the same ledger.

    Args:
        asked: everything else that it depends on, besides the prices.
    """
    ledger = sources.ledger
    standing = tuple((run.status, run.finished_at_us) for name in runs if (run := ledger.run(name)) is not None)
    open_counts = tuple(sorted(under_way_counts(ledger).items()))
    return sources.comparisons.of((runs, asked, sources.book.sha256, standing, heads(ledger), open_counts), make)
