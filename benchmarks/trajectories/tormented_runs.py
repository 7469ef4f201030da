"""Carries chaotic runs of conversations out: real processes, killed and resumed, against one simulated server a batch.

Data flows `Plan` -> `benchtab run` again and again -> `TormentedRun`; `talk_verdicts` holds the books of it.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import count, repeat
from multiprocessing import get_context
from pathlib import Path

from benchmarks.crashes import simulating
from benchmarks.trajectories.chaotic_plans import Blow, Plan
from benchmarks.trajectories.judged_suite import write_judged_suite
from benchmarks.trajectories.talk_verdicts import Verdict, judged
from benchmarks.workers.commands import Command, imported_beforehand
from harness.errors import LedgerError
from harness.ledger import Ledger
from harness.ledger.leases.worker_rows import workers
from tests.support.postgres_server import serving

SUITE = "workbench"
RUNS_PER_SERVER = 5
N_WORKERS = 2
EVERY_SHARED = 8
"""One batch of so many is asked by several workers that share a PostgreSQL ledger."""
LONGEST_RUN_S = 150.0
LONGEST_GOODBYE_S = 60.0
REFUSED = 2
"""How `benchtab run` ends that sends nothing because of what it was asked."""
MOST_PARTIAL = 3
LONGEST_START_S = 20.0
_NAP_S = 0.02
DELAY_MS = 15
RATE_LIMIT = "40"
EVERY_LIMITED = 3
"""One batch of so many asks a server that answers 429 to more than that many requests a second."""


@dataclass(slots=True, kw_only=True)
class TormentedRun:
    """What happened to a run.

    Attributes:
        kills_in_flight: kills that left requests behind whose end nobody will know.
        n_stops: ends by SIGTERM.
        n_partial: drivers of several workers that ended with work left, which another session took up.
        odd_ends: ends of processes that nobody killed and that say neither success nor a reached budget.
        exit_code: of the process that ended the run by itself, 2 where its caps were refused and nothing was sent;
            None = none did in time.
        is_raised: whether its cap was raised.
    """

    plan: Plan
    n_starts: int = 0
    n_kills: int = 0
    n_stops: int = 0
    kills_in_flight: int = 0
    n_resumes: int = 0
    n_partial: int = 0
    odd_ends: list[str] = field(default_factory=list)
    exit_code: int | None = None
    is_raised: bool = False
    wall_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a batch of runs happens: the folder of its logs, its suites, its simulated provider, its database."""

    folder: Path
    suites: tuple[str | Path, ...]
    base_url: str
    ledger: Ledger
    database: str


class Tormentor:
    """Drives one run to its end, whatever happens to it."""

    def __init__(self, plan: Plan, place: Place) -> None:
        self.found = TormentedRun(plan=plan)
        self._plan = plan
        self._place = place
        self._draw = random.Random(plan.run_id)
        self._blows = list(plan.blows)
        self._is_asked_again = False
        self._n_left_open = 0

    def carry_out(self) -> TormentedRun:
        """Start it until it has ended by itself and nothing more is planned for it."""
        started_s, found = time.monotonic(), self.found
        while found.exit_code is None and time.monotonic() - started_s < LONGEST_RUN_S:
            self._one_session()
        self._see_workers_off()
        found.wall_s = time.monotonic() - started_s
        return found

    def _one_session(self) -> None:
        found, plan, place = self.found, self._plan, self._place
        if self._is_asked_again:
            words = plan.resuming(place.base_url, place.database, is_raised=found.is_raised)
        else:
            words = plan.words(place.suites, place.base_url, place.database, is_raised=found.is_raised)
        found.n_starts += 1
        command = Command(words, place.folder / f"{plan.run_id}-{found.n_starts}.log")
        try:
            if self._blows:
                has_ended = not self._is_struck(command, self._blows.pop(0))
            else:
                has_ended = command.ends_within(LONGEST_RUN_S)
        finally:
            command.kill()
        if has_ended:
            self._ended(command)

    def _is_struck(self, command: Command, blow: Blow) -> bool:
        """Strike a process at its instant; False = it has ended by itself before."""
        before, until_s = self._n_requests(), time.monotonic() + LONGEST_START_S
        while not blow.is_early and time.monotonic() < until_s and self._n_requests() == before:
            if command.ends_within(_NAP_S):
                return False
        if command.ends_within(blow.after_s):
            return False
        if blow.is_kill:
            self._kill(command)
        else:
            command.signal(signal.SIGTERM)
            self.found.n_stops += 1
            if not command.ends_within(LONGEST_GOODBYE_S):
                self.found.odd_ends.append(f"{self._plan.run_id} does not end on SIGTERM")
        return True

    def _kill(self, command: Command) -> None:
        """Kill the run's process; of one that has workers in half of the cases one of those, too."""
        if (alive := self._workers_alive()) and self._draw.random() < 0.5:
            os.kill(self._draw.choice(alive), signal.SIGKILL)
        command.kill()
        self.found.n_kills += 1
        self.found.kills_in_flight += self._n_open() > self._n_left_open
        self._n_left_open = self._n_open()

    def _ended(self, command: Command) -> None:
        found = self.found
        code = command.exit_code
        if code == REFUSED and not self._n_requests():
            found.exit_code = code  # a first request of some sample can never fit its cap, as is said
        elif code == 1 and self._plan.n_workers and "is partial: " in command.said() and found.n_partial < MOST_PARTIAL:
            found.n_partial += 1
        elif code not in (0, 3):
            found.odd_ends.append(f"{found.plan.run_id} ended with {code}: {command.said().strip()[-600:]}")
            if len(found.odd_ends) > 3:
                found.exit_code = code
        elif code == 3 and self._plan.raised_usd is not None and not found.is_raised:
            found.is_raised = True
        elif code == 0 and self._plan.asks_again and not self._is_asked_again:
            self._is_asked_again, found.n_resumes = True, 1
        else:
            found.exit_code = code

    def _n_requests(self) -> int:
        with contextlib.suppress(LedgerError):
            return sum(one.n_attempts for one in self._place.ledger.outcomes(self._plan.run_id).values())
        return 0

    def _n_open(self) -> int:
        with contextlib.suppress(LedgerError):
            return sum(one.n_open for one in self._place.ledger.outcomes(self._plan.run_id).values())
        return 0

    def _workers_alive(self) -> list[int]:
        """The processes of the run's workers, which nobody else has started."""
        if not self._plan.n_workers:
            return []
        with contextlib.suppress(LedgerError):
            names = [one.name for one in workers(self._place.ledger, self._plan.run_id)]
            return [pid for pid in (int(name.split()[1]) for name in names) if self._is_of_run(pid)]
        return []

    def _is_of_run(self, pid: int) -> bool:
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            return self._plan.run_id.encode() in words and b"worker" in words
        return False

    def _see_workers_off(self) -> None:
        """Let workers that outlived their driver go by themselves."""
        give_up_at_s = time.monotonic() + LONGEST_GOODBYE_S
        while self._workers_alive():
            if time.monotonic() > give_up_at_s:
                self.found.odd_ends.append(f"{self._plan.run_id}: workers stay after its end")
                return
            time.sleep(0.1)


