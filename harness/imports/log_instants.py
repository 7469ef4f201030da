"""Instants as logs write them: RFC 3339 texts, seconds, milliseconds, microseconds or nanoseconds since 1970.

Pure. Data flows a value -> microseconds since 1970 in UTC, or None for what is no instant.
"""

from __future__ import annotations

import math
from typing import Literal

from harness.instants import parse_instant, to_us

PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_LONGEST_S = 366 * 86_400
_LATEST_US = 32_503_680_000 * 10**6  # the year 3000


def instant_us(value: object, unit: Literal["s", "ms", "us", "ns"] = "s") -> int | None:
    """Read an instant; None = there is none, or it lies outside the years 1970 to 3000.

    Args:
        value: text as RFC 3339 (without a zone: UTC), or a number (also as text) of `unit`s since 1970.
        unit: what numbers count.
    """
    if isinstance(value, str) and not value.isdigit():
        found = _written_us(value)
    else:
        found = _number_us(value, PER_SECOND[unit])
    return found if found is not None and 0 <= found < _LATEST_US else None


def _written_us(text: str) -> int | None:
    try:
        return to_us(parse_instant(text, zoneless="utc"))
    except ValueError:
        return None


def _number_us(value: object, per_second: int) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | str):
        return int(value) * 10**6 // per_second if len(str(value)) < 25 else None
    if isinstance(value, float) and math.isfinite(value * 10**6):
        return round(value * (10**6 / per_second))
    return None


def ended_us(started_us: int | None, duration_s: float | None) -> int | None:
    """Add a duration to an instant; None = either is not known, or there is no such duration (negative, a year)."""
    if started_us is None or duration_s is None or not 0 <= duration_s < _LONGEST_S:
        return None
    return started_us + round(duration_s * 10**6)
