"""Logs of litellm: its standard logging payloads, and the rows that its proxy keeps in the table of spend.

Data flows rows of either shape -> one call each -> records. Both describe the same calls under the same id, so that
importing both adds nothing. `cost_breakdown` is never added up: its parts contain each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

import orjson

from harness.declared import Json, JsonObject
from harness.errors import Billed, ProviderError
from harness.imports.containers.json_values import a_count, a_list, a_text, an_amount, an_object
from harness.imports.gateways.logged_answers import checked_usage, doubt_in, error_facts, logged_failure, logged_words
from harness.imports.gateways.logged_rows import first_row, rows_in, unpacked
from harness.imports.harnesses.asked_models import NO_MODEL, UNKNOWN_PROVIDER
from harness.imports.harnesses.logged_settings import setting_of
from harness.imports.log_formats import Format, Source
from harness.imports.log_instants import instant_us
from harness.imports.log_peeks import Peek
from harness.imports.log_records import (
    Broken,
    ImportedAttempt,
    ImportedCell,
    ImportedRun,
    ImportedUsage,
    Noted,
    Record,
    SampleKey,
)
from harness.imports.refusal import ImportRefused
from harness.ledger.records import SettledStatus
from harness.providers.wire.finish_reasons import finish_reason, first_of
from harness.usage.kinds import LITELLM, likely_kind

NAME = "litellm"
PAGES = ("data", "logs")
_CALLS = frozenset({
    "", "completion", "acompletion", "responses", "aresponses", "text_completion", "atext_completion",
    "anthropic_messages", "aanthropic_messages", "generate_content", "agenerate_content", "generate_content_stream",
    "agenerate_content_stream", "pass_through_endpoint", "allm_passthrough_route", "llm_passthrough_route",
})  # fmt: skip
"""Types of calls that ask a model for text; all others (embeddings, images, batches as a whole) are left out."""
_COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")


def role_of(look: Peek) -> str | None:
    """Recognise both shapes; sums by day are known, and refused."""
    row = first_row(look, *PAGES)
    if "call_type" in row and ("startTime" in row or "start_time" in row):
        return "spend_logs" if "spend" in row else "payloads" if "response_cost" in row else None
    is_daily = {"date", "api_requests", "spend"} <= row.keys() or {"date", "metrics", "breakdown"} <= row.keys()
    return "daily" if is_daily else None


def read(source: Source) -> Iterator[Record]:
    """Give each row as an attempt.

    Raises:
        ImportRefused: the rows are sums by day.
    """
    reading = _Reading(texts=source.texts)
    yield ImportedRun(key=NAME, tool=NAME, name=NAME)
    for file in source.files:
        if file.role == "daily":
            raise ImportRefused(
                "holds sums by day, no calls", where=file.name, fix="export the rows of LiteLLM_SpendLogs"
            )
        for row in rows_in(file, *PAGES):
            if isinstance(row, Broken):
                yield row
            else:
                yield from reading.row(*row)
    yield from reading.notes()


@dataclass(slots=True, kw_only=True)
class _Reading:
    """One pass over the rows.

    Attributes:
        left_out: rows that are no calls of a model for text, by type.
    """

    texts: bool
    cells: dict[tuple[str, str, str, str | None], ImportedCell] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)

    def row(self, where: str, row: JsonObject) -> Iterator[Record]:
        """Give a row."""
        kind = a_text(row.get("call_type")) or ""
        if kind not in _CALLS:
            self.left_out[kind] += 1
            return
        metadata = unpacked(row.get("metadata"))
        cell = self._cell(row)
        outcome = _outcome(row, metadata, cell.provider)
        if outcome.usage is not None and (doubt := doubt_in(outcome.usage)) is not None:
            yield Broken(where=where, reason=doubt)
            return
        answer = unpacked(row.get("response"))
        yield ImportedAttempt(
            cell=cell,
            identity=_identity(row, metadata),
            sample=_sample(metadata),
            model_served=a_text(answer.get("model")),
            status=outcome.status,
            usage=outcome.usage,
            billed=outcome.billed,
            started_at_us=instant_us(row.get("startTime", row.get("start_time"))),
            finished_at_us=instant_us(row.get("endTime", row.get("end_time"))),
            stated_cost_usd=outcome.cost_usd,
            cost_note="litellm's price list of that day" if outcome.cost_usd else None,
            service_tier=a_text(answer.get("service_tier")),
            hidden_retries=max(0, a_count(metadata.get("attempted_retries")) or 0),
            provider_request_id=a_text(row.get("request_id")) or a_text(row.get("id")),
            finish_reason=_ended(answer),
            said=logged_words(_messages(row), answer, cell.provider) if self.texts else None,
            **error_facts(outcome.failure),
        )

    def _cell(self, row: JsonObject) -> ImportedCell:
        provider = a_text(row.get("custom_llm_provider")) or UNKNOWN_PROVIDER
        model = (a_text(row.get("model")) or a_text(row.get("model_group")) or NO_MODEL).removeprefix(f"{provider}/")
        setting = setting_of(an_object(row.get("model_parameters")))
        suite = _tag(row) or NAME
        key = suite, provider, model, setting
        return self.cells.setdefault(
            key, ImportedCell(run=NAME, suite=suite, provider=provider, model=model, setting=setting)
        )

    def notes(self) -> Iterator[Noted]:
        """Say what was left out, and what no row tells."""
        detail = "litellm keeps one row for all tries of a request"
        yield Noted(run=NAME, name="retries_lost", detail=detail, lower_bound=True)
        if self.left_out:
            kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(self.left_out.items()))
            detail = f"rows that ask no model for text are left out: {kinds}"
            yield Noted(run=NAME, name="calls_left_out", detail=detail, lower_bound=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    """What became of a call.

    Attributes:
        failure: None = it was answered.
        usage, billed, cost_usd: None = the row does not say.
    """

    status: SettledStatus
    usage: ImportedUsage | None = None
    failure: ProviderError | None = None
    billed: Billed | None = None
    cost_usd: Decimal | None = None


def _outcome(row: JsonObject, metadata: JsonObject, provider: str) -> _Outcome:
    """Say what became of a call; what litellm answered from its own cache used nothing, whatever its row repeats."""
    if str(row.get("cache_hit")).lower() == "true":
        return _Outcome(status="reused", billed="no")
    usage, failure = _usage(row, metadata, provider), _failure(row, metadata, provider)
    return _Outcome(
        status="succeeded" if failure is None else "failed",
        usage=usage,
        failure=failure,
        billed=None if failure is None or usage is not None else failure.billed,
        cost_usd=an_amount(row.get("spend", row.get("response_cost"))) or None,
    )


def _ended(answer: JsonObject) -> str | None:
    word = first_of(answer, "choices").get("finish_reason")
    return None if word is None else finish_reason(word)


def _identity(row: JsonObject, metadata: JsonObject) -> str:
    """Name a call alike in both shapes; the provider's id alone can repeat."""
    call_id = a_text(row.get("litellm_call_id")) or a_text(metadata.get("litellm_call_id"))
    if call_id is not None:
        return call_id
    began = instant_us(row.get("startTime", row.get("start_time")))
    return f"{row.get('request_id', row.get('id'))}/{began}"


