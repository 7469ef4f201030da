"""The questions that two runs both asked, and what planned questions are called.

Data flows planned samples -> pairs of planned ids, columns a batch at a time; names of the few that are shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from harness.ledger.connections import Readable
from harness.ledger.reading.batch_rows import batches, rows_by_id

_PAIRS = """
    SELECT base.planned_id, head.planned_id,
        CASE WHEN base.sample_sha256 = head.sample_sha256 THEN 1 ELSE 0 END
    FROM planned_samples AS base JOIN planned_samples AS head
        ON head.run_id = :head AND head.suite = base.suite AND head.task = base.task
        AND head.sample_id = base.sample_id AND head.epoch = base.epoch
    WHERE base.run_id = :base
    ORDER BY base.planned_id
"""
_NAMES = "SELECT planned_id, suite, task, sample_id, epoch FROM planned_samples WHERE planned_id IN :ids"


class PlannedName(NamedTuple):
    """What a planned question is called."""

    suite: str
    task: str
    sample_id: str
    epoch: int


def paired_plans(ledger: Readable, base: str, head: str) -> Iterator[Sequence[Sequence[int]]]:
    """Give (planned id of the one run, of the other, 1 = the question is the same) of all questions of both."""
    yield from batches(ledger, _PAIRS, values={"base": base, "head": head})


def planned_names(ledger: Readable, planned_ids: Sequence[int]) -> Mapping[int, PlannedName]:
    """Name planned questions."""
    rows = rows_by_id(ledger, _NAMES, planned_ids)
    return {row.planned_id: PlannedName(row.suite, row.task, row.sample_id, row.epoch) for row in rows}
