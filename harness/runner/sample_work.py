"""How one sample is worked: taken from the ledger where it is answered or given up, else asked, then scored.

Data flows chain of planned items -> question -> answer in the ledger -> score, and the model's counts. Samples that are
asked in batches take the same way, with another one between question and answer.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from harness.errors import BudgetReached, ProviderError
from harness.ledger.records import SampleOutcome, TranscriptRow
from harness.models import ModelSpec
from harness.runner.attempts import RequestSender
from harness.runner.failed_samples import HOPELESS, given_up, hopeless
from harness.runner.model_queues import ModelQueue, RunObserver
from harness.runner.plan import Chain, PlannedItem
from harness.runner.requests.attempt_ends import Answer, AttemptFailed, EarlierTries, PaidAnswer
from harness.runner.requests.item_questions import Question
from harness.runner.requests.policy import ACTIONS, Action
from harness.runner.scoring.scores import AnswerScorer, ScoringStopped
from harness.runner.traffic.limiter import SampleLeft
from harness.runner.trajectories.sample_caps import SampleCaps, is_own
from harness.runner.trajectories.trajectory_work import TrajectoryWork
from harness.suites.prompts import with_earlier_answers

TakeReused = Callable[[RequestSender, Question, PlannedItem, int], Awaitable[PaidAnswer | None]]
"""Takes the stored answer to what a sender would ask as the try of this number; None = there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """An item that needs no request any more; `text` is its answer, None when there is none."""

    text: str | None


OnFailed = Callable[[ModelQueue, ProviderError], None]
"""Hears of samples that failed for good, of a model that never answered."""


def stop_if_hopeless(queue: ModelQueue, last: ProviderError) -> None:
    """Ask a model nothing more whose first samples all failed."""
    if queue.n_failed_now >= HOPELESS:
        queue.stop(hopeless(last, queue.n_failed_now))


