"""Traces of model calls: each call once whatever wraps it, unknown where the instrumentation is silent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ErrorClass
from harness.imports.gateways.otel_spans import FORMAT, provider_named
from harness.imports.log_records import ImportedRun
from tests.support.foreign_logs import (
    attempts_in,
    broken_in,
    format_of,
    notes_in,
    read_one,
    sums_of,
    tokens_of,
    wanted_of,
    why_refused,
    write_json,
    write_lines,
)
from tests.support.shared_data import shared


def _value(value: object) -> dict[str, Any]:
    if isinstance(value, list):
        return {"arrayValue": {"values": [_value(each) for each in value]}}
    return {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}


def _span(span_id: str, parent: str = "", **facts: Any) -> dict[str, Any]:
    attributes = [{"key": name, "value": _value(value)} for name, value in facts.pop("names", {}).items()]
    return {
        "traceId": "t1", "spanId": span_id, "parentSpanId": parent, "name": "chat m", "kind": "SPAN_KIND_CLIENT",
        "startTimeUnixNano": "1795815831128698467", "endTimeUnixNano": "1795815832128698467",
        "attributes": attributes, "status": {}, **facts,
    }  # fmt: skip


def _export(*spans: dict[str, Any], name: str = "resourceSpans", scopes: str = "scopeSpans") -> dict[str, Any]:
    service = {"attributes": [{"key": "service.name", "value": {"stringValue": "my eval"}}]}
    return {name: [{"resource": service, scopes: [{"scope": {"name": "x"}, "spans": list(spans)}]}]}


GEN_AI = {
    "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "o3-mini",
    "gen_ai.response.model": "o3-mini-2025-01-31", "gen_ai.response.id": "chatcmpl-1",
    "gen_ai.usage.input_tokens": 304, "gen_ai.usage.output_tokens": 1000,
    "gen_ai.response.finish_reasons": ["length"], "openai.response.service_tier": "flex",
}  # fmt: skip
CACHED = {"gen_ai.usage.cache_read.input_tokens": 128, "gen_ai.usage.reasoning_tokens": 878}
OPENINFERENCE = {
    "openinference.span.kind": "LLM", "llm.model_name": "gpt-4o", "llm.provider": "openai",
    "llm.token_count.prompt": 304, "llm.token_count.completion": 1000, "llm.token_count.total": 1304,
    "llm.token_count.prompt_details.cache_read": 128, "llm.token_count.completion_details.reasoning": 878,
}  # fmt: skip


def test_a_span_of_a_model_is_a_call_of_the_sample_that_your_own_span_names(tmp_path: Path) -> None:
    outer = _span("a", names={"sample.id": "maths-1", "sample.epoch": 2})
    file = write_json(tmp_path / "traces.json", _export(_span("b", "a", names={**GEN_AI, **CACHED}), outer))
    assert format_of(file) == "otel"
    records = read_one(FORMAT, file)
    assert [one.name for one in records if isinstance(one, ImportedRun)] == ["my eval"]
    (call,) = attempts_in(records)
    assert call.sample is not None
    assert (call.sample.sample_id, call.sample.epoch) == ("maths-1", 2)
    assert (call.cell.provider, call.cell.model, call.model_served) == ("openai", "o3-mini", "o3-mini-2025-01-31")
    assert (call.finish_reason, call.service_tier, call.provider_request_id) == ("length", "flex", "chatcmpl-1")
    assert list(tokens_of(call).values()) == [176, 128, None, None, 1000, 878]
    assert (call.finished_at_us or 0) - (call.started_at_us or 0) == 1_000_000


def test_what_an_instrumentation_drops_is_unknown_and_not_zero(tmp_path: Path) -> None:
    silent = {name: value for name, value in GEN_AI.items() if ".usage." not in name}
    file = write_json(tmp_path / "traces.json", _export(_span("a", names=GEN_AI), _span("b", names=silent)))
    records = read_one(FORMAT, file)
    counted, unknown = attempts_in(records)
    assert list(tokens_of(counted).values()) == [304, None, None, None, 1000, None]
    assert (unknown.usage, unknown.status) == (None, "succeeded")
    assert notes_in(records)["usage_missing"].startswith("1 answers")


@pytest.mark.parametrize(("names", "is_said"), [(GEN_AI, True), ({**GEN_AI, **CACHED}, False)])
def test_an_instrumentation_that_leaves_out_cached_tokens_is_told(
    tmp_path: Path, names: dict[str, Any], is_said: bool
) -> None:
    """Its list price stood as a lower bound, with cached tokens at the full rate."""
    records = read_one(FORMAT, write_json(tmp_path / "t.json", _export(_span("a", names=names))))
    assert ("cached_dropped" in notes_in(records)) is is_said


@pytest.mark.parametrize("names", [OPENINFERENCE, {**GEN_AI, **CACHED, **OPENINFERENCE}])
def test_both_families_of_names_say_the_same(tmp_path: Path, names: dict[str, Any]) -> None:
    (call,) = attempts_in(read_one(FORMAT, write_json(tmp_path / "t.json", _export(_span("a", names=names)))))
    assert list(tokens_of(call).values()) == [176, 128, None, None, 1000, 878]


def test_a_wrapper_with_the_same_tokens_is_not_counted_beside_the_call_in_it(tmp_path: Path) -> None:
    agent = {"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 608, "gen_ai.usage.output_tokens": 9}
    sdk = {"ai.model.id": "gpt-4o", "ai.model.provider": "openai.chat", "ai.usage.promptTokens": 304,
           "ai.usage.completionTokens": 1000}  # fmt: skip
    inner = {**sdk, "gen_ai.system": "openai", "gen_ai.usage.input_tokens": 304, "gen_ai.usage.output_tokens": 1000}
    spans = [
        _span("call", "step", names=inner), _span("step", "generate"), _span("generate", "agent", names=sdk),
        _span("agent", names=agent), _span("empty", names={"llm.model_name": "m", "openinference.span.kind": "CHAIN"}),
    ]  # fmt: skip
    records = read_one(FORMAT, write_json(tmp_path / "traces.json", _export(*spans)))
    assert [one.identity for one in attempts_in(records)] == ["t1/call"]
    # the wrapper may have been exported later, into a file of its own
    write_lines(tmp_path / "two" / "1.jsonl", _export(spans[0]))
    write_lines(tmp_path / "two" / "2.jsonl", _export(*spans[1:]))
    assert [one.identity for one in attempts_in(read_one(FORMAT, tmp_path / "two"))] == ["t1/call"]


def test_an_agent_that_nothing_below_it_accounts_for_is_counted(tmp_path: Path) -> None:
    agent = {**GEN_AI, "gen_ai.operation.name": "invoke_agent"}
    silent = {"gen_ai.operation.name": "invoke_agent", "gen_ai.request.model": "o3-mini"}
    file = write_json(tmp_path / "t.json", _export(_span("a", names=agent), _span("b", names=silent)))
    assert [one.identity for one in attempts_in(read_one(FORMAT, file))] == ["t1/a"]


def test_a_failed_span_is_a_failed_call_with_its_class(tmp_path: Path) -> None:
    words = "Error code: 404 - {'error': {'message': 'no such model'}}"
    status = {"code": "STATUS_CODE_ERROR", "message": words}
    names = {"gen_ai.request.model": "m", "gen_ai.provider.name": "openai", "error.type": "openai.NotFoundError"}
    file = write_json(tmp_path / "t.json", _export(_span("a", names=names, status=status)))
    (call,) = attempts_in(read_one(FORMAT, file))
    assert (call.status, call.error_class, call.http_status, call.billed) == ("failed", ErrorClass.NOT_FOUND, 404, "no")


def test_exports_by_line_and_older_names_are_read_and_a_broken_line_costs_itself(tmp_path: Path) -> None:
    old = _export(_span("b", names=GEN_AI), name="batches", scopes="instrumentationLibrarySpans")
    file = write_lines(tmp_path / "traces.jsonl", _export(_span("a", names=GEN_AI)), '{"resourceSpans": [{', old)
    records = read_one(FORMAT, file)
    assert [one.identity for one in attempts_in(records)] == ["t1/a", "t1/b"]
    assert [text.split(" ")[0] for text in broken_in(records)] == ["traces.jsonl:2"]


def test_cached_tokens_beside_the_input_are_told_by_the_total_and_never_guessed(tmp_path: Path) -> None:
    names = {**GEN_AI, "gen_ai.provider.name": "anthropic", "gen_ai.usage.cache_read.input_tokens": 9000}
    beside = {**names, "gen_ai.usage.total_tokens": 10304}
    wrong = {**names, "gen_ai.usage.total_tokens": 1304}
    file = write_json(tmp_path / "t.json", _export(_span("a", names=beside), _span("b", names=wrong)))
    found = attempts_in(read_one(FORMAT, file))
    assert [tokens_of(one)["input_uncached"] for one in found] == [304, None]


def test_what_is_no_export_of_all_traces_is_refused(tmp_path: Path) -> None:
    sampled = _export(_span("a", names=GEN_AI, traceState="ot=th:8;rv:abc"))
    assert "sample of all traces" in str(why_refused(FORMAT, write_json(tmp_path / "sampled.json", sampled)))
    dump = {"name": "chat", "context": {}, "attributes": GEN_AI}
    assert "SDK dumps" in str(why_refused(FORMAT, write_json(tmp_path / "dump.json", dump)))
    metrics: dict[str, Any] = {"resourceMetrics": []}
    assert "not traces" in str(why_refused(FORMAT, write_json(tmp_path / "metrics.json", metrics)))
    whole = _export(_span("a", names=GEN_AI, traceState="ot=th:0,other=1"))
    assert len(attempts_in(read_one(FORMAT, write_json(tmp_path / "whole" / "t.json", whole)))) == 1


def test_texts_are_kept_when_they_are_wanted(tmp_path: Path) -> None:
    indexed = {**GEN_AI, "gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": "2+2?",
               "gen_ai.completion.0.content": "4"}  # fmt: skip
    asked, told = ([{"role": role, "parts": [{"content": text}]}] for role, text in (("user", "2+2?"), ("model", "4")))
    listed = {**GEN_AI, "gen_ai.input.messages": json.dumps(asked), "gen_ai.output.messages": json.dumps(told)}
    file = write_json(tmp_path / "t.json", _export(_span("a", names=indexed), _span("b", names=listed)))
    said = [one.said for one in attempts_in(read_one(FORMAT, file, texts=True))]
    assert [one and one.answer for one in said] == ["4", "4"]
    assert all(one is not None and one.messages[0]["role"] == "user" for one in said)


def test_providers_have_our_names() -> None:
    words = ("gcp.gemini", "az.ai.openai", "openai.chat", "anthropic", None, "amazon-bedrock")
    assert [provider_named(word) for word in words] == ["google", "azure", "openai", "anthropic", "unknown", "bedrock"]


def test_recorded_traces_sum_to_what_they_hold() -> None:
    folder = shared("data/imports/otel")
    expected = json.loads((folder / "EXPECTED.json").read_text())["files"]
    for name, wanted in expected.items():
        if "models" in wanted:
            assert sums_of(read_one(FORMAT, folder / name)) == wanted_of(wanted["models"]), name
        else:
            assert "SDK dumps" in str(why_refused(FORMAT, folder / name)), name
