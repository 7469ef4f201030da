"""Instants: as the ledger keeps them, integer microseconds since 1970-01-01 UTC, and as people and files write them.

Both ways are exact. Every instant of this package carries a time zone; text without one is read by a rule that its
caller names.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Literal, overload

from harness.errors import InputError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
DAY_US = 86_400_000_000

Zoneless = Literal["utc", "days", "refused"]
"""What of text without a time zone is read as UTC: all, days alone ("2025-06-10" begins at 00:00 UTC), or nothing."""


class ZonelessInstantError(ValueError):
    """An instant names no time zone where one is needed."""


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


def parse_instant(text: str, *, zoneless: Zoneless) -> datetime:
    """Read an RFC 3339 instant, or a date, into UTC.

    Raises:
        ZonelessInstantError: it names no zone, and `zoneless` does not allow that.
        ValueError: it is neither.
    """
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f'not a date or an instant like "2025-02-08T16:00:00Z": {text!r}') from None
    if zoneless == "refused" or (zoneless == "days" and len(text) != len("2025-01-31")):
        raise ZonelessInstantError(f"has no time zone: {text!r}; write Z for UTC")
    return moment.replace(tzinfo=UTC)


def asked_instant(text: str, *, where: str, zoneless: Zoneless) -> datetime:
    """Read an instant that a person typed for the option or argument `where`.

    Raises:
        InputError: as `parse_instant` does.
    """
    try:
        return parse_instant(text, zoneless=zoneless)
    except ValueError as error:
        raise InputError(str(error), where=where, fix="write 2025-06-10 or 2025-06-10T16:00:00Z") from None


@overload
def utc_text(moment: datetime) -> str: ...
@overload
def utc_text(moment: datetime | None) -> str | None: ...
def utc_text(moment: datetime | None) -> str | None:
    """Write an instant as RFC 3339 in UTC ("2025-02-08T16:00:00Z"); None stays None."""
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def exact_utc_text(moment: datetime) -> str:
    """Write an instant as RFC 3339 in UTC, with its fraction of a second where it has one."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