class SampleWork:
    """Works the samples of one run.

    Args:
        transcript: what the ledger kept of an attempt; None = nothing.
        caps: sets the budgets of single samples.
        conversations: drives the samples that are asked in many turns.
        reuse: takes the answers of other runs; None = they are not taken.
        on_chain: told of every chain whose items need nothing more.
        on_failed: told of each sample that failed for good while its model never answered; may stop the model.
    """

    def __init__(
        self,
        scorer: AnswerScorer,
        *,
        observer: RunObserver,
        transcript: Callable[[int], TranscriptRow | None],
        max_attempts: int,
        caps: SampleCaps,
        conversations: TrajectoryWork,
        reuse: TakeReused | None = None,
        on_chain: Callable[[ModelSpec, Chain], None] = lambda *_: None,
        on_failed: OnFailed = stop_if_hopeless,
    ) -> None:
        self._scorer = scorer
        self._observer = observer
        self._transcript = transcript
        self._max_attempts = max_attempts
        self._caps = caps
        self._conversations = conversations
        self._reuse = reuse
        self._on_chain = on_chain
        self._on_failed = on_failed

    async def work(self, queue: ModelQueue, chain: Chain) -> None:
        """Ask the items of a chain one after the other, and have their answers scored.

        Raises:
            SampleLeft: the run or the model is stopping; what is unfinished is left for a later session.
            BudgetReached: there is no room for the worst case of one more request.
        """
        answers: dict[str, str | None] = {}
        for planned in chain:
            finished = await self.put(queue, planned, answers)
            if not isinstance(finished, Finished):
                item, question = finished
                finished = await self.without_asking(queue, item, question) or await self._ask(queue, item, question)
            answers[planned.sample.sample_id] = finished.text
        self._on_chain(queue.model.spec, chain)

    async def score_stored(self, queue: ModelQueue, chain: Chain) -> None:
        """Score the answers of a chain that are in the ledger and have no score; whatever was not answered stays so.

        Raises:
            SampleLeft: the judge cannot be asked any more.
        """
        answers: dict[str, str | None] = {}
        for planned in chain:
            known = queue.known(planned)
            answers[planned.sample.sample_id] = None
            if known is None or known.attempt_id is None:
                continue
            finished = await self.put(queue, planned, answers)
            if not isinstance(finished, Finished):
                finished = await self._take_stored(queue, *finished, known)
            answers[planned.sample.sample_id] = finished.text

    async def put(
        self, queue: ModelQueue, planned: PlannedItem, answers: Mapping[str, str | None]
    ) -> tuple[PlannedItem, Question] | Finished:
        """Put an item into words, with the answers to earlier items of its chain.

        One that cannot be put into words fails with the reason in the ledger; its neighbours go on.
        """
        try:
            sample = with_earlier_answers(planned.sample, answers)
            item = planned if sample is planned.sample else dataclasses.replace(planned, sample=sample)
            return item, queue.question(item)
        except Exception as error:  # noqa: BLE001 - the boundary of one sample: its neighbours can be asked
            return await self.cannot_ask(queue, planned, error)

    async def without_asking(self, queue: ModelQueue, item: PlannedItem, question: Question) -> Finished | None:
        """Finish an item from what the ledger holds; None when it has to be asked."""
        known = queue.known(item)
        if known is not None and known.attempt_id is not None:
            return await self._take_stored(queue, item, question, known)
        if known is not None and given_up(known, self._max_attempts):
            return self._finished(queue, failed=True)
        if self._reuse is None or item.task.is_conversation:
            return None
        return await self._reused(queue, item, question, self._reuse)

    async def cannot_ask(
        self, queue: ModelQueue, planned: PlannedItem, error: Exception, *, tries: int | None = None
    ) -> Finished:
        """Fail an item of which no request can be made; `tries` None = as many as the ledger knows of."""
        known = queue.known(planned)
        if known is not None and known.attempt_id is None and given_up(known, self._max_attempts):
            return self._finished(queue, failed=True)
        made = EarlierTries.of(known).made if tries is None else tries
        return self.failed(queue, await queue.sender.never_made(queue.wordless(planned), made + 1, error))

    async def _ask(self, queue: ModelQueue, item: PlannedItem, question: Question) -> Finished:
        question = await self._caps.held(question, item.task.solver)
        try:
            if item.task.is_conversation:
                return await self._scored(queue, item, await self._conversations.converse(queue, item, question))
            answer = await queue.sender.ask(question, EarlierTries.of(queue.known(item)))
        except AttemptFailed as error:
            if ACTIONS[error.error_class] is Action.STOP_MODEL:
                queue.stop(error)
            return self.failed(queue, error)
        except BudgetReached as full:
            if not is_own(full, question):
                raise
            return await self._scored(queue, item, await self._conversations.at_its_cap(queue.sender, question))
        return await self.answered(queue, item, question, answer)

    async def answered(self, queue: ModelQueue, item: PlannedItem, question: Question, answer: Answer) -> Finished:
        """Score an answer that is in the ledger.

        Raises:
            SampleLeft: the judge cannot be asked any more, or the run is stopping; a later session scores the answer.
        """
        queue.has_answered = True
        response = answer.response
        paid = PaidAnswer(
            attempt_id=answer.attempt_id,
            cell_id=question.cell_id,
            planned_id=question.planned_id,
            text=response.text,
            finish_reason=response.finish_reason,
            refused=response.refused,
            sample_scope=question.sample_scope,
        )
        return await self._scored(queue, item, paid)

    def failed(self, queue: ModelQueue, error: ProviderError) -> Finished:
        """Count an item that no further attempt will answer; a model that only fails is stopped."""
        queue.n_failed_now += 1
        if not queue.has_answered and queue.stopped_by is None:
            self._on_failed(queue, error)
        return self._finished(queue, failed=True)

    async def _take_stored(
        self, queue: ModelQueue, item: PlannedItem, question: Question, known: SampleOutcome
    ) -> Finished:
        """Use an answer that is paid already; score it if the earlier session did not get to that."""
        assert known.attempt_id is not None
        needed = not known.scored or "group" in item.sample.metadata
        stored = self._transcript(known.attempt_id) if needed else None
        paid = PaidAnswer(
            attempt_id=known.attempt_id,
            cell_id=question.cell_id,
            planned_id=question.planned_id,
            text=None if stored is None else stored.answer,
            finish_reason=None if stored is None else stored.finish_reason,
            refused=stored is not None and stored.refused,
        )
        if known.scored:
            return self._finished(queue, failed=False, text=paid.text)
        held = await self._caps.held(question, item.task.solver)  # a judge is to be asked, maybe
        paid = dataclasses.replace(paid, sample_scope=held.sample_scope)
        return await self._scored(queue, item, paid)

    async def _reused(
        self, queue: ModelQueue, item: PlannedItem, question: Question, reuse: TakeReused
    ) -> Finished | None:
        tries = EarlierTries.of(queue.known(item)).made
        paid = await reuse(queue.sender, question, item, tries + 1)
        return None if paid is None else await self._scored(queue, item, paid)

    async def _scored(self, queue: ModelQueue, item: PlannedItem, paid: PaidAnswer) -> Finished:
        try:
            await self._scorer.score(item, paid)
        except ScoringStopped as stopped:
            queue.stop(stopped.reason)
            raise SampleLeft from stopped
        return self._finished(queue, failed=False, text=paid.text)

    def _finished(self, queue: ModelQueue, *, failed: bool, text: str | None = None) -> Finished:
        queue.n_finished += 1
        queue.n_failed += failed
        self._observer.sample_finished(queue.model.spec, failed=failed)
        return Finished(text=text)
