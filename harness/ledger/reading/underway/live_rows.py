"""What is new of a run under way since it was last looked at: rows beyond the last one seen, and those settled since.

Data flows tables -> rows of one run, at a cost that goes with what is new and not with what is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import NamedTuple

from harness.ledger.connections import Readable, explained
from harness.ledger.ledger import Ledger
from harness.ledger.locks import lock_holder
from harness.ledger.reading.batch_rows import (
    OF_RUN,
    Texts,
    batches,
    joined_columns,
    rows_by_id,
    select_rows,
    span_of_run,
)
from harness.ledger.reading.sums import SETTLED_BY_INVOICE


class TrackedRow(NamedTuple):
    """An attempt, as far as the progress of its run goes.

    Attributes:
        finished_at_us: None = it is open.
        turn: place in its sample's conversation; None = the sample is one request.
    """

    attempt_id: int
    cell_id: int
    planned_id: int | None
    purpose: str
    status: str
    try_number: int
    started_at_us: int
    finished_at_us: int | None
    turn: int | None = None

    @property
    def is_of_conversation(self) -> bool:
        """Whether a party of its sample's conversation was asked: its answer is not yet the sample's."""
        return self.turn is not None and self.purpose in ("solve", "user_simulator")


class EndedSample(NamedTuple):
    """A sample that has a score."""

    score_id: int
    cell_id: int
    planned_id: int
    scored_at_us: int


class PlannedTask(NamedTuple):
    """A planned answer and the task that it belongs to."""

    planned_id: int
    suite: str
    task: str


class DrawnCount(NamedTuple):
    """How many answers waves have drawn from a task for a cell."""

    cell_id: int
    task: str
    n_drawn: int


_TRACKED = ", ".join(TrackedRow._fields)


def tracked_rows(ledger: Readable, run_id: str, *, after: int) -> Iterator[TrackedRow]:
    """Give a run's attempts beyond an id, in the order they were sent."""
    # `+`: along the key, so that only what is new is read
    query = f"SELECT {_TRACKED} FROM attempts WHERE attempt_id > :after AND +{OF_RUN} ORDER BY attempt_id"
    for rows in batches(ledger, query, values={"run_id": run_id, "after": after}):
        yield from map(TrackedRow._make, rows)


class EarlierFact(IntEnum):
    """What is true of an attempt, as a bit above the two that say where it stands (`EARLIER_STATES`)."""

    SOLVE = 2
    RETRY = 3
    FAILURE = 4
    CONVERSATION = 5


EARLIER_STATES = ("sent", "unanswered", "succeeded", "reused")
_STATE = "CASE status WHEN 'sent' THEN 0 WHEN 'succeeded' THEN 2 WHEN 'reused' THEN 3 ELSE 1 END"
_FACTS = {
    EarlierFact.SOLVE: "purpose = 'solve'",
    EarlierFact.RETRY: "try_number > 1",
    EarlierFact.FAILURE: "status IN ('failed', 'timed_out')",
    EarlierFact.CONVERSATION: "turn IS NOT NULL AND purpose IN ('solve', 'user_simulator')",
}
_PACKED = " + ".join((_STATE, *(f"CASE WHEN {said} THEN {1 << bit} ELSE 0 END" for bit, said in _FACTS.items())))
_EARLIER = (
    "attempt_id", "cell_id", "coalesce(planned_id, -1)", _PACKED, "started_at_us", "coalesce(finished_at_us, -1)",
)  # fmt: skip


def earlier_columns(ledger: Readable, run_id: str) -> Iterator[Texts] | None:
    """Give all attempts of a run as columns of numbers, a slice at a time, in any order; None where there are none.

    Columns: attempt id, cell id, planned id or -1, state and facts in one number, when it was sent, and ended or -1.
    """
    span = span_of_run(ledger, run_id)
    if span is None:
        return None
    source = f"FROM attempts WHERE attempt_id BETWEEN :low AND :high AND +{OF_RUN}"
    return joined_columns(ledger, _EARLIER, source, span, {"run_id": run_id})


def ended_samples(ledger: Readable, run_id: str, *, after: int) -> Iterator[EndedSample]:
    """Give the samples of a run that were scored beyond a score's id, in the order of their scores."""
    query = (
        f"SELECT {', '.join(EndedSample._fields)} FROM scores WHERE score_id > :after AND +{OF_RUN} ORDER BY score_id"
    )
    for rows in batches(ledger, query, values={"run_id": run_id, "after": after}):
        yield from map(EndedSample._make, rows)


def settled_rows(ledger: Readable, attempt_ids: Sequence[int]) -> list[TrackedRow]:
    """Give those of these attempts that are settled by now."""
    query = f"SELECT {_TRACKED} FROM attempts WHERE attempt_id IN :ids AND status <> 'sent'"
    return [TrackedRow._make(row) for row in rows_by_id(ledger, query, attempt_ids)]


def invoiced_open(ledger: Readable, run_id: str) -> frozenset[int]:
    """Give the attempts of a run that are not settled, and whose bill an account told all the same."""
    query = f"""
        SELECT attempt_id FROM attempts WHERE status = 'sent' AND attempt_id IN ({SETTLED_BY_INVOICE}) AND +{OF_RUN}
    """
    return frozenset(row.attempt_id for row in select_rows(ledger, query, run_id=run_id))


def planned_tasks(ledger: Readable, run_id: str) -> Iterator[PlannedTask]:
    """Give the tasks of everything that a run planned, in the order stored."""
    query = "SELECT planned_id, suite, task FROM planned_samples WHERE run_id = :run_id ORDER BY planned_id"
    for rows in batches(ledger, query, values={"run_id": run_id}):
        yield from map(PlannedTask._make, rows)


def drawn_counts(ledger: Readable, run_id: str) -> list[DrawnCount]:
    """Count what waves have drawn so far, by cell and task."""
    query = f"""
        SELECT draws.cell_id, planned_samples.task, count(*) AS n_drawn
        FROM draws JOIN planned_samples USING (planned_id)
        WHERE draws.{OF_RUN} GROUP BY draws.cell_id, planned_samples.task
    """
    return [DrawnCount._make(row) for row in select_rows(ledger, query, run_id=run_id)]


def run_holder(ledger: Ledger, run_id: str) -> str | None:
    """Name the live process that works on a run; None = nobody does, whatever the run's status says."""
    with explained(ledger.database):
        return lock_holder(ledger.engine, run_id)
