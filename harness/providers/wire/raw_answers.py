"""What an answer states about itself, good or failed: usage as sent, served model and tier, ids, how it ended.

Data flows bytes -> documents -> the dialect by its shape -> RawAnswer. Pure; the usage object passes through untouched.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from harness.declared import request_value
from harness.errors import Billed
from harness.providers.catalogue import entry_of
from harness.providers.wire.bodies import Body, read_body
from harness.providers.wire.finish_reasons import REFUSALS, broken_off, error_in, first_of, says_something
from harness.usage.kinds import CHAT, COHERE, CONVERSE, FOLDS, GEMINI, MESSAGES, OLLAMA, RESPONSES, read_usage
from harness.usage.stream_events import END_OF_RESPONSE

_OLLAMA_COUNTS = ("prompt_eval_count", "eval_count", "total_duration", "load_duration", "eval_duration")
_CHUNK_NAMES = frozenset({"choices", "candidates", "done", "contentBlockIndex", "type"})
_REQUEST_ID_HEADERS = ("x-request-id", "request-id", "apim-request-id", "x-amzn-requestid")


@request_value
class RawAnswer:
    """What an answer's bytes say; None where they do not.

    Attributes:
        has_odd_usage: a usage is stated in a form that no reader takes (a list, a text).
        error: the error inside it, as received.
        fault: why it is no whole answer, in our words: cut, not decodable, or broken off by the provider.
    """

    usage_kind: str
    usage: Mapping[str, Any] | None
    model: str | None = None
    service_tier: str | None = None
    request_id: str | None = None
    finish_reason: str | None = None
    refused: bool = False
    has_odd_usage: bool = False
    error: Any = None
    fault: str | None = None

    @property
    def is_broken_off(self) -> bool:
        """The provider's own word says that it did not finish."""
        return broken_off(self.finish_reason) is not None

    def billed(self, by_rule: Billed) -> Billed:
        """What a provider's rule says of a failed attempt, unless the answer itself states tokens or an amount."""
        if not self.usage:
            return "unknown" if self.has_odd_usage and by_rule == "no" else by_rule
        stated = read_usage(self.usage_kind, self.usage)
        amounts = (stated.input_tokens, stated.output_tokens, stated.stated_cost_usd, *stated.fees.values())
        if any(amounts) or stated.other_models:
            return "yes"
        # what states something that is no count is not free; zeros alone state nothing
        return "unknown" if by_rule == "no" and says_something(self.usage) else by_rule


def read_raw_answer(body: bytes, *, provider: str, headers: Mapping[str, str]) -> RawAnswer:
    """Read an answer of any known dialect, whole or streamed.

    Args:
        body: the answer, or its event stream.
        provider: decides between usage kinds of the chat dialect.
        headers: answer headers with lower-cased names.
    """
    return stated_in(read_body(body), usage_kind=entry_of(provider).usage_kind, headers=headers)


def stated_in(body: Body, *, usage_kind: str, headers: Mapping[str, str]) -> RawAnswer:
    """Read decoded documents; `usage_kind` is taken where the usage's own names do not tell another."""
    if body.is_stream:
        return _of_stream(body, usage_kind, headers)
    document = body.documents[0] if body.documents else None
    return replace(stated_by(document, usage_kind=usage_kind, headers=headers), fault=body.fault)


def stated_by(document: object, *, usage_kind: str, headers: Mapping[str, str]) -> RawAnswer:
    """Read one document, whatever it is."""
    answer: Mapping[str, Any] = document if isinstance(document, dict) else {}
    usage, kind = _usage(answer, usage_kind)
    ended = _finish_reason(answer)
    tier = answer.get("service_tier") or answer.get("serviceTier") or (usage or {}).get("service_tier")
    return RawAnswer(
        usage_kind=kind,
        usage=usage,
        model=text_or_none(answer.get("model")) or text_or_none(answer.get("modelVersion")),
        service_tier=text_or_none(tier),
        request_id=request_id_of(headers)
        or text_or_none(answer.get("id"))
        or text_or_none(answer.get("responseId"))
        or headers.get("cf-ray"),
        finish_reason=ended,
        refused=_is_refusal(answer, ended),
        has_odd_usage=bool(answer.get("usage")) and not isinstance(answer.get("usage"), dict),
        error=error_in(answer),
        fault=f"the provider broke off: {ended}" if broken_off(ended) else None,
    )


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """Find the provider's id for a request in its answer's headers (lower-cased names)."""
    for name in _REQUEST_ID_HEADERS:  # for every answer: no generator
        if found := headers.get(name):
            return found
    return None


def text_or_none(value: object) -> str | None:
    """A text that is one and not empty."""
    return value if isinstance(value, str) and value else None


def _of_stream(body: Body, usage_kind: str, headers: Mapping[str, str]) -> RawAnswer:
    """Lay a stream's events over each other; its usage is what the fold of its dialect makes of them."""
    events = [event for event in body.documents if isinstance(event, dict)]
    merged = _merged(events)
    _, kind = _usage(merged, usage_kind)
    folded = FOLDS[kind](events) if kind in FOLDS else None
    if isinstance(folded, dict):
        merged["usageMetadata" if kind == GEMINI else "usage"] = folded
    raw = stated_by(merged, usage_kind=kind, headers=headers)
    error = next((found for found in map(error_in, events) if found is not None), raw.error)
    fault = body.fault or raw.fault or (None if error or _has_ended(events, raw) else "the stream was cut")
    return replace(raw, error=error, fault=fault)


