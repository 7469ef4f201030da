"""Instants as the ledger keeps them: integer microseconds since 1970-01-01 UTC, exact in both directions."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def to_us(instant: datetime) -> int:
    """Convert an aware datetime to microseconds since the epoch.

    Raises:
        ValueError: the datetime has no time zone.
    """
    if instant.tzinfo is None:
        raise ValueError(f"naive datetime {instant!r}: instants carry a time zone")
    return (instant - EPOCH) // MICROSECOND


def from_us(microseconds: int) -> datetime:
    """Convert microseconds since the epoch to an aware datetime in UTC."""
    return EPOCH + microseconds * MICROSECOND


def now_us() -> int:
    """Read the clock: microseconds since the epoch."""
    return time.time_ns() // 1_000


def utc_text(moment: datetime | None) -> str | None:
    """Write an instant as RFC 3339 in UTC ("2025-02-08T16:00:00Z"); None stays None."""
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
