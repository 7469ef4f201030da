"""What every way of asking shares: a model's queue, what the ledger already answers, and scoring what came back.

Data flows queue + item -> `Marking.without_asking` (answered or given up already, or reused) or `.answered` -> score.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from harness.declared import request_value
from harness.errors import HarnessError, ProviderError
from harness.ledger.records import SampleOutcome
from harness.models import ModelSpec
from harness.providers.base import Response
from harness.runner.attempts import Asker, AttemptObserver, Question
from harness.runner.failed_samples import HOPELESS, given_up, hopeless
from harness.runner.plan import Chain, PlannedItem
from harness.runner.preparation import ModelPlan
from harness.runner.reuse import Reuse
from harness.runner.scoring.scores import Grader


class RunObserver(AttemptObserver, Protocol):
    """Who wants to see a session: progress displays and tests."""

    def sample_finished(self, model: ModelSpec, *, failed: bool) -> None: ...

    def notice(self, text: str) -> None: ...


@request_value
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
        n_samples: planned for this model.
        has_answered: whether the model ever answered in this run.
        n_finished: samples of this session that need nothing more, failed ones included.
        n_failed_now: of which failed while this session asked them.
    """

    model: ModelPlan
    asker: Asker
    pending: deque[Chain]
    question: Callable[[PlannedItem], Question]
    outcomes: Mapping[tuple[int, int], SampleOutcome]
    n_samples: int = 0
    has_answered: bool = False
    stopped_by: HarnessError | None = None
    n_finished: int = 0
    n_failed: int = 0
    n_failed_now: int = 0
    n_left: int = field(default=0)

    def stop(self, reason: HarnessError) -> None:
        """Ask this model nothing more; the first reason is kept."""
        self.stopped_by = self.stopped_by or reason
        self.asker.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """An item that needs no request any more; `text` is its answer, None when there is none."""

    text: str | None


class Marking:
    """Finishes items of one run: scores answers and tells the observer."""

    def __init__(
        self,
        grader: Grader,
        *,
        observer: RunObserver,
        stored_answer: Callable[[int], StoredAnswer | None],
        max_attempts: int,
        reuse: Reuse | None = None,
    ) -> None:
        self._grader = grader
        self._observer = observer
        self._stored_answer = stored_answer
        self._max_attempts = max_attempts
        self._reuse = reuse

    async def without_asking(
        self, queue: ModelQueue, item: PlannedItem, question: Question, known: SampleOutcome | None
    ) -> Finished | None:
        """Finish an item from what the ledger holds; None when it has to be asked."""
        if known is not None and known.attempt_id is not None:
            return await self._take_stored(queue, item, question, known.attempt_id, scored=known.scored)
        if known is not None and given_up(known, self._max_attempts):
            self._finish(queue, failed=True)
            return Finished(text=None)
        if self._reuse is None:
            return None
        tries_before = 0 if known is None else known.last_try_number
        found = await self._reuse.take(queue.asker, question, epoch=item.epoch, try_number=tries_before + 1)
        if found is None:
            return None
        stored = StoredAnswer(text=found.text, finish_reason=found.finish_reason, refused=found.refused)
        await self._grade(item, question, found.attempt_id, stored)
        self._finish(queue, failed=False)
        return Finished(text=found.text)

    async def answered(
        self, queue: ModelQueue, item: PlannedItem, question: Question, attempt_id: int, response: Response
    ) -> None:
        """Score an answer that is in the ledger."""
        queue.has_answered = True
        stored = StoredAnswer(text=response.text, finish_reason=response.finish_reason, refused=response.refused)
        await self._grade(item, question, attempt_id, stored)
        self._finish(queue, failed=False)

    def failed(self, queue: ModelQueue, error: ProviderError) -> None:
        """Count an item that no further attempt will answer; a model that only fails is stopped."""
        queue.n_failed_now += 1
        if queue.n_failed_now >= HOPELESS and not queue.has_answered and queue.stopped_by is None:
            queue.stop(hopeless(error, queue.n_failed_now))
        self._finish(queue, failed=True)

    async def _take_stored(
        self, queue: ModelQueue, item: PlannedItem, question: Question, attempt_id: int, *, scored: bool
    ) -> Finished:
        """Use an answer that is paid already; score it if the earlier session did not get to that."""
        needed = not scored or "group" in item.sample.metadata
        stored = self._stored_answer(attempt_id) if needed else None
        if not scored:
            await self._grade(item, question, attempt_id, stored)
        self._finish(queue, failed=False)
        return Finished(text=None if stored is None else stored.text)

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

    def _finish(self, queue: ModelQueue, *, failed: bool) -> None:
        queue.n_finished += 1
        queue.n_failed += failed
        self._observer.sample_finished(queue.model.spec, failed=failed)
