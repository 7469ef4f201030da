"""Values -> JSON text: stable key order as built, Decimal as exact strings, two spaces of indent."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import orjson

from harness.money import plain
from harness.rendering.cells import exact
from harness.rendering.printable import as_json


def _default(value: object) -> str:
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime):
        return exact(value)
    raise TypeError(f"not JSON: {type(value).__name__}")


def to_json(value: object) -> str:
    """Write one JSON document; not-a-number becomes null."""
    return as_json(orjson.dumps(value, default=_default, option=orjson.OPT_INDENT_2).decode())
