"""What an answer states about itself, good or failed: usage as sent, served model and tier, ids, how it ended.

Data flows bytes -> documents -> the dialect by its shape -> RawAnswer. Pure; the usage object passes through untouched.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field, replace
from decimal import Decimal

from harness.declared import request_value
from harness.errors import Billed
from harness.providers.catalogue import entry_of
from harness.providers.wire.bodies import Body, read_body
from harness.providers.wire.finish_reasons import REFUSALS, broken_off, error_in, first_of, says_something
from harness.usage.kinds import CHAT, COHERE, CONVERSE, FOLDS, GEMINI, MESSAGES, OLLAMA, RESPONSES, read_usage
from harness.usage.stream_events import END_OF_RESPONSE

Document = Mapping[str, object]
"""An object of parsed JSON, its fractions exact."""

_OLLAMA_COUNTS = ("prompt_eval_count", "eval_count", "total_duration", "load_duration", "eval_duration")
_CHUNK_NAMES = frozenset({"choices", "candidates", "done", "contentBlockIndex", "type"})
_REQUEST_ID_HEADERS = ("x-request-id", "request-id", "apim-request-id", "x-amzn-requestid")


@request_value
class Received:
    """How an answer came: what is known of it beside its body.

    Attributes:
        provider: as in a model name; its rules say what is billed of a failed answer.
        usage_kind: reader of its usage where the names in that tell no other; empty = the provider's.
        headers: with lower-cased names.
        status: of the HTTP answer.
        url: where the request went, empty when that is not known; only a redirect's message names it.
        time_to_first_byte_s: None = not known.
    """

    provider: str
    usage_kind: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 200
    url: str = ""
    time_to_first_byte_s: float | None = None

    def __post_init__(self) -> None:
        """Take the provider's kind of usage where none was named."""
        if not self.usage_kind:
            self.usage_kind = entry_of(self.provider).usage_kind  # type: ignore[misc]  # frozen for the type checker


@request_value
class RawAnswer:
    """What an answer's bytes say; None where they do not.

    Attributes:
        has_odd_usage: a usage is stated in a form that no reader takes (a list, a text).
        error: the error inside it, as received.
        fault: why it is no whole answer, in our words: cut, not decodable, or broken off by the provider.
    """

    usage_kind: str
    usage: Document | None
    model: str | None = None
    service_tier: str | None = None
    request_id: str | None = None
    finish_reason: str | None = None
    refused: bool = False
    has_odd_usage: bool = False
    error: object = None
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


def read_raw_answer(body: bytes, received: Received) -> RawAnswer:
    """Read an answer of any known dialect, whole or streamed."""
    return stated_in(read_body(body), received)


def stated_in(body: Body, received: Received) -> RawAnswer:
    """Read the decoded documents of one answer."""
    if body.is_stream:
        return _of_stream(body, received)
    document = body.documents[0] if body.documents else None
    return replace(stated_by(document, received), fault=body.fault)


def stated_by(document: object, received: Received) -> RawAnswer:
    """Read one document, whatever it is."""
    answer: Document = document if isinstance(document, dict) else {}
    usage, kind = _usage(answer, received.usage_kind)
    ended = _finish_reason(answer)
    return RawAnswer(
        usage_kind=kind,
        usage=usage,
        model=text_or_none(answer.get("model")) or text_or_none(answer.get("modelVersion")),
        service_tier=_tier(answer, usage),
        request_id=_request_id(answer, received.headers),
        finish_reason=ended,
        refused=_is_refusal(answer, ended),
        has_odd_usage=bool(answer.get("usage")) and not isinstance(answer.get("usage"), dict),
        error=error_in(answer),
        fault=f"the provider broke off: {ended}" if broken_off(ended) else None,
    )


def usage_stated_in(*places: object) -> Document | None:
    """The first usage object that one of these parts of an answer holds, wherever providers have one."""
    stated = (_first_usage(place) for place in places if isinstance(place, dict))
    return next((usage for usage in stated if usage is not None), None)


