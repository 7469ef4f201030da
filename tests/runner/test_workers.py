"""A run that workers ask: what its driver, its workers and what starts them do when something breaks."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from harness.errors import LedgerUnreachable, RunLockedError, WorkerLost
from harness.ledger import Ledger
from harness.ledger.leases.chain_leases import standing
from harness.ledger.leases.lease_records import WorkerEnd
from harness.ledger.leases.worker_rows import end, workers
from harness.ledger.reading.attempt_rows import attempt_rows
from harness.models import ModelSpec, parse_model
from harness.pricing.price_files import load_price_book
from harness.rendering.progress import Counts, ProgressDisplay
from harness.runner import RunResult, RunSpec, SessionOptions, run_suites
from harness.runner.session_setup import usual_planner
from harness.runner.wave_loop import Wave, WavePlanner
from harness.runner.workers.engines import MOST_QUICK, LocalProcesses, OthersWorkers, local_processes
from harness.runner.workers.worker_session import LEAST_AHEAD
from tests.support.answering import answering, chat
from tests.support.command_lines import said_here
from tests.support.runs import QUICK, Watcher, chain_suite, number_suite, observing, run
from tests.support.worker_threads import driven

MODEL = "openai-compatible/m"


@pytest.fixture
def shared(postgres_url: str) -> Iterator[Ledger]:
    with Ledger.open(postgres_url) as ledger:
        yield ledger


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        yield ledger


def end_sessions(ledger: Ledger) -> None:
    """End every session of the server but this one, as a restart does."""
    with ledger.engine.connect() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
        )


def fail_some(number: int) -> tuple[int, bytes]:
    return (400, b"{}") if number in (1, 3, 4) else (200, chat("3"))


def counted(result: RunResult) -> list[tuple[int, int, int]]:
    return [(model.n_samples, model.n_failed, model.n_left) for model in result.models]


# the driver


@pytest.mark.postgres
def test_workers_count_the_samples_of_chains_as_one_process_does(
    postgres_url: str, sqlite: Ledger, tmp_path: Path
) -> None:
    """A chain of three in which one sample failed for good counted as three that were left, or as none."""
    suite = chain_suite(tmp_path)
    for retry_failed in (False, True):
        options: dict[str, Any] = {"max_attempts": 1, "retry_failed": retry_failed, "concurrency": 1}
        with answering(fail_some) as asked:
            with_workers = driven(suite, [MODEL], postgres_url, kinds=("all",), base_url=asked.url, **options).result
        with answering(fail_some) as asked:
            alone = run(suite, [MODEL], sqlite, base_url=asked.url, **options)
        assert counted(with_workers) == counted(alone)
        assert (with_workers.status, with_workers.exit_code) == (alone.status, alone.exit_code)


@pytest.mark.postgres
def test_a_share_of_the_answers_has_the_bill_forecast_again(postgres_url: str, shared: Ledger, tmp_path: Path) -> None:
    driven(number_suite(tmp_path, 80), ["sim/direct"], postgres_url)
    stages = {record.basis["stage"] for record in shared.forecasts(["run-1"])}
    assert stages == {"start", "share"}


@pytest.mark.postgres
def test_a_worker_asks_for_chains_that_there_are_not_with_its_heartbeat_only(postgres_url: str, tmp_path: Path) -> None:
    """With the queue empty, each answer that came had the ledger searched for more, by every worker."""
    statements: list[str] = []

    def note(_1: object, _2: object, statement: str, *_: object) -> None:
        statements.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        driven(number_suite(tmp_path, 60), ["sim/direct"], postgres_url, kinds=("all",))
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    n_taken = sum("SKIP LOCKED" in statement for statement in statements)
    n_beats = sum("SET heartbeat_at_us" in statement for statement in statements)
    assert 0 < n_taken <= 60 / 4 + 2 * n_beats


@pytest.mark.postgres
def test_a_driver_takes_its_lock_again_unless_another_has_it(shared: Ledger, postgres_url: str) -> None:
    with Ledger.open(postgres_url) as other, shared.run_lock("run-1"):
        end_sessions(other)
        shared.hold_on("run-1")
        with pytest.raises(RunLockedError), other.run_lock("run-1"):
            pass
        end_sessions(other)
        with other.run_lock("run-1"), pytest.raises(RunLockedError):
            shared.hold_on("run-1")


@pytest.mark.postgres
def test_only_a_server_that_is_away_is_waited_for(shared: Ledger, postgres_url: str) -> None:
    with Ledger.open(postgres_url) as other, pytest.raises(LedgerUnreachable), shared.reading() as connection:
        connection.execute(text("SELECT 1"))
        end_sessions(other)
        connection.execute(text("SELECT 1"))


class Nobody:
    """An engine whose workers never come up."""

    is_alive = False

    def start(self) -> None:
        """Nothing starts."""

    def look(self, *, is_work_left: bool) -> Iterator[str]:
        yield "worker process 7 ended (exit 2) and is not started again"

    def drain(self) -> None:
        """Nobody is there."""

    def give_up(self) -> None:
        """Nobody is there."""

    def stop(self) -> None:
        """Nobody is there."""


@pytest.mark.postgres
def test_a_run_whose_workers_are_all_gone_is_partial_and_says_why(shared: Ledger, tmp_path: Path) -> None:
    spec = RunSpec(suites=(number_suite(tmp_path, 3),), models=(parse_model("sim/direct"),))
    result = run_suites(
        spec,
        ledger=shared,
        book=load_price_book(),
        run_id="run-1",
        observe=observing(Watcher()),
        session=SessionOptions(limits=QUICK, engine=lambda _: Nobody()),
    )
    assert (result.status, result.exit_code) == ("partial", 1)
    assert counted(result) == [(3, 0, 3)]
    assert "worker process 7 ended (exit 2)" in str(result.models[0].stopped_by)
    assert result.resume_command is not None


def test_nobody_is_waited_for_once_others_workers_are_told_to_stop() -> None:
    """Ctrl-C on a driver with --workers 0 waited for ever for workers that were never started."""
    engine = OthersWorkers()
    assert engine.is_alive
    engine.drain()
    assert not engine.is_alive


def test_a_driver_that_starts_no_worker_says_once_how_one_is_started() -> None:
    """A driver with --workers 0 waited in silence."""
    engine = OthersWorkers("benchtab worker night-7")
    said = [text for _ in range(3) for text in engine.look(is_work_left=True)]
    assert said == ["no worker is started here; on each machine: benchtab worker night-7"]
    assert list(OthersWorkers("benchtab worker night-7").look(is_work_left=False)) == []


# workers


def answer_after(step: Callable[[], None], at: int) -> Callable[[int], tuple[int, bytes]]:
    """Do something while the request of this number is in flight."""

    def answer(number: int) -> tuple[int, bytes]:
        if number == at:
            step()
        return 200, chat("1")

    return answer


@pytest.mark.postgres
def test_a_server_that_ends_all_sessions_costs_no_answer_and_no_worker(
    shared: Ledger, postgres_url: str, tmp_path: Path
) -> None:
    suite = number_suite(tmp_path, 12)
    with answering(answer_after(lambda: end_sessions(shared), at=5)) as asked:
        made = driven(suite, [MODEL], postgres_url, kinds=("all", "all"), base_url=asked.url, concurrency=2)
    assert made.result.status == "complete"
    rows = list(attempt_rows(shared))
    assert [row.status for row in rows] == ["succeeded"] * 12, "none was asked twice, none is left open"
    assert len(asked.bodies) == 12
    said = [one.end.why for one in workers(shared, "run-1") if one.end is not None]
    assert "the server was away" in said
    assert said[-1] == "nothing is left"


@pytest.mark.postgres
def test_a_worker_that_was_taken_for_dead_ends_with_that_and_its_answer_is_possibly_billed(
    shared: Ledger, postgres_url: str, tmp_path: Path
) -> None:
    suite = number_suite(tmp_path, 3)

    def take_for_dead() -> None:
        for one in workers(shared, "run-1"):
            end(shared, one.worker_id, WorkerEnd(why="was not heard of in time"), state="lost")

    with answering(answer_after(take_for_dead, at=1)) as asked, pytest.raises(WorkerLost):
        driven(suite, [MODEL], postgres_url, kinds=("all",), base_url=asked.url, concurrency=1)
    assert [row.status for row in attempt_rows(shared)] == ["succeeded", "sent"]
    with answering(lambda _: (200, chat("1"))) as asked:
        made = driven(suite, [MODEL], postgres_url, base_url=asked.url, concurrency=1)
    assert made.result.status == "complete"
    assert len(asked.bodies) == 2, "what was settled is not asked again"
    assert {state for by_state in standing(shared, "run-1").values() for state in by_state} == {"done"}


@dataclass
class OfferedLate:
    """Gives its first wave when a worker has looked for work, which it does between two signs of life."""

    run: WavePlanner
    ledger: Ledger
    n_workers_before: int

    def next_wave(self, stuck: Collection[ModelSpec]) -> Wave | None:
        wave = self.run.next_wave(stuck)
        while wave is not None and not self._has_looked():
            pass  # a look at the ledger takes its time
        return wave

    def n_to_come(self, model: ModelSpec) -> int:
        return self.run.n_to_come(model)

    def _has_looked(self) -> bool:
        new = workers(self.ledger, "run-1")[self.n_workers_before :]
        assert all(one.end is None for one in new), "it waits for its driver"
        return any(one.heartbeat_at_us > one.started_at_us + 1_000_000 for one in new)


@pytest.mark.postgres
def test_a_worker_that_comes_before_its_driver_offers_the_rest_of_a_run_waits_for_it(
    shared: Ledger, postgres_url: str, tmp_path: Path
) -> None:
    """It saw that all chains of the session before were done, and ended: nothing is left."""
    suite = number_suite(tmp_path, 2)
    with answering(lambda number: (200, chat("1")) if number != 1 else (400, b"{}")) as asked:
        driven(suite, [MODEL], postgres_url, kinds=("all",), base_url=asked.url, concurrency=1)
        n_before = len(workers(shared, "run-1"))
        made = driven(
            suite, [MODEL], postgres_url, kinds=("all",), base_url=asked.url, concurrency=1, retry_failed=True,
            planner=lambda plan: OfferedLate(usual_planner(plan), shared, n_before),
        )  # fmt: skip
    assert [(one.n_asked, one.ended.why) for one in made.workers] == [(1, "nothing is left")]
    assert counted(made.result) == [(2, 0, 0)]


@pytest.mark.postgres
def test_workers_without_a_place_keep_no_chain_from_those_who_have_one(postgres_url: str, tmp_path: Path) -> None:
    suite = number_suite(tmp_path, 9)
    with answering(lambda _: (200, chat("1"))) as asked:
        made = driven(suite, [MODEL], postgres_url, kinds=("all",) * 4, base_url=asked.url, concurrency=1)
    assert made.result.status == "complete"
    assert len(asked.bodies) == 9


@pytest.mark.postgres
@pytest.mark.parametrize(("concurrency", "n_samples"), [(500, 5), (2, 60)])
def test_a_worker_starts_no_more_tasks_than_its_chains_and_places_need(
    concurrency: int, n_samples: int, postgres_url: str, tmp_path: Path
) -> None:
    """It started twice the run's concurrency for each model, whatever its share and however little there was to ask."""
    suite, models = number_suite(tmp_path, n_samples), ["sim/direct", "sim/reasoner"]
    made = driven(suite, models, postgres_url, kinds=("all",), concurrency=concurrency)
    assert counted(made.result) == [(n_samples, 0, 0)] * 2
    n_who_score, n_others = 2 * len(os.sched_getaffinity(0)), 10
    n_who_ask = len(models) * min(n_samples, max(LEAST_AHEAD, 2 * concurrency))
    assert 0 < made.most_tasks[0] <= n_who_ask + n_who_score + n_others


