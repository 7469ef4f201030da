"""Chat messages, as suites, judges and providers hand them to each other: text, and images beside text. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.declared import request_value


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePart:
    """An image in a user message: its bytes and media type (`image/png`)."""

    media_type: str
    data: bytes


ContentPart = str | ImagePart


@request_value
class Message:
    """One chat message; `content` is a text or a sequence of text and image parts."""

    role: Literal["system", "user", "assistant"]
    content: str | tuple[ContentPart, ...]