def _usage(row: JsonObject, metadata: JsonObject, provider: str) -> ImportedUsage | None:
    """Read the usage object where one is kept, else the counts of the row; None = a failed call without any."""
    hidden, answer = an_object(row.get("hidden_params")), unpacked(row.get("response"))
    for holder, name in ((metadata, "usage_object"), (hidden, "usage_object"), (answer, "usage")):
        raw = an_object(holder.get(name))
        if raw:
            return checked_usage(LITELLM if "prompt_tokens" in raw else likely_kind(provider, raw), raw)
    counts: JsonObject = {name: a_count(row.get(name)) for name in _COUNTS}
    if not any(counts.values()) and _has_failed(row, metadata):
        return None
    return checked_usage(LITELLM, {**counts, **an_object(metadata.get("additional_usage_values"))})


def _has_failed(row: JsonObject, metadata: JsonObject) -> bool:
    return (a_text(row.get("status")) or a_text(metadata.get("status")) or "success") != "success"


def _failure(row: JsonObject, metadata: JsonObject, provider: str) -> ProviderError | None:
    if not _has_failed(row, metadata):
        return None
    facts = an_object(row.get("error_information")) or an_object(metadata.get("error_information"))
    words = a_text(facts.get("error_message")) or a_text(row.get("error_str")) or "failed"
    error: JsonObject = {"message": words, "type": facts.get("error_class")}
    status = a_count(facts.get("error_code"))
    return logged_failure({"error": error}, provider, status)


def _sample(metadata: JsonObject) -> SampleKey | None:
    """Find the sample that the caller named in the metadata of its request."""
    for name in ("requester_metadata", "spend_logs_metadata"):
        facts = an_object(metadata.get(name))
        if (sample := facts.get("sample_id")) is not None:
            return SampleKey(sample_id=str(sample), epoch=max(0, a_count(facts.get("epoch")) or 0))
    return None


def _tag(row: JsonObject) -> str | None:
    """The first tag of the caller's own; the proxy adds those of its client's kind."""
    tags = row.get("request_tags")
    if isinstance(tags, str):
        try:
            tags = orjson.loads(tags)
        except orjson.JSONDecodeError:
            return None
    own = (tag for tag in a_list(tags) if isinstance(tag, str) and not tag.startswith("User-Agent:"))
    return next(own, None)


def _messages(row: JsonObject) -> list[Json]:
    asked = row.get("messages")
    if isinstance(asked, str):
        try:
            asked = orjson.loads(asked)
        except orjson.JSONDecodeError:
            return [{"role": "user", "content": asked}]
    return a_list(asked)


FORMAT = Format(
    name=NAME,
    title="litellm (spend logs and standard logging payloads)",
    looks_for="rows with call_type, startTime and spend or response_cost",
    role_of=role_of,
    read=read,
    example="spend_logs.json",
    cannot_tell=(
        "Retries: one row stands for all tries of a request, so the spend is a lower bound.",
        "Whether a cost of 0 is free or unknown: it is taken as unknown.",
        "Samples, unless the caller sent metadata with sample_id; scores.",
    ),
)
