"""Runs with workers inside one process: a driver that starts nothing, and workers on threads, each with its own ledger.

Data flows `driven` -> a driver on this thread, `work_on` on others -> the same ledger; both end before it returns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from harness.ledger import Ledger
from harness.ledger.leases.lease_records import WorkerKind
from harness.models import parse_model
from harness.pricing.price_files import load_price_book
from harness.runner import RunResult, RunSpec, SessionOptions, run_suites
from harness.runner.workers.one_worker import WorkerOptions, WorkerResult, work_on
from tests.support.runs import QUICK, Watcher, observing


class Threads:
    """Works on a run with one thread per worker, as soon as its driver has something to offer."""

    is_alive = True

    def __init__(self, url: str, run_id: str, kinds: Sequence[WorkerKind]) -> None:
        self._url = url
        self._run_id = run_id
        self._kinds = kinds
        self._pool = ThreadPoolExecutor(max(1, len(kinds)))
        self.watchers = [Watcher() for _ in kinds]
        self._working: list[Future[WorkerResult]] = []

    def start(self) -> None:
        self._working = [
            self._pool.submit(self._work, kind, watcher)
            for kind, watcher in zip(self._kinds, self.watchers, strict=True)
        ]

    def _work(self, kind: WorkerKind, watcher: Watcher) -> WorkerResult:
        return work(self._url, self._run_id, kind=kind, watcher=watcher)

    def look(self, *, is_work_left: bool) -> Iterator[str]:  # the interface
        for future in self._working:
            if future.done():
                future.result()  # a worker that broke off breaks the test
        return iter(())

    def drain(self) -> None:
        """They hear it from the ledger."""

    def stop(self) -> None:
        """As `drain`."""

    def results(self) -> list[WorkerResult]:
        """What the workers did; waits for them."""
        return [future.result(timeout=30) for future in self._working]


@dataclass(frozen=True, slots=True, kw_only=True)
class Driven:
    """A run that workers asked: how it ended, what each worker did, and what was said."""

    result: RunResult
    workers: list[WorkerResult]
    notices: list[str]
    worker_notices: list[list[str]]


def work(
    url: str, run_id: str = "run-1", *, kind: WorkerKind = "all", watcher: Watcher | None = None, lease_s: float = 30.0
) -> WorkerResult:
    """Be one worker of a run until it ends."""
    session = SessionOptions(limits=QUICK)
    with Ledger.open(url) as ledger:
        return work_on(
            ledger,
            load_price_book(),
            run_id,
            observer=watcher or Watcher(),
            options=WorkerOptions(kind=kind, lease_s=lease_s, session=session),
        )


def driven(
    suite: str,
    models: Sequence[str],
    url: str,
    *,
    kinds: Sequence[WorkerKind] = ("all", "all"),
    run_id: str = "run-1",
    retry_failed: bool = False,
    meanwhile: Callable[[], None] = lambda: None,
    **options: Any,
) -> Driven:
    """Drive a run whose samples workers on threads ask.

    Args:
        kinds: of the workers, one each.
        meanwhile: called once the workers are about to start.
    """
    spec = RunSpec(suites=(suite,), models=tuple(parse_model(model) for model in models), **options)
    watcher = Watcher()
    made: list[Threads] = []

    def engine(name: str) -> Threads:
        meanwhile()
        made.append(Threads(url, name, kinds))
        return made[-1]

    with Ledger.open(url) as ledger:
        result = run_suites(
            spec,
            ledger=ledger,
            book=load_price_book(),
            run_id=run_id,
            observe=observing(watcher),
            session=SessionOptions(limits=QUICK, retry_failed=retry_failed, engine=engine),
        )
    return Driven(
        result=result,
        workers=[done for threads in made for done in threads.results()],
        notices=watcher.notices,
        worker_notices=[one.notices for threads in made for one in threads.watchers],
    )
