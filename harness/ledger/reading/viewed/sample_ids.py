"""One planned sample and its cell, and which samples somebody may mean who has an id.

Data flows ids -> rows of `planned_samples` and `cells`. Each is found by an index, save an id that a provider gave.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import select

from harness.ledger.connections import Readable
from harness.ledger.reading.batch_rows import like_part, select_rows
from harness.ledger.records import CellRecord, PlannedRecord
from harness.ledger.row_forms import cell_record, planned_record
from harness.ledger.schema import tables


def planned_sample(ledger: Readable, planned_id: int) -> PlannedRecord | None:
    """Give one planned sample; None when there is none of that id."""
    table = tables.planned_samples
    with ledger.reading() as connection:
        found = connection.execute(select(table).where(table.c.planned_id == planned_id)).one_or_none()
    return None if found is None else planned_record(found)


def cell_of(ledger: Readable, cell_id: int) -> CellRecord | None:
    """Give one cell; None when there is none of that id."""
    table = tables.cells
    with ledger.reading() as connection:
        found = connection.execute(select(table).where(table.c.cell_id == cell_id)).one_or_none()
    return None if found is None else cell_record(found)


class Meant(NamedTuple):
    """A planned sample that an id may mean; `cell_id` and `attempt_id` where an attempt of it was named."""

    planned_id: int
    run_id: str
    suite: str
    task: str
    sample_id: str
    epoch: int
    cell_id: int | None = None
    attempt_id: int | None = None


_SAMPLE = "planned_id, planned_samples.run_id, planned_samples.suite, task, sample_id, epoch"
_PLANNED = f"SELECT {_SAMPLE}, NULL AS cell_id, NULL AS attempt_id FROM planned_samples"
_OF_ATTEMPT = f"""
    SELECT {_SAMPLE}, attempts.cell_id, attempts.attempt_id
    FROM attempts JOIN planned_samples USING (planned_id) WHERE
"""


def samples_named(ledger: Readable, name: str, run_ids: Sequence[str], *, task: str | None = None) -> list[Meant]:
    """Find planned samples of runs by their sample id, `task` = in this one only; every repeat."""
    of_task = "" if task is None else "AND task = :task"
    query = f"""{_PLANNED}
        WHERE run_id IN :run_ids AND sample_id = :name {of_task} ORDER BY planned_id"""
    values = {"name": name} if task is None else {"name": name, "task": task}
    return [Meant._make(row) for row in select_rows(ledger, query, list(run_ids), **values)]


def samples_like(ledger: Readable, part: str, run_ids: Sequence[str], *, at_most: int = 10) -> list[Meant]:
    """Find planned samples whose id contains a text, upper and lower case alike."""
    query = f"""{_PLANNED}
        WHERE run_id IN :run_ids AND epoch = 0 AND lower(sample_id) LIKE :part ESCAPE '\\'
        ORDER BY planned_id LIMIT {at_most}"""
    return [Meant._make(row) for row in select_rows(ledger, query, list(run_ids), part=like_part(part))]


def sample_planned_as(ledger: Readable, planned_id: int) -> list[Meant]:
    """Find a planned sample by its own id."""
    query = f"{_PLANNED} WHERE planned_id = :planned_id"
    return [Meant._make(row) for row in select_rows(ledger, query, planned_id=planned_id)]


def sample_of_attempt(ledger: Readable, attempt_id: int) -> list[Meant]:
    """Find the sample of an attempt."""
    query = f"{_OF_ATTEMPT} attempt_id = :attempt_id"
    return [Meant._make(row) for row in select_rows(ledger, query, attempt_id=attempt_id)]


def samples_of_request(ledger: Readable, request_id: str) -> list[Meant]:
    """Find the samples of a request by our id, else by the provider's; the latter has no index, and takes its time."""
    for column in ("request_id", "provider_request_id"):
        query = f"{_OF_ATTEMPT} {column} = :request_id ORDER BY attempt_id LIMIT 20"
        if found := [Meant._make(row) for row in select_rows(ledger, query, request_id=request_id)]:
            return found
    return []