def _tier(answer: Document, usage: Document | None) -> str | None:
    return text_or_none(
        answer.get("service_tier") or answer.get("serviceTier") or (usage.get("service_tier") if usage else None)
    )


def _request_id(answer: Document, headers: Mapping[str, str]) -> str | None:
    """The provider's id for a request, in its answer's headers or in the answer."""
    for name in _REQUEST_ID_HEADERS:  # for every answer: no generator
        if found := headers.get(name):
            return found
    return text_or_none(answer.get("id")) or text_or_none(answer.get("responseId")) or headers.get("cf-ray")


def text_or_none(value: object) -> str | None:
    """A text that is one and not empty."""
    return value if isinstance(value, str) and value else None


def _of_stream(body: Body, received: Received) -> RawAnswer:
    """Lay a stream's events over each other; its usage is what the fold of its dialect makes of them."""
    events = [event for event in body.documents if isinstance(event, dict)]
    merged = _merged(events)
    _, kind = _usage(merged, received.usage_kind)
    folded = FOLDS[kind](events) if kind in FOLDS else None
    if isinstance(folded, dict):
        merged["usageMetadata" if kind == GEMINI else "usage"] = folded
    raw = stated_by(merged, replace(received, usage_kind=kind))
    error = next(filter(None, map(error_in, events)), raw.error)
    is_cut = not error and not _has_ended(events, raw)
    return replace(raw, error=error, fault=body.fault or raw.fault or ("the stream was cut" if is_cut else None))


def _merged(events: Iterable[Document]) -> dict[str, object]:
    merged: dict[str, object] = {}
    for event in events:
        for inner in (event.get("message"), event.get("response")):
            merged.update(inner if isinstance(inner, dict) else {})
        delta = event.get("delta")
        if isinstance(delta, dict):
            merged.update({name: delta[name] for name in ("stop_reason", "finish_reason", "usage") if delta.get(name)})
        merged.update(_said_by(event))
        ended = _finish_reason(event)
        if ended is not None:
            merged["ended"] = ended
    return merged


def _said_by(event: Document) -> Document:
    return {name: value for name, value in event.items() if value is not None and name not in ("type", "delta")}


def _has_ended(events: Iterable[Document], raw: RawAnswer) -> bool:
    """Whether a stream came to the end that its dialect has."""
    kinds = {kind for event in events if isinstance(kind := event.get("type"), str)}
    if kinds & {"message_start", "content_block_delta", "message_delta"}:
        return "message_stop" in kinds
    if any(kind.startswith("response.") for kind in kinds):
        return not kinds.isdisjoint(END_OF_RESPONSE)
    if raw.finish_reason is not None or any(event.get("done") is True for event in events):
        return True
    # a dialect that is not known here has an end that is not known either: its reader decides
    return not any(_CHUNK_NAMES & event.keys() for event in events)


def _usage(document: Document, usage_kind: str) -> tuple[Document | None, str]:
    """The first usage that a document states, at its top or in the places that providers have for it, and its kind."""
    usage = _first_usage(document)
    if usage is not None:
        return usage, _kind(usage, document, usage_kind)
    if "eval_count" in document or "prompt_eval_count" in document:
        return {name: document[name] for name in _OLLAMA_COUNTS if name in document}, OLLAMA
    meta = document.get("meta")
    if isinstance(meta, dict) and isinstance(meta.get("billed_units"), dict):  # Cohere's first version
        return {"billed_units": meta["billed_units"]}, COHERE
    if (cost := _stated_cost(document)) is not None:
        return {"cost": cost}, _chat_kind(usage_kind)
    empty = document.get("usage")
    return empty if isinstance(empty, dict) else None, _kind({}, document, usage_kind)


