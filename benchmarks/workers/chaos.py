"""Runs of several workers in which processes are killed, stopped and woken, and the database is restarted.

Data flows a seed -> what happens to a run -> `benchtab run --workers 0` and `benchtab worker` as processes -> how it
ended; `verdicts.py` holds the books of it.
"""

from __future__ import annotations

import contextlib
import random
import signal
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import count, repeat
from multiprocessing import get_context
from pathlib import Path

from benchmarks.crashes import PROVIDER, simulating, write_suite
from benchmarks.workers.chaos_plans import LARGEST_RUN, ChaoticRun, Event, Plan
from benchmarks.workers.commands import Command, imported_beforehand
from benchmarks.workers.verdicts import Verdict, judged
from benchmarks.workers.witness import LostWrites, lost_writes, watch
from harness.errors import LedgerError
from harness.ledger import Ledger
from harness.ledger.leases.worker_rows import driver_of, workers
from tests.support.postgres_server import PostgresServer, serving

LONGEST_RUN_S = 240.0
LONGEST_GOODBYE_S = 60.0
"""How long workers have to go after the driver, the longest lease and a database that comes back included."""
MOST_STARTS = 30
_NAP_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a lane's runs happen: the folder of its logs, its suite, its simulated provider and its database."""

    folder: Path
    suite: Path
    base_url: str
    ledger: Ledger
    url: str
    server: PostgresServer


class Tormentor:
    """Drives one run to its end, whatever happens to it."""

    def __init__(self, plan: Plan, place: Place) -> None:
        self.found = ChaoticRun(plan=plan)
        self._plan = plan
        self._place = place
        self._draw = random.Random(plan.run_id)
        self._events = list(plan.events)
        self._driver = self._start_driver()
        self._workers: list[Command] = []
        self._stopped: list[tuple[Command, float]] = []
        self._missing = plan.n_workers
        self._begun_s: float | None = None

    def carry_out(self) -> ChaoticRun:
        """Drive the run until its driver has ended by itself and all workers have gone."""
        started_s = time.monotonic()
        try:
            while self.found.exit_code is None and time.monotonic() - started_s < LONGEST_RUN_S:
                self._look_after_driver()
                self._look_after_workers()
                self._wake()
                self._let_happen()
                time.sleep(_NAP_S)
            self._see_off()
        finally:
            for command in (self._driver, *self._workers):
                command.kill()
        self.found.wall_s = time.monotonic() - started_s
        return self.found

    def _start_driver(self) -> Command:
        plan = self._plan
        words = ["run", str(self._place.suite), "-m", f"{PROVIDER}/{plan.model}", "--base-url", self._place.base_url]
        words += [
            "--db",
            self._place.url,
            "--run-id",
            plan.run_id,
            "--limit",
            str(plan.n_samples),
            "--workers",
            "0",
            "-q",
        ]
        words += ["--concurrency", str(plan.concurrency), "--timeout-s", "1.5", "--max-failed", "100%"]
        if plan.cap_usd is not None:
            words += ["--budget-usd", str(plan.cap_usd)]
        return self._start(words, "driver")

    def _start(self, words: Sequence[str], what: str) -> Command:
        self.found.n_starts += 1
        return Command(words, self._place.folder / f"{self._plan.run_id}-{what}-{self.found.n_starts}.log")

    def _look_after_driver(self) -> None:
        """Start the driver again when it ended otherwise than it should; a batch system or a person would."""
        code = self._driver.exit_code
        if code is None:
            return
        if code in (0, 3):
            self.found.exit_code = code
            return
        if code != -signal.SIGKILL:
            self._note_odd_end("driver", self._driver)
        if self.found.n_starts < MOST_STARTS:
            self._driver = self._start_driver()

    def _look_after_workers(self) -> None:
        """Start a worker for each that was killed or broke off, and one where all have gone."""
        for worker in [one for one in self._workers if one.exit_code is not None]:
            self._workers.remove(worker)
            if worker.exit_code:
                self._missing += 1
            if worker.exit_code not in (0, -signal.SIGKILL) and not self._was_stopped(worker):
                self._note_odd_end("worker", worker)
        if not self._workers and not self._missing:
            self._missing = 1
        if self._missing and self.found.n_starts < MOST_STARTS and self._is_offered():
            words = ["worker", self._plan.run_id, "--db", self._place.url, "--lease-s", str(self._plan.lease_s), "-q"]
            self._workers.append(self._start(words, "worker"))
            self._missing -= 1

    def _was_stopped(self, worker: Command) -> bool:
        return f"stopped {worker.name}" in self.found.happened

    def _note_odd_end(self, what: str, command: Command) -> None:
        self.found.odd_ends.append(f"{what} ended with {command.exit_code}: {command.said().strip()[-400:]}")

    def _is_offered(self) -> bool:
        with contextlib.suppress(LedgerError):
            return driver_of(self._place.ledger, self._plan.run_id) is not None
        return False

    def _let_happen(self) -> None:
        """Let the next thing happen once it is due, counted from the first request."""
        if self._begun_s is None and self._has_begun():
            self._begun_s = time.monotonic()
        if self._begun_s is None or not self._events or not self._workers:
            return
        if time.monotonic() - self._begun_s >= self._events[0][0]:
            self._happen(self._events.pop(0)[1])

    def _has_begun(self) -> bool:
        if self._plan.is_early:
            return bool(self._workers)
        with contextlib.suppress(LedgerError):
            return any(one.in_flight for one in workers(self._place.ledger, self._plan.run_id))
        return False

    def _happen(self, event: Event) -> None:
        if event == "kill the driver":
            self._driver.kill()
        elif event == "kill a worker":
            self._draw.choice(self._workers).kill()
        elif event == "stop a worker":
            victim = self._draw.choice(self._workers)
            victim.signal(signal.SIGSTOP)
            self._stopped.append((victim, time.monotonic()))
            self.found.happened.append(f"stopped {victim.name}")
        else:
            self._place.server.stop(at_once=event == "crash PostgreSQL")
            time.sleep(self._draw.uniform(0.0, 0.5))
            self._place.server.start()
        self.found.happened.append(event)

    def _wake(self) -> None:
        """Wake workers once others have taken their work (or, were that never so, after a while)."""
        for worker, since_s in list(self._stopped):
            age_s = time.monotonic() - since_s
            if worker.exit_code is None and age_s < 30.0 and not (age_s > self._plan.lease_s and self._is_lost(worker)):
                continue
            worker.signal(signal.SIGCONT)
            self._stopped.remove((worker, since_s))
            self.found.happened.append("woken after its loss" if self._is_lost(worker) else "woken")

    def _is_lost(self, worker: Command) -> bool:
        with contextlib.suppress(LedgerError):
            return any(
                one.name == worker.name and one.state == "lost"
                for one in workers(self._place.ledger, self._plan.run_id)
            )
        return False

    def _see_off(self) -> None:
        """Let the workers go by themselves, those included that still sleep."""
        for worker, _ in self._stopped:
            worker.signal(signal.SIGCONT)
        give_up_at_s = time.monotonic() + LONGEST_GOODBYE_S
        for worker in self._workers:
            self.found.left_over += not worker.ends_within(max(0.0, give_up_at_s - time.monotonic()))


