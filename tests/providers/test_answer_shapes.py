"""Good answers in odd shapes are read, and no odd body ends more than its own attempt."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import ErrorClass, ProviderError
from harness.providers.base import Response
from harness.providers.failures import failure_from_http
from harness.providers.retry_after import retry_after_s
from harness.providers.wire.answers import answer_in, chat_response, responses_response
from harness.providers.wire.bodies import parse_tolerantly
from harness.providers.wire.event_streams import stream_response
from harness.providers.wire.raw_answers import Received, read_raw_answer
from harness.providers.wire.requests import parse_answer

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
USAGE = {"prompt_tokens": 20, "completion_tokens": 7, "total_tokens": 27}
THINKING = {"type": "thinking", "thinking": [{"type": "text", "text": "maybe 5"}]}
RECEIVED = Received(provider="x")


def read(document: Any) -> Response:
    return answer_in(document, RECEIVED)


def choice(**fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "finish_reason": "stop", **fields}], "usage": USAGE}


@pytest.mark.parametrize(
    ("document", "reasoning"),
    [
        (choice(message={"content": "Answer: 12"}), None),
        (choice(message={"content": [{"type": "text", "text": "Answer: "}, {"type": "text", "text": "12"}]}), None),
        (choice(message={"content": [THINKING, {"type": "text", "text": "Answer: 12"}]}), "maybe 5"),
        (choice(message={"content": ["Answer: ", "12"]}), None),
        (choice(message={"content": {"type": "text", "text": "Answer: 12"}}), None),
        (choice(message={"content": [{"type": "output_text", "text": "Answer: 12"}]}), None),
        (choice(message={"content": [{"type": "text", "text": {"value": "Answer: 12"}}]}), None),
        (choice(message={"content": "Answer: 12", "reasoning": "maybe 5"}), "maybe 5"),
        (choice(message={"content": "Answer: 12", "reasoning_content": [{"text": "maybe 5"}]}), "maybe 5"),
        (choice(message="Answer: 12"), None),
        (choice(message=[{"type": "text", "text": "Answer: 12"}]), None),
        (choice(delta={"content": "Answer: 12"}), None),
        (choice(text="Answer: 12"), None),
        ({"choices": {"message": {"content": "Answer: 12"}}, "usage": USAGE}, None),
        ({"message": {"role": "assistant", "content": "Answer: 12"}, "done": True, "usage": USAGE}, None),
        ({"output_text": "Answer: 12", "usage": USAGE}, None),
        (
            {"output": [{"type": "message", "content": [{"type": "output_text", "text": "Answer: 12"}]}],
             "usage": USAGE, "status": "completed"},
            None,
        ),
        ({"content": [{"type": "text", "text": "Answer: 12"}], "stop_reason": "end_turn", "usage": USAGE}, None),
    ],
)  # fmt: skip
def test_a_good_answer_in_another_shape_is_read(document: Any, reasoning: str | None) -> None:
    response = read(document)
    assert (response.text, response.reasoning_text, response.finish_reason) == ("Answer: 12", reasoning, "stop")
    assert response.raw_usage == USAGE


def sse(*events: dict[str, Any]) -> bytes:
    return "".join(f"data: {json.dumps(event)}\n\n" for event in events).encode()


STREAMS: dict[str, bytes] = {
    "chat": sse(
        {"choices": [{"delta": {"reasoning": "maybe 5"}}]},
        {"choices": [{"delta": {"content": "Answer: "}}]},
        {"choices": [{"delta": {"content": [{"type": "text", "text": "12"}]}, "finish_reason": "stop"}]},
    ),
    "parts": sse(
        {"choices": [{"delta": {"content": [THINKING]}}]},
        {"choices": [{"delta": "Answer: 12"}]},
        {"choices": [{"delta": {}, "finish_reason": "stop"}]},
    ),
    "completions": sse(
        {"choices": [{"text": "Answer: "}]},
        {"choices": [{"text": "12", "finish_reason": "stop"}]},
        {"choices": [], "reasoning": None},
    ),
    "messages": sse(
        {"type": "message_start", "message": {"type": "message", "usage": {"input_tokens": 5}}},
        {"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": "maybe 5"}},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "Answer: 12"}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
        {"type": "message_stop"},
    ),
    "gemini": sse(
        {"candidates": [{"content": {"parts": [{"text": "maybe 5", "thought": True}]}}]},
        {"candidates": [{"content": {"parts": [{"text": "Answer: 12"}]}, "finishReason": "STOP"}]},
    ),
    "cohere": sse(
        {"type": "message-start", "delta": {"message": {"role": "assistant"}}},
        {"type": "content-delta", "delta": {"message": {"content": {"text": "Answer: 12"}}}},
        {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": {"billed_units": {}}}},
    ),
    "responses": sse(
        {"type": "response.reasoning_summary_text.delta", "delta": "maybe 5"},
        {"type": "response.output_text.delta", "delta": "Answer: 12"},
        {"type": "response.completed", "response": {"object": "response", "status": "completed"}},
    ),
    "ollama": b'{"message": {"thinking": "maybe 5", "content": "Answer: "}, "done": false}\n'
    b'{"message": {"content": "12"}, "done": true, "done_reason": "stop", "eval_count": 2}\n',
}


@pytest.mark.parametrize("dialect", STREAMS)
def test_a_stream_of_every_dialect_is_read(dialect: str) -> None:
    response = stream_response(STREAMS[dialect], RECEIVED)
    assert (response.text, response.finish_reason) == ("Answer: 12", "stop")
    assert response.reasoning_text == (None if dialect in ("completions", "cohere") else "maybe 5")


def test_a_whole_answer_of_gemini_is_read_with_its_thoughts_apart() -> None:
    parts = [{"text": "maybe 5", "thought": True}, {"text": "Answer: 12"}]
    response = read({"candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP"}]})
    assert (response.text, response.reasoning_text, response.finish_reason) == ("Answer: 12", "maybe 5", "stop")


@pytest.mark.parametrize(
    "word",
    ["error", "abort", "network_error", "insufficient_system_resource", "ERROR", "cancelled", "timeout", "failed"],
)
def test_a_finish_reason_that_says_failed_is_never_scored(word: str) -> None:
    with pytest.raises(ProviderError) as caught:
        read(choice(message={"content": "The first shelf holds 3"}, finish_reason=word))
    assert caught.value.error_class in (ErrorClass.SERVER_ERROR, ErrorClass.OVERLOADED)
    assert caught.value.raw_usage == USAGE


@pytest.mark.parametrize("word", ["stop", "length", "tool_calls", "eos", "some_new_word", None])
def test_another_finish_reason_is_an_answer(word: str | None) -> None:
    assert read(choice(message={"content": "12"}, finish_reason=word)).text == "12"


@pytest.mark.parametrize("error", [None, "", {}, [], {"code": None, "message": ""}, {"code": 0}])
def test_an_empty_error_field_beside_an_answer_is_none(error: Any) -> None:
    assert read({**choice(message={"content": "12"}), "error": error}).text == "12"


@pytest.mark.parametrize("status", ["failed", "cancelled", "in_progress"])
def test_a_response_that_is_not_completed_is_a_failure_with_its_usage(status: str) -> None:
    usage = {"input_tokens": 20, "output_tokens": 7}
    document = {"object": "response", "status": status, "output": [], "usage": usage, "model": "o1-pro"}
    with pytest.raises(ProviderError) as caught:
        responses_response(document, Received(provider="openai", usage_kind="openai.responses"))
    error = caught.value
    assert (error.raw_usage, error.usage_kind, error.model_served) == (usage, "openai.responses", "o1-pro")


@pytest.mark.parametrize(
    "body",
    [
        b'{"text": "12 \\ud83d"}',
        b'{"text": "12 \\udc00"}',
        b'\xef\xbb\xbf{"text": "12 \xf0\x9f\x98"}',
        b'{"text": "12 \\ud83d", "n": NaN}',
    ],
)
def test_half_a_character_is_replaced_and_the_answer_kept(body: bytes) -> None:
    text = parse_answer(body)["text"]
    assert text == "12 �"
    assert text.encode()


def test_whole_emoji_and_question_marks_survive_beside_half_a_character() -> None:
    assert parse_answer(b'{"a": "why? \\ud83d\\ude00 \\ud83d"}') == {"a": "why? 😀 �"}


def test_numbers_that_no_reader_could_hold_become_texts() -> None:
    body = b'{"usage": {"a": ' + b"9" * 5000 + b', "b": NaN, "c": 1e99999999999999999999, "d": 0.1}}'
    usage = parse_answer(body)["usage"]
    assert (usage["a"], usage["b"], usage["d"]) == ("9" * 5000, "NaN", Decimal("0.1"))
    assert usage["c"] == "1e99999999999999999999"


def test_a_control_character_inside_a_string_does_not_lose_the_answer() -> None:
    assert parse_answer(b'{"a": "one\ntwo"}') == {"a": "one\ntwo"}


DEEP = "[" * 100_000 + "]" * 100_000


def failed(status: int, body: str | bytes, headers: dict[str, str] | None = None) -> ProviderError:
    raw = body.encode() if isinstance(body, str) else body
    return failure_from_http(raw, Received(provider="openai", status=status, headers=headers or {}), now=NOW)


@pytest.mark.parametrize(
    "details", ["5", '"x"', "[5]", "{}", "true", '[{"violations": 5}]', '[{"violations": [5]}]', DEEP]
)
@pytest.mark.parametrize(("status", "expected"), [(401, ErrorClass.AUTHENTICATION), (429, ErrorClass.RATE_LIMIT)])
def test_details_of_any_type_leave_the_class_to_the_status(details: str, status: int, expected: ErrorClass) -> None:
    assert failed(status, '{"error": {"message": "no", "details": ' + details + "}}").error_class is expected


@pytest.mark.parametrize("status", [400, 401, 429, 500])
def test_nesting_beyond_every_limit_leaves_the_class_to_the_status(status: int) -> None:
    plain = failed(status, '{"error": {"message": "no"}}')
    deep = failed(status, '{"error": ' + DEEP + ', "usage": {"prompt_tokens": 5, "completion_tokens": 1}}')
    assert deep.error_class is plain.error_class
    assert deep.raw_usage == {"prompt_tokens": 5, "completion_tokens": 1}


@pytest.mark.parametrize(
    "value",
    ["Sun, 22 Nov 100000000000000000000 12:00:30 GMT", "1e20", "9" * 400, "inf", "nan", "99999-01-01T00:00:00Z",
     "Fri, 31 Dec 9999 23:59:59 GMT", "0000-00-00T00:00:00Z", "Mon, 99 Foo 2026 99:99:99 GMT", "\x00", "-1"],
)  # fmt: skip
def test_an_odd_retry_after_is_no_wait_and_no_crash(value: str) -> None:
    assert retry_after_s({"retry-after": value}, now=NOW) is None
    limits = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": value}
    assert retry_after_s(limits, now=NOW) is None
    assert failed(429, "{}", {"retry-after": value}).error_class is ErrorClass.RATE_LIMIT


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, "<html>no</html>"),
        (401, '{"error": {"type": "server_error", "message": "x"}}'),
        (401, '{"detail": "Not authenticated"}'),
        (403, '["forbidden"]'),
        (400, '{"error": {"message": "Invalid API key"}}'),
        (400, '{"code": "Client specified an invalid argument", "error": "Incorrect API key provided: xa***"}'),
        (400, '{"error": {"code": 400, "message": "x", "details": [{"reason": "API_KEY_INVALID"}]}}'),
        (400, '[{"error": {"code": 400, "message": "API key expired. Please renew", "status": "INVALID_ARGUMENT"}}]'),
        (400, '{"message": "Unauthorized"}'),
        (200, '{"error": {"code": "401", "message": "no"}}'),
        (200, '{"error": {"message": "no auth credentials found", "code": 401}}'),
        (200, '{"error": "Unauthorized"}'),
        (200, '{"code": 401, "message": "token refused"}'),
        (200, '{"object": "error", "message": "no", "code": 401}'),
        (200, '{"success": false, "errors": [{"code": 401, "message": "x"}]}'),
        (200, '{"type": "error", "error": {"type": "authentication_error", "message": "x"}}'),
    ],
)
def test_a_refused_key_is_recognised_in_every_shape(status: int, body: str) -> None:
    if status != 200:
        assert failed(status, body).error_class is ErrorClass.AUTHENTICATION
        return
    with pytest.raises(ProviderError) as caught:
        read(json.loads(body))
    assert caught.value.error_class is ErrorClass.AUTHENTICATION


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (403, {"error": {"code": "insufficient_quota", "message": "x"}}, ErrorClass.QUOTA_EXHAUSTED),
        (401, {"error": {"message": "Insufficient balance"}}, ErrorClass.QUOTA_EXHAUSTED),
        (403, {"error": {"code": 403, "message": "x", "metadata": {"reasons": ["hate"]}}}, ErrorClass.CONTENT_FILTER),
        (500, {"error": {"message": "upstream said Unauthorized"}}, ErrorClass.SERVER_ERROR),
        (400, {"error": {"message": "invalid token in JSON body"}}, ErrorClass.BAD_REQUEST),
    ],
)
def test_other_refusals_are_not_taken_for_a_refused_key(status: int, body: Any, expected: ErrorClass) -> None:
    assert failed(status, json.dumps(body)).error_class is expected


def test_usage_of_any_type_in_an_answer_is_unknown_and_no_crash() -> None:
    usages: tuple[Any, ...] = ([], [USAGE], "many", 5, True, {}, None)
    for usage in usages:
        assert not read({**choice(message={"content": "12"}), "usage": usage}).raw_usage


@pytest.mark.parametrize("where", ["choice", "x_groq", "message"])
def test_usage_in_a_place_of_its_own_is_found(where: str) -> None:
    document = {"choose": 1, **choice(message={"content": "12"})}
    del document["usage"]
    holder = document if where == "x_groq" else document["choices"][0]
    if where == "choice":
        holder["usage"] = USAGE
    else:
        holder.setdefault(where, {})["usage"] = USAGE
    assert read(document).raw_usage == USAGE


def test_json_lines_and_amazons_frames_state_their_usage() -> None:
    lines = b'{"message": {"content": "1"}, "done": false}\n{"done": true, "prompt_eval_count": 5, "eval_count": 2}\n'
    raw = read_raw_answer(lines, Received(provider="ollama"))
    assert (raw.usage, raw.fault) == ({"prompt_eval_count": 5, "eval_count": 2}, None)

    def frame(payload: dict[str, Any]) -> bytes:
        text, head = json.dumps(payload).encode(), b"\x0b:event-type"
        return (16 + len(head) + len(text)).to_bytes(4) + len(head).to_bytes(4) + b"crc1" + head + text + b"crc2"

    usage = {"inputTokens": 5, "outputTokens": 2, "totalTokens": 7}
    whole = frame({"contentBlockIndex": 0, "delta": {"text": "1"}}) + frame({"stopReason": "end_turn"})
    raw = read_raw_answer(whole + frame({"usage": usage}), Received(provider="bedrock"))
    assert (raw.usage, raw.usage_kind, raw.fault) == (usage, "bedrock.converse", None)
    assert read_raw_answer(frame({"contentBlockIndex": 0, "delta": {}}), Received(provider="bedrock")).fault


NAMES = [
    *("error", "choices", "message", "content", "usage", "details", "violations", "code", "type", "status", "delta"),
    *("text", "metadata", "finish_reason", "output", "model", "id", "candidates", "usageMetadata", "reasoning"),
    *("parts", "refusal", "stop_reason", "meta", "billed_units"),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None)
@given(JSON, st.sampled_from([200, 400, 401, 429, 500]))
def test_no_document_can_break_the_readers(document: Any, status: int) -> None:
    body = json.dumps(document).encode()
    assert failed(status, body).error_class is not ErrorClass.INTERNAL
    read_raw_answer(body, Received(provider="openai"))
    for parse in (
        lambda: answer_in(parse_tolerantly(body), RECEIVED),
        lambda: chat_response(document, RECEIVED),
        lambda: responses_response(document, RECEIVED),
        lambda: stream_response(b"data: " + body + b"\n\n", RECEIVED),
    ):
        outcome = outcome_of(parse)
        assert isinstance(outcome, Response) or (outcome.usage_kind is None) == (outcome.raw_usage is None)


def outcome_of(parse: Callable[[], Response]) -> Response | ProviderError:
    try:
        return parse()
    except ProviderError as error:
        return error


@pytest.mark.parametrize("odd", [[], {}, 5, None, ["text"]])
def test_a_part_whose_type_is_no_text_breaks_nothing(odd: Any) -> None:
    parts = [{"type": odd, "text": "lost"}, {"type": "text", "text": "12"}]
    assert read(choice(message={"content": parts})).text == "12"
    chunk = {"type": odd, "choices": [{"delta": {"content": parts}, "finish_reason": "stop"}]}
    assert stream_response(sse(chunk), RECEIVED).text == "12"
