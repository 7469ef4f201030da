"""Comparisons that were made, kept while nothing of their ledger changes: a report of a million attempts takes seconds.

Data flows what is asked + the newest ids of the ledger -> `Comparison`, made once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from harness.ledger import Ledger
from harness.ledger.reading.viewed.indexed_rows import heads
from harness.ledger.reading.viewed.run_changes import under_way_counts
from harness.reports.compare.comparison import Comparison

MOST_KEPT = 4


@dataclass(slots=True)
class KeptComparisons:
    """The comparisons that were asked for last."""

    _made: dict[Hashable, Comparison] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, ledger: Ledger, runs: tuple[str, str], asked: Hashable, make: Callable[[], Comparison]) -> Comparison:
        """Give a comparison as the ledger stands.

        Rows are only ever added, save that attempts under way are settled: the same newest ids and the same number of
        those is the same ledger.

        Args:
            asked: everything else that it depends on.
        """
        standing = tuple((run.status, run.finished_at_us) for name in runs if (run := ledger.run(name)) is not None)
        key = (ledger.database, runs, asked, standing, heads(ledger), tuple(sorted(under_way_counts(ledger).items())))
        with self._lock:
            made = self._made.get(key)
        if made is None:
            made = make()
        with self._lock:
            self._made.pop(key, None)
            self._made[key] = made
            for old in list(self._made)[:-MOST_KEPT]:
                del self._made[old]
        return made
