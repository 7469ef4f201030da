"""Streamed answers: which of a stream's usage objects is the final one.

Pure. Data flows SSE text -> events -> `fold` of the payload kind -> one raw usage object for that kind's reader. Counts
in a stream are cumulative everywhere, so the last one is taken and nothing is ever added.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from harness.usage.parsing import parse_json

Fold = Callable[[Iterable[object]], object]

END_OF_RESPONSE = ("response.completed", "response.incomplete", "response.failed")


class SseMessage(NamedTuple):
    """One server-sent event: its name (None = a plain message) and its data as text."""

    name: str | None
    data: str


def sse_messages(text: str) -> Iterator[SseMessage]:
    """Split a server-sent event stream; comments, empty data and `[DONE]` are left out.

    Data over several lines is joined as the SSE standard says. Older llama.cpp servers send an error as a field of its
    own (`error: {...}`), which is taken as an event of that name.
    """
    name: str | None = None
    data: list[str] = []
    # only CR and LF end a line in SSE; str.splitlines would also cut at U+2028 inside a model's text
    for line in [*text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n"), ""]:
        field, _, value = line.partition(":")
        if field in ("data", "error"):
            name = "error" if field == "error" else name
            data.append(value.removeprefix(" "))
        elif field == "event":
            name = value.strip()
        elif not line:
            joined = "\n".join(data).strip()
            if joined and joined != "[DONE]":
                yield SseMessage(name, joined)
            name, data = None, []


def sse_events(text: str) -> Iterator[object]:
    """Parse the `data:` fields of a server-sent event stream as JSON; what is not JSON is passed over."""
    for message in sse_messages(text):
        try:
            yield parse_json(message.data)
        except ValueError:
            continue


def fold_openai_chat(events: Iterable[object]) -> object:
    """Take the last chunk's `usage`; None where the stream carried none (not asked for, or aborted before its end).

    Groq's older streams put it into `x_groq` only, Moonshot into the choice. Some providers (Perplexity, xAI) repeat
    running counts beside the text: where such a stream ends without a finish reason it was cut, and the output counts
    are taken out, so that the output is unknown instead of too small.
    """
    last: object = None
    is_running = is_finished = False
    for event in _objects(events):
        choices = [*_objects(_list(event.get("choices")))]
        is_finished |= any(choice.get("finish_reason") for choice in choices)
        holders = _objects((event, event.get("x_groq"), *choices, event.get("error")))
        stated = next((usage for holder in holders if (usage := holder.get("usage")) is not None), None)
        if stated is not None and (last is None or not _states_nothing(stated)):
            last, is_running = stated, bool(choices)
    return _without(last, _CHAT_OUTPUT) if is_running and not is_finished else last


def _states_nothing(usage: object) -> bool:
    """Whether a usage is empty or zeros alone: a gateway's filling behind the chunk that stated the counts."""
    return isinstance(usage, Mapping) and not any(
        any(value.values()) if isinstance(value, Mapping) else value for value in usage.values()
    )


def fold_openai_responses(events: Iterable[object]) -> object:
    """Take the usage of the event that ends the response; earlier events have none that counts."""
    last: object = None
    for event in _objects(events):
        response = event.get("response")
        if event.get("type") in END_OF_RESPONSE and isinstance(response, Mapping):
            last = response.get("usage")
    return last


def fold_anthropic(events: Iterable[object]) -> object:
    """Lay each `message_delta` usage over that of `message_start`: its counts are cumulative, so none ever shrinks.

    The start's `output_tokens` is a placeholder. Without any delta that states the output it is not known, so it is
    taken out; a delta of zeros alone under a prompt of tokens is a gateway's filling and states nothing.
    """
    start: Mapping[str, object] = {}
    usage: dict[str, object] | None = None
    output: object = None
    for event in _objects(events):
        if event.get("type") == "message_start":
            stated = _usage_of(event.get("message"))
            start, usage = (start, usage) if stated is None else (stated, dict(stated))
        elif (stated := _usage_of(event)) is not None and not _is_filling(stated, start):
            # message_delta, or an error that states what was used
            output = _larger(output, stated.get("output_tokens"))
            before = usage or {}
            usage = {**before, **{name: _larger(before.get(name), stated[name]) for name in stated}}
    if usage is None:
        return None
    usage.pop("output_tokens", None)
    return usage if output is None else {**usage, "output_tokens": output}


def _usage_of(holder: object) -> Mapping[str, object] | None:
    usage = holder.get("usage") if isinstance(holder, Mapping) else None
    return usage if isinstance(usage, Mapping) else None


def _is_filling(stated: Mapping[str, object], start: Mapping[str, object]) -> bool:
    counts = [value for value in stated.values() if isinstance(value, int)]
    hides = any(start.get(name) for name, value in stated.items() if value == 0 and name != "output_tokens")
    return hides and not any(counts)


def _larger(before: object, now: object) -> object:
    """The larger of two cumulative counts; of other values the later one that is there."""
    if isinstance(before, int) and isinstance(now, int):
        return max(before, now)
    return before if now is None else now


def fold_gemini(events: Iterable[object]) -> object:
    """Take the last chunk's `usageMetadata`: each repeats the whole so far; what it leaves out stays as it was.

    A stream that ends without a finish reason was cut, and its last counts are not final: output counts and the total
    are taken out, so that the output is unknown instead of too small.
    """
    last: object = None
    is_finished = False
    for event in _objects(events):
        stated = event.get("usageMetadata")
        if isinstance(stated, Mapping) and isinstance(last, Mapping):
            last = {**last, **{name: value for name, value in stated.items() if value or not last.get(name)}}
        elif stated is not None:
            last = stated
        is_finished |= _gemini_has_ended(event)
    return last if is_finished else _without(last, _GEMINI_OUTPUT)


def _gemini_has_ended(event: Mapping[str, object]) -> bool:
    """Whether a chunk ends its stream; a blocked prompt has no candidates and therefore never a finish reason."""
    feedback = event.get("promptFeedback")
    is_blocked = isinstance(feedback, Mapping) and bool(feedback.get("blockReason"))
    return is_blocked or any(each.get("finishReason") for each in _objects(_list(event.get("candidates"))))


def fold_bedrock(events: Iterable[object]) -> object:
    """Take the usage of ConverseStream's `metadata` event, given the decoded event payloads."""
    last: object = None
    for event in _objects(events):
        metadata = event.get("metadata", event)
        if isinstance(metadata, Mapping) and metadata.get("usage") is not None:
            last = metadata["usage"]
    return last


def fold_cohere(events: Iterable[object]) -> object:
    """Take the usage of the `message-end` event."""
    last: object = None
    for event in _objects(events):
        for holder in (event, event.get("delta"), event.get("response")):
            if isinstance(holder, Mapping) and holder.get("usage") is not None:
                last = holder["usage"]
    return last


_GEMINI_OUTPUT = frozenset({"candidatesTokenCount", "candidatesTokensDetails", "thoughtsTokenCount", "totalTokenCount"})
_CHAT_OUTPUT = frozenset({"completion_tokens", "completion_tokens_details", "reasoning_tokens", "total_tokens"})


def _without(usage: object, names: frozenset[str]) -> object:
    if not isinstance(usage, Mapping):
        return usage
    return {name: value for name, value in usage.items() if name not in names}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _objects(events: Iterable[object]) -> Iterator[Mapping[str, object]]:
    return (event for event in events if isinstance(event, Mapping))
