"""How a value of a table cell is written: exact for files, readable for people."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from decimal import Context, Decimal
from typing import IO

import orjson

from harness.documents.table import Column, Table
from harness.instants import exact_utc_text
from harness.money import plain
from harness.rendering.printable import on_one_line

_FORMULA = re.compile("[\\s\x00-\x20\u200b-\u200f\u2060\ufeff]*[=+\\-@\uff1d\uff0b\uff0d\uff20\u2212]|[\t\r\n]")
"""How a text begins that a spreadsheet may run: full-width signs count, and what it skips before them is skipped."""

_CENT = Decimal("0.01")
_THREE_DIGITS = Context(prec=3)


def exact(value: object) -> str:
    """Write a value for a file: no rounding, no exponent, UTC times, empty for not known."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime):
        return exact_utc_text(value)
    if isinstance(value, dict | list):
        return _json(value)
    return str(value)


def _json(value: object) -> str:
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    except TypeError:  # halves of characters, integers past 64 bits
        return json.dumps(value, sort_keys=True, separators=(",", ":"))


def guarded(text: str) -> str:
    """Put a quote before a text that a spreadsheet would run as a formula (OWASP, CSV injection)."""
    return f"'{text}" if _FORMULA.match(text) else text


class QuotedLineEnds:
    """Where `csv.writer` writes to: ends lines with a line feed, and has cells quoted for a carriage return too.

    Before Python 3.13 the writer quotes a cell for the characters of its own line end only, so it is given both.
    """

    WRITTEN = "\r\n"
    """The `lineterminator` of a writer that writes here."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def write(self, line: str) -> None:
        """Write one line of the file."""
        self._file.write(line.removesuffix(self.WRITTEN) + "\n")


def readable(value: object, column: Column) -> str:
    """Write a value for people: thousands separated, cents (below one: three digits); an en dash for not known."""
    if value is None:
        return "–"
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if column.kind == "usd" and isinstance(value, Decimal):
        return f"${value:,.2f}" if not value or abs(value) >= _CENT else f"${plain(_THREE_DIGITS.plus(value))}"
    if column.kind == "integer" and isinstance(value, int):
        return f"{value:,}"
    text = exact(value)
    return text if text.isprintable() else on_one_line(text)


def readable_columns(table: Table) -> list[tuple[str, ...]]:
    """Write all values of a table for people, column by column."""
    return [tuple(readable(row[place], column) for row in table.rows) for place, column in enumerate(table.columns)]
