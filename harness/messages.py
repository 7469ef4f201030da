"""Chat messages, as suites, judges and providers hand them to each other: text, and images beside text. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from harness.declared import request_value


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePart:
    """An image in a user message: its bytes and media type (`image/png`)."""

    media_type: str
    data: bytes


ContentPart = str | ImagePart


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    """A tool that a model may call.

    Attributes:
        parameters: JSON schema of its arguments.
    """

    name: str
    description: str
    parameters: Mapping[str, object]


@request_value
class ToolCall:
    """A call that a model wants made.

    Attributes:
        call_id: the provider's id, which the result has to name.
        arguments: JSON as the model wrote it, whatever that is.
    """

    call_id: str
    name: str
    arguments: str


@request_value
class Message:
    """One chat message; `content` is a text or a sequence of text and image parts.

    Attributes:
        tool_calls: of an assistant's message.
        tool_call_id: of a tool's message: which call it answers.
        signed: parts of an assistant's message that its provider wants back as they came (signed thinking), in the
            provider's own form; never shown to another provider.
    """

    role: Literal["system", "user", "assistant", "tool"]
    content: str | tuple[ContentPart, ...]
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    signed: tuple[Mapping[str, object], ...] = ()
