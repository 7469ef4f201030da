"""Stored answers taken instead of sending (`--reuse`): same provider, model, every parameter, messages and epoch.

Data flows question -> what would be sent -> `find_answer` in the ledger -> a row with status `reused`: charged nothing,
its usage kept, so that its list cost stays known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.ledger import Ledger
from harness.ledger.records import AttemptOutcome, AttemptStart, Transcript
from harness.replies.thinking import separate
from harness.runner.attempts import RequestSender
from harness.runner.plan import PlannedItem
from harness.runner.requests.attempt_ends import PaidAnswer
from harness.runner.requests.item_questions import Question, messages_json
from harness.runner.requests.session_context import SessionContext

if TYPE_CHECKING:
    from harness.ledger.reading.attempt_rows import AttemptRow


class Reuse:
    """Looks answers up in a ledger: those of other runs, so that repeats within a run stay independent draws."""

    def __init__(self, ledger: Ledger, context: SessionContext) -> None:
        self._ledger = ledger
        self._context = context
        self.count = 0

    async def take(
        self, sender: RequestSender, question: Question, item: PlannedItem, try_number: int
    ) -> PaidAnswer | None:
        """Take the stored answer to a question, if there is one, and record it; None when there is none."""
        from harness.ledger.reading.attempt_rows import Asked, attempt_row, find_answer

        try:
            prepared = sender.prepare(question, try_number)
        except Exception:  # noqa: BLE001 - asking it records what is wrong with it
            return None
        messages = messages_json(question.messages)
        asked = Asked(
            provider=sender.spec.provider,
            model=sender.spec.model,
            parameters=prepared.parameters,
            messages=messages,
            epoch=item.epoch,
        )
        found = find_answer(self._ledger, asked, outside_run=self._context.run_id)
        if found is None:
            return None
        parts = separate(found.answer, cut=found.finish_reason == "length")  # older versions kept both in one text
        source = attempt_row(self._ledger, found.attempt_id)
        assert source is not None
        now_us = self._context.clocks.wall_us()
        attempt_id = await self._context.writer.reuse(
            AttemptStart(
                request_id=prepared.request.request_id,
                cell_id=question.cell_id,
                planned_id=question.planned_id,
                model_requested=sender.spec.model,
                started_at_us=now_us,
                purpose=question.purpose,
                try_number=try_number,
                parameters=prepared.parameters,
                service_tier=question.service_tier,
            ),
            _outcome(source, now_us),
            Transcript(messages=messages, answer=parts.answer, reasoning=parts.reasoning or found.reasoning)
            if self._context.options.keep_transcripts
            else None,
        )
        self.count += 1
        return PaidAnswer(
            attempt_id=attempt_id,
            cell_id=question.cell_id,
            planned_id=question.planned_id,
            text=parts.answer,
            finish_reason=found.finish_reason,
            refused=found.refused,
        )


def _outcome(source: AttemptRow, now_us: int) -> AttemptOutcome:
    return AttemptOutcome(
        attempt_id=0,  # given when the row is written
        status="reused",
        finished_at_us=now_us,
        usage=source.usage_facts(),
        charged_pico_usd=0,
        billed="no",
        model_served=source.model_served,
        service_tier=source.service_tier,
        provider_request_id=source.provider_request_id,
        finish_reason=source.finish_reason,
        refused=source.refused,
        normaliser_version=source.normaliser_version,
    )
