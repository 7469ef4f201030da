"""Reads an OpenAI-shaped chat answer and its headers into a Response; the usage object passes through untouched.

Data flows parsed JSON -> text, reasoning, finish reason, refusal, served model and tier -> Response. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from harness.errors import ErrorClass, ProviderError
from harness.providers.base import FinishReason, Response

FINISH_REASONS: Mapping[str, FinishReason] = {
    "stop": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "eos": "stop",
    "completed": "stop",
    "length": "length",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "model_context_window_exceeded": "length",
    "model_length": "length",
    "content_filter": "content_filter",
    "refusal": "content_filter",
    "safety": "content_filter",
    "recitation": "content_filter",
    "blocklist": "content_filter",
    "prohibited_content": "content_filter",
    "spii": "content_filter",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "tool_use": "tool_calls",
}
"""Providers' words, in lower case, for why an answer ended."""

_KEPT_NAMES = frozenset({
    "retry-after", "retry-after-ms", "x-request-id", "request-id", "apim-request-id", "cf-ray", "location"
})  # fmt: skip
_KEPT_PREFIXES = ("x-ratelimit-", "anthropic-ratelimit-")


@lru_cache(maxsize=1_000)
def kept_name(name: str) -> str | None:
    """The name under which a header is kept; None = it is dropped."""
    lowered = name.lower()
    return lowered if lowered in _KEPT_NAMES or lowered.startswith(_KEPT_PREFIXES) else None


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Keep rate-limit, request-id and redirect headers under lower-cased names; drop the rest (cookies, ...)."""
    kept: dict[str, str] = {}
    for name, value in headers.items():
        if (lowered := kept_name(name)) is not None:
            kept[lowered] = value
    return kept


def finish_reason(word: object) -> FinishReason:
    """Normalise a provider's finish reason; unknown words are `other`, no word is `stop`."""
    return "stop" if word is None else FINISH_REASONS.get(str(word).lower(), "other")


