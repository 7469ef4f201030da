"""A first look into a file, from which its format is recognised: its container and the beginning of its content.

Data flows a `LogFile` -> `Peek` -> `Format.role_of` of each format.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from harness.declared import Json, JsonObject
from harness.imports.containers import csv_rows
from harness.imports.containers.archives import Member, members
from harness.imports.containers.json_stream import Line, lines
from harness.imports.containers.json_values import an_object, parse
from harness.imports.containers.log_files import LogFile, reading
from harness.imports.containers.sqlite_files import MAGIC, database
from harness.imports.log_records import Broken
from harness.imports.refusal import ImportRefused

Container = Literal["empty", "zip", "sqlite", "json", "lines", "csv", "text"]
ZIP = (b"PK\x03\x04", b"PK\x05\x06")
"""How archives begin, empty ones included."""
HEAD_BYTES = 256 * 2**10
ROWS = 20
LONGEST_FIRST_LINE_BYTES = 8 * 2**20
"""A longer first line makes a file a single document, unless its name says JSON Lines."""
LINES_SUFFIXES = (".jsonl", ".ndjson")
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}\[\],:"]', re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Peek:
    """What is seen of a file at first sight.

    Attributes:
        container: how it is built, by its content and never by its name alone.
        document: a JSON document, or as much of it as its first 256 KB hold with every bracket closed: arrays end
            early and late members lack. Of JSON Lines: the first line.
        rows: the first twenty lines of JSON Lines that could be read (a document on one line is a row, too).
        members: of a zip archive, by path.
        tables: of a SQLite file, each with its columns.
        columns: of CSV, the names in its first line.
        head: its first bytes, unpacked.
    """

    file: LogFile
    container: Container
    document: Json = None
    rows: tuple[Json, ...] = ()
    members: Mapping[str, Member] = field(default_factory=dict)
    tables: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    head: bytes = b""

    @property
    def name(self) -> str:
        """Its path below what the user named."""
        return self.file.name

    @property
    def top(self) -> JsonObject:
        """The document where it is an object, else an empty one."""
        return an_object(self.document)

    @property
    def first(self) -> JsonObject:
        """The first row that is an object, else an empty one."""
        return next((row for row in self.rows if isinstance(row, dict)), {})


def peek(file: LogFile) -> Peek:
    """Look into a file.

    Raises:
        ImportRefused: it cannot be read, or its container is broken (a cut archive, a damaged database) or packed.
    """
    with reading(file) as stream:
        head = stream.read(HEAD_BYTES)
    if not head.strip(b" \t\r\n\x00\xef\xbb\xbf"):
        return Peek(file=file, container="empty", head=head)
    if head.startswith(ZIP):
        _refuse_packed(file, head)
        return Peek(file=file, container="zip", members=members(file), head=head)
    if head.startswith(MAGIC):
        _refuse_packed(file, head)
        with database(file) as opened:
            return Peek(file=file, container="sqlite", tables=opened.tables(), head=head)
    return _peek_text(file, head)


def _refuse_packed(file: LogFile, head: bytes) -> None:
    """Refuse an archive or a database inside of a `.gz` or `.zst`: these are read in any order, so from the disk alone.

    Raises:
        ImportRefused: the file on disk begins otherwise than its unpacked content.
    """
    with file.path.open("rb") as plain:
        if head.startswith(plain.read(len(MAGIC))):
            return
    kind = "a SQLite database" if head.startswith(MAGIC) else "a zip archive"
    raise ImportRefused(
        f"is {kind} that was compressed once more", where=file.name, fix="unpack it with gunzip or unzstd first"
    )


def _peek_text(file: LogFile, head: bytes) -> Peek:
    start = head.lstrip(b" \t\r\n\xef\xbb\xbf")
    if start[:1] in (b"{", b"["):
        whole = _parsed(start) if len(head) < HEAD_BYTES else None
        if whole is not None:
            return Peek(file=file, container="json", document=whole, rows=_as_row(start, whole), head=head)
        if _holds_lines(file, start):
            rows = _first_rows(file)
            return Peek(file=file, container="lines", document=rows[0] if rows else None, rows=rows, head=head)
        return Peek(file=file, container="json", document=beginning(start), head=head)
    if rows := _rows_behind_a_broken_line(file):
        return Peek(file=file, container="lines", document=rows[0], rows=rows, head=head)
    columns = csv_rows.header(file) if b"," in start.partition(b"\n")[0] else ()
    return Peek(file=file, container="csv" if len(columns) > 1 else "text", columns=columns, head=head)


def _parsed(text: bytes) -> Json:
    try:
        return parse(text)
    except ValueError:
        return None


def _as_row(text: bytes, whole: Json) -> tuple[Json, ...]:
    return (whole,) if isinstance(whole, dict) and b"\n" not in text.rstrip() else ()


def _holds_lines(file: LogFile, start: bytes) -> bool:
    """Tell JSON Lines from one document over many lines, and from one document that is a single long line."""
    first, newline, rest = start.partition(b"\n")
    if not newline:
        with reading(file) as stream:
            first = stream.readline(LONGEST_FIRST_LINE_BYTES)
            rest = stream.read(HEAD_BYTES)
        if not first.endswith(b"\n"):
            return rest != b"" and file.path.suffix in LINES_SUFFIXES
    if not rest.strip():
        return False
    return _parsed(first) is not None or any(
        _parsed(line) is not None for line in rest.split(b"\n", 3)[:2] if line[:1] == b"{"
    )


def _first_rows(file: LogFile) -> tuple[Json, ...]:
    """Read the first lines that are objects; broken ones among them are passed over."""
    return _objects(itertools.islice(lines(file), ROWS))


def _objects(first: Iterable[Line | Broken]) -> tuple[Json, ...]:
    return tuple(line.value for line in first if isinstance(line, Line) and isinstance(line.value, dict))


def _rows_behind_a_broken_line(file: LogFile) -> tuple[Json, ...]:
    """Read the first lines of a log whose first one is broken; none where most lines are no objects: a page of text."""
    first = list(itertools.islice(lines(file), ROWS))
    rows = _objects(first)
    return rows if 2 * len(rows) >= len(first) else ()


def beginning(text: bytes) -> Json:
    """Parse the beginning of a JSON document: cut after its last whole value, with every open bracket closed."""
    closers: list[bytes] = []
    good: tuple[int, bytes] = (0, b"")
    for token in _TOKEN.finditer(text):
        sign = token.group()
        if sign == b'"':
            break
        if sign in (b"{", b"["):
            closers.append(b"}" if sign == b"{" else b"]")
            good = token.end(), b"".join(reversed(closers))
        elif sign in (b"}", b"]"):
            if not closers or closers.pop() != sign:
                break
            good = token.end(), b"".join(reversed(closers))
        elif sign == b",":
            good = token.start(), b"".join(reversed(closers))
    return _parsed(text[: good[0]] + good[1])


def refuse_empty(look: Peek) -> None:
    """Refuse a file without content.

    Raises:
        ImportRefused: it is empty.
    """
    if look.container == "empty":
        raise ImportRefused("is empty", where=look.name)
