"""Answers of a server that bills whatever becomes of them: good, failed, cut and odd ones, and what each states.

Data flows (dialect, streamed, a draw) -> bytes to send and the dollars that they state. The counts are drawn, so that
two answers' bills cannot be taken for each other.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

INPUT_USD, OUTPUT_USD = Decimal("0.000001"), Decimal("0.000002")
"""The server's price list, per token."""

Dialect = str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """Tokens, or an amount beside them, that an answer states."""

    input_tokens: int
    output_tokens: int
    cost_usd: Decimal | None = None

    @property
    def usd(self) -> Decimal:
        """Dollars: the stated amount where there is one, else the tokens at the price list."""
        if self.cost_usd is not None:
            return self.cost_usd
        return self.input_tokens * INPUT_USD + self.output_tokens * OUTPUT_USD

    def chat(self) -> dict[str, Any]:
        """OpenAI's words."""
        total = self.input_tokens + self.output_tokens
        counts = {"prompt_tokens": self.input_tokens, "completion_tokens": self.output_tokens, "total_tokens": total}
        return counts if self.cost_usd is None else {**counts, "cost": float(self.cost_usd)}

    def messages(self) -> dict[str, Any]:
        """Anthropic's words."""
        return {"input_tokens": self.input_tokens, "output_tokens": self.output_tokens}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer.

    Attributes:
        stated_usd: dollars that it states; None = nothing, or not all of it.
        is_cut: the connection closes before the announced end.
        drops: nothing is sent at all.
    """

    kind: str
    body: bytes = b""
    status: int = 200
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    stated_usd: Decimal | None = None
    is_cut: bool = False
    drops: bool = False

    def http(self) -> bytes:
        """Head and body as they go over the wire."""
        length = len(self.body) + (64 if self.is_cut else 0)
        named = {"Content-Type": self.media_type, "Content-Length": str(length), **self.headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in named.items())
        return f"HTTP/1.1 {self.status} X\r\n{head}\r\n".encode() + self.body


def draw_answer(dialect: Dialect, *, streamed: bool, cap_tokens: int, draw: random.Random) -> Answer:
    """Draw an answer; a third are good, and one in forty states more than the request's cap allows."""
    bill = Bill(input_tokens=draw.randint(5, 60), output_tokens=draw.randint(1, cap_tokens))
    if draw.random() < 0.025:
        bill = Bill(input_tokens=bill.input_tokens, output_tokens=cap_tokens * draw.randint(2, 20))
    if dialect == "chat" and draw.random() < 0.2:
        bill = Bill(
            input_tokens=bill.input_tokens,
            output_tokens=bill.output_tokens,
            cost_usd=(bill.usd * Decimal(draw.randint(20, 100)) / 100).quantize(Decimal("1e-9")),
        )
    makers = {
        ("chat", False): CHAT,
        ("chat", True): CHAT_STREAMS,
        ("messages", False): MESSAGES,
        ("messages", True): MESSAGE_STREAMS,
    }[dialect, streamed]
    kind = "good" if draw.random() < 0.35 else draw.choice(sorted(makers))
    return replace(makers[kind](bill), kind=kind)


def _json(document: Any, bill: Bill | None, **more: Any) -> Answer:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return Answer(kind="", body=body, stated_usd=None if bill is None else bill.usd, **more)


def _sse(bill: Bill | None, *events: Any, **more: Any) -> Answer:
    lines = [event if isinstance(event, str) else f"data: {json.dumps(event)}\n\n" for event in events]
    return _json("".join(lines).encode(), bill, media_type="text/event-stream", **more)


