"""JSON documents and JSON Lines of any size, piece by piece: no more than one piece is in memory.

Data flows a `Readable` -> `walk` (members of one document, elements of its long arrays) or `lines` (one value a line).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from harness.declared import Json, JsonObject
from harness.imports.containers.json_values import parse
from harness.imports.containers.log_files import LONGEST_PIECE_BYTES, Readable, reading
from harness.imports.log_records import Broken
from harness.imports.refusal import ImportRefused

Path = tuple[str, ...]
_CHUNK_BYTES = 2**18
# a whole string, or a bracket; a lone quote is a string whose end has not been read yet
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}\[\]"]', re.DOTALL)
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_SPACE = re.compile(rb"[ \t\r\n]*+")
_SCALAR_END = re.compile(rb"[,\]}\s]")
_LONGEST_MB = LONGEST_PIECE_BYTES // 2**20


@dataclass(frozen=True, slots=True)
class Line:
    """A parsed line of JSON Lines.

    Attributes:
        number: from 1.
    """

    number: int
    value: Json


def lines(file: Readable) -> Iterator[Line | Broken]:
    """Read JSON Lines; blank lines are skipped, a line that is no JSON is given as `Broken`.

    Raises:
        ImportRefused: a line is longer than 64 MB, or the file cannot be read.
    """
    with reading(file) as stream:
        number = 0
        while text := stream.readline(LONGEST_PIECE_BYTES + 1):
            number += 1
            if len(text) > LONGEST_PIECE_BYTES:
                raise ImportRefused(
                    f"a line is longer than {_LONGEST_MB} MB: not a log of calls", where=f"{file.name}:{number}"
                )
            try:
                yield Line(number, parse(text))
            except ValueError as error:
                if text.strip(b" \t\r\n\x00\xef\xbb\xbf"):
                    yield Broken(where=f"{file.name}:{number}", reason=_why(text, error))


def _why(text: bytes, error: ValueError) -> str:
    return f"not JSON: {error}" if text.endswith(b"\n") else f"cut off or not JSON: {error}"


def walk(file: Readable, *split: Path, skip: bool = False) -> Iterator[tuple[Path, Json]]:
    """Give the members of one JSON document in the order of the file, long arrays element by element.

    `walk(file, ("results", "results"))` gives `(("evalId",), ...)`, `(("results", "version"), ...)`,
    `(("results", "results"), first row)`, `(("results", "results"), second row)`, ... An object at a split path is
    given member by member, with the key at the end of the path. Arrays on the way to a split path are walked through:
    `("resourceSpans", "scopeSpans", "spans")` gives each span. The path `()` splits a document that is an array.

    Args:
        split: paths whose content is given in parts; everything else comes whole.
        skip: leave out the parts at the split paths (they are passed over, not parsed): to read a header alone.

    Raises:
        ImportRefused: the document is cut or no JSON, or one piece is longer than 64 MB.
    """
    with reading(file) as stream:
        cursor = _Cursor(stream, file.name)
        yield from _Walk(cursor, frozenset(split), skip).value(())
        cursor.expect_end()


def members_of(file: Readable, *left_out: Path) -> JsonObject:
    """Give the members of a document that is one object, an empty one where it is none.

    Args:
        left_out: paths that are passed over, not parsed, and are not in the result.

    Raises:
        ImportRefused: the document is cut or no JSON, or a member is longer than 64 MB.
    """
    return {path[0]: value for path, value in walk(file, *left_out, skip=True) if len(path) == 1}


class _Walk:
    """One pass over a document."""

    def __init__(self, cursor: _Cursor, split: frozenset[Path], skip: bool) -> None:
        self._cursor = cursor
        self._split = split
        self._ways = {path[:length] for path in split for length in range(len(path))}
        self._skip = skip

    def value(self, path: Path) -> Iterator[tuple[Path, Json]]:
        """Give the value that the cursor is at, whole or in parts."""
        start = self._cursor.peek()
        if path in self._split:
            yield from self._parts(path, start)
        elif start == b"{" and (path in self._ways or not path):
            for key in self._cursor.members():
                yield from self.value((*path, key))
        elif start == b"[" and path in self._ways and path:
            for _ in self._cursor.elements():
                yield from self.value(path)
        else:
            yield path, self._cursor.take(path)

    def _parts(self, path: Path, start: bytes) -> Iterator[tuple[Path, Json]]:
        """Give what stands at a split path element by element or member by member, or pass over it."""
        if self._skip:
            self._cursor.skip()
        elif start == b"[":
            for _ in self._cursor.elements():
                yield path, self._cursor.take(path)
        elif start == b"{":
            for key in self._cursor.members():
                yield (*path, key), self._cursor.take(path)
        else:
            yield path, self._cursor.take(path)


class _Cursor:
    """A place in a stream of JSON, with as much of it in memory as the value at hand needs."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream = stream
        self._name = name
        self._buffer = bytearray(stream.read(_CHUNK_BYTES))
        self._at = 3 if self._buffer.startswith(b"\xef\xbb\xbf") else 0
        self._dropped = 0
        if not self._buffer.strip():
            raise ImportRefused("is empty", where=name)

    def peek(self) -> bytes:
        """Give the first byte of what comes next, spaces aside."""
        while True:
            found = _SPACE.match(self._buffer, self._at)
            assert found is not None
            self._at = found.end()
            if self._at < len(self._buffer):
                return bytes(self._buffer[self._at : self._at + 1])
            if not self._more():
                raise self._cut()

    def members(self) -> Iterator[str]:
        """Pass over an object; after each key the cursor is at its value, which the caller takes or skips."""
        yield from self._inside(b"}", keyed=True)

    def elements(self) -> Iterator[str]:
        """Pass over an array; at each step the cursor is at an element, which the caller takes or skips."""
        yield from self._inside(b"]", keyed=False)

    def take(self, path: Path) -> Json:
        """Parse the value that comes next."""
        self.peek()
        end = self._end()
        try:
            found = parse(memoryview(self._buffer)[self._at : end])
        except ValueError as error:
            place = f"{'.'.join(path) or 'document'}, byte {self._dropped + self._at:,}"
            raise ImportRefused(f"not JSON at {place}: {error}", where=self._name) from None
        self._at = end
        return found

    def skip(self) -> None:
        """Pass over the value that comes next without parsing it, however long it is."""
        if self.peek() not in (b"{", b"["):
            self._at = self._end()
            return
        depth = 0
        while True:
            at = len(self._buffer)
            for token in _TOKEN.finditer(self._buffer, self._at):
                start = self._buffer[token.start()]
                if start != 0x22:
                    depth += 1 if start in b"{[" else -1
                    if depth == 0:
                        self._at = token.end()
                        return
                elif token.end() - token.start() == 1:  # a string whose end has not been read yet
                    at = token.start()
                    break
            self._at = at
            if not self._more():
                raise self._cut()

    def expect_end(self) -> None:
        """Refuse what stands after the document."""
        while True:
            if self._buffer[self._at :].strip(b" \t\r\n\x00"):
                raise self._wrong("nothing after the document")
            self._at = len(self._buffer)
            if not self._more():
                return

    def _inside(self, close: bytes, *, keyed: bool) -> Iterator[str]:
        self._at += 1
        if self.peek() == close:
            self._at += 1
            return
        while True:
            yield self._key() if keyed else ""
            following = self.peek()
            self._at += 1
            if following == close:
                return
            if following != b",":
                raise self._wrong(f"a comma or {close.decode()!r}")
            self.peek()

    def _key(self) -> str:
        if self.peek() != b'"':
            raise self._wrong("a name in quotes")
        end = self._end()
        try:
            key = parse(memoryview(self._buffer)[self._at : end])
        except ValueError:
            raise self._wrong("a name in quotes") from None
        self._at = end
        if self.peek() != b":":
            raise self._wrong("a colon")
        self._at += 1
        self.peek()
        return str(key)

    def _end(self) -> int:
        """Find where the value at the cursor ends, reading on as far as needed."""
        first = bytes(self._buffer[self._at : self._at + 1])
        if first in (b"{", b"["):
            return self._end_of_nest()
        pattern = _STRING if first == b'"' else _SCALAR_END
        while True:
            found = pattern.match(self._buffer, self._at) if first == b'"' else pattern.search(self._buffer, self._at)
            if found is not None:
                return found.end() if first == b'"' else found.start()
            if not self._more():
                if first == b'"':
                    raise self._cut()
                return len(self._buffer)

    def _end_of_nest(self) -> int:
        depth, scanned = 0, 0  # `scanned` counts from the cursor: reading on drops what is before it
        while True:
            for token in _TOKEN.finditer(self._buffer, self._at + scanned):
                start = self._buffer[token.start()]
                if start == 0x22:
                    if token.end() - token.start() == 1:
                        scanned = token.start() - self._at
                        break
                    continue
                depth += 1 if start in b"{[" else -1
                if depth == 0:
                    return token.end()
                scanned = token.end() - self._at
            else:
                scanned = max(scanned, len(self._buffer) - self._at)
            if not self._more():
                raise self._cut()

    def _more(self) -> bool:
        """Read on, dropping what is behind the cursor; False at the end of the stream."""
        held = len(self._buffer) - self._at
        if held > LONGEST_PIECE_BYTES:
            place = f"byte {self._dropped + self._at:,}"
            raise ImportRefused(f"one value is longer than {_LONGEST_MB} MB, at {place}", where=self._name)
        chunk = self._stream.read(max(_CHUNK_BYTES, held))  # doubled, so that a long value is scanned only twice
        if not chunk:
            return False
        del self._buffer[: self._at]
        self._dropped += self._at
        self._at = 0
        self._buffer += chunk
        return True

    def _cut(self) -> ImportRefused:
        n_bytes = self._dropped + len(self._buffer)
        return ImportRefused(f"cut off: the JSON document does not end within its {n_bytes:,} bytes", where=self._name)

    def _wrong(self, wanted: str) -> ImportRefused:
        found = bytes(self._buffer[self._at : self._at + 20])
        place = f"byte {self._dropped + self._at:,}"
        return ImportRefused(f"not JSON: {wanted} should stand at {place}, not {found!r}", where=self._name)