def _merged(events: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for event in events:
        for inner in (event.get("message"), event.get("response")):
            merged.update(inner if isinstance(inner, dict) else {})
        delta = event.get("delta")
        if isinstance(delta, dict):
            merged.update({name: delta[name] for name in ("stop_reason", "finish_reason", "usage") if delta.get(name)})
        merged.update(
            {name: value for name, value in event.items() if value is not None and name not in ("type", "delta")}
        )
        ended = _finish_reason(event)
        if ended is not None:
            merged["ended"] = ended
    return merged


def _has_ended(events: Iterable[Mapping[str, Any]], raw: RawAnswer) -> bool:
    """Whether a stream came to the end that its dialect has."""
    kinds = {event["type"] for event in events if isinstance(event.get("type"), str)}
    if kinds & {"message_start", "content_block_delta", "message_delta"}:
        return "message_stop" in kinds
    if any(kind.startswith("response.") for kind in kinds):
        return not kinds.isdisjoint(END_OF_RESPONSE)
    if raw.finish_reason is not None or any(event.get("done") is True for event in events):
        return True
    # a dialect that is not known here has an end that is not known either: its reader decides
    return not any(_CHUNK_NAMES & event.keys() for event in events)


def _usage(document: Mapping[str, Any], usage_kind: str) -> tuple[Mapping[str, Any] | None, str]:
    """The first usage that a document states, at its top or in the places that providers have for it, and its kind."""
    usage = document.get("usage")
    if isinstance(usage, dict) and usage:
        return usage, _kind(usage, document, usage_kind)
    for holder in _holders(document):
        for name in ("usage", "usageMetadata"):
            usage = holder.get(name)
            if isinstance(usage, dict) and usage:
                return usage, _kind(usage, document, usage_kind)
    if "eval_count" in document or "prompt_eval_count" in document:
        return {name: document[name] for name in _OLLAMA_COUNTS if name in document}, OLLAMA
    billed = document.get("meta")
    if isinstance(billed, dict) and isinstance(billed.get("billed_units"), dict):  # Cohere's first version
        return {"billed_units": billed["billed_units"]}, COHERE
    for holder in _holders(document):
        if type(holder.get("cost")) is not bool and isinstance(holder.get("cost"), int | float | Decimal):
            return {"cost": holder["cost"]}, usage_kind if usage_kind.endswith(".chat") else CHAT
    usage = document.get("usage")
    return usage if isinstance(usage, dict) else None, _kind({}, document, usage_kind)


def _holders(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Where a usage is looked for: the answer, its choice (Moonshot), Groq's object, inside an error or a wrapper."""
    error = document.get("error")
    choice = first_of(document, "choices")
    places = [document, document.get("x_groq"), choice, choice.get("message"), error, choice.get("error")]
    if isinstance(error, dict):
        places += [error.get("metadata"), *(error["details"] if isinstance(error.get("details"), list) else ())]
    places += [document.get(name) for name in ("response", "message", "delta", "detail", "data", "metadata")]
    return (place for place in places if isinstance(place, dict))


def _kind(usage: Mapping[str, Any], document: Mapping[str, Any], usage_kind: str) -> str:
    """Which reader understands a usage, by the names in it and around it."""
    if "promptTokenCount" in usage or "usageMetadata" in document or "candidates" in document:
        return GEMINI
    if document.get("object") == "response":
        return RESPONSES
    if "inputTokens" in usage:
        return CONVERSE
    if "billed_units" in usage:
        return COHERE
    speaks_chat = "choices" in document or "prompt_tokens" in usage or "completion_tokens" in usage
    if speaks_chat:
        return usage_kind if usage_kind.endswith(".chat") else CHAT
    if document.get("type") == "message" or "stop_reason" in document:
        return MESSAGES
    if "cache_read_input_tokens" in usage or "cache_creation_input_tokens" in usage:
        return MESSAGES
    if "input_tokens" in usage and usage_kind.endswith(".chat"):
        return RESPONSES
    return usage_kind


def _finish_reason(document: Mapping[str, Any]) -> str | None:
    """The provider's own word: choices, candidates, Anthropic's stop reason, Ollama's, or a responses status."""
    word = (
        document.get("ended")
        or first_of(document, "choices").get("finish_reason")
        or first_of(document, "candidates").get("finishReason")
        or document.get("stop_reason")
        or document.get("stopReason")
        or document.get("finish_reason")
        or document.get("done_reason")
    )
    if word is None and isinstance(document.get("incomplete_details"), dict):
        word = document["incomplete_details"].get("reason")
    if word is None and document.get("object") == "response":
        word = document.get("status")
    feedback = document.get("promptFeedback")
    if word is None and isinstance(feedback, dict):
        word = "content_filter" if feedback.get("blockReason") else None
    return text_or_none(word)


def _is_refusal(document: Mapping[str, Any], ended: str | None) -> bool:
    message = first_of(document, "choices").get("message")
    if isinstance(message, dict) and message.get("refusal"):
        return True
    return ended is not None and ended.lower() in REFUSALS
