"""Batches in the ledger: which attempts were handed over together, under which key, and the provider's id.

Data flows attempt ids -> `add_batch` (before anything leaves) -> `name_batch` (the provider's id) -> `close_batch`;
after a restart `open_batches` and `open_lines` say what is still at the provider.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import insert, select, update

from harness.errors import LedgerError
from harness.ledger.connections import explained, writing
from harness.ledger.encoding import storable
from harness.ledger.ledger import ROWS_PER_STATEMENT, Ledger
from harness.ledger.records import BatchRecord, BatchStatus, OpenLine
from harness.ledger.schema.tables import attempts, batch_lines, batches, cells
from harness.secrets import redact

_IN_DOUBT = "in doubt: "


def add_batch(ledger: Ledger, batch: BatchRecord, attempt_ids: Sequence[int]) -> int:
    """Store a batch that is about to be handed over, with its lines, in one transaction; returns its id."""
    values = {name: value for name, value in asdict(batch).items() if name != "batch_id"}
    with explained(ledger.database), writing(ledger.engine).begin() as connection:
        batch_id: int = connection.execute(insert(batches).values(values).returning(batches.c.batch_id)).scalar_one()
        for start in range(0, len(attempt_ids), ROWS_PER_STATEMENT):
            chunk = attempt_ids[start : start + ROWS_PER_STATEMENT]
            lines = [{"attempt_id": attempt_id, "batch_id": batch_id} for attempt_id in chunk]
            connection.execute(insert(batch_lines), lines)
    return batch_id


def name_batch(ledger: Ledger, batch_id: int, provider_batch_id: str, *, submitted_at_us: int) -> None:
    """Store the id that the provider gave: from now on any process can collect it."""
    _change(
        ledger,
        batch_id,
        {"status": "submitted", "provider_batch_id": provider_batch_id, "submitted_at_us": submitted_at_us},
    )


def doubt_batch(ledger: Ledger, batch_id: int, why: str) -> None:
    """Store that the results of an open batch could not be had, and why."""
    _change(ledger, batch_id, {"detail": storable(redact(f"{_IN_DOUBT}{why}"), 2_000)})


def is_in_doubt(batch: BatchRecord) -> bool:
    """Whether an earlier session could not have the results of an open batch."""
    return batch.closed_at_us is None and (batch.detail or "").startswith(_IN_DOUBT)


def close_batch(
    ledger: Ledger, batch_id: int, status: BatchStatus, *, closed_at_us: int, detail: str | None = None
) -> None:
    """Store that nothing more will come of a batch."""
    shown = None if detail is None else storable(redact(detail), 2_000)
    _change(ledger, batch_id, {"status": status, "closed_at_us": closed_at_us, "detail": shown})


def _change(ledger: Ledger, batch_id: int, values: dict[str, object]) -> None:
    with explained(ledger.database), writing(ledger.engine).begin() as connection:
        changed = connection.execute(update(batches).where(batches.c.batch_id == batch_id).values(values))
    if changed.rowcount != 1:
        raise LedgerError(f"there is no batch {batch_id}", where=ledger.database)


def stored_batches(ledger: Ledger, run_id: str) -> list[BatchRecord]:
    """Read all batches of a run, oldest first."""
    query = select(batches).where(batches.c.run_id == run_id).order_by(batches.c.batch_id)
    with ledger.reading() as connection:
        return [BatchRecord(**row._mapping) for row in connection.execute(query)]


def open_batches(ledger: Ledger, run_id: str) -> list[BatchRecord]:
    """Read the batches of a run that are not closed, oldest first."""
    return [batch for batch in stored_batches(ledger, run_id) if batch.closed_at_us is None]


def open_lines(ledger: Ledger, run_id: str) -> list[OpenLine]:
    """Read the unsettled attempts of mode `batch` of a run, in the order they were reserved."""
    query = (
        select(
            attempts.c.attempt_id,
            attempts.c.cell_id,
            attempts.c.planned_id,
            attempts.c.try_number,
            batch_lines.c.batch_id,
        )
        .select_from(attempts.join(cells).outerjoin(batch_lines, batch_lines.c.attempt_id == attempts.c.attempt_id))
        .where(cells.c.run_id == run_id, attempts.c.status == "sent", attempts.c.mode == "batch")
        .order_by(attempts.c.attempt_id)
    )
    with ledger.reading() as connection:
        return [OpenLine(**row._mapping) for row in connection.execute(query)]


def attempts_in(ledger: Ledger, batch_id: int) -> list[int]:
    """Read the ids of all attempts that were handed over in a batch, settled ones included."""
    query = select(batch_lines.c.attempt_id).where(batch_lines.c.batch_id == batch_id)
    with ledger.reading() as connection:
        return list(connection.execute(query).scalars())
