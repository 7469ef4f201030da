"""The indexes of the runs that are looked at: made in the background, brought up to date when they are asked for.

Data flows run id -> `SampleIndex`, or how much of it is read. Threads share it: an index is used under its lock.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from harness.ledger import Ledger
from harness.ledger.reading.viewed.indexed_rows import plan_size
from harness.pricing.book import PriceBook
from harness.resources import cache_folder
from harness.view.answers.index_building import built_index, extend, is_extendable
from harness.view.answers.kept_index import keep, kept
from harness.view.answers.sample_index import SampleIndex

MOST_INDEXES = 4
WORTH_KEEPING = 20_000
"""Entries from which an index is written to the cache folder: smaller ones are read again as quickly."""
UNSURE_IDS = 5_000
"""Where writers take ids ahead of writing (PostgreSQL), how far back one may still appear."""


@dataclass(slots=True)
class _Making:
    """An index, or what becomes one."""

    is_done: threading.Event = field(default_factory=threading.Event)
    share: float = 0.0
    index: SampleIndex | None = None
    error: Exception | None = None

    def tell(self, share: float) -> None:
        """Hear how much is read, 0 to 1."""
        self.share = share


class NotYet(Exception):  # no error: the page says how far it is
    """An index is still being read.

    Attributes:
        share: of it that is read, 0 to 1.
    """

    def __init__(self, share: float) -> None:
        super().__init__(f"{share:.0%} read")
        self.share = share

    @property
    def percent(self) -> int:
        """Whole percent that are read."""
        return int(100 * self.share)


@dataclass(slots=True)
class RunIndexes:
    """Indexes by run, the ones used last.

    Attributes:
        patience_s: how long a page waits for an index before it says how far it is; None = until it is there.
        folder: where indexes are kept; None = in the cache folder.
    """

    patience_s: float | None = 1.5
    folder: Path | None = None
    _runs: dict[tuple[str, str], _Making] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, ledger: Ledger, book: PriceBook, run_id: str) -> None:
        """Begin to read a run's samples where that takes a while, so that they are there when they are asked for."""
        size = plan_size(ledger, run_id)
        if size.n_planned * size.n_cells >= WORTH_KEEPING:
            self._making(ledger, book, run_id)

    @contextmanager
    def of(
        self, ledger: Ledger, book: PriceBook, run_id: str, *, wait_s: float | None = None, is_patient: bool = False
    ) -> Iterator[SampleIndex]:
        """Give the index of a run as the ledger stands, for use inside the block.

        Args:
            wait_s: how long to wait for it; None = `patience_s`.
            is_patient: wait until it is there.

        Raises:
            NotYet: it is still being read.
        """
        making = self._making(ledger, book, run_id)
        longest_s = self.patience_s if wait_s is None else wait_s
        if not making.is_done.wait(None if is_patient else longest_s):
            raise NotYet(making.share)
        if making.error is not None:
            self._forget(making)
            raise making.error
        while True:
            index = making.index
            assert index is not None  # it is done
            with index.lock:
                if making.index is index and _is_fresh(making, index, ledger, book):
                    yield index
                    return

    def _making(self, ledger: Ledger, book: PriceBook, run_id: str) -> _Making:
        with self._lock:
            key = run_id, book.sha256
            making = self._runs.pop(key, None)
            is_new = making is None
            self._runs[key] = making = making or _Making()
            for name in list(self._runs)[:-MOST_INDEXES]:
                if self._runs[name].is_done.is_set():
                    del self._runs[name]
        if is_new:
            given = (making, ledger, book, run_id, self.folder or _folder())
            threading.Thread(target=_make, args=given, daemon=True).start()
        return making

    def _forget(self, making: _Making) -> None:
        with self._lock:
            self._runs = {key: one for key, one in self._runs.items() if one is not making}


def _folder() -> Path | None:
    caches = cache_folder(os.environ)
    return None if caches is None else caches / "answers"


def _make(making: _Making, ledger: Ledger, book: PriceBook, run_id: str, folder: Path | None) -> None:
    try:
        with ledger.at_one_moment() as still:
            index = None if folder is None else kept(still, run_id, book.sha256, folder)
            if index is None:
                index = built_index(still, book, run_id, making.tell)
                if folder is not None and index.plan.n >= WORTH_KEEPING:
                    keep(index, still, book.sha256, folder)
        making.index = index
    except Exception as error:  # noqa: BLE001  # whoever asked for it raises it
        making.error = error
    making.is_done.set()


def _is_fresh(making: _Making, index: SampleIndex, ledger: Ledger, book: PriceBook) -> bool:
    """Bring an index up to date, or put another one in its place: where more was planned, entries have other places."""
    with ledger.at_one_moment() as still:
        if not is_extendable(index, still):
            making.index = built_index(still, book, index.run_id)
            return False
        with still.reading() as connection:
            is_ordered = connection.dialect.name == "sqlite"
        extend(index, still, book, unsure=0 if is_ordered else UNSURE_IDS)
        return True
