"""Judges are models like any other: their attempts take the same path into the ledger, with purpose `judge`.

Data flows `JudgeCall` -> question -> `RequestSender` (reserved, sent, settled) -> reply text; a reply that is paid and
was not made a score of before its session ended is taken from the ledger.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from harness.ledger.encoding import canonical_json
from harness.ledger.records import SampleOutcome, TranscriptRow
from harness.models import ModelSpec, parse_model
from harness.runner.plan import PlannedItem
from harness.runner.requests.attempt_ends import EarlierTries, PaidAnswer
from harness.runner.requests.item_questions import Question, messages_json
from harness.runner.senders import OtherSenders
from harness.scorers import JudgeCall
from harness.suites.tokens import upper_bound_messages


class Judge:
    """Asks judge models.

    Args:
        named: the judge that the user named; wins over the suite's.
        senders: what asks them.
        tries_of: attempts of earlier sessions, by (cell id, planned id), so that request ids stay unique.
        stored: what the ledger kept of an attempt; None = a judge is asked whatever it has answered before.
    """

    def __init__(
        self,
        run_id: str,
        *,
        named: ModelSpec | None,
        senders: OtherSenders,
        tries_of: Mapping[tuple[int, int], SampleOutcome],
        stored: Callable[[int], TranscriptRow | None] | None = None,
    ) -> None:
        self._run_id = run_id
        self._named = named
        self._senders = senders
        self._tries_of = tries_of
        self._stored = stored

    def model(self, call: JudgeCall) -> ModelSpec | None:
        """The model that judges; None when neither the user nor the suite names one."""
        if self._named is not None:
            return self._named
        return None if call.model is None else parse_model(call.model)

    async def ask(self, call: JudgeCall, item: PlannedItem, answer: PaidAnswer) -> str | None:
        """Ask for a verdict on an answer.

        Returns:
            the judge's reply, None when there is no judge.

        Raises:
            AttemptFailed: the judge failed for good.
            BudgetReached: there is no room for its worst case.
            SampleLeft: the run is stopping.
        """
        spec = self.model(call)
        if spec is None:
            return None
        question = Question(
            request_stem=f"{self._run_id}.c{answer.cell_id}.p{answer.planned_id}.judge.e{item.epoch}",
            cell_id=answer.cell_id,
            planned_id=answer.planned_id,
            messages=call.messages,
            input_tokens_bound=upper_bound_messages(call.messages),
            max_output_tokens=call.max_output_tokens,
            purpose="judge",
            sample_scope=answer.sample_scope,
        )
        known = self._tries_of.get((answer.cell_id, answer.planned_id))
        if (paid := await self._paid(question, known)) is not None:
            return paid
        sender = await self._senders.of(spec)
        return (await sender.ask(question, EarlierTries.of(known))).response.text

    async def _paid(self, question: Question, known: SampleOutcome | None) -> str | None:
        """The reply to the same question in an earlier session, which ended before it became a score."""
        if self._stored is None or known is None or known.attempt_id is None:
            return None
        stored = await asyncio.to_thread(self._stored, known.attempt_id)
        if stored is None or canonical_json(list(stored.messages)) != canonical_json(messages_json(question.messages)):
            return None
        return stored.answer
