"""Logs with one member of the wrong kind: unknown, broken or refused, and never an exception of another kind."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.imports.attempt_facts import AttemptPlace, logged
from harness.imports.containers.log_files import LogFile
from harness.imports.known_formats import recognised
from harness.imports.log_formats import Source, SourceFile
from harness.imports.log_peeks import peek
from harness.imports.log_records import ImportedAttempt
from harness.imports.refusal import ImportRefused
from tests.support.foreign_logs import format_of, write_json, write_lines

ODD: tuple[Any, ...] = (None, "\ud800", -1, 10**20, [1], {"a": [1]})
USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7, "prompt_tokens_details": {"cached_tokens": 1}}
MESSAGE = {"id": "m", "model": "claude-opus-4-5", "usage": {"input_tokens": 5, "output_tokens": 2}, "content": [{}]}
METRICS = {"prompt_tokens": 5, "cached_tokens": 1, "completion_tokens": 2, "extra": {"cache_creation_input_tokens": 1}}
CHAT = {"id": "c", "created": 1, "model": "m", "choices": [{"message": {"content": "a"}, "finish_reason": "stop"}],
        "usage": USAGE}  # fmt: skip
LOGS: dict[str, Any] = {
    "openai_batch": [{"id": "batch_req_1", "custom_id": "a", "error": {}, "response": {"status_code": 200,
                      "body": CHAT}}],
    "anthropic_batch": [{"custom_id": "a", "result": {"type": "succeeded", "message":
                         {**MESSAGE, "stop_reason": "x"}}}],
    "gemini_batch": [{"key": "a", "response": {"candidates": [{"finishReason": "STOP"}], "usageMetadata":
                     {"promptTokenCount": 5, "candidatesTokenCount": 2}}, "error": {}}],
    "claude_code": [{"type": "assistant", "sessionId": "s", "requestId": "r", "timestamp": "2026-01-01T00:00:00Z",
                     "cwd": "/x", "message": MESSAGE, "costUSD": 0.1}],
    "codex": [{"type": "turn_context", "payload": {"model": "m", "effort": "low"}},
              {"type": "event_msg", "timestamp": "2026-01-01T00:00:00Z", "payload": {"type": "token_count", "info": {
                  "total_token_usage": {"input_tokens": 5, "output_tokens": 2},
                  "last_token_usage": {"input_tokens": 5, "output_tokens": 2}}}}],
    "otel": {"resourceSpans": [{"resource": {"attributes": []}, "scopeSpans": [{"spans": [{
        "traceId": "t", "spanId": "s", "startTimeUnixNano": "1", "status": {"code": 2, "message": "m"},
        "attributes": [{"key": "gen_ai.request.model", "value": {"stringValue": "m"}},
                       {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "5"}},
                       {"key": "gen_ai.usage.output_tokens", "value": {"intValue": "2"}}]}]}]}]},
    "litellm": [{"call_type": "completion", "startTime": 1.5, "response_cost": 0.1, "litellm_call_id": "c",
                 "model": "m", "status": "failure", "metadata": {"usage_object": USAGE, "error_information":
                                                                 {"error_code": "4"}},
                 "request_tags": ["a"], "response": CHAT, "messages": [{}]}],
    "openrouter": {"data": {"id": "g", "model": "m", "total_cost": 0.1, "native_tokens_prompt": 5, "is_byok": True,
                            "native_tokens_completion": 2, "provider_responses": [{}], "created_at": "2026-01-01"}},
    "llm": [{"id": "1", "model": "m", "datetime_utc": "2026-01-01T00:00:00", "duration_ms": 1, "conversation_id": "c",
             "options_json": {}, "input_tokens": 5, "output_tokens": 2, "response_json": CHAT, "token_details": {}}],
    "mini_swe_agent": {"trajectory_format": "mini-swe-agent-1.1", "info": {"model_stats": {"api_calls": 1},
                       "config": {"model": {"model_name": "openai/m", "model_kwargs": {}}}},
                       "messages": [{"role": "assistant", "extra": {"response": CHAT, "cost": 0.1, "timestamp": 1.5}}]},
    "tau2": {"timestamp": "2026-01-01T00:00:00", "info": {"agent_info": {"llm": "openai/m", "llm_args": {}},
             "user_info": {"llm": "m"}, "num_trials": 1}, "tasks": [{}], "simulations": [{
                 "id": "s", "task_id": "1", "trial": 0, "reward_info": {"reward": 1.0, "nl_assertions": [{}]},
                 "messages": [{"role": "assistant", "usage": USAGE, "cost": 0.1, "raw_data": {"id": "r"}},
                              {"role": "user"}]}]},
    "harbor": {"schema_version": "ATIF-v1.7", "session_id": "s", "agent": {"name": "a", "model_name": "m"},
               "steps": [{"source": "agent", "message": "x", "metrics": METRICS, "llm_call_count": 1}],
               "final_metrics": {"total_prompt_tokens": 5, "total_completion_tokens": 2, "total_cost_usd": 0.1}},
}  # fmt: skip


def _places(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Give the path of every value inside of a document."""
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield (*path, key)
            yield from _places(value[key], (*path, key))


def _with(document: Any, path: tuple[Any, ...], odd: object) -> Any:
    changed = copy.deepcopy(document)
    holder = changed
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = odd
    return changed


def _read(path: Path) -> int:
    look = peek(LogFile(path, path.name))
    form, role = recognised(look)
    assert form.read is not None
    calls = form.read(Source(files=(SourceFile(file=look.file, role=role),), texts=True))
    found = [one for one in calls if isinstance(one, ImportedAttempt)]
    for call in found:
        place = AttemptPlace(request="r", cell_id=1, planned_id=None, retry_of=None, when_us=1)
        logged(call, place, transcripts=True)
    return len(found)


def _write(folder: Path, name: str, document: Any) -> Path:
    """Write JSON Lines where the format has them; what is no object is a line all the same."""
    if isinstance(document, dict) or name == "llm":
        return write_json(folder / "log.json", document)
    return write_lines(folder / "log.jsonl", *[one if isinstance(one, dict) else json.dumps(one) for one in document])


@pytest.mark.parametrize("name", LOGS)
def test_a_member_of_the_wrong_kind_is_unknown_broken_or_refused(tmp_path: Path, name: str) -> None:
    path = _write(tmp_path, name, LOGS[name])
    assert format_of(path) == name
    assert _read(path) == 1
    n_read = 0
    for place in _places(LOGS[name]):
        for odd in ODD:
            try:
                n_read += _read(_write(tmp_path, name, _with(LOGS[name], place, odd)))
            except ImportRefused as refused:
                assert refused.message  # noqa: PT017  # an exception of another kind is the mistake
    assert n_read > 0
