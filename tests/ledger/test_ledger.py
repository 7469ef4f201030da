"""The ledger's writer: durable before acknowledged, append-only, atomic, and honest when the database fails."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from harness.errors import ErrorClass, InputError, LedgerError
from harness.ledger import Ledger, Transcript, UsageFacts, Writer
from harness.ledger.connections import explain, writing
from harness.ledger.reading.attempt_rows import Asked, attempt_rows, find_answer, score_rows, transcript_rows
from harness.ledger.writing.drivers import Driver, Row, SqliteDriver, open_driver
from tests.support.ledger_rows import NOON_US, RUN, Filled, cell, fill, outcome, sample, score, start


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    with Ledger.open(ledger_url) as opened:
        yield opened


@pytest.fixture
def filled(ledger: Ledger) -> Filled:
    return fill(ledger)


def change(ledger: Ledger, statement: str) -> None:
    """Run a statement as somebody with direct access to the database would."""
    with writing(ledger.engine).begin() as connection:
        connection.execute(text(statement))


def test_a_run_is_read_back_as_it_was_stored(ledger: Ledger, filled: Filled) -> None:
    assert ledger.run("run-1") == RUN
    assert ledger.run("another") is None
    ledger.finish_run("run-1", "partial", finished_at_us=NOON_US + 1, warnings=["one sample failed"])
    finished = ledger.run("run-1")
    assert finished is not None
    assert (finished.status, finished.finished_at_us, finished.warnings) == (
        "partial", NOON_US + 1, ("one sample failed",)
    )  # fmt: skip


def test_a_run_id_is_used_once(ledger: Ledger, filled: Filled) -> None:
    with pytest.raises(LedgerError, match="run-1 exists already"):
        ledger.create_run(RUN)
    with pytest.raises(LedgerError, match="no run other"):
        ledger.finish_run("other", "complete")


def test_cells_and_samples_keep_their_ids_when_a_run_is_resumed(ledger: Ledger, filled: Filled) -> None:
    again = ledger.add_cells(
        "run-1", [cell("direct", reasoning=False), cell("direct", setting="high"), cell("reasoner")]
    )
    assert again[0] == filled.cells[1]
    assert again[2] == filled.cells[0]
    assert again[1] not in filled.cells
    assert list(ledger.add_planned("run-1", [sample(2), sample(0)])) == [filled.planned[2], filled.planned[0]]


def test_a_sample_that_changed_since_the_run_began_is_refused(ledger: Ledger, filled: Filled) -> None:
    with pytest.raises(LedgerError, match="choice-001 epoch 0"):
        ledger.add_planned("run-1", [sample(0), sample(1, sample_sha256="ff" * 32)])


async def test_a_row_is_committed_before_send_returns(ledger: Ledger, filled: Filled, ledger_url: str) -> None:
    async with ledger.writer() as writer:
        attempt_id = await writer.send(start(filled, reserved_pico_usd=7, reserved_output_tokens=1000))
        with Ledger.open(ledger_url) as other:
            rows = list(attempt_rows(other))
        assert [(row.attempt_id, row.status, row.reserved_pico_usd) for row in rows] == [(attempt_id, "sent", 7)]


async def test_settling_stores_every_fact_with_transcript_and_score(ledger: Ledger, filled: Filled) -> None:
    messages = [{"role": "user", "content": "2 + 2?"}]
    ended = outcome(
        0,
        http_status=200,
        model_served="reasoner-2026",
        provider_request_id="req-1",
        first_byte_us=1234,
        service_tier="flex",
        usage=UsageFacts(
            input_tokens=100,
            cache_read_tokens=3,
            output_tokens=60,
            raw_usage={"cost": Decimal("0.0000012300"), "n": 2**70},
            usage_kind="openrouter.chat",
            usage_source="provider",
            stated_cost_usd=Decimal("0.0000012300"),
            flags=(("total", "100 + 60 is not 170"),),
            other_meters={"meters": {"web_search": 1}, "other_models": []},
            context_tokens=103,
            thinking=True,
        ),
    )
    async with ledger.writer() as writer:
        attempt_id = await writer.send(start(filled, mode="batch"))
        settled = replace(ended, attempt_id=attempt_id)
        await writer.settle(
            settled,
            transcript=Transcript(messages=messages, answer="4 \ud83d", reasoning="two and two"),
            score=score(filled, attempt_id),
        )
    [row] = attempt_rows(ledger)
    assert (row.run_id, row.model, row.sample_id, row.status) == ("run-1", "reasoner", "choice-000", "succeeded")
    assert (row.model_served, row.service_tier, row.mode, row.thinking) == ("reasoner-2026", "flex", "batch", True)
    assert (row.input_tokens, row.cache_read_tokens, row.reasoning_tokens, row.context_bucket) == (100, 3, None, 0)
    assert row.stated_cost_usd == Decimal("0.00000123")
    assert row.raw_usage == '{"cost":0.0000012300,"n":1180591620717411303424}'
    assert row.parameters == '{"max_completion_tokens":1000,"temperature":0.5}'
    assert row.first_byte_us == 1234
    [said] = transcript_rows(ledger, "run-1")
    assert (said.messages, said.answer, said.reasoning) == (messages, "4 \ud83d", "two and two")
    assert [found.value_millionths for found in score_rows(ledger)] == [1_000_000]


async def test_the_newest_score_of_an_attempt_counts_and_the_older_one_stays(ledger: Ledger, filled: Filled) -> None:
    async with ledger.writer() as writer:
        attempt_id = await writer.send(start(filled))
        await writer.settle(outcome(attempt_id), score=score(filled, attempt_id))
        await writer.add_score(score(filled, attempt_id, value_millionths=None, reason="no_answer", answer=None))
    assert [found.reason for found in score_rows(ledger)] == ["no_answer"]
    assert [found.value_millionths for found in score_rows(ledger, newest=False)] == [1_000_000, None]


async def test_prompts_are_stored_once(ledger: Ledger, filled: Filled) -> None:
    said = Transcript(messages=[{"role": "user", "content": "same"}], answer="yes")
    for _ in range(2):  # the second writer does not know what the first one stored
        async with ledger.writer() as writer:
            for number in range(2):
                before = len(list(attempt_rows(ledger)))
                attempt_id = await writer.send(start(filled, number, request_id=f"r{before}"))
                await writer.settle(outcome(attempt_id), transcript=said)
    with ledger.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM prompts")).scalar_one() == 1
        assert connection.execute(text("SELECT count(*) FROM transcripts")).scalar_one() == 4
        assert connection.execute(text("SELECT count(*) FROM parameter_sets")).scalar_one() == 1
        assert connection.execute(text("SELECT count(*) FROM usage_groups")).scalar_one() == 1


async def test_reuse_asks_for_provider_model_every_parameter_messages_and_epoch(ledger: Ledger, filled: Filled) -> None:
    """lm-eval's cache was keyed without the model: model B got model A's answers."""
    messages = [{"role": "user", "content": "2 + 2?"}]
    async with ledger.writer() as writer:
        attempt_id = await writer.send(start(filled))
        await writer.settle(outcome(attempt_id), transcript=Transcript(messages=messages, answer="4"))
    same = Asked(
        provider="sim",
        model="reasoner",
        parameters={"max_completion_tokens": 1000, "temperature": 0.5},
        messages=messages,
        epoch=0,
    )
    found = find_answer(ledger, same)
    assert found is not None
    assert found.answer == "4"
    changes: list[dict[str, Any]] = [
        {"model": "direct"},
        {"provider": "openai"},
        {"epoch": 1},
        {"messages": [{"role": "user"}]},
        {"parameters": {**same.parameters, "top_p": 1}},
    ]
    for change in changes:
        assert find_answer(ledger, replace(same, **change)) is None


REFUSED = (
    "UPDATE attempts SET output_tokens = 0 WHERE attempt_id = 1",
    "UPDATE attempts SET status = 'sent', finished_at_us = NULL WHERE attempt_id = 1",
    "DELETE FROM attempts WHERE attempt_id = 1",
    "DELETE FROM attempts",
    "UPDATE attempts SET reserved_pico_usd = 0 WHERE attempt_id = 2",
    "DELETE FROM attempts WHERE attempt_id = 2",
    "UPDATE scores SET value_millionths = 0",
    "DELETE FROM scores",
    "UPDATE planned_samples SET inclusion_probability = 0.5",
    "DELETE FROM planned_samples WHERE planned_id = 4",
    "UPDATE transcripts SET prompt_id = prompt_id",
    "UPDATE runs SET plan_sha256 = ''",
    "UPDATE usage_groups SET slot_us = 0",
    "UPDATE cells SET model = 'cheaper'",
)


async def test_facts_cannot_be_changed_or_deleted(ledger: Ledger, filled: Filled) -> None:
    async with ledger.writer() as writer:
        settled = await writer.send(start(filled))
        said = Transcript(messages=[], answer="B")
        await writer.settle(outcome(settled), transcript=said, score=score(filled, settled))
        assert await writer.send(start(filled, 1, reserved_pico_usd=9)) == 2
    before = list(attempt_rows(ledger)), list(score_rows(ledger))
    for statement in REFUSED:
        with pytest.raises(DBAPIError, match="benchtab: "):
            change(ledger, statement)
    assert (list(attempt_rows(ledger)), list(score_rows(ledger))) == before


async def test_replacing_or_truncating_does_not_get_around_the_triggers(ledger: Ledger, filled: Filled) -> None:
    async with ledger.writer() as writer:
        await writer.settle(outcome(await writer.send(start(filled))))
    if ledger.engine.dialect.name == "postgresql":
        with pytest.raises(DBAPIError, match="cannot be emptied"):
            change(ledger, "TRUNCATE attempts CASCADE")
    else:
        outside = sqlite3.connect(ledger.database)  # without this program's settings
        with pytest.raises(sqlite3.IntegrityError, match="in the ledger already"):
            outside.execute("INSERT OR REPLACE INTO attempts SELECT * FROM attempts")
        outside.close()
    assert [row.status for row in attempt_rows(ledger)] == ["succeeded"]


async def test_transcripts_can_be_deleted_and_the_facts_stay(ledger: Ledger, filled: Filled) -> None:
    async with ledger.writer() as writer:
        attempt_id = await writer.send(start(filled))
        await writer.settle(outcome(attempt_id), transcript=Transcript(messages=[], answer="B"))
    change(ledger, "DELETE FROM transcripts")
    change(ledger, "DELETE FROM prompts")
    assert [row.output_tokens for row in attempt_rows(ledger)] == [60]


async def test_a_refused_row_fails_alone_and_its_batch_is_written(ledger: Ledger, filled: Filled) -> None:
    async with ledger.writer() as writer:
        results = await asyncio.gather(
            writer.send(start(filled, 0)),
            writer.send(start(filled, 0)),  # the same request id
            writer.send(start(filled, 1, cell_id=999)),
            writer.send(start(filled, 2, try_number=0)),
            writer.send(start(filled, 3)),
            return_exceptions=True,
        )
        assert [type(result) for result in results] == [int, LedgerError, LedgerError, LedgerError, int]
        await writer.settle(outcome(results[0]))  # type: ignore[arg-type]  # an int, as just asserted
        with pytest.raises(LedgerError, match="settled already"):
            await writer.settle(outcome(results[0], charged_pico_usd=1))  # type: ignore[arg-type]
        with pytest.raises(LedgerError, match="attempt 12345 is not in the ledger"):
            await writer.settle(outcome(12345))
    assert [row.status for row in attempt_rows(ledger)] == ["succeeded", "sent"]


async def test_a_failed_score_takes_its_settlement_back(ledger: Ledger, filled: Filled) -> None:
    async with ledger.writer() as writer:
        attempt_id = await writer.send(start(filled))
        with pytest.raises(LedgerError):
            await writer.settle(outcome(attempt_id), score=score(filled, attempt_id, reason="both value and reason"))
        assert [row.status for row in attempt_rows(ledger)] == ["sent"]
        await writer.settle(outcome(attempt_id), score=score(filled, attempt_id))


async def test_keys_in_error_messages_are_not_stored(ledger: Ledger, filled: Filled) -> None:
    async with ledger.writer() as writer:
        attempt_id = await writer.send(start(filled))
        message = "401 Incorrect API key provided: sk-proj-abcdef1234567890\0 (Authorization: Bearer abcdef123456)"
        await writer.settle(
            outcome(attempt_id, status="failed", error_class=ErrorClass.AUTHENTICATION, error_message=message)
        )
    [row] = attempt_rows(ledger)
    assert row.error_class == "authentication"
    assert row.error_message is not None
    assert "abcdef" not in row.error_message
    assert "Incorrect API key" in row.error_message


async def test_outcomes_say_where_each_sample_stands(ledger: Ledger, filled: Filled) -> None:
    async with ledger.writer() as writer:
        failed = await writer.send(start(filled, 0))
        await writer.settle(
            outcome(failed, status="failed", error_class=ErrorClass.SERVER_ERROR, usage=UsageFacts(), billed="no")
        )
        good = await writer.send(start(filled, 0, request_id="retry", try_number=2, retry_of=failed))
        await writer.settle(outcome(good), score=score(filled, good))
        await writer.send(start(filled, 1))
        failed_only = await writer.send(start(filled, 2))
        await writer.settle(outcome(failed_only, status="failed", error_class=ErrorClass.TIMEOUT, usage=UsageFacts()))
    outcomes = ledger.outcomes("run-1")
    cell_id = filled.cells[0]
    first, second, third = (outcomes[cell_id, filled.planned[number]] for number in range(3))
    assert (first.status, first.attempt_id, first.n_attempts, first.last_try_number) == ("succeeded", good, 2, 2)
    assert (first.scored, first.error_class, first.n_open) == (True, None, 0)
    assert (second.status, second.n_open, second.attempt_id) == ("sent", 1, None)
    assert (third.status, third.error_class, third.scored) == ("failed", "timeout", False)
    assert (cell_id, filled.planned[3]) not in outcomes
    assert ledger.outcomes("another") == {}


async def test_a_cancelled_sender_leaves_no_reservation(ledger: Ledger, filled: Filled) -> None:
    ledger.set_budget("run:run-1", 60 * 20)  # a withdrawal may land after the next sending asked for room
    async with ledger.writer() as writer:
        for number in range(20):
            task = asyncio.create_task(
                writer.send(start(filled, number, reserved_pico_usd=60, budget_scopes=("run:run-1",)))
            )
            for _ in range(number):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():  # the row was acknowledged before the cancellation: the request leaves
                await writer.settle(outcome(task.result(), charged_pico_usd=0))
    budget = ledger.budget("run:run-1")
    assert budget is None or (budget.spent_pico_usd, budget.reserved_pico_usd) == (0, 0)
    assert {row.status for row in attempt_rows(ledger)} <= {"cancelled", "succeeded"}


def test_a_full_disk_stops_the_writer_and_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    asyncio.run(_fill_the_disk(tmp_path))


async def _fill_the_disk(folder: Path) -> None:
    path = folder / "ledger.db"
    ledger = Ledger.open(path)
    filled = fill(ledger)
    acknowledged: list[int] = []
    long = "x" * 5_000

    def open_small(*, again: bool = False) -> Driver:
        driver = open_driver(ledger.engine)
        driver.fetch("PRAGMA max_page_count = 200")  # SQLite's own way to run out of space
        return driver

    writer = Writer(open_small, lambda error: explain(error, ledger.database))

    async def work(worker: int) -> None:
        for number in range(1000):
            parameters = {"note": f"{worker}.{number}.{long}"}
            acknowledged.append(
                await writer.send(start(filled, request_id=f"{worker}.{number}", parameters=parameters))
            )

    async with writer:
        results = await asyncio.gather(*(work(worker) for worker in range(4)), return_exceptions=True)
        assert all(isinstance(result, LedgerError) for result in results)
        assert isinstance(results[0], LedgerError)
        assert results[0].where == str(path)
        assert "full" in results[0].message
        assert "free some space" in str(results[0].fix)
        with pytest.raises(LedgerError, match="full"):
            await writer.send(start(filled, request_id="after"))
    assert acknowledged
    assert sorted(row.attempt_id for row in attempt_rows(ledger)) == sorted(acknowledged)
    ledger.close()


async def test_a_locked_database_stops_the_writer_with_a_remedy(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with Ledger.open(path, busy_timeout_s=0.05) as ledger:
        filled = fill(ledger)
        async with ledger.writer() as writer:
            kept = await writer.send(start(filled, 0))
            holder = sqlite3.connect(path, isolation_level=None)
            holder.execute("BEGIN IMMEDIATE")
            with pytest.raises(LedgerError, match="locked") as caught:
                await writer.send(start(filled, 1))
            assert caught.value.where == str(path)
            assert "another program" in str(caught.value.fix)
            holder.execute("ROLLBACK")
            holder.close()
            with pytest.raises(LedgerError, match="locked"):
                await writer.send(start(filled, 2))
        assert [row.attempt_id for row in attempt_rows(ledger)] == [kept]


async def test_a_database_that_can_neither_write_nor_roll_back_is_an_error_and_not_a_hang(tmp_path: Path) -> None:
    class Broken(SqliteDriver):
        def fetch(self, statement: str, values: Iterable[Any] = ()) -> list[Row]:
            raise sqlite3.OperationalError("disk I/O error")

        def rollback(self) -> None:
            raise sqlite3.OperationalError("disk I/O error")

    path = tmp_path / "ledger.db"
    with Ledger.open(path) as ledger:
        filled = fill(ledger)

        def open_broken(*, again: bool = False) -> Driver:
            return Broken(str(path), 0.05)

        writer = Writer(open_broken, lambda error: explain(error, ledger.database))
        async with writer:
            with pytest.raises(LedgerError, match="disk I/O error"):
                await asyncio.wait_for(writer.send(start(filled)), 30)


async def test_a_database_that_another_program_writes_to_is_waited_for_without_stopping_the_event_loop(
    tmp_path: Path,
) -> None:
    path = tmp_path / "ledger.db"
    with Ledger.open(path) as ledger:
        filled = fill(ledger)
        async with ledger.writer() as writer:
            holder = sqlite3.connect(path, isolation_level=None)
            holder.execute("BEGIN IMMEDIATE")
            waiting = asyncio.create_task(writer.send(start(filled, 0)))
            for _ in range(100):
                await asyncio.sleep(0)  # the loop turns while the row waits
            assert not waiting.done()
            holder.execute("ROLLBACK")
            holder.close()
            assert await waiting == 1


async def test_an_attempt_that_never_left_gives_its_reservation_back(ledger: Ledger) -> None:
    filled = fill(ledger)
    ledger.set_budget("run:run-1", 100)
    recorded = start(filled, reserved_pico_usd=60, budget_scopes=("run:run-1",))
    async with ledger.writer() as writer:
        await writer.withdraw(await writer.send(recorded), recorded)
        with pytest.raises(LedgerError, match="settled already"):
            await writer.withdraw(1, recorded)
    (row,) = attempt_rows(ledger)
    assert (row.status, row.billed, row.charged_pico_usd) == ("cancelled", "no", 0)
    budget = ledger.budget("run:run-1")
    assert budget is not None
    assert (budget.spent_pico_usd, budget.reserved_pico_usd) == (0, 0)


@pytest.mark.parametrize("name", ["sqlite://", "sqlite:///:memory:", "mysql://host/db", "://"])
def test_what_cannot_hold_a_ledger_is_refused(name: str) -> None:
    with pytest.raises(InputError):
        Ledger.open(name)
