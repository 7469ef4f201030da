"""Messages of a stored prompt, laid out: texts from their beginning, images by digest, calls of tools. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple


class Part(NamedTuple):
    """A part of a message: a text, or an image by its digest (`image/png;sha256=...`)."""

    text: str = ""
    image: str = ""
    is_whole: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message of the prompt.

    Attributes:
        calls: of tools, each with its name and arguments as text.
    """

    role: str
    parts: tuple[Part, ...]
    calls: tuple[tuple[str, str], ...] = ()


def laid_out(stored: object, text_bytes: int) -> Message:
    """Lay out a message as it is stored, each text from its beginning."""
    message = stored if isinstance(stored, Mapping) else {"content": stored}
    content = message.get("content")
    parts = content if isinstance(content, list) else [content]
    calls = message.get("tool_calls")
    named: Sequence[Any] = calls if isinstance(calls, list) else ()
    return Message(
        role=str(message.get("role", "")),
        parts=tuple(_part(part, text_bytes) for part in parts),
        calls=tuple((str(call.get("name", "")), str(call.get("arguments", ""))[:text_bytes]) for call in named),
    )


def _part(part: object, text_bytes: int) -> Part:
    if isinstance(part, Mapping) and "image" in part:
        return Part(image=str(part["image"]))
    text = part if isinstance(part, str) else json.dumps(part, ensure_ascii=False)
    return Part(text=text[:text_bytes], is_whole=len(text) <= text_bytes)
