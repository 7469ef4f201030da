"""Folds a server-sent event stream of chat completion chunks into one answer of the unstreamed shape.

Data flows event bytes -> chunks -> {choices: [{message}], usage: the last one sent, as received}. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.providers.answers import answer_in, reasoning_of, response_of, text_of
from harness.providers.base import Response
from harness.providers.bodies import read_body
from harness.providers.failures import broken_answer, failure_inside
from harness.providers.raw_answers import stated_in

_SPOKEN = ("content", "refusal")


@dataclass(slots=True)
class _Folded:
    """What a stream's chunks say together."""

    texts: dict[str, list[str]] = field(default_factory=dict)
    odd: str | None = None

    def text(self, name: str) -> str:
        """Everything that was said under a name."""
        return "".join(self.texts.get(name, ()))

    def add(self, choice: object) -> None:
        if not isinstance(choice, Mapping):
            self.odd = self.odd or f"a chunk's choice is {type(choice).__name__}"
        elif choice.get("index") in (None, 0):
            found: Any = next(
                (choice[name] for name in ("delta", "message", "text") if choice.get(name) is not None), {}
            )
            self._add_delta({"content": found} if isinstance(found, str | list) else found)

    def _add_delta(self, delta: object) -> None:
        if not isinstance(delta, Mapping):
            self.odd = self.odd or f"a chunk's delta is {type(delta).__name__}"
            return
        self.texts.setdefault("reasoning", []).append(reasoning_of(delta))
        for name in _SPOKEN:
            value = delta.get(name)
            if value is not None and not isinstance(value, str | list | Mapping):
                self.odd = self.odd or f"a chunk's {name} is {type(value).__name__}"
            self.texts.setdefault(name, []).append(text_of(value))


def chat_stream_response(
    body: bytes,
    *,
    usage_kind: str,
    headers: Mapping[str, str],
    time_to_first_byte_s: float | None,
    provider: str,
    status: int = 200,
) -> Response:
    """Read a streamed chat completion, or the whole one that some servers send to a request for a stream.

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
    folded = _fold(read.documents) if read.is_stream else _Folded()
    fault = stated.fault or folded.odd
    if fault is None and read.is_stream and stated.finish_reason is None:
        fault = "the stream holds no chat completion"
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


def _fold(events: Iterable[Any]) -> _Folded:
    """Join the deltas of the first choice; text and thoughts may come as texts or as lists of parts."""
    folded = _Folded()
    for event in events:
        choices = event.get("choices")
        if isinstance(choices, list):
            for choice in choices:
                folded.add(choice)
        elif choices is not None:
            folded.odd = folded.odd or f"a chunk's choices are {type(choices).__name__}"
    return folded
