"""Attempts with all that their charge depends on, for exports that charge one by one.

Data flows `attempts` a batch at a time, cells and usage groups looked up by id -> `ChargedRow`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from harness.ledger.columns import TOKEN_COLUMNS, TokenCounts, token_counts
from harness.ledger.connections import Readable
from harness.ledger.reading.batch_rows import IDS_PER_QUERY, DriverRows, Lookup, batches, listed
from harness.ledger.reading.sample_rows import OWN_CONTEXT
from harness.ledger.reading.sums import UsageGroup, usage_groups
from harness.ledger.schema.tables import SETTLED_AND_SUMMABLE


class ChargedRow(NamedTuple):
    """One attempt, whoever may have been asked in it.

    Attributes:
        payload: where it may state a prompt size other than all of its input; None for other kinds of usage.
        summable: whether the charge depends on tokens and usage group alone; else `attempts_by_id` has the rest.
        provider, model: as asked for: the cell's, or a judge's, a simulated user's, a tool's.
        group: None before the attempt is settled.
    """

    attempt_id: int
    cell_id: int
    planned_id: int | None
    purpose: str
    status: str
    request_id: str
    try_number: int
    other_provider: str | None
    model_requested: str
    started_at_us: int
    finished_at_us: int | None
    first_byte_us: int | None
    finish_reason: str | None
    refused: int
    billed: str | None
    usage_kind: str | None
    payload: str | None
    summable: int
    usage_group_id: int | None
    provider: str
    model: str
    group: UsageGroup | None
    tokens: TokenCounts[int | None]


_WRITTEN = {"payload": OWN_CONTEXT, "summable": f"CASE WHEN {SETTLED_AND_SUMMABLE} THEN 1 ELSE 0 END"}
_READ = ChargedRow._fields[: ChargedRow._fields.index("provider")]
_SELECT = f"SELECT {', '.join((*(_WRITTEN.get(name, name) for name in _READ), *TOKEN_COLUMNS))} FROM attempts"


def charged_rows(ledger: Readable, run_ids: Sequence[str] | None = None) -> Iterator[list[ChargedRow]]:
    """Give what was settled and not reused, in the order sent, a batch at a time; `run_ids` None = every run."""
    # `+`: in the order of the key, whatever index there is, so that nothing is sorted
    chosen = "" if run_ids is None else "AND +cell_id IN (SELECT cell_id FROM cells WHERE run_id IN :run_ids)"
    query = f"{_SELECT} WHERE status NOT IN ('sent', 'reused') {chosen} ORDER BY attempt_id"
    return _charged(ledger, batches(ledger, query, run_ids=run_ids))


def sample_attempts(ledger: Readable, cell_id: int) -> Iterator[list[ChargedRow]]:
    """Give all attempts of a cell's samples, sample by sample in the order sent, a batch at a time."""
    query = f"{_SELECT} WHERE cell_id = :cell_id AND planned_id IS NOT NULL ORDER BY planned_id, attempt_id"
    return _charged(ledger, batches(ledger, query, values={"cell_id": cell_id}))


def charged_by_id(ledger: Readable, attempt_ids: Sequence[int]) -> Iterator[list[ChargedRow]]:
    """Give these attempts in the order they were sent, a batch at a time."""
    ids = sorted(attempt_ids)
    for start in range(0, len(ids), IDS_PER_QUERY):
        some = listed(ids[start : start + IDS_PER_QUERY])
        yield from _charged(ledger, batches(ledger, f"{_SELECT} WHERE attempt_id IN {some} ORDER BY attempt_id"))


def _charged(ledger: Readable, found: Iterator[DriverRows]) -> Iterator[list[ChargedRow]]:
    cells = Lookup(ledger, "cells", ("provider", "model"))
    groups: dict[int | None, UsageGroup | None] = {None: None}
    for rows in found:
        new = {row[len(_READ) - 1] for row in rows} - groups.keys()
        groups.update((group.usage_group_id, group) for group in usage_groups(ledger, sorted(new)))
        asked = cells.rows([row[1] for row in rows])
        yield [_row(row, cell, groups[row[len(_READ) - 1]]) for row, cell in zip(rows, asked, strict=True)]


def _row(row: DriverRows, cell: Sequence[object], group: UsageGroup | None) -> ChargedRow:
    one = ChargedRow._make((*row[: len(_READ)], *cell, group, token_counts(row[len(_READ) :])))
    if one.other_provider is None and one.purpose == "solve":
        return one
    model = one.model if one.purpose == "solve" else one.model_requested
    return one._replace(provider=one.other_provider or one.provider, model=model)
