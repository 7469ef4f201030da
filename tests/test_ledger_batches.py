"""Batches in the ledger: kept before they leave, named once, closed once, found again after a restart."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from harness.errors import LedgerError
from harness.ledger import Ledger
from harness.ledger.batches import add_batch, close_batch, name_batch, open_batches, open_lines, stored_batches
from harness.ledger.connections import writing
from harness.ledger.records import BatchRecord
from tests.ledger_rows import fill, outcome, start


def record(run_id: str, n_lines: int, key: str = "key-1") -> BatchRecord:
    return BatchRecord(
        run_id=run_id, provider="openai", model="gpt-4o", submission_key=key, n_lines=n_lines, created_at_us=1_000
    )


async def test_lines_that_were_never_handed_over_are_told_from_those_that_were(ledger_url: str) -> None:
    with Ledger.open(ledger_url) as ledger:
        filled = fill(ledger)
        async with ledger.writer() as writer:
            ids = [await writer.send(start(filled, number, mode="batch")) for number in range(3)]
            direct = await writer.send(start(filled, 3))
            batch_id = add_batch(ledger, record(filled.run_id, 2), ids[:2])
            assert {line.attempt_id: line.batch_id for line in open_lines(ledger, filled.run_id)} == {
                ids[0]: batch_id,
                ids[1]: batch_id,
                ids[2]: None,
            }
            await writer.settle(outcome(ids[0]))
            await writer.settle(outcome(direct))
        assert [line.attempt_id for line in open_lines(ledger, filled.run_id)] == ids[1:]


def test_a_batch_is_named_once_and_closed_once(ledger_url: str) -> None:
    with Ledger.open(ledger_url) as ledger:
        run_id = fill(ledger).run_id
        batch_id = add_batch(ledger, record(run_id, 0), [])
        assert [batch.status for batch in open_batches(ledger, run_id)] == ["submitting"]
        name_batch(ledger, batch_id, "batch_abc", submitted_at_us=2_000)
        (named,) = open_batches(ledger, run_id)
        assert (named.status, named.provider_batch_id, named.submitted_at_us) == ("submitted", "batch_abc", 2_000)
        with pytest.raises(LedgerError, match="cannot be rewritten"):
            name_batch(ledger, batch_id, "batch_other", submitted_at_us=2_000)
        close_batch(ledger, batch_id, "collected", closed_at_us=3_000, detail="completed")
        with pytest.raises(LedgerError, match="closed batch"):
            close_batch(ledger, batch_id, "lost", closed_at_us=4_000)
        assert open_batches(ledger, run_id) == []
        assert [(batch.status, batch.detail) for batch in stored_batches(ledger, run_id)] == [
            ("collected", "completed")
        ]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE batches SET submission_key = 'other'",
        "DELETE FROM batches",
        "UPDATE batch_lines SET batch_id = 7",
        "DELETE FROM batch_lines",
        "UPDATE batches SET status = 'collected', closed_at_us = 5",  # never named
        "UPDATE batches SET status = 'lost'",  # without its end
    ],
)
async def test_what_was_handed_over_cannot_be_rewritten(tmp_path: Path, change: str) -> None:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        filled = fill(ledger)
        async with ledger.writer() as writer:
            attempt_id = await writer.send(start(filled, mode="batch"))
        add_batch(ledger, record(filled.run_id, 1), [attempt_id])
        with pytest.raises(DBAPIError), writing(ledger.engine).begin() as connection:
            connection.execute(text(change))


def test_two_batches_never_share_a_key(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        run_id = fill(ledger).run_id
        add_batch(ledger, record(run_id, 0), [])
        with pytest.raises(LedgerError, match="UNIQUE"):
            add_batch(ledger, record(run_id, 0), [])
