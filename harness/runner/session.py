"""One session of a run: workers take planned samples in draw order, ask, retry, and have answers scored.

Data flows prepared run + what the ledger already holds -> attempts and scores in the ledger -> `RunResult`.
Launched work is always drained: a stop (budget, Ctrl-C, a refused key) only keeps new requests from leaving.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence

from harness.errors import BudgetReached
from harness.ledger.records import SampleOutcome
from harness.runner.attempts import AttemptFailed, Question
from harness.runner.model_queues import Marking, ModelQueue, RunObserver
from harness.runner.plan import Chain, PlannedItem
from harness.runner.policy import ACTIONS, Action
from harness.runner.retries import Retries
from harness.runner.traffic.limiter import SampleLeft
from harness.suites.prompts import with_earlier_answers


class Session:
    """Drives all models of a run until nothing is left to ask or something stops it."""

    def __init__(
        self,
        queues: Sequence[ModelQueue],
        *,
        marking: Marking,
        retries: Retries,
        stopping: asyncio.Event,
        observer: RunObserver,
        concurrency: int,
    ) -> None:
        self.queues = queues
        self._marking = marking
        self._retries = retries
        self._stopping = stopping
        self._observer = observer
        self._workers_per_model = 2 * concurrency
        self._tasks: list[asyncio.Task[None]] = []
        self.interrupted = False
        self.failure: BaseException | None = None

    async def run(self) -> None:
        """Ask everything that can be asked; raises what broke the ledger or the program itself, after draining."""
        for queue in self.queues:
            n_workers = min(self._workers_per_model, max(1, len(queue.pending)))
            self._tasks += [asyncio.create_task(self._work(queue)) for _ in range(n_workers)]
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for queue in self.queues:
            queue.n_left = queue.n_samples - queue.n_finished
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
            queue.asker.close()

    async def _work(self, queue: ModelQueue) -> None:
        while queue.pending and queue.stopped_by is None and not self._stopping.is_set():
            chain = queue.pending.popleft()
            try:
                await self._ask_chain(queue, chain)
            except SampleLeft:
                pass
            except BudgetReached as reached:
                queue.stop(reached)
            except Exception as error:  # noqa: BLE001 - nothing may die in silence inside a task
                self.failure = self.failure or error
                self._stop_all()

    async def _ask_chain(self, queue: ModelQueue, chain: Chain) -> None:
        answers: dict[str, str | None] = {}
        for planned in chain:
            sample = with_earlier_answers(planned.sample, answers)
            item = planned if sample is planned.sample else dataclasses.replace(planned, sample=sample)
            question = queue.question(item)
            known = queue.outcomes.get((question.cell_id, question.planned_id))
            answers[item.sample.sample_id] = await self._ask_item(queue, item, question, known)

    async def _ask_item(
        self, queue: ModelQueue, item: PlannedItem, question: Question, known: SampleOutcome | None
    ) -> str | None:
        """Ask one item unless it is answered already; returns the answer's text, None when there is none."""
        finished = await self._marking.without_asking(queue, item, question, known)
        if finished is not None:
            return finished.text
        try:
            answer = await self._retries.ask(
                queue.asker,
                question,
                tries_before=0 if known is None else known.last_try_number,
                uncounted=0 if known is None else known.n_open + known.n_cancelled,
            )
        except AttemptFailed as error:
            if ACTIONS[error.error_class] is Action.STOP_MODEL:
                queue.stop(error)
            self._marking.failed(queue, error)
            return None
        await self._marking.answered(queue, item, question, answer.attempt_id, answer.response)
        return answer.response.text
