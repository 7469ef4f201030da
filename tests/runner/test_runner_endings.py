"""Runs that end otherwise than planned: Ctrl-C, SIGTERM, kill -9, a full disk, a locked ledger; real processes."""

from __future__ import annotations

import asyncio
import resource
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks import crashes
from harness.errors import LedgerError
from harness.ledger import Ledger, UsageFacts
from harness.ledger.reading.attempt_rows import AttemptRow, attempt_rows
from harness.ledger.reading.sums import unknown_bills
from harness.ledger.writing.room import KEPT_FREE_BYTES, is_short, room_bytes
from tests.support.command_lines import Said, said_here
from tests.support.ledger_rows import fill, outcome, start
from tests.support.loopback import Reply, serve
from tests.support.runs import number_suite, run

PER_RUN = ("--concurrency", "8", "--timeout-s", "60", "-q")


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    return crashes.write_suite(tmp_path, 60)


def _begun(suite: Path, url: str, database: Path, run_id: str = "run-1") -> crashes.Victim:
    victim = crashes.Victim(suite, url, database, run_id, *PER_RUN)
    victim.wait_until_begun()
    return victim


def _end(victim: crashes.Victim) -> int:
    assert victim.ends_within(60.0), victim.said
    return victim.process.returncode


def _statuses(database: Path) -> Counter[str]:
    with Ledger.open(database, create=False) as ledger:
        return Counter(row.status for row in attempt_rows(ledger))


SENT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Interrupted:
    """How a run ended at its first signal, and how its resumption ended."""

    code: int
    said: str
    statuses: Counter[str]
    resumed: Said
    rows: list[AttemptRow]
    seen_by_server: set[str]


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory) -> Mapping[signal.Signals, Interrupted]:
    """A run for each signal, all on one server, whose books are whole when it has ended."""
    folder = tmp_path_factory.mktemp("interrupted")
    suite, books = crashes.write_suite(folder, 60), folder / "billing.jsonl"
    databases = {sent: folder / f"{sent.name}.db" for sent in SENT}
    ended: dict[signal.Signals, tuple[int, str, Counter[str], Said]] = {}
    with crashes.simulating(suite, books, "--delay-ms", "200") as url:
        for sent, database in databases.items():
            victim = _begun(suite, url, database, f"run-{sent.name}")
            victim.process.send_signal(sent)
            code, statuses = _end(victim), _statuses(database)
            resumed = said_here("run", "--resume", f"run-{sent.name}", "--db", str(database), "-q")
            ended[sent] = (code, victim.said, statuses, resumed)
    seen, found = crashes.read_books(books).keys(), {}
    for sent, database in databases.items():
        with Ledger.open(database, create=False) as ledger:
            rows = list(attempt_rows(ledger))
        found[sent] = Interrupted(*ended[sent], rows, seen & {row.request_id for row in rows})
    assert seen == set().union(*(one.seen_by_server for one in found.values())), "every request is in a ledger"
    return found


@pytest.mark.parametrize("sent", SENT)
def test_the_first_interrupt_drains_and_says_how_to_go_on(
    interrupted: Mapping[signal.Signals, Interrupted], sent: signal.Signals
) -> None:
    """Stopping when the fast ones are back would bias the score: what was launched is drained."""
    run = interrupted[sent]
    assert run.code == 130
    assert f"benchtab run --resume run-{sent.name}" in run.said
    assert set(run.statuses) <= {"succeeded", "cancelled"}
    assert 0 < run.statuses["succeeded"] < 60
    assert run.resumed.code == 0, run.resumed.stderr
    unsent = {row.request_id for row in run.rows if row.status == "cancelled"}  # recorded for the next places
    assert {(row.billed, row.charged_pico_usd) for row in run.rows if row.request_id in unsent} <= {("no", 0)}
    assert run.seen_by_server == {row.request_id for row in run.rows} - unsent
    assert len(run.rows) - len(unsent) == 60


