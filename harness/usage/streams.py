"""Streamed answers: which of a stream's usage objects is the final one.

Pure. Data flows SSE text -> events -> `fold` of the payload kind -> one raw usage object for that kind's reader. Counts
in a stream are cumulative everywhere, so the last one is taken and nothing is ever added.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from harness.usage.parsing import parse_json

Fold = Callable[[Iterable[Any]], Any]

END_OF_RESPONSE = ("response.completed", "response.incomplete", "response.failed")


def sse_events(text: str) -> Iterator[Any]:
    """Parse the `data:` fields of a server-sent event stream as JSON.

    Comments, other fields, `[DONE]` and data that is not JSON (a line cut by an abort) are passed over; data over
    several lines is joined as the SSE standard says.
    """
    data: list[str] = []
    # only CR and LF end a line in SSE; str.splitlines would also cut at U+2028 inside a model's text
    for line in [*text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), ""]:
        if line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif not line and data:
            joined, data = "\n".join(data), []
            if joined.strip() == "[DONE]":
                continue
            try:
                yield parse_json(joined)
            except ValueError:
                continue


def fold_openai_chat(events: Iterable[Any]) -> Any:
    """Take the last chunk's `usage`; None where the stream carried none (not asked for, or aborted before its end).

    Groq's older streams put it into `x_groq` only.
    """
    last = None
    for event in _objects(events):
        for holder in (event, event.get("x_groq")):
            if isinstance(holder, Mapping) and holder.get("usage") is not None:
                last = holder["usage"]
                break
    return last


def fold_openai_responses(events: Iterable[Any]) -> Any:
    """Take the usage of the event that ends the response; earlier events have none that counts."""
    last = None
    for event in _objects(events):
        response = event.get("response")
        if event.get("type") in END_OF_RESPONSE and isinstance(response, Mapping):
            last = response.get("usage")
    return last


def fold_anthropic(events: Iterable[Any]) -> Any:
    """Lay each `message_delta` usage over that of `message_start`: its counts are cumulative.

    The start's `output_tokens` is a placeholder. Without any delta the output is not known, so it is taken out.
    """
    usage: dict[str, Any] | None = None
    output_is_final = False
    for event in _objects(events):
        if event.get("type") == "message_start":
            message = event.get("message")
            stated = message.get("usage") if isinstance(message, Mapping) else None
            usage = dict(stated) if isinstance(stated, Mapping) else usage
        elif event.get("type") == "message_delta" and isinstance(event.get("usage"), Mapping):
            stated = {name: value for name, value in event["usage"].items() if value is not None}
            usage = {**(usage or {}), **stated}
            output_is_final = output_is_final or "output_tokens" in stated
    if usage is not None and not output_is_final:
        usage.pop("output_tokens", None)
    return usage


def fold_gemini(events: Iterable[Any]) -> Any:
    """Take the last chunk's `usageMetadata`: each repeats the whole so far.

    A stream that ends without a finish reason was cut, and its last counts are not final: output counts and the total
    are taken out, so that the output is unknown instead of too small.
    """
    last = None
    is_finished = False
    for event in _objects(events):
        if event.get("usageMetadata") is not None:
            last = event["usageMetadata"]
        candidates = event.get("candidates")
        for candidate in candidates if isinstance(candidates, list) else []:
            is_finished = is_finished or (isinstance(candidate, Mapping) and bool(candidate.get("finishReason")))
        feedback = event.get("promptFeedback")
        # a blocked prompt has no candidates and therefore never a finish reason
        is_finished = is_finished or (isinstance(feedback, Mapping) and bool(feedback.get("blockReason")))
    if isinstance(last, Mapping) and not is_finished:
        return {name: value for name, value in last.items() if name not in _GEMINI_OUTPUT}
    return last


def fold_bedrock(events: Iterable[Any]) -> Any:
    """Take the usage of ConverseStream's `metadata` event, given the decoded event payloads."""
    last = None
    for event in _objects(events):
        metadata = event.get("metadata", event)
        if isinstance(metadata, Mapping) and metadata.get("usage") is not None:
            last = metadata["usage"]
    return last


FOLDS: dict[str, Fold] = {
    "openai.chat": fold_openai_chat,
    "openai.responses": fold_openai_responses,
    "anthropic.messages": fold_anthropic,
    "gemini.usageMetadata": fold_gemini,
    "deepseek.chat": fold_openai_chat,
    "xai.chat": fold_openai_chat,
    "openrouter.chat": fold_openai_chat,
    "mistral.chat": fold_openai_chat,
    "groq.chat": fold_openai_chat,
    "together.chat": fold_openai_chat,
    "fireworks.chat": fold_openai_chat,
    "bedrock.converse": fold_bedrock,
    "perplexity.chat": fold_openai_chat,
}
"""How a stream of each payload kind is folded; a kind that is not here does not stream usage."""

_GEMINI_OUTPUT = frozenset({"candidatesTokenCount", "candidatesTokensDetails", "thoughtsTokenCount", "totalTokenCount"})


def _objects(events: Iterable[Any]) -> Iterator[Mapping[str, Any]]:
    return (event for event in events if isinstance(event, Mapping))
