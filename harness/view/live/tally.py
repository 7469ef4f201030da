"""What was counted of a run's attempts so far, kept up to date by those that are new and those that have ended.

Pure. Data flows attempts -> which are open, which failed lately, how fast answers come, where each answer stands.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from itertools import islice

from harness.ledger.reading.underway.live_rows import EndedSample, TrackedRow
from harness.view.live.answer_pace import LOOKS_BACK_S, Pace
from harness.view.live.answer_states import AnswerStates

MOST_FAILURES = 10


@dataclass(slots=True)
class Tally:
    """The attempts of a run.

    Attributes:
        last_id: up to which they were counted; None = there are none yet.
        open_ids: of attempts that were not settled when last looked at.
        retries: by cell.
        failed: the latest last.
        since_us: when the run began to ask, or went on after a rest.
        has_conversations: some sample is a conversation: its score tells that it is over.
        last_score_id: up to which scores were looked at for that.
    """

    plan: AnswerStates
    last_id: int | None = None
    open_ids: dict[int, None] = field(default_factory=dict)
    retries: Counter[int] = field(default_factory=Counter)
    paces: dict[int, Pace] = field(default_factory=dict)
    failed: deque[int] = field(default_factory=lambda: deque(maxlen=MOST_FAILURES))
    since_us: int = 0
    newest_us: int = 0
    has_conversations: bool = False
    last_score_id: int = 0

    def end(self, one: EndedSample) -> None:
        """Count a sample that has a score."""
        self.last_score_id = one.score_id
        if self.plan.end(one.cell_id, one.planned_id):
            self.paces.setdefault(one.cell_id, Pace()).take(one.scored_at_us)

    def take(self, row: TrackedRow) -> None:
        """Count an attempt: a new one, or one that was open and has ended."""
        if self.last_id is None or row.attempt_id > self.last_id:
            self._begin(row)
        if row.finished_at_us is None:
            self.open_ids[row.attempt_id] = None
        else:
            self.open_ids.pop(row.attempt_id, None)
            self._end(row, row.finished_at_us)
        self.has_conversations |= row.is_of_conversation
        self.plan.take(row)

    def _begin(self, row: TrackedRow) -> None:
        self.last_id = row.attempt_id
        if row.started_at_us > self.newest_us + LOOKS_BACK_S * 1_000_000:
            self.since_us = row.started_at_us  # begun, or gone on with after a rest that says nothing of its pace
        self.newest_us = max(self.newest_us, row.started_at_us)
        self.retries[row.cell_id] += row.try_number > 1

    def _end(self, row: TrackedRow, finished_at_us: int) -> None:
        self.newest_us = max(self.newest_us, finished_at_us)
        if row.status in ("failed", "timed_out"):
            self.failed.append(row.attempt_id)
        elif row.status == "succeeded" and row.purpose == "solve" and not row.is_of_conversation:
            self.paces.setdefault(row.cell_id, Pace()).take(finished_at_us)

    def some_open(self, at_most: int) -> list[int]:
        """Give open attempts to look at again; where there are more, each gets its turn."""
        chosen = list(islice(self.open_ids, at_most))
        if len(chosen) < len(self.open_ids):
            for attempt_id in chosen:
                del self.open_ids[attempt_id]
                self.open_ids[attempt_id] = None
        return chosen