# local processes


def processes(code: str, *, n_workers: int = 1) -> LocalProcesses:
    return LocalProcesses([sys.executable, "-S", "-c", code], n_workers=n_workers, environment={})


def said_until(engine: LocalProcesses, wanted: str) -> list[str]:
    """Look until it was said."""
    said: list[str] = []
    while not any(wanted in line for line in said):
        is_over = not engine.is_alive
        said += (new := list(engine.look(is_work_left=True)))
        assert new or not is_over, f"all have ended, and never said {wanted!r}: {said}"
    return said


def test_workers_that_cannot_start_say_so_once_and_are_not_started_again() -> None:
    engine = processes("import sys; sys.exit(print('no key', file=sys.stderr) or 2)", n_workers=3)
    engine.start()
    engine.stop()
    said = list(engine.look(is_work_left=True))
    assert said.count("no key") == 1
    assert sum("(exit 2) and is not started again" in line for line in said) == 3
    assert not engine.is_alive
    assert list(engine.look(is_work_left=True)) == []


def test_a_worker_that_breaks_off_at_once_is_not_started_for_ever() -> None:
    engine = processes("raise SystemExit(1)")
    engine.start()
    said = said_until(engine, "is not started again")
    assert sum("another takes its place" in line for line in said) == MOST_QUICK - 1