@contextlib.contextmanager
def _ledger_of(folder: Path, *, is_shared: bool) -> Iterator[str]:
    if not is_shared:
        yield str(folder / "ledger.db")
        return
    with serving() as server:
        yield server.new_ledger()


def batch(number: int, run_numbers: Sequence[int], folder: Path, seed: int) -> list[Verdict]:
    """Torment runs one after the other against a server of their own, and hold the two sets of books."""
    imported_beforehand()
    here = folder / f"batch-{number}"
    here.mkdir()
    suites, log = (SUITE, write_judged_suite(here)), here / "billing.jsonl"
    is_shared = number % EVERY_SHARED == EVERY_SHARED - 1
    with _ledger_of(here, is_shared=is_shared) as database, Ledger.open(database) as ledger:
        runs = []
        options: tuple[str, ...] = (
            "--suite",
            str(suites[1]),
            "--delay-ms",
            str(DELAY_MS),
            "--delay-log-sd",
            "1",
            "--seed",
            str(number),
        )
        if number % EVERY_LIMITED == EVERY_LIMITED - 1:
            options = (*options, "--rate-limit", RATE_LIMIT)
        with simulating(Path(SUITE), log, *options) as base_url:
            place = Place(folder=here, suites=suites, base_url=base_url, ledger=ledger, database=database)
            for one in run_numbers:
                plan = Plan.drawn(one, seed, n_workers=N_WORKERS if is_shared else 0)
                runs.append(Tormentor(plan, place).carry_out())
                print(_line(runs[-1]), file=sys.stderr, flush=True)
        return judged(runs, ledger, log)


def torment(folder: Path, numbers: range, *, at_once: int, seed: int) -> list[Verdict]:
    """Torment the runs of these numbers, several batches at once."""
    batches = [numbers[start : start + RUNS_PER_SERVER] for start in range(0, len(numbers), RUNS_PER_SERVER)]
    first = numbers.start // RUNS_PER_SERVER
    with ProcessPoolExecutor(at_once, mp_context=get_context("spawn")) as pool:
        done = list(pool.map(batch, count(first), batches, repeat(folder), repeat(seed)))
    return [verdict for verdicts in done for verdict in verdicts]


def _line(run: TormentedRun) -> str:
    plan = run.plan
    caps = f"${plan.cap_usd or 0:.3f} a run, ${plan.sample_cap_usd or 0:.4f} a sample (0: no cap)"
    said = f"{plan.run_id}: {' + '.join(plan.models)} with {plan.user}, judge {plan.judge}, {plan.n_samples} of a task,"
    said += f" {plan.concurrency} at once, {plan.n_workers} workers, {caps}: {run.n_kills} kills"
    said += f" ({run.kills_in_flight} in flight), exit {run.exit_code} after {run.wall_s:.1f} s"
    return "\n  ".join([said, *run.odd_ends])
