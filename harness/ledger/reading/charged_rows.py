"""Attempts with all that their charge depends on, for exports that charge one by one.

Data flows `attempts` a batch at a time, cells and usage groups looked up by id -> `ChargedRow`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from harness.ledger.columns import ATTEMPT_COLUMNS, TOKEN_COLUMNS, TokenCounts, token_counts
from harness.ledger.connections import Readable
from harness.ledger.reading.arrow.arrow_rows import LEAST_FOR_A_PROCESS, Kind, TableQuery, arrow_rows
from harness.ledger.reading.batch_rows import IDS_PER_QUERY, DriverRows, Lookup, batches, listed
from harness.ledger.reading.export_rows import of_runs
from harness.ledger.reading.sample_rows import OWN_CONTEXT
from harness.ledger.reading.sums import UsageGroup, usage_groups
from harness.ledger.schema.tables import SETTLED_AND_SUMMABLE

if TYPE_CHECKING:
    import pyarrow as pa


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


MOST_KNOWN_GROUPS = 5_000
_WRITTEN = {"payload": OWN_CONTEXT, "summable": f"CASE WHEN {SETTLED_AND_SUMMABLE} THEN 1 ELSE 0 END"}
_READ = ChargedRow._fields[: ChargedRow._fields.index("provider")]
_TEXTS = {"payload", *(column.name for column in ATTEMPT_COLUMNS if column.kind in ("text", "json"))}
_COLUMNS: tuple[tuple[str, str, Kind], ...] = tuple(
    (name, _WRITTEN.get(name, name), "text" if name in _TEXTS else "integer") for name in (*_READ, *TOKEN_COLUMNS)
)
_SELECT = f"SELECT {', '.join(sql for _, sql, _ in _COLUMNS)} FROM attempts"


def charged_batches(
    ledger: Readable, run_ids: Sequence[str] | None = None, *, least: int = LEAST_FOR_A_PROCESS
) -> Iterator[pa.RecordBatch]:
    """Give what `charged_rows` gives, in the same order, as the columns that `ChargedRows` makes rows of.

    Args:
        least: as `arrow_rows` has it.
    """
    where = f"status NOT IN ('sent', 'reused') AND {of_runs(ledger, 'attempts', run_ids)}"
    return arrow_rows(ledger, TableQuery(table="attempts", columns=_COLUMNS, where=where), least=least)


def charged_rows(ledger: Readable, run_ids: Sequence[str] | None = None) -> Iterator[list[ChargedRow]]:
    """Give what was settled and not reused, in the order sent, a batch at a time; `run_ids` None = every run."""
    chosen = of_runs(ledger, "attempts", run_ids)
    query = f"{_SELECT} WHERE status NOT IN ('sent', 'reused') AND {chosen} ORDER BY attempt_id"
    return map(ChargedRows(ledger).of, batches(ledger, query))


def sample_attempts(ledger: Readable, cell_id: int) -> Iterator[list[ChargedRow]]:
    """Give all attempts of a cell's samples, sample by sample in the order sent, a batch at a time."""
    query = f"{_SELECT} WHERE cell_id = :cell_id AND planned_id IS NOT NULL ORDER BY planned_id, attempt_id"
    return map(ChargedRows(ledger).of, batches(ledger, query, values={"cell_id": cell_id}))


def attempts_of_no_sample(ledger: Readable, run_id: str) -> Iterator[list[ChargedRow]]:
    """Give a run's attempts that belong to no sample, cell by cell, a batch at a time: calls of imported logs."""
    rows_of = ChargedRows(ledger)
    cells = [row[0] for rows in batches(ledger, _CELLS, values={"run_id": run_id}) for row in rows]
    for cell_id in cells:  # one by one, so that the index of samples finds none of them at once
        query = f"{_SELECT} WHERE cell_id = :cell_id AND planned_id IS NULL ORDER BY attempt_id"
        yield from map(rows_of.of, batches(ledger, query, values={"cell_id": cell_id}))


def charged_by_id(ledger: Readable, attempt_ids: Sequence[int]) -> Iterator[list[ChargedRow]]:
    """Give these attempts in the order they were sent, a batch at a time."""
    ids, rows_of = sorted(attempt_ids), ChargedRows(ledger)
    for start in range(0, len(ids), IDS_PER_QUERY):
        some = listed(ids[start : start + IDS_PER_QUERY])
        yield from map(rows_of.of, batches(ledger, f"{_SELECT} WHERE attempt_id IN {some} ORDER BY attempt_id"))


_CELLS = "SELECT cell_id FROM cells WHERE run_id = :run_id ORDER BY cell_id"


class ChargedRows:
    """Makes rows of what was read, with their cells and usage groups."""

    def __init__(self, ledger: Readable) -> None:
        self._ledger = ledger
        self._cells = Lookup(ledger, "cells", ("provider", "model"))
        self._groups: dict[int | None, UsageGroup | None] = {None: None}

    def of(self, rows: DriverRows) -> list[ChargedRow]:
        """Complete rows in the order of the columns that are read."""
        if len(self._groups) > MOST_KNOWN_GROUPS:
            self._groups = {None: None}
        new = {row[len(_READ) - 1] for row in rows} - self._groups.keys()
        self._groups.update((group.usage_group_id, group) for group in usage_groups(self._ledger, sorted(new)))
        asked = self._cells.rows([row[1] for row in rows])
        return [_row(row, cell, self._groups[row[len(_READ) - 1]]) for row, cell in zip(rows, asked, strict=True)]

    def of_batch(self, batch: pa.RecordBatch) -> list[ChargedRow]:
        """Complete the rows of one of `charged_batches`."""
        return self.of(list(zip(*(column.to_pylist() for column in batch.columns), strict=True)))


def _row(row: DriverRows, cell: Sequence[object], group: UsageGroup | None) -> ChargedRow:
    one = ChargedRow._make((*row[: len(_READ)], *cell, group, token_counts(row[len(_READ) :])))
    if one.other_provider is None and one.purpose == "solve":
        return one
    model = one.model if one.purpose == "solve" else one.model_requested
    return one._replace(provider=one.other_provider or one.provider, model=model)
