"""Why an answer ended: providers' words for it, and which of them say that the provider broke off.

Data flows a finish reason, or an error beside or inside an answer -> our word, or the class of a failure. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.errors import ErrorClass
from harness.providers.base import FinishReason

FINISH_REASONS: Mapping[str, FinishReason] = {
    "stop": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "endoftext": "stop",
    "complete": "stop",
    "completed": "stop",
    "length": "length",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "max_completion_tokens": "length",
    "model_context_window_exceeded": "length",
    "model_length": "length",
    "token_limit": "length",
    "content_filter": "content_filter",
    "content_filtered": "content_filter",
    "guardrail_intervened": "content_filter",
    "sensitive": "content_filter",
    "refusal": "content_filter",
    "safety": "content_filter",
    "recitation": "content_filter",
    "blocklist": "content_filter",
    "prohibited_content": "content_filter",
    "spii": "content_filter",
    "error_toxic": "content_filter",
    "tool_calls": "tool_calls",
    "tool_call": "tool_calls",
    "function_call": "tool_calls",
    "tool_use": "tool_calls",
}
"""Providers' words, in lower case, for why an answer ended."""

BROKEN_OFF: Mapping[str, ErrorClass] = {
    # vLLM, SGLang: abort; OpenRouter, Mistral, Cohere, watsonx: error; Z.AI: network_error; DeepSeek:
    # insufficient_system_resource; OpenAI responses: failed, cancelled
    "error": ErrorClass.SERVER_ERROR,
    "failed": ErrorClass.SERVER_ERROR,
    "failure": ErrorClass.SERVER_ERROR,
    "server_error": ErrorClass.SERVER_ERROR,
    "internal_error": ErrorClass.SERVER_ERROR,
    "internal_server_error": ErrorClass.SERVER_ERROR,
    "upstream_error": ErrorClass.SERVER_ERROR,
    "provider_error": ErrorClass.SERVER_ERROR,
    "network_error": ErrorClass.SERVER_ERROR,
    "connection_error": ErrorClass.SERVER_ERROR,
    "abort": ErrorClass.SERVER_ERROR,
    "aborted": ErrorClass.SERVER_ERROR,
    "cancel": ErrorClass.SERVER_ERROR,
    "cancelled": ErrorClass.SERVER_ERROR,
    "canceled": ErrorClass.SERVER_ERROR,
    "user_cancel": ErrorClass.SERVER_ERROR,
    "interrupted": ErrorClass.SERVER_ERROR,
    "disconnect": ErrorClass.SERVER_ERROR,
    "disconnected": ErrorClass.SERVER_ERROR,
    "timeout": ErrorClass.SERVER_ERROR,
    "timed_out": ErrorClass.SERVER_ERROR,
    "time_limit": ErrorClass.SERVER_ERROR,
    "not_finished": ErrorClass.SERVER_ERROR,
    "in_progress": ErrorClass.SERVER_ERROR,
    "queued": ErrorClass.SERVER_ERROR,
    "unknown_error": ErrorClass.SERVER_ERROR,
    "malformed_response": ErrorClass.SERVER_ERROR,
    "malformed_model_output": ErrorClass.SERVER_ERROR,
    "insufficient_system_resource": ErrorClass.OVERLOADED,
    "overloaded": ErrorClass.OVERLOADED,
    "overloaded_error": ErrorClass.OVERLOADED,
    "unavailable": ErrorClass.OVERLOADED,
    "rate_limit": ErrorClass.RATE_LIMIT,
    "error_limit": ErrorClass.CONTEXT_TOO_LONG,  # Cohere: the context is full
}
"""Words, in lower case, by which a provider says that what stands there is no finished answer."""

REFUSALS = frozenset(word for word, reason in FINISH_REASONS.items() if reason == "content_filter")


def finish_reason(word: object) -> FinishReason:
    """Normalise a provider's finish reason; unknown words are `other`, no word is `stop`."""
    return "stop" if word is None else FINISH_REASONS.get(str(word).lower(), "other")


def broken_off(word: object) -> ErrorClass | None:
    """What kind of failure a finish reason is; None when it is none."""
    return BROKEN_OFF.get(word.lower()) if isinstance(word, str) else None


def error_in(document: object) -> object:
    """The error that a body with a good status holds, in its choice or beside it; None when it holds none.

    Null and objects whose values are all empty are no errors: gateways fill the field in.
    """
    if not isinstance(document, dict):
        return None
    for holder in (document, first_of(document, "choices")):
        if (error := holder.get("error")) is not None and says_something(error):
            return error
    if any(document.get(name) for name in ("choices", "output", "content", "candidates")):
        return None
    if says_something(document.get("errors")):
        return document["errors"]
    return document if _calls_itself_an_error(document) else None


def _calls_itself_an_error(document: Mapping[str, object]) -> bool:
    return "error" in (document.get("object"), document.get("type")) or document.get("success") is False


def says_something(error: object) -> bool:
    """Whether an error field is more than a filled-in default."""
    if isinstance(error, dict):
        return any(says_something(value) for value in error.values())
    if isinstance(error, list):
        return any(says_something(value) for value in error)
    return bool(error)


def first_of(document: Mapping[str, object], name: str) -> Mapping[str, object]:
    """The first object of a list in a document; empty where there is none."""
    rows = document.get(name)
    return rows[0] if isinstance(rows, list) and rows and isinstance(rows[0], dict) else {}
