"""How a value of a table cell is written: exact for files, readable for people."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson

from harness.money import plain
from harness.tables import Column

GUARDED = ("=", "+", "-", "@", "\t", "\r")


def exact(value: Any) -> str:
    """Write a value for a file: no rounding, no exponent, UTC times, empty for not known."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, dict | list):
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    return str(value)


def guarded(text: str) -> str:
    """Put a quote before a text that a spreadsheet would run as a formula (OWASP, CSV injection)."""
    return f"'{text}" if text.startswith(GUARDED) else text


def readable(value: Any, column: Column) -> str:
    """Write a value for people: thousands separated, cents, minutes; an en dash for not known."""
    if value is None:
        return "–"
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if column.kind == "integer" and isinstance(value, int):
        return f"{value:,}"
    if column.kind == "usd" and isinstance(value, Decimal):
        return f"${value:,.2f}"
    if isinstance(value, float):
        return f"{value:.4g}"
    return exact(value)


def is_number(column: Column) -> bool:
    """Say whether a column is set flush right."""
    return column.kind in ("integer", "decimal", "usd", "ratio", "percent")
