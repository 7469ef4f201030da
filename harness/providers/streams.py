"""Folds a server-sent event stream of chat completion chunks into one answer of the unstreamed shape.

Data flows event bytes -> chunks -> {choices: [{message}], usage: the last one sent, as received}. Pure.
"""

from __future__ import annotations

from typing import Any

from harness.usage.streams import fold_openai_chat, sse_events


def fold_chat_events(body: bytes) -> dict[str, Any]:
    """Fold chat completion chunks; the usage is the last that any chunk carried, None when none did.

    Raises:
        ValueError: the stream ended without a finish reason: it was cut.
    """
    chunks = [chunk for chunk in sse_events(body.decode("utf-8", "replace")) if isinstance(chunk, dict)]
    answer: dict[str, Any] = {"usage": fold_openai_chat(chunks)}
    message: dict[str, list[str]] = {}
    ended: str | None = None
    for chunk in chunks:
        answer.update({name: chunk[name] for name in ("id", "model", "service_tier", "error") if chunk.get(name)})
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
