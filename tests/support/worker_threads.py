"""Runs with workers inside one process: a driver that starts nothing, and workers on threads, each with its own ledger.

Data flows `driven` -> a driver on this thread, `work_on` on others -> the same ledger; both end before it returns.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from harness.ledger import Ledger
from harness.ledger.leases.lease_records import WorkerKind
from harness.models import ModelSpec, parse_model
from harness.pricing import PriceBook
from harness.pricing.price_files import load_price_book
from harness.runner import RunResult, RunSpec, SessionOptions, run_suites
from harness.runner.session_setup import StoredPlan, usual_planner
from harness.runner.wave_loop import WavePlanner
from harness.runner.workers.one_worker import WorkerOptions, WorkerResult, work_on
from tests.support.runs import QUICK, Watcher, observing

LEASE_S = 3.0
"""Short, so that workers speak to the ledger often."""


class WorkerWatcher(Watcher):
    """A worker's observer; `most_tasks` = of its event loop, at most, when requests left."""

    most_tasks = 0

    def attempt_sent(self, model: ModelSpec) -> None:
        super().attempt_sent(model)
        self.most_tasks = max(self.most_tasks, len(asyncio.all_tasks()))


class Threads:
    """Works on a run with one thread per worker, as soon as its driver has something to offer.

    Args:
        kinds: of the workers that start with the run.
        later: of those that start when all of the first have ended, or at once where there are none.
        between: called before the later ones start.
    """

    is_alive = True

    def __init__(
        self,
        url: str,
        run_id: str,
        kinds: Sequence[WorkerKind],
        later: Sequence[WorkerKind],
        between: Callable[[], None],
        book: PriceBook,
    ) -> None:
        self._url = url
        self._run_id = run_id
        self._kinds = kinds
        self._later = list(later)
        self._between = between
        self._book = book
        self._pool = ThreadPoolExecutor(max(1, len(kinds) + len(later)))
        self.watchers: list[WorkerWatcher] = []
        self._working: list[Future[WorkerResult]] = []

    def start(self) -> None:
        self._begin(self._kinds)

    def _begin(self, kinds: Sequence[WorkerKind]) -> None:
        for kind in kinds:
            self.watchers.append(watcher := WorkerWatcher())
            self._working.append(
                self._pool.submit(work, self._url, self._run_id, kind=kind, watcher=watcher, book=self._book)
            )

    def look(self, *, is_work_left: bool) -> Iterator[str]:
        for future in self._working:
            if future.done():
                future.result()  # a worker that broke off breaks the test
        if is_work_left and self._later and all(future.done() for future in self._working):
            self._between()
            kinds, self._later = self._later, []
            self._begin(kinds)
        return iter(())

    def drain(self) -> None:
        """They hear it from the ledger."""

    def give_up(self) -> None:
        """As `drain`."""

    def stop(self) -> None:
        """As `drain`."""

    def results(self) -> list[WorkerResult]:
        """What the workers did, in the order they started; waits for them."""
        done = [future.result(timeout=30) for future in self._working]
        self._pool.shutdown()
        return done


@dataclass(frozen=True, slots=True, kw_only=True)
class Driven:
    """A run that workers asked: how it ended, what each worker did, and what was said."""

    result: RunResult
    workers: Sequence[WorkerResult]
    notices: list[str]
    worker_notices: list[list[str]]
    most_tasks: list[int]


def work(
    url: str,
    run_id: str = "run-1",
    *,
    kind: WorkerKind = "all",
    watcher: Watcher | None = None,
    book: PriceBook | None = None,
) -> WorkerResult:
    """Be one worker of a run until it ends."""
    session = SessionOptions(limits=QUICK)
    with Ledger.open(url) as ledger:
        return work_on(
            ledger,
            book or load_price_book(),
            run_id,
            observer=watcher or Watcher(),
            options=WorkerOptions(kind=kind, lease_s=LEASE_S, session=session),
        )


def driven(
    suite: str,
    models: Sequence[str],
    url: str,
    *,
    kinds: Sequence[WorkerKind] = ("all", "all"),
    later: Sequence[WorkerKind] = (),
    between: Callable[[], None] = lambda: None,
    book: PriceBook | None = None,
    run_id: str = "run-1",
    retry_failed: bool = False,
    planner: Callable[[StoredPlan], WavePlanner] = usual_planner,
    **options: Any,
) -> Driven:
    """Drive a run whose samples workers on threads ask.

    Args:
        kinds, later, between: as of `Threads`.
        book: of prices; None = the program's own.
    """
    spec = RunSpec(suites=(suite,), models=tuple(parse_model(model) for model in models), **options)
    watcher, prices = Watcher(), book or load_price_book()
    made: list[Threads] = []

    def engine(name: str) -> Threads:
        made.append(Threads(url, name, kinds, later, between, prices))
        return made[-1]

    with Ledger.open(url) as ledger:
        result = run_suites(
            spec,
            ledger=ledger,
            book=prices,
            run_id=run_id,
            observe=observing(watcher),
            session=SessionOptions(
                limits=QUICK, retry_failed=retry_failed, engine=engine, planner=planner, who_asks=["--workers", "2"]
            ),
        )
    return Driven(
        result=result,
        workers=[done for threads in made for done in threads.results()],
        notices=watcher.notices,
        worker_notices=[one.notices for threads in made for one in threads.watchers],
        most_tasks=[one.most_tasks for threads in made for one in threads.watchers],
    )
