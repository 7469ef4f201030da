"""Reads a streamed answer: chat completion chunks, and the events of the other dialects that litellm translates.

Data flows event bytes -> events -> text, reasoning, refusal, and what they state together -> Response. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.providers.base import Response
from harness.providers.failures import broken_answer, failure_inside
from harness.providers.wire.answers import answer_in, reasoning_of, response_of, text_of, thoughts_of
from harness.providers.wire.bodies import read_body
from harness.providers.wire.finish_reasons import first_of
from harness.providers.wire.raw_answers import stated_in, text_or_none

_SPOKEN = ("content", "refusal")
_DELTAS = frozenset({"content_block_delta", "content_block_start", "content-delta", "content-start"})


@dataclass(slots=True)
class _Folded:
    """What a stream's chunks say together; `knows` = one of them was of a dialect that is read here."""

    texts: dict[str, list[str]] = field(default_factory=dict)
    odd: str | None = None
    knows: bool = False

    def text(self, name: str) -> str:
        """Everything that was said under a name."""
        return "".join(self.texts.get(name, ()))

    def add(self, event: Mapping[str, Any]) -> None:
        """Take the next event, of whichever dialect it is."""
        kind = text_or_none(event.get("type"))
        if "choices" in event:
            self._add_choices(event["choices"])
        elif isinstance(event.get("candidates"), list):  # Gemini
            self._say_parts(first_of(event, "candidates").get("content"))
        elif kind in _DELTAS:  # Anthropic, Cohere
            found = event.get("delta", event.get("content_block"))
            message = found.get("message") if isinstance(found, Mapping) else None
            self._say_parts(message.get("content") if isinstance(message, Mapping) else found)
        elif kind and kind.startswith("response.") and kind.endswith("text.delta"):
            self._say("reasoning" if "reasoning" in kind else "content", text_of(event.get("delta")))
        elif isinstance(event.get("message"), Mapping) and "done" in event:  # Ollama
            self._add_delta(event["message"])

    def _say(self, name: str, text: str) -> None:
        self.knows = True
        self.texts.setdefault(name, []).append(text)

    def _say_parts(self, content: Any) -> None:
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
                found: Any = next((choice[n] for n in ("delta", "message", "text") if choice.get(n) is not None), {})
                self._add_delta({"content": found} if isinstance(found, str | list) else found)

    def _add_delta(self, delta: object) -> None:
        if not isinstance(delta, Mapping):
            self.odd = self.odd or f"a chunk's delta is {type(delta).__name__}"
            return
        self._say("reasoning", reasoning_of(delta))
        for name in _SPOKEN:
            value = delta.get(name)
            if value is not None and not isinstance(value, str | list | Mapping):
                self.odd = self.odd or f"a chunk's {name} is {type(value).__name__}"
            self._say(name, text_of(value))


def stream_response(
    body: bytes,
    *,
    usage_kind: str,
    headers: Mapping[str, str],
    time_to_first_byte_s: float | None,
    provider: str,
    status: int = 200,
) -> Response:
    """Read a streamed answer, or the whole one that some servers send to a request for a stream.

    Arguments are those of `chat_response`.

    Raises:
        ProviderError: the stream ended without a finish reason (it was cut), a chunk could not be decoded, an error
            stands in it, or the provider says that it broke off; what it stated until then goes along.
    """
    read = read_body(body)
    stated = stated_in(read, usage_kind=usage_kind, headers=headers)
    if stated.error is not None:
        document = {"error": stated.error}
        raise failure_inside(document, stated, provider=provider, status=status, headers=headers)
    folded = _Folded()
    for event in read.documents if read.is_stream else ():
        folded.add(event)
    fault = stated.fault or folded.odd
    if fault is None and read.is_stream and (stated.finish_reason is None or not folded.knows):
        fault = "the stream holds no answer that can be read"
    if fault is not None:
        raise broken_answer(stated, fault, status=status)
    if not read.is_stream:
        return answer_in(
            read.documents[0],
            usage_kind=usage_kind,
            headers=headers,
            time_to_first_byte_s=time_to_first_byte_s,
            provider=provider,
            status=status,
        )
    return response_of(
        stated,
        text=folded.text("content"),
        reasoning=folded.text("reasoning"),
        refusal=folded.text("refusal"),
        headers=headers,
        time_to_first_byte_s=time_to_first_byte_s,
    )
