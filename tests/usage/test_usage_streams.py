"""A stream's final usage is its last cumulative one; nothing is added, and a cut stream has no final output."""

from __future__ import annotations

import json
from typing import Any

import pytest

from harness.usage import FOLDS, READERS, read_usage, sse_events
from harness.usage.stream_events import fold_openai_chat, sse_messages


def sse(*events: object) -> str:
    return "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"


def final(kind: str, *events: object) -> Any:
    return FOLDS[kind](sse_events(sse(*events)))


ANTHROPIC_START = {
    "type": "message_start",
    "message": {"usage": {"input_tokens": 25, "output_tokens": 1, "cache_read_input_tokens": 7}},
}


def test_anthropic_placeholder_of_the_start_is_not_added_to_the_end() -> None:
    raw = final("anthropic.messages", ANTHROPIC_START, {"type": "message_delta", "usage": {"output_tokens": 503}})
    usage = read_usage("anthropic.messages", raw)
    assert (usage.input_tokens, usage.output_tokens) == (32, 503)


def test_anthropic_deltas_are_cumulative() -> None:
    raw = final(
        "anthropic.messages",
        ANTHROPIC_START,
        {"type": "message_delta", "usage": {"output_tokens": 100}},
        {"type": "message_delta", "usage": {"input_tokens": 400, "output_tokens": 503}},
    )
    assert raw == {"input_tokens": 400, "output_tokens": 503, "cache_read_input_tokens": 7}


def test_anthropic_stream_cut_before_its_end_has_no_output_count() -> None:
    usage = read_usage("anthropic.messages", final("anthropic.messages", ANTHROPIC_START))
    assert (usage.input_tokens, usage.output_tokens, usage.is_missing) == (32, None, True)


def test_openai_usage_is_in_the_last_chunk_or_nowhere() -> None:
    chunk = {"choices": [{"delta": {"content": "4"}}], "usage": None}
    raw = final("openai.chat", chunk, {"choices": [], "usage": {"prompt_tokens": 8, "completion_tokens": 1}}, chunk)
    assert raw == {"prompt_tokens": 8, "completion_tokens": 1}
    assert final("openai.chat", chunk) is None


def test_usage_repeated_in_every_chunk_is_not_added() -> None:
    chunks = [{"usage": {"prompt_tokens": 8, "completion_tokens": count}} for count in (1, 2, 3)]
    assert final("xai.chat", *chunks) == {"prompt_tokens": 8, "completion_tokens": 3}


def test_groq_usage_inside_its_own_object_is_found() -> None:
    assert final("groq.chat", {"x_groq": {"usage": {"prompt_tokens": 5}}}) == {"prompt_tokens": 5}


def test_responses_usage_comes_with_the_event_that_ends_the_response() -> None:
    early = {"type": "response.in_progress", "response": {"usage": {"input_tokens": 1, "output_tokens": 0}}}
    done = {"type": "response.completed", "response": {"usage": {"input_tokens": 25, "output_tokens": 10}}}
    cut = {"type": "response.incomplete", "response": {"usage": {"input_tokens": 25, "output_tokens": 7}}}
    assert final("openai.responses", early) is None
    assert final("openai.responses", early, done) == {"input_tokens": 25, "output_tokens": 10}
    assert final("openai.responses", early, cut) == {"input_tokens": 25, "output_tokens": 7}


def test_gemini_repeats_the_whole_and_the_last_counts() -> None:
    raw = final(
        "gemini.usageMetadata",
        {"usageMetadata": {"promptTokenCount": 15, "totalTokenCount": 15}},
        {
            "candidates": [{"finishReason": "STOP"}],
            "usageMetadata": {"promptTokenCount": 13, "candidatesTokenCount": 8, "totalTokenCount": 21},
        },
    )
    assert raw == {"promptTokenCount": 13, "candidatesTokenCount": 8, "totalTokenCount": 21}


def test_gemini_stream_without_a_finish_reason_has_no_final_output() -> None:
    raw = final("gemini.usageMetadata", {"usageMetadata": {"promptTokenCount": 15, "totalTokenCount": 15}})
    usage = read_usage("gemini.usageMetadata", raw)
    assert (usage.input_tokens, usage.output_tokens) == (15, None)


