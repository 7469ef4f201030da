"""OTLP JSON traces of generative-AI calls: a span a request, below a span of its sample.

Names are those of OpenTelemetry's semantic conventions for generative AI (`opentelemetry.semconv`, `gen_ai.*`, release
0.66): input tokens include cached ones, output tokens include reasoning. What they have no name for is `benchtab.*`.
Data flows attempts sample by sample -> objects of `resourceSpans`, in constant memory. Equal ledgers give equal spans,
ids included. An answer reused from an earlier run was no request, and is no span.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any

from harness.ledger import Ledger
from harness.ledger.encoding import read_json
from harness.ledger.reading.attempt_rows import AttemptRow, attempt_rows
from harness.ledger.reading.export_rows import Scored, scores_by_attempt
from harness.money import plain
from harness.pricing.book import PriceBook
from harness.reports.exports.whole_samples import storable_text
from harness.reports.facts.charger import Charger
from harness.version import __version__

Json = dict[str, Any]
SAMPLES_AT_A_TIME = 200
"""Whose spans are one object of `resourceSpans`."""
INTERNAL, CLIENT = 1, 3
UNSET, FAILED = 0, 2
"""Kinds of span and codes of status, as OTLP numbers them."""

PROVIDER_NAMES: Mapping[str, str] = {
    "azure": "azure.ai.openai",
    "azure_ai": "azure.ai.inference",
    "bedrock": "aws.bedrock",
    "google": "gcp.gemini",
    "mistral": "mistral_ai",
    "vertex_ai": "gcp.vertex_ai",
    "xai": "x_ai",
}
"""What the conventions call a provider, where they do not call it as we do."""

PARAMETERS: Mapping[str, str] = {
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "top_k": "gen_ai.request.top_k",
    "max_tokens": "gen_ai.request.max_tokens",
    "max_completion_tokens": "gen_ai.request.max_tokens",
    "max_output_tokens": "gen_ai.request.max_tokens",
    "seed": "gen_ai.request.seed",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
    "presence_penalty": "gen_ai.request.presence_penalty",
}
"""Parameters as they are sent -> attributes of the conventions."""

_AS_DOUBLE = frozenset({"temperature", "top_p", "top_k", "frequency_penalty", "presence_penalty"})


def resource_spans(ledger: Ledger, book: PriceBook, run_ids: Sequence[str] | None = None) -> Iterator[Json]:
    """Give the spans of runs, samples of one run in each object; `run_ids` None = every run."""
    spans = _Spans(ledger=ledger, charger=Charger(book=book))
    rows = (row for row in attempt_rows(ledger, run_ids, by_sample=True) if row.status != "reused")
    for run_id, of_run in groupby(rows, key=lambda row: row.run_id):
        samples = (list(tries) for _, tries in groupby(of_run, key=_sample_key))
        while some := list(islice(samples, SAMPLES_AT_A_TIME)):
            yield _resource(run_id, spans.of(some))


def _sample_key(row: AttemptRow) -> tuple[int, int]:
    return row.cell_id, row.planned_id or -row.attempt_id


def _resource(run_id: str, spans: list[Json]) -> Json:
    named = {"service.name": "benchtab", "service.version": __version__, "benchtab.run_id": run_id}
    scope = {"name": "benchtab", "version": __version__}
    return {"resource": {"attributes": _attributes(named)}, "scopeSpans": [{"scope": scope, "spans": spans}]}


@dataclass(slots=True)
class _Spans:
    ledger: Ledger
    charger: Charger

    def of(self, samples: Sequence[Sequence[AttemptRow]]) -> list[Json]:
        """Write samples: those of a benchmark with a span of their own above their requests'."""
        scores = scores_by_attempt(self.ledger, [row.attempt_id for tries in samples for row in tries])
        spans: list[Json] = []
        for tries in samples:
            first = tries[0]
            trace = _digest(32, first.run_id, *map(str, _sample_key(first)))
            parent = ""
            if first.planned_id is not None:
                parent = _digest(16, trace)
                spans.append(_sample_span(tries, trace, parent))
            spans += [self._request(row, trace, parent, scores.get(row.attempt_id)) for row in tries]
        return spans

    def _request(self, row: AttemptRow, trace: str, parent: str, scored: Scored | None) -> Json:
        named = {**_asked(row), **_answered(row), **_own(row), "benchtab.cost_usd": self._cost(row)}
        span = {
            "traceId": trace,
            "spanId": _digest(16, row.request_id),
            "parentSpanId": parent,
            "name": f"chat {row.model_requested}",
            "kind": CLIENT,
            "startTimeUnixNano": str(row.started_at_us * 1_000),
            "endTimeUnixNano": str((row.finished_at_us or row.started_at_us) * 1_000),
            "attributes": _attributes(named),
            "status": _status(row),
        }
        if scored is not None:
            span["events"] = [_score_event(row, scored)]
        return span

    def _cost(self, row: AttemptRow) -> str | None:
        """Charge an attempt as reports do, an exact text: floats would round it; None = it is not known."""
        if row.is_bill_unknown:
            return None
        usd = self.charger.charge_row(row).known_usd
        return None if usd is None else plain(usd)