def _stated_cost(document: Document) -> int | float | Decimal | None:
    for holder in _holders(document):
        cost = holder.get("cost")
        if isinstance(cost, int | float | Decimal) and not isinstance(cost, bool):
            return cost
    return None


def _first_usage(document: Document) -> Document | None:
    usage = document.get("usage")
    if isinstance(usage, dict) and usage:
        return usage
    for holder in _holders(document):
        for name in ("usage", "usageMetadata"):
            usage = holder.get(name)
            if isinstance(usage, dict) and usage:
                return usage
    return None


def _holders(document: Document) -> Iterator[Document]:
    """Where a usage is looked for: the answer, its choice (Moonshot), Groq's object, inside an error or a wrapper."""
    error = document.get("error")
    choice = first_of(document, "choices")
    places = [document, document.get("x_groq"), choice, choice.get("message"), error, choice.get("error")]
    if isinstance(error, dict):
        places += [error.get("metadata"), *(error["details"] if isinstance(error.get("details"), list) else ())]
    places += [document.get(name) for name in ("response", "message", "delta", "detail", "data", "metadata")]
    return (place for place in places if isinstance(place, dict))


def _kind(usage: Document, document: Document, usage_kind: str) -> str:
    """Which reader understands a usage, by the names in it and around it."""
    by_shape = _kind_of_names(usage, document)
    if by_shape is not None:
        return _chat_kind(usage_kind) if by_shape == CHAT else by_shape
    if "input_tokens" in usage and usage_kind.endswith(".chat"):
        return RESPONSES
    return usage_kind


def _kind_of_names(usage: Document, document: Document) -> str | None:
    for kind, in_usage, around_it, (name, value) in _SIGNS:
        if not in_usage.isdisjoint(usage) or not around_it.isdisjoint(document) or document.get(name) == value:
            return kind
    return None


def _chat_kind(usage_kind: str) -> str:
    return usage_kind if usage_kind.endswith(".chat") else CHAT


_NONE: frozenset[str] = frozenset()
_SIGNS: tuple[tuple[str, frozenset[str], frozenset[str], tuple[str, str]], ...] = (
    (GEMINI, frozenset({"promptTokenCount"}), frozenset({"usageMetadata", "candidates"}), ("", "")),
    (RESPONSES, _NONE, _NONE, ("object", "response")),
    (CONVERSE, frozenset({"inputTokens"}), _NONE, ("", "")),
    (COHERE, frozenset({"billed_units"}), _NONE, ("", "")),
    (CHAT, frozenset({"prompt_tokens", "completion_tokens"}), frozenset({"choices"}), ("", "")),
    (MESSAGES, _NONE, frozenset({"stop_reason"}), ("type", "message")),
    (MESSAGES, frozenset({"cache_read_input_tokens", "cache_creation_input_tokens"}), _NONE, ("", "")),
)
"""Kinds by names in a usage, by names around it, and by what a name around it says; the first that fits."""


def _finish_reason(document: Document) -> str | None:
    """The provider's own word: choices, candidates, Anthropic's stop reason, Ollama's, or a responses status."""
    word = document.get("ended") or first_of(document, "choices").get("finish_reason")
    word = word or first_of(document, "candidates").get("finishReason")
    for name in ("stop_reason", "stopReason", "finish_reason", "done_reason"):
        word = word or document.get(name)
    return text_or_none(_reason_beside(document) if word is None else word)


def _reason_beside(document: Document) -> object:
    details = document.get("incomplete_details")
    if isinstance(details, dict) and details.get("reason") is not None:
        return details["reason"]
    if document.get("object") == "response" and document.get("status") is not None:
        return document["status"]
    feedback = document.get("promptFeedback")
    return "content_filter" if isinstance(feedback, dict) and feedback.get("blockReason") else None


def _is_refusal(document: Document, ended: str | None) -> bool:
    message = first_of(document, "choices").get("message")
    if isinstance(message, dict) and message.get("refusal"):
        return True
    return ended is not None and ended.lower() in REFUSALS
