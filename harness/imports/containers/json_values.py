"""JSON as tools write it: `NaN`, lone surrogates (replaced) and long whole numbers included.

Data flows bytes -> Python objects: orjson where it can, the standard library where orjson refuses.
"""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal, InvalidOperation
from typing import cast

import orjson

from harness.declared import Json, JsonObject

_SHA256 = re.compile(r"[0-9a-f]{64}")


def parse(text: bytes | bytearray | memoryview) -> Json:
    """Parse one JSON document.

    Raises:
        ValueError: it is none, is not UTF-8, or is nested too deeply.
    """
    try:
        return cast("Json", orjson.loads(text))
    except orjson.JSONDecodeError as error:
        try:
            return _without_surrogates(cast("Json", json.loads(bytes(text))))
        except RecursionError:
            raise ValueError("nested too deeply") from None
        except UnicodeDecodeError:
            raise ValueError("not UTF-8") from None
        except ValueError:
            raise ValueError(str(error)) from None


def _without_surrogates(value: Json) -> Json:
    """Replace lone surrogates, which no database stores and orjson refuses."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_without_surrogates(one) for one in value]
    if isinstance(value, dict):
        return {str(_without_surrogates(name)): _without_surrogates(one) for name, one in value.items()}
    return value


def an_object(value: object) -> JsonObject:
    """Give a JSON object, or an empty one where the value is none: for optional parts of a log."""
    return value if isinstance(value, dict) else {}


def a_list(value: object) -> list[Json]:
    """Give a JSON array, or an empty one where the value is none."""
    return value if isinstance(value, list) else []


def a_text(value: object) -> str | None:
    """Give a text that is not empty; None for everything else."""
    return value if isinstance(value, str) and value else None


def a_count(value: object) -> int | None:
    """Give a whole number, also one written as 12.0 or "12"; None for everything else. Negative ones stay negative."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and value.lstrip("-").isascii() and value.lstrip("-").isdigit() and len(value) < 20:
        return int(value)
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        return int(value)
    return value if isinstance(value, int) else None


def a_number(value: object) -> float | None:
    """Give a finite number; None for everything else, `NaN` included."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def an_amount(value: object) -> Decimal | None:
    """Give an amount of money exactly as written (0.1 is 0.1); None for what is no finite number of at least zero."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and amount >= 0 and -30 < amount.adjusted() < 12 else None


def a_sha256(value: object) -> str | None:
    """Give a SHA-256 digest in hexadecimal digits; None for everything else."""
    return value if isinstance(value, str) and _SHA256.fullmatch(value) else None