def _sample_span(tries: Sequence[AttemptRow], trace: str, span: str) -> Json:
    first = tries[0]
    end_us = max(row.finished_at_us or row.started_at_us for row in tries)
    named = {
        "sample.id": first.sample_id,
        "sample.epoch": first.epoch,
        "benchtab.suite": first.suite,
        "benchtab.task": first.task,
        "benchtab.setting": first.setting,
        "benchtab.simulated": first.simulated or None,
    }
    return {
        "traceId": trace,
        "spanId": span,
        "parentSpanId": "",
        "name": f"sample {first.sample_id}",
        "kind": INTERNAL,
        "startTimeUnixNano": str(min(row.started_at_us for row in tries) * 1_000),
        "endTimeUnixNano": str(end_us * 1_000),
        "attributes": _attributes(named),
        "status": {"code": UNSET},
    }


def _asked(row: AttemptRow) -> Json:
    sent = read_json(row.parameters)
    named: Json = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": PROVIDER_NAMES.get(row.provider_asked, row.provider_asked),
        "gen_ai.request.model": row.model_requested,
    }
    for name, attribute in PARAMETERS.items():
        value = sent.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            named[attribute] = float(value) if name in _AS_DOUBLE else value
    return named


def _answered(row: AttemptRow) -> Json:
    is_known = row.input_tokens is not None
    return {
        "gen_ai.response.model": row.model_served,
        "gen_ai.response.id": row.provider_request_id,
        "gen_ai.response.finish_reasons": None if row.finish_reason is None else [row.finish_reason],
        "gen_ai.usage.input_tokens": row.all_input_tokens if is_known else None,
        "gen_ai.usage.output_tokens": row.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": row.cache_read_tokens,
        "gen_ai.usage.cache_creation.input_tokens": row.cache_write_tokens if is_known else None,
        "gen_ai.usage.reasoning.output_tokens": row.reasoning_tokens,
        "openai.response.service_tier": row.service_tier if row.provider_asked == "openai" else None,
        "http.response.status_code": row.http_status,
        "error.type": _error(row),
    }


def _own(row: AttemptRow) -> Json:
    """Give what the conventions have no name for."""
    return {
        "benchtab.request_id": row.request_id,
        "benchtab.purpose": row.purpose,
        "benchtab.status": row.status,
        "benchtab.try_number": row.try_number,
        "benchtab.mode": row.mode,
        "benchtab.service_tier": row.service_tier,
        "benchtab.usage_source": row.usage_source,
        "benchtab.billed": row.billed,
        "benchtab.stated_cost_usd": None if row.stated_cost_usd is None else plain(row.stated_cost_usd),
    }


def _error(row: AttemptRow) -> str | None:
    if row.status == "succeeded":
        return None
    return row.error_class or ("unanswered" if row.status == "sent" else row.status)


def _status(row: AttemptRow) -> Json:
    if row.status == "succeeded":
        return {"code": UNSET}
    return {"code": FAILED, "message": storable_text(row.error_message or _error(row) or row.status)}


def _score_event(row: AttemptRow, scored: Scored) -> Json:
    value = None if scored.value_millionths is None else scored.value_millionths / 1_000_000
    named = {
        "gen_ai.evaluation.name": scored.scorer,
        "gen_ai.evaluation.score.value": value,
        "gen_ai.evaluation.score.label": scored.reason,
    }
    at_us = row.finished_at_us or row.started_at_us
    return {
        "timeUnixNano": str(at_us * 1_000),
        "name": "gen_ai.evaluation.result",
        "attributes": _attributes(named),
    }


def _attributes(named: Mapping[str, object]) -> list[Json]:
    """Write attributes as OTLP JSON does: integers are texts there; what is not known is left out."""
    return [{"key": name, "value": _value(value)} for name, value in named.items() if value is not None]


def _value(value: object) -> Json:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return {"arrayValue": {"values": [_value(each) for each in value]}}
    return {"stringValue": storable_text(str(value))}


def _digest(n_digits: int, *parts: str) -> str:
    """Make an id from what it stands for; OTLP allows none of zeros alone, which no digest of ours is."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:n_digits]
