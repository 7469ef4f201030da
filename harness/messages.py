"""Chat messages, as suites, judges and providers hand them to each other: text, images and frames of videos. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from harness.declared import request_value


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePart:
    """An image in a user message: its bytes and media type (`image/png`)."""

    media_type: str
    data: bytes


SentPart = str | ImagePart
"""What a provider takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A video in a user message, of which a model is shown single frames; no bytes lie here.

    Frames are decoded when a request is made, and again for its next try: a suite of thousands of clips would not fit
    into memory.

    Attributes:
        name: the file as its data set names it.
        described: what the loader knows of it without reading it: name, bytes, stretch, choice of frames.
        n_frames: frames that will be shown, as far as the file's header tells.
        most_frames: frames that can be shown at most.
        frame_size: width and height of a frame as it is sent, in pixels.
        sha256: digest of the file's bytes with the stretch and the choice of frames.
        frames: decode them, in the order of the video; raises ValueError with the file and what is wrong with it.
    """

    name: str
    described: str
    n_frames: int
    most_frames: int
    frame_size: tuple[int, int]
    sha256: Callable[[], str]
    frames: Callable[[], tuple[ImagePart, ...]]


ContentPart = SentPart | Clip


def sent_parts(content: Sequence[ContentPart]) -> Iterator[SentPart]:
    """The parts of a message as they are sent: each clip as its frames.

    Raises:
        ValueError: a video cannot be decoded.
    """
    for part in content:
        if isinstance(part, Clip):
            yield from part.frames()
        else:
            yield part


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
    """One chat message; `content` is a text or a sequence of texts, images and clips.

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


def shows_video(messages: Sequence[Message]) -> bool:
    """Whether frames have to be decoded before a conversation can be sent."""
    return any(isinstance(part, Clip) for each in messages if isinstance(each.content, tuple) for part in each.content)


def with_frames(messages: Sequence[Message]) -> tuple[Message, ...]:
    """A conversation with the frames of its videos in their place.

    Raises:
        ValueError: a video cannot be decoded.
    """
    return tuple(
        each if isinstance(each.content, str) else replace(each, content=tuple(sent_parts(each.content)))
        for each in messages
    )
