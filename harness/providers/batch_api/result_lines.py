"""Cuts a results file into lines and reads each by itself, so that a broken line costs nothing but that line.

Data flows chunks of bytes -> `LineCutter` -> `RawLine` -> `documents_in` -> parsed JSON objects. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from harness.providers.wire.bodies import has_fraction, parse_several
from harness.providers.wire.raw_answers import Document

LINE_LIMIT_BYTES = 2**26
"""The longest line that is read: an answer of 100,000 tokens with all its log probabilities fits several times."""

_BOM = b"\xef\xbb\xbf"


class UnreadableLineError(ValueError):
    """A line holds no JSON object; its text says why, in our words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawLine:
    """One line of a file, without its end.

    Attributes:
        number: counted from 1, empty lines included.
        content: None = it was longer than the limit and was dropped.
    """

    number: int
    content: bytes | None


class LineCutter:
    """Cuts chunks at line ends; what it holds is never more than one line, and never more than the limit.

    Args:
        limit_bytes: longer lines are dropped while they pass.
    """

    def __init__(self, limit_bytes: int = LINE_LIMIT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._parts: list[bytes] = []
        self._held_bytes = 0
        self._number = 0

    def cut(self, chunk: bytes) -> list[RawLine]:
        """Take the next chunk; gives the lines that ended in it, empty ones left out."""
        *ends, rest = chunk.split(b"\n")
        lines = []
        for end in ends:
            self._hold(end)
            lines.append(self._ended())
        self._hold(rest)
        return [line for line in lines if line is not None]

    def rest(self) -> RawLine | None:
        """The last line, where the file does not end in a line end."""
        return self._ended()

    def _hold(self, part: bytes) -> None:
        self._held_bytes += len(part)
        if self._held_bytes > self._limit_bytes:
            self._parts.clear()
        elif part:
            self._parts.append(part)

    def _ended(self) -> RawLine | None:
        self._number += 1
        too_long = self._held_bytes > self._limit_bytes
        content = b"".join(self._parts).removeprefix(_BOM).strip()
        self._parts.clear()
        self._held_bytes = 0
        return RawLine(number=self._number, content=None if too_long else content) if content or too_long else None


def looks_like_results(line: RawLine) -> bool:
    """Whether a line could be a result, readable or not; the lines of a web page are none."""
    return line.content is None or line.content.startswith((b"{", b"[{"))


def documents_in(line: RawLine) -> list[Document]:
    """Read the objects of a line: one as a rule, several where line ends are missing or a list was sent.

    Fractions become exact Decimals; what is odd is read as `parse_tolerantly` reads it.

    Raises:
        UnreadableLineError: it holds none, or something beside its objects.
    """
    if line.content is None:
        raise UnreadableLineError(f"longer than {LINE_LIMIT_BYTES:,} bytes")
    try:
        documents = _parsed(line.content)
    except RecursionError as error:
        raise UnreadableLineError("nested too deep") from error
    except ValueError as error:
        raise UnreadableLineError("not JSON") from error
    listed = documents[0] if len(documents) == 1 and isinstance(documents[0], list) else documents
    objects: list[Document] = [each for each in listed if isinstance(each, dict)]
    if not objects or len(objects) < len(listed):
        raise UnreadableLineError("not a JSON object")
    return objects


def _parsed(content: bytes) -> list[object]:
    """Parse an ordinary line quickly, any other one exactly."""
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError:
        document = None
    if document is None or has_fraction(document):
        return parse_several(content.decode("utf-8", "replace"))
    return [document]
