"""One session of a run: workers take planned samples in draw order, ask, retry, and have answers scored.

Data flows prepared run + what the ledger already holds -> attempts and scores in the ledger -> `RunResult`.
Launched work is always drained: a stop (budget, Ctrl-C, a refused key) only keeps new requests from leaving.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from harness.errors import BudgetReached, ErrorClass, HarnessError
from harness.ledger.records import SampleOutcome
from harness.models import ModelSpec
from harness.prompts import with_earlier_answers
from harness.runner.attempts import Asker, AttemptFailed, AttemptObserver, Question
from harness.runner.grading import Grader
from harness.runner.plan import Chain, PlannedItem
from harness.runner.policy import ACTIONS, Action
from harness.runner.preparation import ModelPlan
from harness.runner.retries import Retries
from harness.runner.reuse import Reuse
from harness.runner.traffic import SampleLeft


class RunObserver(AttemptObserver, Protocol):
    """Who wants to see a session: progress displays and tests."""

    def sample_finished(self, model: ModelSpec, *, failed: bool) -> None: ...

    def notice(self, text: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer:
    """An answer as an earlier session left it in the ledger."""

    text: str
    finish_reason: str | None
    refused: bool


@dataclass(slots=True, kw_only=True)
class ModelQueue:
    """What is still to be asked of one model, and why it stopped if it did.

    Attributes:
        question: builds the question that asks an item.
        outcomes: what earlier sessions left, by (cell id, planned id).
    """

    model: ModelPlan
    asker: Asker
    pending: deque[Chain]
    question: Callable[[PlannedItem], Question]
    outcomes: Mapping[tuple[int, int], SampleOutcome]
    stopped_by: HarnessError | None = None
    n_failed: int = 0
    n_left: int = field(default=0)


class Session:
    """Drives all models of a run until nothing is left to ask or something stops it."""

    def __init__(
        self,
        queues: Sequence[ModelQueue],
        *,
        grader: Grader,
        retries: Retries,
        stopping: asyncio.Event,
        observer: RunObserver,
        concurrency: int,
        stored_answer: Callable[[int], StoredAnswer | None],
        reuse: Reuse | None = None,
    ) -> None:
        self.queues = queues
        self._grader = grader
        self._retries = retries
        self._stopping = stopping
        self._observer = observer
        self._workers_per_model = 2 * concurrency if concurrency <= 128 else concurrency + 128
        self._tasks: list[asyncio.Task[None]] = []
        self._stored_answer = stored_answer
        self._reuse = reuse
        self.interrupted = False
        self.failure: BaseException | None = None

    async def run(self) -> None:
        """Ask everything that can be asked; raises what broke the ledger or the program itself, after draining."""
        for queue in self.queues:
            n_workers = min(self._workers_per_model, max(1, len(queue.pending)))
            self._tasks += [asyncio.create_task(self._work(queue)) for _ in range(n_workers)]
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for queue in self.queues:
            queue.n_left += sum(len(chain) for chain in queue.pending)
        if self.failure is not None:
            raise self.failure

    def interrupt(self) -> None:
        """First call: send nothing more and drain. Second call: give up on what is in flight (it may be billed)."""
        if self.interrupted:
            self._observer.notice("giving up on requests in flight; they are recorded as possibly billed")
            for task in self._tasks:
                task.cancel()
            return
        self.interrupted = True
        self._observer.notice("stopping: waiting for answers in flight (Ctrl-C again to give up on them)")
        self._stop_all()

    def _stop(self, queue: ModelQueue, reason: HarnessError) -> None:
        queue.stopped_by = queue.stopped_by or reason
        queue.asker.close()

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
                queue.n_left += 1
            except BudgetReached as reached:
                self._stop(queue, reached)
                queue.n_left += 1
            except asyncio.CancelledError:
                queue.n_left += 1
                raise
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
        if known is not None and known.attempt_id is not None:
            return await self._take_stored(queue, item, question, known.attempt_id, scored=known.scored)
        if known is not None and self._given_up(known):
            self._finish(queue, failed=True)
            return None
        tries_before = 0 if known is None else known.last_try_number
        if self._reuse is not None:
            found = await self._reuse.take(queue.asker, question, epoch=item.epoch, try_number=tries_before + 1)
            if found is not None:
                stored = StoredAnswer(text=found.text, finish_reason=found.finish_reason, refused=found.refused)
                await self._grade(item, question, found.attempt_id, stored)
                self._finish(queue, failed=False)
                return found.text
        try:
            answer = await self._retries.ask(
                queue.asker,
                question,
                tries_before=tries_before,
                uncounted=0 if known is None else known.n_open + known.n_cancelled,
            )
        except AttemptFailed as error:
            if ACTIONS[error.error_class] is Action.STOP_MODEL:
                self._stop(queue, error)
            self._finish(queue, failed=True)
            return None
        response = answer.response
        stored = StoredAnswer(text=response.text, finish_reason=response.finish_reason, refused=response.refused)
        await self._grade(item, question, answer.attempt_id, stored)
        self._finish(queue, failed=False)
        return response.text

    async def _take_stored(
        self, queue: ModelQueue, item: PlannedItem, question: Question, attempt_id: int, *, scored: bool
    ) -> str | None:
        """Use an answer that is paid already; score it if the earlier session did not get to that."""
        needed = not scored or "group" in item.sample.metadata
        stored = self._stored_answer(attempt_id) if needed else None
        if not scored:
            await self._grade(item, question, attempt_id, stored)
        self._finish(queue, failed=False)
        return None if stored is None else stored.text

    async def _grade(self, item: PlannedItem, question: Question, attempt_id: int, answer: StoredAnswer | None) -> None:
        await self._grader.grade(
            item,
            cell_id=question.cell_id,
            planned_id=question.planned_id,
            attempt_id=attempt_id,
            text=None if answer is None else answer.text,
            finish_reason=None if answer is None else answer.finish_reason,
            refused=answer is not None and answer.refused,
        )

    def _given_up(self, known: SampleOutcome) -> bool:
        """Whether an earlier session already tried all it may, or met an error that no retry mends."""
        if known.last_try_number - known.n_open - known.n_cancelled >= self._retries.limits.max_attempts:
            return True
        return known.error_class is not None and ACTIONS[ErrorClass(known.error_class)] is Action.GIVE_UP

    def _finish(self, queue: ModelQueue, *, failed: bool) -> None:
        queue.n_failed += failed
        self._observer.sample_finished(queue.model.spec, failed=failed)
