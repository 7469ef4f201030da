"""What each run came to, for a list of many: remembered while nothing of a run changes, so that a list is quick.

Data flows ledger -> `rows_by_run`, forecasts -> `RunSummary`, a few runs at a time in a thread of its own, so that a
page need not wait for a large run's figures.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

from harness.errors import HarnessError
from harness.ledger import Ledger, RunRecord
from harness.ledger.reading.viewed.indexed_rows import Heads, heads
from harness.ledger.reading.viewed.run_changes import changed_runs, under_way_counts
from harness.pricing.book import PriceBook
from harness.reports.facts.assembly import rows_by_run
from harness.reports.facts.report_facts import NOTHING, Spend
from harness.reports.forecasts.kept_forecasts import KeptForecast, telling
from harness.reports.forecasts.stored_forecasts import kept_forecasts
from harness.reports.spend.report import SpendRow
from harness.reports.spend.spend_tables import label

PATIENCE_S = 2.0
"""How long a page waits for figures; what takes longer is shown as soon as it is there."""
_AT_A_TIME = 20
_QUICK_S = 0.25
"""Runs are taken together while that goes quickly, and one by one where they are large."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """What a run came to, in the digits of its report.

    Attributes:
        scores: per row of its report, with the row's name; None = no score.
        spend: everything, judges included.
        forecast: the telling one of those made of its bill; None = none was made.
        marks: why its numbers are not a model's own, and which part of an index they are.
    """

    scores: Sequence[tuple[str, float | None]]
    spend: Spend
    forecast: KeptForecast | None
    marks: tuple[str, ...]


Standing = tuple[str, int | None, int]
"""Status of a run, when it ended, and how many of its attempts are under way."""


@dataclass(frozen=True, slots=True)
class _Known:
    summary: RunSummary
    standing: Standing
    seen: int


class RunSummaries:
    """The summaries of a ledger's runs.

    Attributes of a summary that is kept: the standing of its run, and the number of the look at the ledger after which
    it was made; a look that finds its run changed makes it old.
    """

    def __init__(self, ledger: Ledger, book: PriceBook) -> None:
        self._ledger, self._book = ledger, book
        self._changed = threading.Condition()
        self._known: dict[str, _Known] = {}
        self._changed_at: dict[str, int] = {}
        self._first_heads = self._heads = heads(ledger)
        self._look = 0
        self._wanted: list[tuple[str, Standing]] = []
        self._worker: threading.Thread | None = None
        self._failure: HarnessError | None = None

    def of(self, runs: Sequence[RunRecord], *, patience_s: float | None = PATIENCE_S) -> Mapping[str, RunSummary]:
        """Give what is known of these runs, by id; those that take longer than the patience are absent.

        Args:
            runs: as stored, in the order in which they matter.
            patience_s: None = wait for all.
        """
        open_counts = under_way_counts(self._ledger)
        standings = {run.run_id: (run.status, run.finished_at_us, open_counts.get(run.run_id, 0)) for run in runs}
        with self._changed:
            self._look_again()
            self._want([(run_id, at) for run_id, at in standings.items() if not self._is_fresh(run_id, at)])
            self._changed.wait_for(lambda: self._failure or not self._wanted_of(standings), timeout=patience_s)
            if self._failure is not None:
                failure, self._failure = self._failure, None
                raise failure
            # the figures of a run under way are those of a moment ago, until newer ones are there
            return {
                run_id: known.summary
                for run_id, at in standings.items()
                if (known := self._known.get(run_id)) and (self._is_fresh(run_id, at) or at[0] == "running")
            }

    def standing(self, run: RunRecord) -> tuple[Standing, Heads, int]:
        """Give what stays the same while nothing of a run changes, and differs whenever something has.

        Looks are counted anew where prices change: the ledger as it was at the first one tells those counts apart.
        """
        n_open = under_way_counts(self._ledger).get(run.run_id, 0)
        with self._changed:
            self._look_again()
            at = run.status, run.finished_at_us, n_open
            return at, self._first_heads, self._changed_at.get(run.run_id, 0)

    def _look_again(self) -> None:
        now = heads(self._ledger)
        if now != self._heads:
            self._look += 1
            self._changed_at |= dict.fromkeys(changed_runs(self._ledger, self._heads), self._look)
        self._heads = now

    def _is_fresh(self, run_id: str, standing: Standing) -> bool:
        known = self._known.get(run_id)
        return known is not None and known.standing == standing and known.seen >= self._changed_at.get(run_id, 0)

    def _wanted_of(self, run_ids: Collection[str]) -> bool:
        return any(run_id in run_ids for run_id, _ in self._wanted)

    def _want(self, runs: Sequence[tuple[str, Standing]]) -> None:
        """Put runs before those that other pages wait for."""
        asked = {run_id for run_id, _ in runs}
        self._wanted = [*runs, *(entry for entry in self._wanted if entry[0] not in asked)]
        if self._wanted and self._worker is None:
            self._worker = threading.Thread(target=self._work, name="run summaries", daemon=True)
            self._worker.start()

    def _work(self) -> None:
        """Make what is wanted, a few runs at a time, until nothing is."""
        at_a_time = 1
        while True:
            began = time.monotonic()
            with self._changed:
                chosen, look = self._wanted[:at_a_time], self._look
                if not chosen:
                    self._worker = None
                    return
            made, failure = None, HarnessError("the figures of runs could not be read", where=self._ledger.database)
            try:
                made = _summaries(self._ledger, self._book, [run_id for run_id, _ in chosen])
            except HarnessError as error:
                failure = error
            finally:  # whatever happens, nobody waits for a thread that has ended
                if made is None:
                    self._give_up(failure)
            if made is None:
                return
            with self._changed:
                for run_id, standing in chosen:
                    self._known[run_id] = _Known(made[run_id], standing, look)
                done = set(chosen)
                self._wanted = [entry for entry in self._wanted if entry not in done]
                self._changed.notify_all()
            at_a_time = min(2 * at_a_time, _AT_A_TIME) if time.monotonic() - began < _QUICK_S else 1

    def _give_up(self, failure: HarnessError) -> None:
        with self._changed:
            self._failure, self._wanted, self._worker = failure, [], None
            self._changed.notify_all()


def _summaries(ledger: Ledger, book: PriceBook, run_ids: Sequence[str]) -> dict[str, RunSummary]:
    rows = rows_by_run(ledger, book, run_ids)
    forecasts = {one.run.run_id: one for one in telling(kept_forecasts(ledger, run_ids))}
    return {run_id: _summary(rows[run_id], forecasts.get(run_id)) for run_id in run_ids}


def _summary(rows: Sequence[SpendRow], forecast: KeptForecast | None) -> RunSummary:
    return RunSummary(
        scores=[(label(row), row.score.value) for row in rows],
        spend=reduce(Spend.plus, (spend for row in rows for spend in row.facts.spends.values()), NOTHING),
        forecast=forecast,
        marks=tuple(sorted({mark for row in rows for mark in _marks(row)})),
    )


def _marks(row: SpendRow) -> Iterator[str]:
    if row.facts.mark:
        yield row.facts.mark
    if row.facts.index is not None and row.facts.index.words:
        yield row.facts.index.words
