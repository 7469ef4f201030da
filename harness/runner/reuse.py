"""Stored answers taken instead of sending (`--reuse`): same provider, model, every parameter, messages and epoch.

Data flows question -> what would be sent -> `find_answer` in the ledger -> a row with status `reused`: charged nothing,
its usage kept, so that its list cost stays known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

from harness.ledger import Ledger
from harness.ledger.encoding import read_json
from harness.ledger.records import AttemptOutcome, AttemptStart, Transcript, UsageFacts, UsageSource
from harness.replies.thinking import separate
from harness.runner.attempts import Asker, Question, messages_json

if TYPE_CHECKING:
    from harness.ledger.reading.attempt_rows import AttemptRow


class ReuseWriter(Protocol):
    """Where reused answers go: one transaction, so that no row is ever left looking as if it had been sent."""

    async def reuse(self, start: AttemptStart, outcome: AttemptOutcome, transcript: Transcript | None) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Reused:
    """A stored answer that is now also an attempt of this run."""

    attempt_id: int
    text: str
    finish_reason: str | None
    refused: bool


class Reuse:
    """Looks answers up in a ledger: those of other runs, so that repeats within a run stay independent draws."""

    def __init__(
        self,
        ledger: Ledger,
        writer: ReuseWriter,
        *,
        run_id: str,
        keep_transcripts: bool,
        wall_us: Callable[[], int],
    ) -> None:
        self._run_id = run_id
        self._ledger = ledger
        self._writer = writer
        self._keep_transcripts = keep_transcripts
        self._wall_us = wall_us
        self.count = 0

    async def take(self, asker: Asker, question: Question, *, epoch: int, try_number: int) -> Reused | None:
        """Take the stored answer to a question, if there is one, and record it; None when there is none."""
        from harness.ledger.reading.attempt_rows import attempt_row, find_answer

        prepared = asker.prepare(question, try_number)
        messages = messages_json(question.messages)
        found = find_answer(
            self._ledger,
            provider=asker.spec.provider,
            model=asker.spec.model,
            parameters=prepared.parameters,
            messages=messages,
            epoch=epoch,
            outside_run=self._run_id,
        )
        if found is None:
            return None
        parts = separate(found.answer, cut=found.finish_reason == "length")  # older versions kept both in one text
        source = attempt_row(self._ledger, found.attempt_id)
        assert source is not None
        now_us = self._wall_us()
        attempt_id = await self._writer.reuse(
            AttemptStart(
                request_id=prepared.request.request_id,
                cell_id=question.cell_id,
                planned_id=question.planned_id,
                model_requested=asker.spec.model,
                started_at_us=now_us,
                purpose=question.purpose,
                try_number=try_number,
                parameters=prepared.parameters,
                service_tier=question.service_tier,
            ),
            _outcome(source, now_us),
            Transcript(messages=messages, answer=parts.answer, reasoning=parts.reasoning or found.reasoning)
            if self._keep_transcripts
            else None,
        )
        self.count += 1
        return Reused(
            attempt_id=attempt_id, text=parts.answer, finish_reason=found.finish_reason, refused=found.refused
        )


def _outcome(source: AttemptRow, now_us: int) -> AttemptOutcome:
    return AttemptOutcome(
        attempt_id=0,  # given when the row is written
        status="reused",
        finished_at_us=now_us,
        usage=UsageFacts(
            input_tokens=source.input_tokens,
            cache_read_tokens=source.cache_read_tokens,
            cache_write_5m_tokens=source.cache_write_5m_tokens,
            cache_write_1h_tokens=source.cache_write_1h_tokens,
            output_tokens=source.output_tokens,
            reasoning_tokens=source.reasoning_tokens,
            other_meters=None if source.other_meters is None else read_json(source.other_meters),
            raw_usage=None if source.raw_usage is None else read_json(source.raw_usage),
            usage_kind=source.usage_kind,
            usage_source="missing" if source.usage_source is None else cast("UsageSource", source.usage_source),
            flags=tuple((name, detail) for name, detail in read_json(source.usage_flags or "[]")),
            context_tokens=source.context_bucket,
            speed=source.speed,
            inference_geo=source.inference_geo,
            thinking=source.thinking,
        ),
        charged_pico_usd=0,
        billed="no",
        model_served=source.model_served,
        service_tier=source.service_tier,
        provider_request_id=source.provider_request_id,
        finish_reason=source.finish_reason,
        refused=source.refused,
        normaliser_version=source.normaliser_version,
    )
