"""One session of a run: wave by wave, workers take planned samples in draw order and have each of them worked.

Data flows `WavePlanner.next_wave` -> `ModelQueue.take` -> `SampleWork.work` -> attempts and scores in the ledger.
Launched work is always drained: a stop (budget, Ctrl-C, a refused key) only keeps new requests from leaving.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from harness.errors import BudgetReached
from harness.runner.model_queues import ModelQueue, RunObserver
from harness.runner.sample_work import SampleWork
from harness.runner.traffic.limiter import SampleLeft
from harness.runner.wave_loop import WavePlanner, ask_in_waves


class Session:
    """Drives all models of a run until nothing is left to ask or something stops it."""

    def __init__(
        self,
        queues: Sequence[ModelQueue],
        planner: WavePlanner,
        *,
        work: SampleWork,
        stopping: asyncio.Event,
        observer: RunObserver,
        concurrency: int,
    ) -> None:
        self.queues = queues
        self._planner = planner
        self._work = work
        self._stopping = stopping
        self._observer = observer
        self._workers_per_model = 2 * concurrency
        self._tasks: list[asyncio.Task[None]] = []
        self.interrupted = False
        self.failure: BaseException | None = None

    async def run(self) -> None:
        """Ask everything that can be asked; raises what broke the ledger or the program itself, after draining."""
        await ask_in_waves(self._planner, self.queues, self._ask, observer=self._observer, stopping=self._stopping)

    async def _ask(self) -> None:
        """Work what the queues hold."""
        self._tasks = []
        for queue in self.queues:
            n_workers = min(self._workers_per_model, max(1, len(queue.pending)))
            self._tasks += [asyncio.create_task(self._worker(queue)) for _ in range(n_workers)]
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.failure is not None:
            raise self.failure

    def interrupt(self) -> None:
        """First call: send nothing more and drain. Second call: give up on what is in flight (it may be billed)."""
        if self.interrupted:
            for task in self._tasks:
                task.cancel()
            self._observer.notice("giving up on requests in flight; they are recorded as possibly billed")
            return
        self.interrupted = True
        self._stop_all()
        self._observer.notice("stopping: waiting for answers in flight (Ctrl-C again to give up on them)")

    def _stop_all(self) -> None:
        self._stopping.set()
        for queue in self.queues:
            queue.sender.close()

    async def _worker(self, queue: ModelQueue) -> None:
        while not self._stopping.is_set() and (chain := queue.take()) is not None:
            try:
                await self._work.work(queue, chain)
            except SampleLeft:
                pass
            except BudgetReached as reached:
                queue.stop(reached)
            except Exception as error:  # noqa: BLE001 - nothing may die in silence inside a task
                self.failure = self.failure or error
                self._stop_all()
