"""Reads a streamed answer: chat completion chunks, and the events of the other dialects that litellm translates.

Data flows event bytes -> events -> text, reasoning, refusal, and what they state together -> Response. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from harness.providers.base import Response
from harness.providers.failures import broken_answer, failure_inside
from harness.providers.wire.answers import Said, answer_in, reasoning_of, response_of, text_of, thoughts_of
from harness.providers.wire.bodies import read_body
from harness.providers.wire.called_tools import StreamedCalls, calls_in_message
from harness.providers.wire.finish_reasons import first_of
from harness.providers.wire.raw_answers import Document, Received, stated_in, text_or_none

_SPOKEN = ("content", "refusal")
_DELTAS = frozenset({"content_block_delta", "content_block_start", "content-delta", "content-start"})


@dataclass(slots=True)
class _Folded:
    """What a stream's chunks say together; `knows` = one of them was of a dialect that is read here."""

    texts: dict[str, list[str]] = field(default_factory=dict)
    calls: StreamedCalls = field(default_factory=StreamedCalls)
    odd: str | None = None
    knows: bool = False

    def text(self, name: str) -> str:
        """Everything that was said under a name."""
        return "".join(self.texts.get(name, ()))

    def add(self, event: Document) -> None:
        """Take the next event, of whichever dialect it is."""
        kind = text_or_none(event.get("type")) or ""
        if "choices" in event:
            self._add_choices(event["choices"])
        elif isinstance(event.get("candidates"), list):  # Gemini
            content = first_of(event, "candidates").get("content")
            self._say_parts(content)
            self.calls.add_whole(calls_in_message({"content": content}))
        elif kind in _DELTAS:  # Anthropic, Cohere
            self.calls.add_event(event)
            self._say_parts(_content_of(event.get("delta", event.get("content_block"))))
        elif kind.startswith("response.") and kind.endswith("text.delta"):
            self._say("reasoning" if "reasoning" in kind else "content", text_of(event.get("delta")))
        elif isinstance(event.get("message"), Mapping) and "done" in event:  # Ollama
            self._add_delta(event["message"])

    def _say(self, name: str, text: str) -> None:
        self.knows = True
        self.texts.setdefault(name, []).append(text)

    def _say_parts(self, content: object) -> None:
        """A part of Anthropic's, Cohere's or Gemini's, whose kinds are called `text`, `text_delta`, `thinking`, ..."""
        if isinstance(content, Mapping) and isinstance(content.get("type"), str):
            content = {**content, "type": content["type"].removesuffix("_delta")}
        self._say("content", text_of(content))
        self._say("reasoning", thoughts_of(content))

    def _add_choices(self, choices: object) -> None:
        if not isinstance(choices, list):
            self.odd = self.odd or f"a chunk's choices are {type(choices).__name__}"
            return
        self.knows = True
        for choice in choices:
            if not isinstance(choice, Mapping):
                self.odd = self.odd or f"a chunk's choice is {type(choice).__name__}"
            elif choice.get("index") in (None, 0):
                found: object = next((choice[n] for n in ("delta", "message", "text") if choice.get(n) is not None), {})
                self._add_delta({"content": found} if isinstance(found, str | list) else found)

    def _add_delta(self, delta: object) -> None:
        if not isinstance(delta, Mapping):
            self.odd = self.odd or f"a chunk's delta is {type(delta).__name__}"
            return
        self._say("reasoning", reasoning_of(delta))
        self.calls.add_delta(delta)
        for name in _SPOKEN:
            value = delta.get(name)
            if value is not None and not isinstance(value, str | list | Mapping):
                self.odd = self.odd or f"a chunk's {name} is {type(value).__name__}"
            self._say(name, text_of(value))


def _folded(events: Iterable[object]) -> _Folded:
    folded = _Folded()
    for event in events:
        folded.add(event if isinstance(event, Mapping) else {})
    return folded


def _content_of(delta: object) -> object:
    """What a delta says: Cohere has a message around its content, Anthropic none."""
    message = delta.get("message") if isinstance(delta, Mapping) else None
    return message.get("content") if isinstance(message, Mapping) else delta


def stream_response(body: bytes, received: Received) -> Response:
    """Read a streamed answer, or the whole one that some servers send to a request for a stream.

    Raises:
        ProviderError: the stream ended without a finish reason (it was cut), a chunk could not be decoded, an error
            stands in it, or the provider says that it broke off; what it stated until then goes along.
    """
    read = read_body(body)
    stated = stated_in(read, received)
    if stated.error is not None:
        raise failure_inside({"error": stated.error}, stated, received)
    folded = _folded(read.documents if read.is_stream else ())
    fault = stated.fault or folded.odd
    if fault is None and read.is_stream and (stated.finish_reason is None or not folded.knows):
        fault = "the stream holds no answer that can be read"
    if fault is not None:
        raise broken_answer(stated, fault, status=received.status)
    if not read.is_stream:
        return answer_in(read.documents[0], received)
    said = Said(folded.text("content"), folded.text("reasoning"), folded.text("refusal"), folded.calls.calls())
    return response_of(stated, said, received)