RUNS_PER_SERVER = 5


def batch(number: int, run_numbers: Sequence[int], folder: Path, seed: int) -> tuple[list[Verdict], LostWrites]:
    """Torment runs one after the other on servers of their own, and hold the two sets of books against each other."""
    imported_beforehand()
    here = folder / f"batch-{number}"
    here.mkdir()
    suite, log = write_suite(here, LARGEST_RUN), here / "billing.jsonl"
    with serving() as server:
        url = server.new_ledger()
        with Ledger.open(url) as ledger:
            with server.session(url) as connection:
                watch(connection)
            runs = []
            with simulating(suite, log, "--delay-ms", "150", "--delay-log-sd", "0.5") as base_url:
                for one in run_numbers:
                    plan = Plan.drawn(one, seed)
                    place = Place(folder=here, suite=suite, base_url=base_url, ledger=ledger, url=url, server=server)
                    runs.append(Tormentor(plan, place).carry_out())
                    print(_line(runs[-1]), file=sys.stderr, flush=True)
            with server.session(url) as connection:
                return judged(runs, ledger, log), lost_writes(connection)


def torment(folder: Path, *, runs: int, at_once: int, seed: int) -> tuple[list[Verdict], list[LostWrites]]:
    """Torment so many runs, several at once."""
    batches = [range(start, min(start + RUNS_PER_SERVER, runs)) for start in range(0, runs, RUNS_PER_SERVER)]
    with ProcessPoolExecutor(at_once, mp_context=get_context("spawn")) as pool:
        done = list(pool.map(batch, count(), batches, repeat(folder), repeat(seed)))
    return [verdict for verdicts, _ in done for verdict in verdicts], [writes for _, writes in done]


def _line(run: ChaoticRun) -> str:
    plan = run.plan
    budget = "" if plan.cap_usd is None else f", ${plan.cap_usd:.2f}"
    said = f"{plan.run_id}: {plan.n_samples} samples of {plan.model}, {plan.n_workers} workers{budget}:"
    said += f" {', '.join(run.happened) or 'nothing happened'}; exit {run.exit_code} after {run.wall_s:.1f} s"
    return "\n  ".join([said, *run.odd_ends])