def test_moonshot_usage_inside_the_choice_is_found() -> None:
    usage = {"prompt_tokens": 8, "completion_tokens": 1}
    last = {"choices": [{"delta": {}, "finish_reason": "stop", "usage": usage}]}
    assert final("openai.chat", {"choices": [{"delta": {"content": "4"}}]}, last) == usage


def test_running_counts_of_a_stream_that_was_cut_are_not_its_output() -> None:
    def chunk(output: int, ended: str | None = None) -> dict[str, Any]:
        usage = {"prompt_tokens": 8, "completion_tokens": output, "total_tokens": 8 + output}
        return {"choices": [{"delta": {"content": "4"}, "finish_reason": ended}], "usage": usage}

    assert final("perplexity.chat", chunk(1), chunk(2)) == {"prompt_tokens": 8}
    assert final("perplexity.chat", chunk(1), chunk(2, "stop")) == chunk(2)["usage"]


def test_gemini_cached_count_of_an_earlier_chunk_is_kept() -> None:
    early = {"usageMetadata": {"promptTokenCount": 100, "cachedContentTokenCount": 80, "totalTokenCount": 100}}
    last = {"promptTokenCount": 100, "candidatesTokenCount": 8, "totalTokenCount": 108}
    raw = final("gemini.usageMetadata", early, {"candidates": [{"finishReason": "STOP"}], "usageMetadata": last})
    assert raw == {**last, "cachedContentTokenCount": 80}


def test_anthropic_delta_of_zeros_does_not_overwrite_the_start() -> None:
    zeros = {"input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 0}
    filled = {"type": "message_delta", "usage": {**zeros, "output_tokens": 40}}
    raw = final("anthropic.messages", ANTHROPIC_START, filled)
    assert raw == {"input_tokens": 25, "cache_read_input_tokens": 7, "output_tokens": 40}
    all_zeros = final("anthropic.messages", ANTHROPIC_START, {"type": "message_delta", "usage": zeros})
    assert all_zeros == {"input_tokens": 25, "cache_read_input_tokens": 7}
    refused = {"type": "message_delta", "usage": {"output_tokens": 0}}
    assert final("anthropic.messages", ANTHROPIC_START, refused)["output_tokens"] == 0


def test_cohere_usage_comes_with_the_message_end() -> None:
    usage = {"billed_units": {"input_tokens": 5, "output_tokens": 2}}
    assert final("cohere.v2", {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": usage}}) == usage


def test_an_error_field_of_llama_cpp_is_an_event() -> None:
    assert list(sse_messages('data: {"a": 1}\n\nerror: {"code": 500}\n\n')) == [
        (None, '{"a": 1}'),
        ("error", '{"code": 500}'),
    ]


def test_bedrock_usage_comes_with_the_metadata_event() -> None:
    events = [{"role": "assistant"}, {"metrics": {}, "usage": {"inputTokens": 2, "outputTokens": 3}}]
    assert FOLDS["bedrock.converse"](events) == {"inputTokens": 2, "outputTokens": 3}


def test_events_that_are_cut_foreign_or_not_json_are_passed_over() -> None:
    text = (
        ': comment\r\n\r\nevent: x\r\ndata: {"a":\r\ndata: 1}\r\n\r\ndata: 5\n\ndata: {"cut": \n\n'
        'data: {"line": "one\u2028two"}\n\ndata: [DONE]\n\n'
    )
    assert list(sse_events(text)) == [{"a": 1}, 5, {"line": "one\u2028two"}]


def test_foreign_events_crash_no_fold() -> None:
    events: list[Any] = [None, 5, [], {}, {"usage": 7}, {"type": "message_start"}, {"type": "message_delta"}]
    events += [{"response": 3, "type": "response.completed"}, {"candidates": 5, "usageMetadata": []}, {"metadata": 1}]
    for fold in FOLDS.values():
        fold(events)


def test_every_fold_belongs_to_a_reader() -> None:
    assert set(FOLDS) <= set(READERS)


@pytest.mark.parametrize(
    "filling", [{}, {"prompt_tokens": 0, "completion_tokens": 0, "prompt_tokens_details": {"cached_tokens": 0}}]
)
def test_an_empty_usage_behind_the_stated_one_does_not_replace_it(filling: dict[str, Any]) -> None:
    stated = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": stated}
    assert fold_openai_chat([end, {"choices": [], "usage": filling}]) == stated
    assert fold_openai_chat([{"choices": [], "usage": filling}]) == filling
