"""The readers of runs that were looked at lately: pages, events and programs share them."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from harness.ledger import Ledger
from harness.pricing.book import PriceBook
from harness.view.live.run_reader import RunReader

MOST_READERS = 8
"""Runs that are remembered: one that was not looked at for long is counted anew."""


class Readers:
    """The readers of runs that were looked at lately, for pages and events alike."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, RunReader] = OrderedDict()
        self._lock = Lock()

    def of(self, ledger: Ledger, book: PriceBook, run_id: str) -> RunReader:
        """Give the reader of a run; with other prices it is charged anew."""
        with self._lock:
            found = self._known.pop(run_id, None)
            if found is None or found.book.sha256 != book.sha256:
                found = RunReader(ledger, book, run_id)
            self._known[run_id] = found
            while len(self._known) > MOST_READERS:
                self._known.popitem(last=False)
            return found