async def test_the_second_interrupt_gives_up_and_leaves_bills_unknown(suite: Path, tmp_path: Path) -> None:
    database = tmp_path / "ledger.db"
    async with serve() as server:
        server.always = Reply(until=asyncio.Event())
        victim = crashes.Victim(suite, f"{server.url}/v1", database, "run-1", *PER_RUN)
        while len(server.seen) < 8:
            server.arrived.clear()
            await asyncio.wait_for(server.arrived.wait(), 60.0)
        victim.process.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(victim.says_within, "Ctrl-C again", 60.0), victim.said
        victim.process.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(_end, victim) == 130
        assert len(server.seen) == 8
    with Ledger.open(database, create=False) as ledger:
        rows = list(attempt_rows(ledger))
        assert [(row.status, row.billed, row.charged_pico_usd) for row in rows] == [("cancelled", "unknown", None)] * 8
        assert sum(bill.reserved_pico_usd for bill in unknown_bills(ledger)) == sum(
            row.reserved_pico_usd for row in rows
        )
        outcomes = ledger.outcomes("run-1")
    assert all(one.n_cancelled == one.n_attempts for one in outcomes.values()), "they are tried again on resume"


def test_kills_lose_no_answer_and_repeat_none(tmp_path: Path) -> None:
    findings = crashes.torment(tmp_path, kills=4, samples=60, concurrency=8, longest_s=0.3, seed=1)
    assert findings.n_kills == 4
    assert findings.n_answered == findings.n_samples
    assert (findings.resent, findings.unlogged, findings.differing, findings.above_bound) == ([], [], [], [])
    assert findings.ledger_pico == findings.server_pico > 0
    assert findings.takeovers_refused == 0
    assert findings.holds


# a full disk and a locked ledger


def test_sending_stops_before_a_full_disk_loses_an_answer(tmp_path: Path) -> None:
    suite, database = number_suite(tmp_path, 900), tmp_path / "ledger.db"
    command = [sys.executable, "-m", "harness", "run", suite, "-m", "sim/reasoner", "--db", str(database), "-q"]
    limit = KEPT_FREE_BYTES + 5 * 2**19
    ended = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert ended.returncode == 1, ended.stderr
    assert "the disk is nearly full" in ended.stderr
    assert str(database) in ended.stderr
    assert "free some space" in ended.stderr
    assert set(_statuses(database)) == {"succeeded"}, "what was sent is settled"
    with Ledger.open(database, create=False) as ledger:
        assert [run.status for run in ledger.runs()] == ["partial"]
    again = said_here("run", "--resume", ledger_run(database), "--db", str(database), "-q")
    assert again.code == 0, again.stderr
    assert _statuses(database) == {"succeeded": 900}


def ledger_run(database: Path) -> str:
    with Ledger.open(database, create=False) as ledger:
        return ledger.runs()[0].run_id


def test_room_is_what_the_disk_or_a_limit_leaves(tmp_path: Path) -> None:
    path = str(tmp_path / "ledger.db")
    assert room_bytes(path) > 0
    assert not is_short(path, in_flight=10)
    assert is_short(path, in_flight=10**12)


@pytest.fixture
def small_patience(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db", busy_timeout_s=0.05) as ledger:
        yield ledger


async def test_a_locked_ledger_stops_sending_and_still_records_what_was_answered(
    small_patience: Ledger, tmp_path: Path
) -> None:
    filled = fill(small_patience)
    async with small_patience.writer() as writer:
        attempt_id = await writer.send(start(filled, 0))
        other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerError, match="locked") as caught:
            await writer.send(start(filled, 1))
        assert "another program holds the database" in str(caught.value)
        assert str(tmp_path / "ledger.db") in str(caught.value)
        settled = writer.settle(outcome(attempt_id, usage=UsageFacts(input_tokens=1, output_tokens=1)))
        other.execute("ROLLBACK")
        other.close()
        await settled
        with pytest.raises(LedgerError):
            await writer.send(start(filled, 2))
    assert [row.status for row in attempt_rows(small_patience)] == ["succeeded"]


def test_a_locked_ledger_ends_a_run_with_the_file_and_the_remedy(small_patience: Ledger, tmp_path: Path) -> None:
    suite = number_suite(tmp_path, 5)
    other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerError, match="locked") as caught:
        run(suite, ["sim/direct"], small_patience)
    other.close()
    assert caught.value.exit_code == 1
    assert caught.value.where == str(tmp_path / "ledger.db")
    assert caught.value.fix == "another program holds the database; close it, then run the same command again"
