"""Reads from an answer's bytes what litellm normalises away: usage as sent, served model and tier, ids, refusals.

Data flows bytes (one JSON document, or a server-sent event stream) -> the dialect by its shape -> RawAnswer. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import orjson

from harness.providers.answers import has_fraction
from harness.providers.failures import request_id_of
from harness.usage.streams import FOLDS, sse_events

CHAT_KIND: Mapping[str, str] = {
    "deepseek": "deepseek.chat",
    "xai": "xai.chat",
    "x-ai": "xai.chat",
    "openrouter": "openrouter.chat",
    "mistral": "mistral.chat",
    "groq": "groq.chat",
    "together": "together.chat",
    "together_ai": "together.chat",
    "fireworks": "fireworks.chat",
    "fireworks_ai": "fireworks.chat",
    "perplexity": "perplexity.chat",
}
"""Providers that speak OpenAI's chat shape with a usage object of their own; every other one is `openai.chat`."""

_OLLAMA_COUNTS = ("prompt_eval_count", "eval_count", "total_duration", "load_duration", "eval_duration")


@dataclass(frozen=True, slots=True, kw_only=True)
class RawAnswer:
    """What an answer's bytes say; None where they do not."""

    usage_kind: str
    usage: Mapping[str, Any] | None
    model: str | None = None
    service_tier: str | None = None
    request_id: str | None = None
    finish_reason: str | None = None
    refused: bool = False


def read_raw_answer(body: bytes, *, provider: str, headers: Mapping[str, str]) -> RawAnswer:
    """Read an answer of any known dialect.

    Args:
        body: the answer, or its event stream.
        provider: decides between usage kinds of the chat dialect.
        headers: answer headers with lower-cased names.
    """
    document = _document(body, provider)
    kind = _kind(document, provider)
    usage = _usage(document, kind)
    if has_fraction(usage) and not _is_stream(body):
        usage = _usage(json.loads(body, parse_float=Decimal), kind)
    ended = _finish_reason(document)
    stated_tier = document.get("service_tier") or document.get("serviceTier") or (usage or {}).get("service_tier")
    return RawAnswer(
        usage_kind=kind,
        usage=usage,
        model=_text(document.get("model")) or _text(document.get("modelVersion")),
        service_tier=_text(stated_tier),
        request_id=request_id_of(headers) or _text(document.get("id")) or _text(document.get("responseId")),
        finish_reason=ended,
        refused=_is_refusal(document, ended),
    )


def _is_stream(body: bytes) -> bool:
    return body.lstrip()[:1] not in (b"{", b"[")


def _document(body: bytes, provider: str) -> Mapping[str, Any]:
    """Parse one document, or lay a stream's events over each other with the final usage."""
    if not _is_stream(body):
        try:
            document = orjson.loads(body)
        except orjson.JSONDecodeError:
            return {}
        if isinstance(document, list):  # Gemini streams without `alt=sse` are one list
            return _folded(document, provider)
        return document if isinstance(document, dict) else {}
    return _folded(list(sse_events(body.decode("utf-8", "replace"))), provider)


def _folded(events: Iterable[Any], provider: str) -> Mapping[str, Any]:
    merged: dict[str, Any] = {}
    parsed = [event for event in events if isinstance(event, dict)]
    for event in parsed:
        inner = event.get("message") or event.get("response")
        merged.update(inner if isinstance(inner, dict) else {})
        delta = event.get("delta")
        if isinstance(delta, dict) and delta.get("stop_reason"):
            merged["stop_reason"] = delta["stop_reason"]
        merged.update(
            {name: value for name, value in event.items() if value is not None and name not in ("type", "delta")}
        )
        ended = _finish_reason(event)
        if ended is not None:
            merged["ended"] = ended
    kind = _kind(merged, provider)
    fold = FOLDS.get(kind)
    if fold is not None:
        merged["usageMetadata" if kind == "gemini.usageMetadata" else "usage"] = fold(parsed)
    return merged


def _kind(document: Mapping[str, Any], provider: str) -> str:
    usage = document.get("usage")
    named = usage if isinstance(usage, dict) else {}
    if "usageMetadata" in document or "candidates" in document:
        return "gemini.usageMetadata"
    if document.get("object") == "response":
        return "openai.responses"
    if "choices" not in document and ("cache_read_input_tokens" in named or "stop_reason" in document):
        return "anthropic.messages"
    if "inputTokens" in named:
        return "bedrock.converse"
    if "billed_units" in named:
        return "cohere.v2"
    if "eval_count" in document:
        return "ollama.native"
    return CHAT_KIND.get(provider, "openai.chat")


def _usage(document: Mapping[str, Any], kind: str) -> Mapping[str, Any] | None:
    if kind == "ollama.native":
        return {name: document[name] for name in _OLLAMA_COUNTS if name in document}
    usage = document.get("usageMetadata" if kind == "gemini.usageMetadata" else "usage")
    return usage if isinstance(usage, dict) else None


def _first(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    rows = document.get(name)
    return rows[0] if isinstance(rows, list) and rows and isinstance(rows[0], dict) else {}


def _finish_reason(document: Mapping[str, Any]) -> str | None:
    """The provider's own word: choices, candidates, Anthropic's stop reason, or a responses status."""
    word = (
        document.get("ended")
        or _first(document, "choices").get("finish_reason")
        or _first(document, "candidates").get("finishReason")
        or document.get("stop_reason")
    )
    if word is None and isinstance(document.get("incomplete_details"), dict):
        word = document["incomplete_details"].get("reason")
    feedback = document.get("promptFeedback")
    if word is None and isinstance(feedback, dict):
        word = "content_filter" if feedback.get("blockReason") else None
    return _text(word)


def _is_refusal(document: Mapping[str, Any], ended: str | None) -> bool:
    message = _first(document, "choices").get("message")
    if isinstance(message, dict) and message.get("refusal"):
        return True
    return ended is not None and ended.lower() in (
        "refusal",
        "content_filter",
        "safety",
        "prohibited_content",
        "blocklist",
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