def _chat(bill: Bill, ended: str | None = "stop", text: str = "Answer: 1", **more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    choices = [{"index": 0, "message": message, "finish_reason": ended}]
    return {"id": "c", "object": "chat.completion", "model": "money", "choices": choices, "usage": bill.chat(), **more}


def _delta(text: Any, ended: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": text} if text else {}, "finish_reason": ended}
    return {"id": "c", "object": "chat.completion.chunk", "model": "money", "choices": [choice]}


def _last(bill: Bill) -> dict[str, Any]:
    return {"id": "c", "object": "chat.completion.chunk", "model": "money", "choices": [], "usage": bill.chat()}


_ERROR = {"error": {"message": "it went wrong", "type": "server_error"}}
_DONE = "data: [DONE]\n\n"

Maker = Callable[[Bill], Answer]

_UNSTATED: Mapping[str, Maker] = {
    "500 that states nothing": lambda _: _json(_ERROR, None, status=500),
    "dropped": lambda _: Answer(kind="", drops=True),
    "no JSON": lambda _: _json(b"<html>maintenance</html>", None),
}

CHAT: Mapping[str, Maker] = {
    "good": lambda bill: _json(_chat(bill), bill),
    "half an emoji": lambda bill: _json(_chat(bill, text="Answer: 1 \ud83d"), bill),
    "byte order mark": lambda bill: _json(b"\xef\xbb\xbf" + json.dumps(_chat(bill)).encode(), bill),
    "400": lambda bill: _json({**_ERROR, "usage": bill.chat()}, bill, status=400),
    "429": lambda bill: _json({**_ERROR, "usage": bill.chat()}, bill, status=429, headers={"Retry-After": "0"}),
    "500": lambda bill: _json({**_ERROR, "usage": bill.chat()}, bill, status=500),
    "503 inside the error": lambda bill: _json({"error": {"message": "x", "usage": bill.chat()}}, bill, status=503),
    "201": lambda bill: _json(_chat(bill), bill, status=201),
    "no choices": lambda bill: _json({"id": "c", "model": "money", "usage": bill.chat()}, bill),
    "empty choices": lambda bill: _json({**_chat(bill), "choices": []}, bill),
    "error in a 200": lambda bill: _json({**_ERROR, "usage": bill.chat()}, bill),
    "broken off": lambda bill: _json(_chat(bill, ended="error"), bill),
    "cut": lambda bill: _json(json.dumps({"usage": bill.chat(), **_chat(bill)})[:-9].encode(), bill, is_cut=True),
    **_UNSTATED,
}

CHAT_STREAMS: Mapping[str, Maker] = {
    "good": lambda bill: _sse(bill, _delta("Answer: "), _delta("1"), _delta(None, "stop"), _last(bill), _DONE),
    "usage in the choice": lambda bill: _sse(bill, _delta("1"), _with_usage(_delta(None, "stop"), bill), _DONE),
    "no finish reason": lambda bill: _sse(bill, _delta("1"), _last(bill), _DONE),
    "connection cut": lambda bill: _sse(bill, _delta("1"), _last(bill), is_cut=True),
    "error event": lambda bill: _sse(bill, _delta("1"), {**_ERROR, "usage": bill.chat()}),
    "usage, then an error": lambda bill: _sse(bill, _delta("1"), _last(bill), _ERROR),
    "broken off": lambda bill: _sse(bill, _delta("1"), _delta(None, "abort"), _last(bill), _DONE),
    "chunk that is no JSON": lambda bill: _sse(bill, 'data: {"choices": [\n\n', _delta("1", "stop"), _last(bill)),
    "odd delta": lambda bill: _sse(bill, {"choices": [{"delta": 5}]}, _delta("1", "stop"), _last(bill), _DONE),
    "500": lambda bill: _json({**_ERROR, "usage": bill.chat()}, bill, status=500),
    "whole answer to a stream": lambda bill: _json(_chat(bill), bill),
    "cut before its usage": lambda _: _sse(None, _delta("1"), is_cut=True),
    **_UNSTATED,
}


def _with_usage(chunk: dict[str, Any], bill: Bill) -> dict[str, Any]:
    return {**chunk, "choices": [{**chunk["choices"][0], "usage": bill.chat()}]}


def _message(bill: Bill, ended: str | None = "end_turn") -> dict[str, Any]:
    content = [{"type": "text", "text": "Answer: 1"}]
    facts = {"id": "m", "type": "message", "role": "assistant", "model": "claude-money", "stop_sequence": None}
    return {**facts, "content": content, "stop_reason": ended, "usage": bill.messages()}


_OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
_BLOCK = (
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Answer: 1"}},
    {"type": "content_block_stop", "index": 0},
)


def _began(bill: Bill) -> dict[str, Any]:
    usage = {"input_tokens": bill.input_tokens, "output_tokens": 1}
    return {"type": "message_start", "message": {**_message(bill, None), "content": [], "usage": usage}}


def _ended(bill: Bill) -> dict[str, Any]:
    usage = {"output_tokens": bill.output_tokens}
    return {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage}


MESSAGES: Mapping[str, Maker] = {
    "good": lambda bill: _json(_message(bill), bill),
    "400": lambda bill: _json({**_OVERLOADED, "usage": bill.messages()}, bill, status=400),
    "529": lambda bill: _json({**_OVERLOADED, "usage": bill.messages()}, bill, status=529),
    "error in a 200": lambda bill: _json({**_OVERLOADED, "usage": bill.messages()}, bill),
    "no content": lambda bill: _json({"id": "m", "type": "message", "usage": bill.messages()}, bill),
    **_UNSTATED,
}

MESSAGE_STREAMS: Mapping[str, Maker] = {
    "good": lambda bill: _sse(bill, _began(bill), *_BLOCK, _ended(bill), {"type": "message_stop"}),
    "no message_stop": lambda bill: _sse(bill, _began(bill), *_BLOCK, _ended(bill)),
    "connection cut": lambda bill: _sse(bill, _began(bill), *_BLOCK, _ended(bill), is_cut=True),
    "usage, then an error": lambda bill: _sse(bill, _began(bill), *_BLOCK, _ended(bill), _OVERLOADED),
    "chunk that is no JSON": lambda bill: _sse(bill, _began(bill), 'data: {"type\n\n', *_BLOCK, _ended(bill)),
    "529": lambda bill: _json({**_OVERLOADED, "usage": bill.messages()}, bill, status=529),
    "cut before its output count": lambda bill: _sse(None, _began(bill), *_BLOCK, is_cut=True),
    "error before its output count": lambda bill: _sse(None, _began(bill), *_BLOCK, _OVERLOADED),
    **_UNSTATED,
}
