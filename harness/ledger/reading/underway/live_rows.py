"""What is new of a run under way since it was last looked at: rows beyond the last one seen, and those settled since.

Data flows tables -> rows of one run, at a cost that goes with what is new and not with what is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from harness.ledger.connections import Readable
from harness.ledger.ledger import Ledger, explained
from harness.ledger.locks import lock_holder
from harness.ledger.reading.batch_rows import batches, rows_by_id, select_rows
from harness.ledger.reading.sums import SETTLED_BY_INVOICE


class TrackedRow(NamedTuple):
    """An attempt, as far as the progress of its run goes.

    Attributes:
        finished_at_us: None = it is open.
    """

    attempt_id: int
    cell_id: int
    planned_id: int | None
    purpose: str
    status: str
    try_number: int
    started_at_us: int
    finished_at_us: int | None


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


class Ends(NamedTuple):
    """The newest ids of tables, 0 = none: what has the same one has nothing new."""

    attempt_id: int
    invoiced_id: int
    draw_id: int


_OF_RUN = "cell_id IN (SELECT cell_id FROM cells WHERE run_id = :run_id)"
_TRACKED = ", ".join(TrackedRow._fields)


def tracked_rows(ledger: Readable, run_id: str, *, after: int) -> Iterator[TrackedRow]:
    """Give a run's attempts beyond an id, in the order they were sent."""
    # `+`: along the key, so that only what is new is read
    query = f"SELECT {_TRACKED} FROM attempts WHERE attempt_id > :after AND +{_OF_RUN} ORDER BY attempt_id"
    for rows in batches(ledger, query, values={"run_id": run_id, "after": after}):
        yield from map(TrackedRow._make, rows)


def before_first_attempt(ledger: Readable, run_id: str) -> int | None:
    """Give the id below a run's first attempt: nothing of other runs up to it need be read; None = there is none."""
    query = f"SELECT min(attempt_id) AS first FROM attempts WHERE {_OF_RUN}"
    first = next(row.first for row in select_rows(ledger, query, run_id=run_id))
    return None if first is None else int(first) - 1


def settled_rows(ledger: Readable, attempt_ids: Sequence[int]) -> list[TrackedRow]:
    """Give those of these attempts that are settled by now."""
    query = f"SELECT {_TRACKED} FROM attempts WHERE attempt_id IN :ids AND status <> 'sent'"
    return [TrackedRow._make(row) for row in rows_by_id(ledger, query, attempt_ids)]


def newest_ids(ledger: Readable) -> Ends:
    """Read where tables end."""
    query = """
        SELECT (SELECT max(attempt_id) FROM attempts) AS attempt_id,
            (SELECT max(invoiced_id) FROM invoiced) AS invoiced_id, (SELECT max(draw_id) FROM draws) AS draw_id
    """
    return next(Ends(*(int(value or 0) for value in row)) for row in select_rows(ledger, query))


def invoiced_open(ledger: Readable, run_id: str) -> frozenset[int]:
    """Give the attempts of a run that are not settled, and whose bill an account told all the same."""
    query = f"""
        SELECT attempt_id FROM attempts WHERE status = 'sent' AND attempt_id IN ({SETTLED_BY_INVOICE}) AND +{_OF_RUN}
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
        WHERE draws.{_OF_RUN} GROUP BY draws.cell_id, planned_samples.task
    """
    return [DrawnCount._make(row) for row in select_rows(ledger, query, run_id=run_id)]


def run_holder(ledger: Ledger, run_id: str) -> str | None:
    """Name the live process that works on a run; None = nobody does, whatever the run's status says."""
    with explained(ledger.database):
        return lock_holder(ledger.engine, run_id)
