"""Stored texts piece by piece: a prompt, a reasoning or an answer may have a hundred megabytes, and memory has not.

Data flows a compressed column, a part at a time -> its text, from the beginning and as far as it is asked for.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Literal, NamedTuple, cast

import zstandard

from harness.ledger.connections import Readable
from harness.ledger.reading.batch_rows import batches

Which = Literal["prompt", "reasoning", "answer", "tool_calls"]
PACKED_AT_A_TIME = 1 << 18
"""Bytes that are read from the database at once."""
TEXT_AT_A_TIME = 1 << 18
"""Bytes of a text that are unpacked at once."""
_LONGEST_HEADER = 18
"""Bytes that begin a frame and state its size (RFC 8878, section 3.1.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """The beginning of a stored text.

    Attributes:
        n_bytes: of the whole text in UTF-8.
    """

    text: str
    n_bytes: int
    is_whole: bool


class _Place(NamedTuple):
    table: str
    column: str
    key: str
    row_id: int
    n_packed: int


def beginning_of(ledger: Readable, attempt_id: int, which: Which, *, most_bytes: int) -> Beginning | None:
    """Read what was said in an attempt from its beginning, about as many bytes as are asked for at most.

    Args:
        which: `prompt` = the messages as JSON, and so are `tool_calls`.

    Returns:
        None when it was not kept, or when there is none.
    """
    place = _place(ledger, attempt_id, which)
    if place is None:
        return None
    pieces, taken = [], 0
    for piece in _pieces(ledger, place):
        pieces.append(piece)
        taken += len(piece)
        if taken >= most_bytes:
            break
    packed = b"".join(pieces)[:most_bytes]
    n_bytes = taken if taken < most_bytes else _unpacked_size(ledger, place)
    text = codecs.getincrementaldecoder("utf-8")("surrogatepass").decode(packed)
    return Beginning(text=text, n_bytes=n_bytes, is_whole=n_bytes <= len(packed))


def _unpacked_size(ledger: Readable, place: _Place) -> int:
    return zstandard.frame_content_size(_Packed(ledger, place).read(_LONGEST_HEADER))


def text_pieces(ledger: Readable, attempt_id: int, which: Which) -> Iterator[str]:
    """Give a whole text, some at a time; nothing when it was not kept."""
    place = _place(ledger, attempt_id, which)
    if place is None:
        return
    decoder = codecs.getincrementaldecoder("utf-8")("surrogatepass")
    for piece in _pieces(ledger, place):
        yield decoder.decode(piece)
    yield decoder.decode(b"", final=True)


def _pieces(ledger: Readable, place: _Place) -> Iterator[bytes]:
    # a reader: a decompressor that is fed would give all that a part unpacks to at once
    with zstandard.ZstdDecompressor().stream_reader(cast("IO[bytes]", _Packed(ledger, place))) as reader:
        while piece := reader.read(TEXT_AT_A_TIME):
            yield piece


def _place(ledger: Readable, attempt_id: int, which: Which) -> _Place | None:
    if which == "prompt":
        table, column, key, size = "prompts", "body", "prompt_id", "length(prompts.body)"
    else:
        table, column, key, size = "transcripts", which, "attempt_id", f"length(transcripts.{which})"
    query = f"SELECT {table}.{key}, {size} FROM transcripts JOIN prompts USING (prompt_id) WHERE attempt_id = :id"
    found = [row for rows in batches(ledger, query, values={"id": attempt_id}) for row in rows]
    if not found or found[0][1] is None:
        return None
    return _Place(table, column, key, found[0][0], found[0][1])


@dataclass(slots=True)
class _Packed:
    """A compressed column as a file; each part is read on its own, and no transaction stays open between them."""

    ledger: Readable
    place: _Place
    at: int = 0

    def read(self, size: int = PACKED_AT_A_TIME) -> bytes:
        wanted = min(size if size > 0 else PACKED_AT_A_TIME, PACKED_AT_A_TIME, self.place.n_packed - self.at)
        if wanted <= 0:
            return b""
        part = _part(self.ledger, self.place, self.at, wanted)
        self.at += len(part)
        return part


def _part(ledger: Readable, place: _Place, start: int, size: int) -> bytes:
    with ledger.reading() as connection:
        if connection.dialect.name == "sqlite":
            # SQL would read the whole column into memory for any part of it
            raw = connection.connection.driver_connection
            assert raw is not None
            with raw.blobopen(place.table, place.column, place.row_id, readonly=True) as blob:
                blob.seek(start)
                return bytes(blob.read(size))
    query = f"SELECT substr({place.column}, :start, :size) FROM {place.table} WHERE {place.key} = :row_id"
    values = {"start": start + 1, "size": size, "row_id": place.row_id}
    return bytes(next(row[0] for rows in batches(ledger, query, values=values) for row in rows))
