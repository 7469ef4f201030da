"""From a call as a log has it to the ledger's facts of an attempt: pure, one call at a time.

Data flows `ImportedAttempt` + where it belongs -> `LoggedAttempt`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from harness.errors import Billed, ErrorClass
from harness.imports.log_records import ImportedAttempt, ImportedUsage, Said
from harness.ledger.records import NO_USAGE, AttemptOutcome, AttemptStart, Transcript, UsageFacts, UsageSource
from harness.ledger.writing.import_writer import LoggedAttempt
from harness.ledger.writing.usage_facts import usage_facts
from harness.providers.failures import billed_by_rule
from harness.secrets import redact_texts
from harness.suites.tokens import MESSAGE_OVERHEAD, estimate
from harness.usage import meters
from harness.usage.values import Usage

ESTIMATE = "estimate"
"""Kind of a usage that was counted from texts."""
_PLAIN = re.compile(r"[\w.:/=+-]{1,100}", re.ASCII)
NEVER_BILLED = frozenset(
    {ErrorClass.RATE_LIMIT, ErrorClass.QUOTA_EXHAUSTED, ErrorClass.AUTHENTICATION, ErrorClass.NOT_FOUND}
)


def request_id(fmt: str, identity: str) -> str:
    """Make the id under which the ledger knows a call; the same call in another file has the same.

    A short plain identity is kept as it is: people find a call by it, and neighbours stay so in the index, which
    makes a large import a tenth faster. Any other becomes a digest, which `#` tells apart.
    """
    if _PLAIN.fullmatch(identity):
        return f"{fmt}:{identity}"
    return f"{fmt}:#{hashlib.sha256(identity.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptPlace:
    """Where a call belongs in the ledger.

    Attributes:
        request: from `request_id`.
        planned_id: of its sample; None = it belongs to none.
        retry_of: id of the attempt that it repeats; None = of none.
        when_us: instant of the run, for a call without one.
    """

    request: str
    cell_id: int
    planned_id: int | None
    retry_of: int | None
    when_us: int


def logged(
    call: ImportedAttempt, place: AttemptPlace, *, estimated: bool = False, transcripts: bool = False
) -> LoggedAttempt:
    """Make the ledger's facts of a call.

    Args:
        estimated: count the tokens of a call without usage from its texts.
        transcripts: keep its texts.
    """
    usage = _facts(call, estimated=estimated)
    started_at_us = _first(call.started_at_us, call.finished_at_us, place.when_us)
    start = AttemptStart(
        request_id=place.request,
        cell_id=place.cell_id,
        planned_id=place.planned_id,
        model_requested=call.model or call.cell.model,
        started_at_us=started_at_us,
        purpose=call.purpose,
        try_number=max(1, call.try_number),
        retry_of=place.retry_of,
        parameters=call.parameters,
        service_tier=call.service_tier,
        mode=call.mode,
        provider=call.provider if call.provider != call.cell.provider else None,
    )
    outcome = AttemptOutcome(
        attempt_id=0,
        status=call.status,
        finished_at_us=max(started_at_us, _first(call.finished_at_us, started_at_us)),
        usage=usage,
        billed=_billed(call, usage),
        error_class=call.error_class,
        error_message=call.error_message,
        http_status=call.http_status,
        model_served=call.model_served,
        service_tier=call.service_tier,
        provider_request_id=call.provider_request_id,
        first_byte_us=call.first_byte_us,
        finish_reason=call.finish_reason,
        refused=call.refused,
    )
    said = _transcript(call.said) if transcripts and call.said is not None else None
    return LoggedAttempt(
        start=start,
        outcome=outcome,
        transcript=said,
        logged_cost_usd=None if call.stated_cost_usd == usage.stated_cost_usd else call.stated_cost_usd,
        cost_note=call.cost_note,
    )


def _first(*instants: int | None) -> int:
    return next(instant for instant in instants if instant is not None)


def _billed(call: ImportedAttempt, usage: UsageFacts) -> Billed:
    if call.billed is not None:
        return call.billed
    if call.status == "reused":
        return "no"
    if call.status == "succeeded" or usage.input_tokens is not None:
        return "yes"
    if call.error_class is None:
        return "unknown"
    if call.error_class in NEVER_BILLED:
        return "no"
    return billed_by_rule(call.provider or call.cell.provider, call.error_class, status=call.http_status)


def _facts(call: ImportedAttempt, *, estimated: bool) -> UsageFacts:
    found = (_estimated(call) if estimated else None) or call.usage
    if found is None:
        return NO_USAGE
    source: UsageSource = "estimated" if found.tool_counted or found.kind == ESTIMATE else "imported"
    return usage_facts(found.usage, meters(found.usage), raw_usage=found.raw, usage_kind=found.kind, counted_by=source)


def _estimated(call: ImportedAttempt) -> ImportedUsage | None:
    """Count the tokens of an answered call that does not say them; None = it says them, or has no texts."""
    if call.usage is not None and not call.usage.usage.is_missing:
        return None
    if call.said is None or call.said.answer is None or call.status != "succeeded":
        return None
    return _counted(call.said, None if call.usage is None else call.usage.raw)


def _counted(said: Said, raw: Mapping[str, object] | None) -> ImportedUsage:
    """Count tokens from texts: a rough number, which a reasoning model's bill exceeds by all that it thought."""
    asked = [text for message in said.messages for text in _texts(message.get("content"))]
    counted = estimate([*asked, (said.answer or "") + (said.reasoning or "")]).tokens
    usage = Usage(input_tokens=sum(counted[:-1]) + MESSAGE_OVERHEAD * len(said.messages), output_tokens=counted[-1])
    return ImportedUsage(usage=usage, raw=raw, kind=ESTIMATE)


def _texts(content: object) -> list[str]:
    if isinstance(content, str):
        return [content]
    if isinstance(content, list):
        return [part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str)]
    return []


def _transcript(said: Said) -> Transcript:
    return Transcript(
        messages=[dict(redact_texts(message)) for message in said.messages],
        answer=redact_texts(said.answer or ""),
        reasoning=redact_texts(said.reasoning),
    )
