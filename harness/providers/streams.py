"""Folds a server-sent event stream of chat completion chunks into one answer of the unstreamed shape.

Data flows event bytes -> chunks -> {choices: [{message}], usage: the last one sent, as received}. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any


def events(body: bytes) -> Iterator[Any]:
    """Yield the JSON documents of a server-sent event stream; comments, pings and `[DONE]` are skipped.

    Raises:
        ValueError: a data line is not JSON.
    """
    for line in body.split(b"\n"):
        data = line.strip()
        if not data.startswith(b"data:"):
            continue
        data = data[5:].strip()
        if data and data != b"[DONE]":
            yield json.loads(data, parse_float=Decimal)


def fold_chat_events(body: bytes) -> dict[str, Any]:
    """Fold chat completion chunks; the usage is the last that any chunk carried, None when none did.

    Raises:
        ValueError: an event is not JSON, or the stream ended without a finish reason (it was cut).
    """
    answer: dict[str, Any] = {"usage": None}
    message: dict[str, list[str]] = {}
    ended: str | None = None
    for chunk in events(body):
        if not isinstance(chunk, dict):
            continue
        answer.update({name: chunk[name] for name in ("id", "model", "service_tier") if chunk.get(name)})
        if chunk.get("error"):
            answer["error"] = chunk["error"]
        if chunk.get("usage"):
            answer["usage"] = chunk["usage"]
        for choice in chunk.get("choices") or ():
            ended = choice.get("finish_reason") or ended
            for name, text in (choice.get("delta") or {}).items():
                if isinstance(text, str) and name != "role":
                    message.setdefault(name, []).append(text)
    if ended is None and "error" not in answer:
        raise ValueError("the stream ended before the answer did")
    if ended is not None:
        joined = {name: "".join(parts) for name, parts in message.items()}
        answer["choices"] = [{"message": joined, "finish_reason": ended}]
    return answer
