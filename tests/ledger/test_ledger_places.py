"""Ledgers whose file, lock or disk goes away under a run: noticed before more is paid, and nothing paid is lost."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from harness.errors import LedgerError, RunLockedError
from harness.ledger import Ledger, Transcript
from harness.ledger.connections import COMPILED, database_url, explain, make_engine
from harness.ledger.locks import hold_run_lock
from harness.ledger.reading.attempt_rows import attempt_rows, transcript_of
from harness.ledger.writing.drivers import Driver, open_driver
from harness.ledger.writing.room import KEPT_FREE_FOR_FACTS_BYTES, fits, room_bytes
from harness.ledger.writing.writer import Writer
from tests.support.answering import answering, chat, priced
from tests.support.ledger_rows import fill, outcome, start
from tests.support.runs import number_suite, run


def _remove(folder: Path) -> None:
    for file in folder.glob("ledger.db*"):
        file.unlink()


def _move(folder: Path) -> None:
    (folder / "elsewhere").mkdir()
    for file in folder.glob("ledger.db*"):
        shutil.move(file, folder / "elsewhere")


def _replace(folder: Path) -> None:
    _remove(folder)
    with Ledger.open(folder / "ledger.db"):
        pass


@pytest.mark.parametrize("lose", [_remove, _move, _replace])
def test_a_run_whose_ledger_is_deleted_stops_sending_and_copies_what_it_recorded(
    lose: Callable[[Path], None], tmp_path: Path
) -> None:
    """40 requests were paid, the run was complete with exit code 0, and nothing was kept."""
    home = tmp_path / "home"
    home.mkdir()
    ledger = Ledger.open(home / "ledger.db")

    def answer(number: int) -> tuple[int, bytes]:
        if number == 5:
            lose(home)
        return 200, chat()

    with answering(answer) as asked, pytest.raises(LedgerError, match="deleted, moved or replaced") as caught:
        run(
            number_suite(tmp_path, 40), ["openai-compatible/m"], ledger, book=priced(tmp_path), base_url=asked.url,
            concurrency=1,
        )  # fmt: skip
    ledger.close()
    assert len(asked.bodies) == 6
    rescued = home / "ledger.db.rescued"
    assert str(rescued) in str(caught.value)
    with Ledger.open(rescued, create=False) as kept:
        assert [row.status for row in attempt_rows(kept)] == ["succeeded"] * 6
        with answering(lambda _: (200, chat())) as rest:
            ended = run(
                number_suite(tmp_path, 40), ["openai-compatible/m"], kept, book=priced(tmp_path), base_url=rest.url
            )
    assert ended.status == "complete"
    assert len(rest.bodies) == 34


async def test_a_ledger_that_is_deleted_after_the_last_request_is_noticed_too(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.db")
    filled = fill(ledger)
    with pytest.raises(LedgerError, match="ledger\\.db\\.rescued"):
        async with ledger.writer() as writer:
            attempt_id = await writer.send(start(filled))
            _remove(tmp_path)
            await writer.settle(outcome(attempt_id))
    with Ledger.open(tmp_path / "ledger.db.rescued", create=False) as kept:
        assert [row.status for row in attempt_rows(kept)] == ["succeeded"]
    with pytest.raises(LedgerError, match="deleted, moved or replaced"):
        ledger.finish_run("run-1", "complete")
    assert not (tmp_path / "ledger.db").exists(), "no empty ledger takes its place"
    ledger.close()


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_run_is_locked_under_every_name_of_its_ledger(link: Callable[[Path, Path], None], tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with Ledger.open(tmp_path / "a" / "ledger.db"):
        pass
    link(tmp_path / "a" / "ledger.db", tmp_path / "b" / "other.db")
    one, same = (make_engine(database_url(tmp_path / name)) for name in ("a/ledger.db", "b/other.db"))
    with hold_run_lock(one, "run-1", database="one"):
        with pytest.raises(RunLockedError, match="being worked on"), hold_run_lock(same, "run-1", database="same"):
            raise AssertionError("two hold one run")
        with hold_run_lock(same, "run-2", database="same"):
            pass
    with hold_run_lock(same, "run-1", database="same"):
        pass


@pytest.mark.postgres
async def test_a_run_stays_held_when_the_server_ends_the_session_that_waits(postgres_url: str) -> None:
    """The idle session of the lock was ended, nobody noticed, and a second process paid 8 of 40 samples again."""
    with Ledger.open(postgres_url) as ledger, Ledger.open(postgres_url) as second, ledger.run_lock("run-1"):
        filled = fill(ledger)
        async with ledger.writer() as writer:
            attempt_id = await writer.send(start(filled))
            with second.engine.connect() as connection:
                n_ended = connection.execute(
                    text(
                        "SELECT count(pg_terminate_backend(pid, 30000)) FROM pg_stat_activity"
                        " WHERE pid <> pg_backend_pid()"
                        " AND pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory')"
                        " AND query NOT LIKE '%attempts%' AND query <> 'COMMIT'"
                    )
                ).scalar_one()
            assert n_ended == 1, "the session that only holds the lock"
            with second.run_lock("run-1"), pytest.raises(RunLockedError, match="being worked on"):
                async with second.writer():
                    raise AssertionError("two write one run")
            await writer.settle(outcome(attempt_id))
        with second.run_lock("run-1"):
            async with second.writer() as other:  # free again at once
                await other.send(start(filled, 1, request_id="later"))


@pytest.mark.postgres
async def test_a_lost_writer_records_what_was_answered_and_sends_no_more(postgres_url: str) -> None:
    with Ledger.open(postgres_url) as ledger, ledger.run_lock("run-1"):
        filled = fill(ledger)
        async with ledger.writer() as writer:
            attempt_id = await writer.send(start(filled))
            with ledger.engine.connect() as connection:
                connection.execute(
                    text(
                        "SELECT pg_terminate_backend(pid) FROM pg_locks"
                        " WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"
                    )
                ).all()
            await writer.settle(outcome(attempt_id))
            with pytest.raises(LedgerError):
                await writer.send(start(filled, 1, request_id="later"))
        assert [row.status for row in attempt_rows(ledger)] == ["succeeded"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[tuple[Ledger, Writer]]:
    """A ledger that can grow to 2 MB."""
    with Ledger.open(tmp_path / "ledger.db") as ledger:

        def open_small(*, again: bool = False) -> Driver:
            driver = open_driver(ledger.engine)
            driver.fetch("PRAGMA max_page_count = 256")  # SQLite's own way to run out of space
            return driver

        yield ledger, Writer(open_small, lambda error: explain(error, ledger.database))


async def test_an_answer_for_which_there_is_no_room_is_settled_without_its_words(
    small_disk: tuple[Ledger, Writer],
) -> None:
    """9 MB on a nearly full disk: the row stayed open although its usage would have fitted, and was bought again."""
    ledger, writer = small_disk
    filled = fill(ledger)
    noise = random.Random(1).randbytes(4_500_000).hex()
    async with writer:
        large = await writer.send(start(filled, 0, request_id="large", budget_scopes=("day:x",)))
        small = await writer.send(start(filled, 1, request_id="small", budget_scopes=("day:x",)))
        said = Transcript(messages=[{"role": "user", "content": "q"}], answer=noise)
        await writer.settle(outcome(large), transcript=said)
        await writer.settle(outcome(small), transcript=Transcript(messages=[], answer="short"))
        with pytest.raises(LedgerError, match="full"):
            await writer.send(start(filled, 2, request_id="more"))
    rows = {row.attempt_id: row for row in attempt_rows(ledger)}
    assert (rows[large].status, rows[large].output_tokens, rows[large].charged_pico_usd) == ("succeeded", 60, 5)
    assert "transcript_not_stored" in str(rows[large].usage_flags)
    assert transcript_of(ledger, large) is None
    assert rows[small].usage_flags is None
    assert transcript_of(ledger, small) is not None
    budget = ledger.budget("day:x")
    assert budget is not None
    assert (budget.spent_pico_usd, budget.reserved_pico_usd) == (10, 0)


def test_a_large_transcript_never_takes_the_room_of_facts(tmp_path: Path) -> None:
    path = str(tmp_path / "ledger.db")
    sqlite3.connect(path).close()
    free = room_bytes(path)
    if free < 4 * 2**30:
        pytest.skip(f"only {free / 2**30:.1f} GB are free here")
    assert fits(path, 10**6, in_flight=3)
    assert not fits(path, free - KEPT_FREE_FOR_FACTS_BYTES, in_flight=3)
    half = (free - 2**29) // 2  # once into the journal, once into the file, and half a GB is left
    assert fits(path, half, in_flight=3)
    (tmp_path / "ledger.db-wal").touch()
    os.truncate(tmp_path / "ledger.db-wal", 2**30)
    assert not fits(path, half, in_flight=3), "what the journal holds is still to be written to the file"


def test_a_process_compiles_its_statements_once_for_all_sqlite_ledgers(tmp_path: Path) -> None:
    compiled = []
    for name in ("first.db", "second.db"):
        for read_only in (False, True):
            with Ledger.open(tmp_path / name, read_only=read_only) as ledger:
                assert ledger.runs() == []
                compiled.append(set(COMPILED))
    assert compiled[0] != set()
    assert compiled[1:] == [compiled[0]] * 3
