"""What a failed attempt states of its usage is paid: it reaches the ProviderError on every path and in every shape."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from harness.errors import ErrorClass, ProviderError
from harness.messages import Message
from harness.models import parse_model
from harness.providers import make_provider
from harness.providers.base import Request
from harness.providers.failures import failure_from_http
from harness.providers.wire.raw_answers import Received
from harness.usage import READERS
from tests.support.loopback import Loopback, Reply, serve
from tests.support.loopback_raw import always, serve_raw

USAGE = {"prompt_tokens": 20, "completion_tokens": 900, "total_tokens": 920}
ANTHROPIC_USAGE = {"input_tokens": 20, "output_tokens": 900, "cache_read_input_tokens": 7}
GEMINI_USAGE = {"promptTokenCount": 20, "candidatesTokenCount": 900, "totalTokenCount": 920}
NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
SSE = {"Content-Type": "text/event-stream"}
PATHS = {"direct": "openai-compatible/m", "litellm": "openai/gpt-4o", "mistral": "mistral/mistral-large-latest"}


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI", "MISTRAL", "ANTHROPIC", "GEMINI", "COHERE"):
        monkeypatch.setenv(f"{name}_API_KEY", f"{name.lower()}-stated-usage-0001")


@pytest.fixture
async def server() -> AsyncIterator[Loopback]:
    async with serve() as books:
        yield books


def request(name: str) -> Request:
    question = (Message(role="user", content="2+2?"),)
    return Request(request_id="r.t1", model=parse_model(name), messages=question, max_output_tokens=1000)


async def failure(url: str, name: str, *, stream: bool = False, timeout_s: float = 20) -> ProviderError:
    provider = make_provider(parse_model(name), base_url=url, concurrency=1, stream=stream)
    try:
        with pytest.raises(ProviderError) as caught:
            await provider.send(provider.prepare(request(name)), timeout_s=timeout_s)
    finally:
        await provider.aclose()
    return caught.value


def events(*chunks: Any) -> bytes:
    return "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks).encode()


def delta(text: str | None, ended: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": {} if text is None else {"content": text}, "finish_reason": ended}
    return {"id": "c-1", "model": "served-1", "object": "chat.completion.chunk", "choices": [choice], **more}


LAST = {"id": "c-1", "model": "served-1", "object": "chat.completion.chunk", "choices": [], "usage": USAGE}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("status", [400, 402, 404, 413, 422, 429, 500, 503, 529])
async def test_usage_of_an_error_status_is_not_thrown_away(server: Loopback, path: str, status: int) -> None:
    body = {"error": {"message": "no"}, "usage": USAGE, "model": "served-1", "service_tier": "flex", "id": "c-1"}
    server.always = Reply(status=status, body=body)
    error = await failure(server.url + "/v1", PATHS[path])
    assert (error.raw_usage, error.billed, error.http_status) == (USAGE, "yes", status)
    assert error.usage_kind == ("mistral.chat" if path == "mistral" else "openai.chat")
    assert (error.model_served, error.service_tier, error.provider_request_id) == ("served-1", "flex", "c-1")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "body",
    [
        {"id": "c-1", "model": "served-1", "usage": USAGE},
        {"id": "c-1", "choices": [], "usage": USAGE},
        {"id": "c-1", "choices": [{"index": 0, "message": None, "finish_reason": "content_filter"}], "usage": USAGE},
        {"error": {"message": "blocked after generation", "code": 502}, "usage": USAGE},
        {"error": {"message": "blocked", "code": 502, "metadata": {"usage": USAGE}}},
        {"choices": [{"message": {"content": "3, and"}, "finish_reason": "error"}], "usage": USAGE},
    ],
    ids=["no choices", "empty choices", "null message", "error in a 200", "inside the error", "broken off"],
)
async def test_usage_of_a_good_status_without_an_answer_is_not_thrown_away(
    server: Loopback, path: str, body: dict[str, Any]
) -> None:
    server.always = Reply(body=json.dumps(body).encode(), headers={"Content-Type": "application/json"})
    error = await failure(server.url + "/v1", PATHS[path])
    assert (error.raw_usage, error.billed) == (USAGE, "yes")
    assert error.usage_kind in READERS


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("chunks", "error_class"),
    [
        ([delta("The first 3"), LAST], ErrorClass.MALFORMED_RESPONSE),
        ([delta("The first 3"), {"error": {"message": "gone", "code": 503}, "usage": USAGE}], ErrorClass.OVERLOADED),
        ([delta("The first 3"), LAST, {"error": {"message": "gone", "type": "server_error"}}], ErrorClass.SERVER_ERROR),
        ([delta("The first 3"), delta(None, "error"), LAST], ErrorClass.SERVER_ERROR),
        ([delta("The first 3"), delta(None, "abort", usage=USAGE)], ErrorClass.SERVER_ERROR),
        ([delta("The first 3"), {"choices": [{"delta": 5}]}, delta(None, "stop"), LAST], ErrorClass.MALFORMED_RESPONSE),
        ([delta("The first 3"), {"choices": [5]}, delta(None, "stop"), LAST], ErrorClass.MALFORMED_RESPONSE),
        ([delta("The first 3"), 5, delta(None, "stop"), LAST], ErrorClass.MALFORMED_RESPONSE),
    ],
    ids=["cut", "error event", "error after usage", "ended in error", "abort", "odd delta", "odd choice", "odd chunk"],
)
async def test_usage_of_a_broken_stream_is_not_thrown_away(
    server: Loopback, path: str, chunks: list[Any], error_class: ErrorClass
) -> None:
    server.always = Reply(body=events(*chunks), headers=SSE)
    error = await failure(server.url + "/v1", PATHS[path], stream=True)
    assert (error.raw_usage, error.billed) == (USAGE, "yes")
    assert error.error_class is error_class


@pytest.mark.parametrize("path", PATHS)
async def test_a_chunk_that_is_no_json_is_a_failure_and_never_skipped(server: Loopback, path: str) -> None:
    body = events(delta("Answer: ")) + b'data: {"choices": [{"delta": {"conte\n\n' + events(delta("1", "stop"), LAST)
    server.always = Reply(body=body + b"data: [DONE]\n\n", headers=SSE)
    error = await failure(server.url + "/v1", PATHS[path], stream=True)
    assert (error.error_class, error.raw_usage) == (ErrorClass.MALFORMED_RESPONSE, USAGE)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
async def test_usage_before_a_cut_connection_is_not_thrown_away(path: str, stream: bool) -> None:
    whole = json.dumps({"usage": USAGE, "choices": [{"message": {"content": "The first sh"}}]}).encode()[:-20]
    body = events(delta("The first 3"), LAST) if stream else whole
    kind = b"text/event-stream" if stream else b"application/json"
    head = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n" % (kind, len(body) + 99)
    async with serve_raw(always(head + body, then_close=True)) as raw:
        error = await failure(raw.url, PATHS[path], stream=stream)
    assert (error.error_class, error.raw_usage, error.billed) == (ErrorClass.CONNECTION, USAGE, "yes")


@pytest.mark.parametrize(
    ("name", "body", "usage", "kind"),
    [
        ("anthropic/claude-3-7-sonnet-20250219", {"usage": ANTHROPIC_USAGE}, ANTHROPIC_USAGE, "anthropic.messages"),
        ("google/gemini-2.5-flash", {"usageMetadata": GEMINI_USAGE}, GEMINI_USAGE, "gemini.usageMetadata"),
    ],
)
@pytest.mark.parametrize("status", [400, 500])
async def test_usage_of_an_error_is_read_in_its_providers_words(
    server: Loopback, name: str, body: dict[str, Any], usage: dict[str, Any], kind: str, status: int
) -> None:
    server.always = Reply(status=status, body={"type": "error", "error": {"message": "no"}, **body})
    error = await failure(server.url, name)
    assert (error.raw_usage, error.usage_kind, error.billed) == (usage, kind, "yes")


MESSAGE_START = {
    "type": "message_start",
    "message": {"id": "m", "type": "message", "role": "assistant", "model": "claude-x", "content": [],
                "usage": {"input_tokens": 25, "output_tokens": 1}},
}  # fmt: skip
TEXT = [
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "The first 3"}},
]
ENDED = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 900}}
OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


@pytest.mark.parametrize(
    ("chunks", "usage", "error_class"),
    [
        ([MESSAGE_START, *TEXT], {"input_tokens": 25}, None),
        ([MESSAGE_START, *TEXT, ENDED], {"input_tokens": 25, "output_tokens": 900}, None),
        ([MESSAGE_START, *TEXT, OVERLOADED], {"input_tokens": 25}, ErrorClass.OVERLOADED),
    ],
    ids=["cut", "no message_stop", "error event"],
)
async def test_an_anthropic_stream_without_its_end_is_a_failure_with_its_usage(
    server: Loopback, chunks: list[Any], usage: dict[str, Any], error_class: ErrorClass | None
) -> None:
    server.always = Reply(body=events(*chunks), headers=SSE)
    error = await failure(server.url, "anthropic/claude-3-7-sonnet-20250219", stream=True)
    assert (error.raw_usage, error.usage_kind) == (usage, "anthropic.messages")
    assert error.error_class is (error_class or ErrorClass.MALFORMED_RESPONSE)


async def test_a_gemini_stream_without_a_finish_reason_is_a_failure_with_its_prompt(server: Loopback) -> None:
    part = {"candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": "The first 3"}]}}]}
    server.always = Reply(body=events({**part, "usageMetadata": GEMINI_USAGE}), headers=SSE)
    error = await failure(server.url, "google/gemini-2.5-flash", stream=True)
    assert (error.raw_usage, error.error_class) == ({"promptTokenCount": 20}, ErrorClass.MALFORMED_RESPONSE)


@pytest.mark.parametrize(
    ("body", "usage", "billed"),
    [
        ({"error": {"message": "no"}, "usage": {"prompt_tokens": 0, "completion_tokens": 0}}, True, "no"),
        ({"error": {"message": "no"}, "usage": {"cost": 0.01}}, True, "yes"),
        ({"error": {"message": "no"}, "cost": 0.01}, True, "yes"),
        ({"error": {"message": "no"}, "usage": {"prompt_tokens": "many"}}, True, "unknown"),
        ({"error": {"message": "no"}, "usage": [{"prompt_tokens": 5}]}, False, "unknown"),
        ({"error": {"message": "no"}, "usage": None}, False, "no"),
        ({"error": {"message": "no"}}, False, "no"),
    ],
)
def test_not_billed_is_never_said_of_an_answer_that_states_a_bill(
    body: dict[str, Any], usage: bool, billed: str
) -> None:
    error = failure_from_http(json.dumps(body).encode(), Received(provider="openai", status=400), now=NOW)
    assert (error.raw_usage is not None, error.billed) == (usage, billed)
    assert (error.usage_kind is not None) is usage


@pytest.mark.parametrize(
    ("reply", "error_class"),
    [
        (Reply(body=b"not json"), ErrorClass.MALFORMED_RESPONSE),
        (Reply(status=500, body={"message": "x"}), ErrorClass.SERVER_ERROR),
        (Reply(status=503, body={"message": "x"}), ErrorClass.OVERLOADED),
        (Reply(drop=True), ErrorClass.CONNECTION),
    ],
    ids=["garbage", "500", "503", "dropped"],
)
@pytest.mark.parametrize("name", ["cohere/command-r", "cohere_chat/command-r"])
async def test_a_sent_request_that_failed_at_cohere_is_possibly_billed_and_tried_again(
    server: Loopback, name: str, reply: Reply, error_class: ErrorClass
) -> None:
    server.always = reply
    error = await failure(server.url, name)
    assert (len(server.seen), error.billed, error.error_class) == (1, "unknown", error_class)


async def test_a_refused_key_at_cohere_is_recognised(server: Loopback) -> None:
    server.always = Reply(status=401, body={"message": "invalid api token"})
    assert (await failure(server.url, "cohere/command-r")).error_class is ErrorClass.AUTHENTICATION


async def test_a_timeout_at_cohere_is_possibly_billed(server: Loopback) -> None:
    never = asyncio.Event()
    server.always = Reply(until=never)
    error = await failure(server.url, "cohere/command-r", timeout_s=2)
    never.set()
    assert (error.error_class, error.billed) == (ErrorClass.TIMEOUT, "unknown")


COHERE_USAGE = {"billed_units": {"input_tokens": 20, "output_tokens": 900}, "tokens": {"input_tokens": 90}}


@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=500, body={"message": "x", "usage": COHERE_USAGE}),
        Reply(body=json.dumps({"id": "c", "finish_reason": "ERROR", "usage": COHERE_USAGE}).encode()),
    ],
    ids=["500", "ended in error"],
)
async def test_usage_of_a_failed_answer_of_cohere_is_read_in_its_words(server: Loopback, reply: Reply) -> None:
    server.always = reply
    error = await failure(server.url, "cohere/command-r")
    assert (error.raw_usage, error.usage_kind, error.billed) == (COHERE_USAGE, "cohere.v2", "yes")


async def test_a_stream_that_litellm_leaves_early_is_read_to_its_usage(server: Loopback) -> None:
    text = [
        {"type": "message-start", "id": "c", "delta": {"message": {"role": "assistant", "content": []}}},
        {"type": "content-start", "index": 0, "delta": {"message": {"content": {"type": "text", "text": ""}}}},
        {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "The answer is 4."}}}},
        {"type": "content-end", "index": 0},
        {"type": "message-end", "id": "c", "delta": {"finish_reason": "COMPLETE", "usage": COHERE_USAGE}},
    ]
    server.always = Reply(body=events(*text), headers=SSE)
    provider = make_provider(parse_model("cohere/command-r"), base_url=server.url, concurrency=1, stream=True)
    prepared = provider.prepare(request("cohere/command-r"))
    for _ in range(3):
        response = await provider.send(prepared, timeout_s=20)
        assert (response.text, response.finish_reason) == ("The answer is 4.", "stop")
        assert (response.raw_usage, response.usage_kind) == (COHERE_USAGE, "cohere.v2")
    await provider.aclose()


@pytest.mark.parametrize("path", PATHS)
async def test_a_cut_answer_gives_its_connection_back(path: str) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
    async with serve_raw(always(head, then_close=True)) as raw:
        provider = make_provider(parse_model(PATHS[path]), base_url=raw.url, concurrency=1)
        prepared = provider.prepare(request(PATHS[path]))
        for _ in range(3):
            with pytest.raises(ProviderError) as caught:
                await provider.send(prepared, timeout_s=5)
            assert caught.value.error_class is ErrorClass.CONNECTION
        await provider.aclose()
