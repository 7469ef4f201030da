"""One worker inside an actor: `work_on`, with notices and the word to stop passed through memory.

Nothing here knows of Ray, whose processes only carry it: an order in, how it ended out.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import HarnessError
from harness.ledger import Ledger
from harness.pricing.model_facts import lay_over
from harness.pricing.price_files import load_price_book
from harness.runner.workers.one_worker import WorkerOptions, work_on
from harness.runner.workers.worker_notices import WorkerNotices
from harness.secrets import learn_environment, redact, redact_known


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOrder:
    """What a worker is told.

    Attributes:
        ledger_url: with its password, if it has one: it travels in memory only, and is not shown.
        folder: the driver's; on a machine that has it, too, relative names of suites and data mean the same there.
        pricing: folder of price files laid over the shipped ones.
    """

    run_id: str
    ledger_url: str = field(repr=False)
    folder: str
    pricing: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderEnd:
    """How an order ended.

    Attributes:
        problem: why it broke off; None = nothing was left, or it was told to stop.
        code: the exit code that a process would have ended with.
        said: notices that nobody has heard yet.
    """

    problem: str | None = None
    code: int = 0
    said: tuple[str, ...] = ()


class RayWorker:
    """A worker whose methods are called from several threads: `work` takes as long as the run, beside the others."""

    def __init__(self) -> None:
        self._said: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._interrupt: Callable[[], object] | None = None
        self._is_draining = False

    def work(self, order: WorkerOrder) -> OrderEnd:
        """Work on a run until nothing is left, or until `interrupt`; never raises, as Ray would store a traceback."""
        learn_environment(os.environ)
        with contextlib.suppress(OSError):
            os.chdir(order.folder)
        problem, code = None, 0
        try:
            self._work(order)
        except Exception as error:  # noqa: BLE001  # told by the driver
            problem, code = _told(error), error.exit_code if isinstance(error, HarnessError) else 1
        return OrderEnd(problem=problem, code=code, said=tuple(self._waiting()))

    def _work(self, order: WorkerOrder) -> None:
        book = load_price_book(order.pricing)
        lay_over(order.pricing)
        notices = WorkerNotices(lambda text: self._said.put(redact_known(text)))
        with Ledger.open(order.ledger_url, create=False) as ledger:
            work_on(ledger, book, order.run_id, observer=notices, options=WorkerOptions(interrupted=self._interrupted))

    @contextlib.contextmanager
    def _interrupted(self, interrupt: Callable[[], None]) -> Iterator[None]:
        """Have `RayWorker.interrupt`, which another thread calls, reach the running loop."""
        loop = asyncio.get_running_loop()
        with self._lock:
            self._interrupt = lambda: loop.call_soon_threadsafe(interrupt)
            if self._is_draining:
                interrupt()
        try:
            yield
        finally:
            with self._lock:
                self._interrupt = None

    def is_here(self) -> bool:
        """Say that the actor has a process."""
        return True

    def hear(self) -> list[str]:
        """Wait for something to say, and give all of it."""
        return [self._said.get(), *self._waiting()]

    def _waiting(self) -> Iterator[str]:
        with contextlib.suppress(queue.Empty):
            while True:
                yield self._said.get_nowait()

    def interrupt(self) -> None:
        """As a signal: finish what has begun, and take nothing more; said once more, do not wait for it."""
        with self._lock:
            self._is_draining = True
            if self._interrupt is not None:
                self._interrupt()


def _told(error: Exception) -> str:
    said = str(error) if isinstance(error, HarnessError) else f"{type(error).__name__}: {error}"
    return redact(" ".join(said.split()))