def text_of(content: object) -> str:
    """Join the text parts of a message's content (a string, a list of parts, or nothing)."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = [part.get("text") for part in content if isinstance(part, dict) and part.get("type", "text") == "text"]
    return "".join(part for part in parts if isinstance(part, str))


def chat_response(
    document: object, *, usage_kind: str, headers: Mapping[str, str], time_to_first_byte_s: float | None
) -> Response:
    """Read a chat completion.

    Raises:
        ProviderError: `malformed_response` when there is no message; its usage, if any, goes along.
    """
    answer: Mapping[str, Any] = document if isinstance(document, dict) else {}
    usage = answer.get("usage")
    usage = usage if isinstance(usage, dict) else None
    choices = answer.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(message, dict):
        raise ProviderError(
            "the answer has no choices[0].message",
            error_class=ErrorClass.MALFORMED_RESPONSE,
            http_status=200,
            raw_usage=usage,
            provider_request_id=_text(answer.get("id")),
        )
    refusal = message.get("refusal")
    ended = choice.get("finish_reason") if isinstance(choice, dict) else None
    return Response(
        text=text_of(message.get("content")) or _text(refusal) or "",
        finish_reason=finish_reason(ended),
        usage_kind=usage_kind,
        raw_usage=usage,
        # vLLM from 0.12, OpenRouter, Groq, Ollama: `reasoning`; DeepSeek, SGLang, older vLLM: `reasoning_content`
        reasoning_text=_text(message.get("reasoning_content")) or _text(message.get("reasoning")),
        model_served=_text(answer.get("model")),
        service_tier=_text(answer.get("service_tier")),
        provider_request_id=headers.get("x-request-id") or _text(answer.get("id")),
        time_to_first_byte_s=time_to_first_byte_s,
        refused=bool(refusal) or ended in ("content_filter", "refusal"),
        headers=headers,
    )


def responses_response(
    document: object, *, usage_kind: str, headers: Mapping[str, str], time_to_first_byte_s: float | None
) -> Response:
    """Read an answer of OpenAI's responses interface: text and reasoning summaries are items of `output`.

    Raises:
        ProviderError: `malformed_response` when there is no output; its usage, if any, goes along.
    """
    answer: Mapping[str, Any] = document if isinstance(document, dict) else {}
    usage = answer.get("usage")
    usage = usage if isinstance(usage, dict) else None
    output = answer.get("output")
    if not isinstance(output, list) or answer.get("status") == "failed":
        raise ProviderError(
            f"the response is {answer.get('status') or 'without output'}: {answer.get('error')}",
            error_class=ErrorClass.SERVER_ERROR if answer.get("error") else ErrorClass.MALFORMED_RESPONSE,
            http_status=200,
            raw_usage=usage,
            provider_request_id=_text(answer.get("id")),
        )
    parts = [part for item in output for part in item.get("content") or () if item.get("type") == "message"]
    refusals = [part["refusal"] for part in parts if part.get("type") == "refusal"]
    texts = [part["text"] for part in parts if part.get("type") == "output_text"]
    thoughts = [
        part["text"] for item in output for part in item.get("summary") or () if item.get("type") == "reasoning"
    ]
    incomplete = answer.get("incomplete_details")
    ended = incomplete.get("reason") if isinstance(incomplete, dict) else answer.get("status")
    return Response(
        text="".join(texts) or "".join(refusals),
        finish_reason=finish_reason(ended),
        usage_kind=usage_kind,
        raw_usage=usage,
        reasoning_text="\n".join(thoughts) or None,
        model_served=_text(answer.get("model")),
        service_tier=_text(answer.get("service_tier")),
        provider_request_id=headers.get("x-request-id") or _text(answer.get("id")),
        time_to_first_byte_s=time_to_first_byte_s,
        refused=bool(refusals) or ended == "content_filter",
        headers=headers,
    )


def anthropic_response(
    document: object, *, usage_kind: str, headers: Mapping[str, str], time_to_first_byte_s: float | None
) -> Response:
    """Read an Anthropic message: text and thinking are blocks of `content`.

    Raises:
        ProviderError: `malformed_response` when there is no content; its usage, if any, goes along.
    """
    answer: Mapping[str, Any] = document if isinstance(document, dict) else {}
    usage = answer.get("usage")
    usage = usage if isinstance(usage, dict) else None
    content = answer.get("content")
    if not isinstance(content, list):
        raise ProviderError(
            "the answer has no content",
            error_class=ErrorClass.MALFORMED_RESPONSE,
            http_status=200,
            raw_usage=usage,
            provider_request_id=_text(answer.get("id")),
        )
    blocks = [block for block in content if isinstance(block, dict)]
    thoughts = [block.get("thinking") or "" for block in blocks if block.get("type") == "thinking"]
    ended = answer.get("stop_reason")
    return Response(
        text=text_of(blocks),
        finish_reason=finish_reason(ended),
        usage_kind=usage_kind,
        raw_usage=usage,
        reasoning_text="".join(thoughts) or None,
        model_served=_text(answer.get("model")),
        service_tier=_text((usage or {}).get("service_tier")),
        provider_request_id=headers.get("request-id") or _text(answer.get("id")),
        time_to_first_byte_s=time_to_first_byte_s,
        refused=ended == "refusal",
        headers=headers,
    )


def has_fraction(value: object) -> bool:
    """Whether a parsed JSON value holds a float, whose exact decimal is then read again from the text."""
    if isinstance(value, dict):
        parts: Any = value.values()
    elif isinstance(value, list):
        parts = value
    else:
        return isinstance(value, float)
    for part in parts:  # runs for every answer: no generator, no call for a plain number
        kind = type(part)
        if kind is float or ((kind is dict or kind is list) and part and has_fraction(part)):
            return True
    return False


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
