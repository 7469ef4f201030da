"""A batch of operations leaves the same rows as the same operations one by one, whatever its size."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from harness.errors import LedgerError
from harness.ledger import Ledger, Transcript
from harness.ledger.writing.append import Appender
from harness.ledger.writing.drivers import open_driver
from harness.ledger.writing.operations import AddScore, Operation, Send, Settle
from harness.ledger.writing.statements import SETTLE_ATTEMPT, for_rows
from tests.support.ledger_rows import Filled, fill, outcome, score, start

TABLES = ("attempts", "transcripts", "prompts", "scores", "budgets", "usage_groups", "parameter_sets")


def transcript(number: int) -> Transcript:
    messages = [{"role": "user", "content": f"Question {number % 50} \ud800"}]
    return Transcript(messages=messages, answer="" if number == 3 else f"Answer: {number}",
                      reasoning=None if number % 2 else f"thought {number}")  # fmt: skip


def steps(filled: Filled, n_attempts: int) -> list[list[Operation]]:
    """Sends, then settlements of ids 1, 2, ... with their transcripts, then scores."""
    scopes = (f"run:{filled.run_id}", "day:2026-11-22")
    numbers = range(n_attempts)
    return [
        [Send(start=start(filled, n, reserved_pico_usd=10 + n, budget_scopes=scopes)) for n in numbers],
        [Settle(outcome=outcome(n + 1, charged_pico_usd=n), transcript=transcript(n)) for n in numbers],
        [AddScore(score=score(filled, n + 1)) for n in numbers],
    ]


def contents(path: Path) -> dict[str, list[Any]]:
    with sqlite3.connect(path) as connection:
        found = {table: connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall() for table in TABLES}
    connection.close()
    return found


def written(path: Path, n_attempts: int, *, together: bool) -> dict[str, list[Any]]:
    with Ledger.open(path) as ledger:
        batches = steps(fill(ledger), n_attempts)
        driver = open_driver(ledger.engine)
        appender = Appender(driver)
        for batch in batches:
            results = appender.apply(batch) if together else [appender.apply([one])[0] for one in batch]
            assert not any(isinstance(result, Exception) for result in results)
        driver.close()
    return contents(path)


@pytest.mark.parametrize("n_attempts", [1, 3, 4, 5, 16, 63, 64, 85, 150])
def test_a_batch_leaves_the_same_rows_as_single_operations(tmp_path: Path, n_attempts: int) -> None:
    found = written(tmp_path / "together.db", n_attempts, together=True)
    expected = written(tmp_path / "single.db", n_attempts, together=False)
    prompts = {row[0]: row[1:] for row in found.pop("prompts")}
    expected_prompts = {row[0]: row[1:] for row in expected.pop("prompts")}
    assert sorted(prompts.values()) == sorted(expected_prompts.values())
    shown, expected_shown = found.pop("transcripts"), expected.pop("transcripts")
    assert [(row[0], prompts[row[1]], *row[2:]) for row in shown] == [
        (row[0], expected_prompts[row[1]], *row[2:]) for row in expected_shown
    ]
    assert found == expected
    assert len(found["attempts"]) == len(shown) == n_attempts


async def test_one_bad_settlement_among_many_fails_alone(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        filled = fill(ledger)
        async with ledger.writer() as writer:
            ids = await asyncio.gather(*(writer.send(start(filled, number)) for number in range(70)))
            settled = [writer.settle(outcome(attempt_id)) for attempt_id in [*ids, ids[0], 9_999]]
            results = await asyncio.gather(*settled, return_exceptions=True)
    assert [type(result) for result in results[-2:]] == [LedgerError, LedgerError]
    assert results[:-2] == [None] * 70


def test_settling_many_looks_attempts_up_by_their_ids(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with Ledger.open(path):
        pass
    statement = for_rows(SETTLE_ATTEMPT, 64)
    assert statement is not None
    with sqlite3.connect(path) as connection:
        values = (None,) * statement.count("?")
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
    connection.close()
    assert any("SEARCH attempts USING INTEGER PRIMARY KEY" in step for step in plan), plan