def test_a_worker_that_was_killed_is_started_again() -> None:
    engine = processes("import os; os.kill(os.getpid(), 9)")
    engine.start()
    engine.stop()
    assert ["ended (signal 9); another takes its place" in line for line in engine.look(is_work_left=True)] == [True]
    engine.stop()


TOLD_TWICE = """
import signal, sys
signal.sigwait({signal.SIGTERM})
print("told", file=sys.stderr, flush=True)
signal.sigwait({signal.SIGTERM})
"""


def test_draining_tells_a_worker_once_and_giving_up_once_more() -> None:
    """The driver told it at every look, and the second time means to give up what is in flight."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # in the worker: what comes before it listens waits
    try:
        engine = processes(TOLD_TWICE)
        engine.start()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    engine.drain()
    engine.drain()
    said_until(engine, "told")
    assert engine.is_alive
    engine.give_up()
    engine.stop()
    assert not engine.is_alive


def test_no_process_shows_the_password_of_the_ledger() -> None:
    secret = "s3kr1tword"  # of nothing
    url = f"postgresql+psycopg://me:{secret}@127.0.0.1:1/runs"
    engine = local_processes("run-1", n_workers=1, ledger_url=url, places=[], quiet=False)
    engine.start()
    words = Path(f"/proc/{engine.process_ids[0]}/cmdline")
    while not (shown := words.read_bytes()) and engine.is_alive:
        pass  # the program is not loaded yet; one that has ended shows nothing any more
    engine.stop()
    said = "\n".join(engine.look(is_work_left=True))
    assert b"worker" in shown
    assert secret.encode() not in shown
    assert "the ledger cannot be used" in said
    assert secret not in said


# the command line


def test_workers_on_a_sqlite_ledger_are_refused_before_anything_is_made(tmp_path: Path) -> None:
    for words in (["run", "starter", "-m", "sim/direct", "--workers", "2"], ["worker", "run-1"]):
        said = said_here(*words, "--db", "new.db", cwd=tmp_path)
        assert said.code == 1
        assert "a SQLite file has one writer at a time" in said.stderr
        assert "postgresql+psycopg://" in said.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.postgres
def test_runs_show_lists_workers_leases_and_the_driver(postgres_url: str, tmp_path: Path) -> None:
    driven(number_suite(tmp_path, 4), ["sim/direct"], postgres_url, kinds=("all",))
    said = said_here("runs", "show", "run-1", "--db", postgres_url)
    assert said.code == 0
    assert "nothing is left" in said.stdout
    assert "chains of samples: 4 done" in said.stdout
    assert "which has ended" in said.stdout


@pytest.mark.postgres
def test_the_display_of_a_driver_shows_what_the_ledger_holds_and_who_works(
    shared: Ledger, postgres_url: str, tmp_path: Path
) -> None:
    made = driven(number_suite(tmp_path, 4), ["sim/direct"], postgres_url, kinds=("all",))
    model = made.result.models[0].spec
    clock = iter(float(1000 * n) for n in range(100))
    counts = Counts(planned=4, done=4, failed=1)
    display = ProgressDisplay({model: 4}, clock=lambda: next(clock), follow=lambda: {model: counts})
    display.workers_seen(workers(shared, "run-1"))
    assert display.line().startswith("4/4 samples, 1 failed")
    assert display.line().endswith("workers: 1 ended")
