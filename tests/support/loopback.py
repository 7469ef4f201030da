"""A scripted model server on loopback: OpenAI chat and responses, Anthropic messages, Gemini, streamed or not.

A test queues `Reply` values; each request takes the next one, and the dialect's ordinary answer when none is left.
Data flows HTTP request -> recorded in `seen` -> Reply -> HTTP answer; it ends with the `async with` that began it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

CHAT_ANSWER: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1_763_000_000,
    "model": "served-model-1",
    "service_tier": "default",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "The answer is 4.", "reasoning_content": "2 and 2"},
        }
    ],
    "usage": {
        "prompt_tokens": 21,
        "completion_tokens": 30,
        "total_tokens": 51,
        "prompt_tokens_details": {"cached_tokens": 8},
        "completion_tokens_details": {"reasoning_tokens": 24},
    },
}

RESPONSES_ANSWER: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1_763_000_000,
    "model": "o1-pro-2025-03-19",
    "status": "completed",
    "service_tier": "default",
    "error": None,
    "incomplete_details": None,
    "instructions": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "temperature": 1.0,
    "tool_choice": "auto",
    "tools": [],
    "top_p": 1.0,
    "output": [
        {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "2 and 2"}]},
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "The answer is 4.", "annotations": []}],
        },
    ],
    "usage": {
        "input_tokens": 9703,
        "input_tokens_details": {"cached_tokens": 8576},
        "output_tokens": 638,
        "output_tokens_details": {"reasoning_tokens": 576},
        "total_tokens": 10341,
    },
}

ANTHROPIC_ANSWER: dict[str, Any] = {
    "id": "msg_01",
    "type": "message",
    "role": "assistant",
    "model": "claude-3-7-sonnet-20250219",
    "content": [
        {"type": "thinking", "thinking": "2 and 2", "signature": "c2ln"},
        {"type": "text", "text": "The answer is 4."},
    ],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 12,
        "cache_creation_input_tokens": 100,
        "cache_read_input_tokens": 40,
        "cache_creation": {"ephemeral_5m_input_tokens": 60, "ephemeral_1h_input_tokens": 40},
        "output_tokens": 30,
        "service_tier": "standard",
        "inference_geo": "us",
    },
}

GEMINI_ANSWER: dict[str, Any] = {
    "candidates": [
        {
            "index": 0,
            "finishReason": "STOP",
            "content": {
                "role": "model",
                "parts": [{"text": "2 and 2", "thought": True}, {"text": "The answer is 4."}],
            },
        }
    ],
    "usageMetadata": {
        "promptTokenCount": 9,
        "candidatesTokenCount": 1,
        "thoughtsTokenCount": 21,
        "totalTokenCount": 31,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 9}],
    },
    "modelVersion": "gemini-2.5-flash",
    "responseId": "resp-g-1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One scripted answer.

    Attributes:
        status: HTTP status.
        body: JSON value, or bytes that are sent as they are; None = the dialect's ordinary answer.
        headers: extra answer headers.
        drop: close the connection without an answer.
        until: answer only when this event is set; a test that wants a timeout never sets it.
    """

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    drop: bool = False
    until: asyncio.Event | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One request as it arrived: header names in lower case, body parsed."""

    path: str
    query: str
    headers: Mapping[str, str]
    body: dict[str, Any]


class Loopback:
    """The server's books: what it saw and what it will answer."""

    def __init__(self) -> None:
        self.url = ""
        self.seen: list[Seen] = []
        self.replies: list[Reply] = []
        self.always: Reply | None = None
        self.in_flight = 0
        self.most_in_flight = 0
        self.gate: tuple[int, asyncio.Event] | None = None
        self.arrived = asyncio.Event()

    def answer_with(self, *replies: Reply) -> None:
        """Queue replies for the next requests."""
        self.replies.extend(replies)

    def gate_at(self, in_flight: int) -> asyncio.Event:
        """Hold every answer until this many requests are in flight at once; returns the event that opens the gate."""
        self.gate = (in_flight, asyncio.Event())
        return self.gate[1]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Record a request and give it the next reply."""
        raw = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = json.loads(raw) if raw else {}
        self.seen.append(Seen(path=request.path, query=request.query_string, headers=headers, body=body))
        reply = self.replies.pop(0) if self.replies else self.always or Reply()
        self.arrived.set()
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            return await self._reply(request, reply)
        finally:
            self.in_flight -= 1

    async def _reply(self, request: web.Request, reply: Reply) -> web.StreamResponse:
        if self.gate is not None:
            count, opened = self.gate
            if self.in_flight >= count:
                opened.set()
            await opened.wait()
        if reply.until is not None:
            await reply.until.wait()
        if reply.drop:
            assert request.transport is not None
            request.transport.close()
        if isinstance(reply.body, bytes):
            return web.Response(status=reply.status, body=reply.body, headers=reply.headers)
        seen = self.seen[-1]
        body = ordinary_answer(request.path) if reply.body is None else reply.body
        streamed = seen.body.get("stream") or "streamGenerateContent" in request.path
        if reply.status == 200 and streamed and "error" not in body:
            return _streamed(body, reply.headers)
        return web.Response(
            status=reply.status,
            body=json.dumps(body).encode(),
            headers={"Content-Type": "application/json", **reply.headers},
        )


def ordinary_answer(path: str) -> dict[str, Any]:
    """Choose the answer that fits the address which was asked."""
    if "generatecontent" in path.lower():
        return GEMINI_ANSWER
    if path.endswith("/messages"):
        return ANTHROPIC_ANSWER
    return RESPONSES_ANSWER if path.endswith("/responses") else CHAT_ANSWER


def _streamed(answer: Mapping[str, Any], headers: Mapping[str, str]) -> web.Response:
    if "candidates" in answer:
        lines = _gemini_events(answer)
    elif answer.get("type") == "message":
        lines = _anthropic_events(answer)
    else:
        lines = _chat_events(answer)
    body = "".join(lines).encode()
    return web.Response(body=body, headers={"Content-Type": "text/event-stream", **headers})


def _event(document: object, name: str | None = None) -> str:
    return (f"event: {name}\n" if name else "") + f"data: {json.dumps(document)}\n\n"


def _chat_events(answer: Mapping[str, Any]) -> list[str]:
    head = {name: answer[name] for name in ("id", "created", "model", "service_tier") if name in answer}
    head["object"] = "chat.completion.chunk"
    choice = answer["choices"][0]
    content = choice["message"]["content"] or ""
    half = len(content) // 2
    reasoning = {"role": "assistant", "reasoning_content": choice["message"].get("reasoning_content")}
    deltas: list[dict[str, Any]] = [reasoning, {"content": content[:half]}, {"content": content[half:]}]
    events = [_event({**head, "choices": [{"index": 0, "delta": delta}], "usage": None}) for delta in deltas]
    ended = {"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}
    events.append(_event({**head, "choices": [ended], "usage": None}))
    if answer.get("usage") is not None:
        events.append(_event({**head, "choices": [], "usage": answer["usage"]}))
    return [": ping\n\n", *events, "data: [DONE]\n\n"]


def _anthropic_events(answer: Mapping[str, Any]) -> list[str]:
    placeholder = {**answer["usage"], "output_tokens": 1}
    events = [
        _event({"type": "message_start", "message": {**answer, "content": [], "usage": placeholder}}, "message_start")
    ]
    for index, block in enumerate(answer["content"]):
        kind = block["type"]
        start = {"type": kind, kind: "", **({"signature": ""} if kind == "thinking" else {})}
        delta = {"type": f"{kind}_delta", kind: block[kind]}
        events += [
            _event({"type": "content_block_start", "index": index, "content_block": start}, "content_block_start"),
            _event({"type": "content_block_delta", "index": index, "delta": delta}, "content_block_delta"),
            _event({"type": "content_block_stop", "index": index}, "content_block_stop"),
        ]
    ended = {"stop_reason": answer["stop_reason"], "stop_sequence": None}
    events.append(_event({"type": "message_delta", "delta": ended, "usage": answer["usage"]}, "message_delta"))
    return [*events, _event({"type": "message_stop"}, "message_stop")]


def _gemini_events(answer: Mapping[str, Any]) -> list[str]:
    candidate = answer["candidates"][0]
    events = []
    for part in candidate["content"]["parts"]:
        partial = {"index": 0, "content": {"role": "model", "parts": [part]}}
        usage = {**answer["usageMetadata"], "candidatesTokenCount": 0}
        events.append(_event({**answer, "candidates": [partial], "usageMetadata": usage}))
    ended = {"index": 0, "content": {"role": "model", "parts": []}, "finishReason": candidate["finishReason"]}
    return [*events, _event({**answer, "candidates": [ended]})]


@asynccontextmanager
async def serve() -> AsyncIterator[Loopback]:
    """Serve on a loopback port that the system chooses; `url` has no path."""
    books = Loopback()
    application = web.Application(client_max_size=2**26)
    application.router.add_route("*", "/{path:.*}", books.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    books.url = f"http://{host}:{port}"
    try:
        yield books
    finally:
        await runner.cleanup()
