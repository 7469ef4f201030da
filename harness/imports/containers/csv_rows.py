"""CSV with a header, row by row.

Data flows a `Readable` -> `header`, `rows`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from harness.imports.containers.log_files import LONGEST_PIECE_BYTES, Readable, reading
from harness.imports.log_records import Broken
from harness.imports.refusal import ImportRefused

if TYPE_CHECKING:
    import _csv


@dataclass(frozen=True, slots=True)
class CsvRow:
    """A row by column name; an empty field is None.

    Attributes:
        number: line of the file where it ends, from 1.
    """

    number: int
    fields: Mapping[str, str | None]


def header(file: Readable) -> tuple[str, ...]:
    """Read the names of the columns; empty = there is no first line."""
    with reading(file) as stream:
        return tuple(next(_reader(stream, file.name), ()))


def rows(file: Readable) -> Iterator[CsvRow | Broken]:
    """Read row by row; a row of another length than the header is given as `Broken`.

    Raises:
        ImportRefused: a field is longer than 64 MB, or the text is no CSV.
    """
    with reading(file) as stream:
        reader = _reader(stream, file.name)
        names = next(reader, [])
        try:
            for fields in reader:
                if len(fields) == len(names):
                    values = {name: field or None for name, field in zip(names, fields, strict=True)}
                    yield CsvRow(reader.line_num, values)
                elif fields:
                    where = f"{file.name}:{reader.line_num}"
                    yield Broken(where=where, reason=f"{len(fields)} fields where the header names {len(names)}")
        except csv.Error as error:
            raise ImportRefused(f"CSV: {error}", where=f"{file.name}:{reader.line_num}") from None


def _reader(stream: BinaryIO, name: str) -> _csv.Reader:
    csv.field_size_limit(LONGEST_PIECE_BYTES)
    text = io.TextIOWrapper(stream, "utf-8-sig", errors="replace", newline="")
    return csv.reader(_short_lines(text, name))


def _short_lines(text: io.TextIOWrapper, name: str) -> Iterator[str]:
    number = 0
    while line := text.readline(LONGEST_PIECE_BYTES):
        number += 1
        if len(line) >= LONGEST_PIECE_BYTES:
            raise ImportRefused("a line is longer than 64 MB: not a log of calls", where=f"{name}:{number}")
        yield line
