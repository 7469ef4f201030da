"""Reads a run again and again at the cost of what is new: its page, its events and programs ask the same reader.

Data flows ledger -> rows beyond the last one seen, and open ones that are settled by now -> `Tally` and `RunningBill`
-> `LiveState`.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from time import monotonic

from harness.errors import InputError
from harness.instants import now_us
from harness.ledger import Ledger, RunRecord
from harness.ledger.reading.attempt_rows import AttemptRow, attempts_by_id
from harness.ledger.reading.underway.live_rows import (
    drawn_counts,
    earlier_columns,
    ended_samples,
    invoiced_open,
    planned_tasks,
    run_holder,
    settled_rows,
    tracked_rows,
)
from harness.ledger.reading.viewed.indexed_rows import Heads, heads
from harness.pricing.book import PriceBook
from harness.reports.underway.running_bill import RunningBill
from harness.view.live.answer_states import AnswerStates
from harness.view.live.earlier_attempts import take_earlier
from harness.view.live.live_values import LiveState
from harness.view.live.moments import Seen, state_of
from harness.view.live.tally import Tally
from harness.waves.design_record import DESIGN

MOST_OPEN_AT_A_TIME = 2_000
"""Open attempts that are looked at again in one reading: a batch may hold a hundred thousand."""
CHARGED_ONE_BY_ONE = 2_000
"""New attempts above which all are charged again by sums, which is quicker."""
_LATE_US = 60_000_000
"""How long after its id was given a row may be committed."""
_REST = 20
"""What takes long is done again only after this many times as long."""


class RunReader:
    """Knows one run as far as it was read; any thread may ask, one is answered at a time.

    Args:
        ledger: only read.
    """

    def __init__(self, ledger: Ledger, book: PriceBook, run_id: str) -> None:
        self._ledger, self._book, self._run_id = ledger, book, run_id
        self._lock = threading.Lock()
        self._tally: Tally | None = None
        self._bill: RunningBill | None = None
        self._exempt: frozenset[int] = frozenset()
        self._is_stale = False
        self._rests_until_s = 0.0
        self._heads: Heads | None = None
        self._floors: deque[tuple[int, int]] = deque()
        self._failures: dict[int, AttemptRow] = {}

    def read(self) -> LiveState:
        """Say how the run stands now.

        Raises:
            InputError: there is no such run.
            LedgerError: the ledger cannot be read.
        """
        with self._lock:
            # asked before, for a process that ends meanwhile, and after, for one that begins
            holder = run_holder(self._ledger, self._run_id)
            with self._ledger.at_one_moment() as still:
                seen = self._read(still)
                if seen.run.status == "running" and holder is None:
                    holder = run_holder(self._ledger, self._run_id)
                return state_of(still, seen, holder)

    def _read(self, still: Ledger) -> Seen:
        run = still.run(self._run_id)
        if run is None:
            raise InputError(f"there is no run {self._run_id}", where="address", fix="start at /")
        now, before, at_us = heads(still), self._heads, now_us()
        tally = self._known(still)
        changed = self._take_news(still, tally, at_us, is_over=run.status != "running")
        if DESIGN in run.config and (tally.plan.drawn is None or before is None or now.draws != before.draws):
            tally.plan.draw(drawn_counts(still, self._run_id))
        self._is_stale |= before is None or now.invoiced != before.invoiced
        bill = self._charge(still, run, changed)
        self._heads = now
        self._floors.append((at_us, now.attempts))
        return Seen(run=run, at_us=at_us, tally=tally, bill=bill, failures=self._latest_failures(still, tally))

    def _known(self, still: Ledger) -> Tally:
        """What was counted so far; until the first request the plan is still being written."""
        if self._tally is None or self._tally.last_id is None:
            earlier = earlier_columns(still, self._run_id)
            if self._tally is None or earlier is not None or self._tally.plan.is_empty:
                self._tally = Tally(plan=AnswerStates.of(planned_tasks(still, self._run_id)))
            if earlier is not None:
                take_earlier(self._tally, earlier)
                self._bill = None  # one of nothing, where this was looked at before the first request
        return self._tally

    def _take_news(self, still: Ledger, tally: Tally, at_us: int, *, is_over: bool) -> dict[int, bool]:
        """Count what is new; gives the ids that changed, and whether each was open before.

        Of very many only the first are given: more than are charged one by one.
        """
        changed: dict[int, bool] = {}
        if tally.last_id is None:
            return changed
        after = max(tally.last_id, self._floor(at_us))
        for row in settled_rows(still, tally.some_open(len(tally.open_ids) if is_over else MOST_OPEN_AT_A_TIME)):
            tally.take(row)
            changed[row.attempt_id] = True
        for row in tracked_rows(still, self._run_id, after=after):
            tally.take(row)
            if len(changed) <= CHARGED_ONE_BY_ONE:
                changed[row.attempt_id] = False
        if tally.has_conversations:
            for one in ended_samples(still, self._run_id, after=tally.last_score_id):
                tally.end(one)
        return changed

    def _floor(self, at_us: int) -> int:
        """An id up to which nothing of this run can come any more: what other runs write is not read again."""
        floor = 0
        while self._floors and self._floors[0][0] < at_us - _LATE_US:
            floor = self._floors.popleft()[1]
        if floor:
            self._floors.appendleft((at_us - _LATE_US, floor))
        return floor

    def _charge(self, still: Ledger, run: RunRecord, changed: dict[int, bool]) -> RunningBill:
        bill = self._bill
        if bill is None or self._is_stale or not self._can_follow(bill, changed):
            self._is_stale = True
            if bill is None or run.status != "running" or monotonic() >= self._rests_until_s:
                return self._charge_all(still, run)
            return bill
        for row in attempts_by_id(still, list(changed)):
            if row.status == "sent":
                bill.sent(row)
            else:
                bill.settled(row, was_open=changed[row.attempt_id])
        return bill

    def _can_follow(self, bill: RunningBill, changed: dict[int, bool]) -> bool:
        if len(changed) > CHARGED_ONE_BY_ONE or not self._exempt.isdisjoint(changed):
            return False
        return not (changed and bill.is_by_the_hour)

    def _charge_all(self, still: Ledger, run: RunRecord) -> RunningBill:
        began_s = monotonic()
        self._bill = RunningBill.of(still, self._book, run)
        self._exempt = invoiced_open(still, self._run_id)
        self._is_stale = False
        self._rests_until_s = monotonic() + _REST * (monotonic() - began_s)
        return self._bill

    def _latest_failures(self, still: Ledger, tally: Tally) -> Sequence[AttemptRow]:
        missing = [attempt_id for attempt_id in tally.failed if attempt_id not in self._failures]
        known = {**self._failures, **{row.attempt_id: row for row in attempts_by_id(still, missing)}}
        self._failures = {attempt_id: known[attempt_id] for attempt_id in reversed(tally.failed)}
        return list(self._failures.values())
