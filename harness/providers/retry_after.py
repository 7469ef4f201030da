"""How long a provider asks to wait: Retry-After in its spellings, Google's RetryInfo, and rate-limit headers.

Data flows headers (lower-cased names) and details of an error body -> seconds; what cannot be read is no wait. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from harness.instants import parse_instant

LONGEST_S = 1e9
"""Seconds; a longer wait (a date in the year 9999 is one) is an oddity and not taken."""

_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:([\d.]+)s)?(?:([\d.]+)ms)?")


def retry_after_s(
    headers: Mapping[str, str], *, now: datetime, details: Iterable[Mapping[str, object]] = ()
) -> float | None:
    """Read how long a provider asks to wait, in seconds; None when it does not say.

    Looks at `retry-after-ms`, `retry-after` (seconds or an HTTP date), Google's RetryInfo detail, then at the
    rate-limit headers whose remaining count is zero.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    stated = headers.get("retry-after")
    if stated:
        seconds = _number(stated)
        return seconds if seconds is not None else _seconds_until(stated, now)
    for detail in details:
        delay = duration_s(str(detail.get("retryDelay") or ""))
        if delay is not None:
            return delay
    return _rate_limit_reset_s(headers, now)


def _rate_limit_reset_s(headers: Mapping[str, str], now: datetime) -> float | None:
    waits: list[float] = []
    for kind in ("requests", "tokens", "input-tokens", "output-tokens"):
        for remaining_name, reset_name in (
            (f"x-ratelimit-remaining-{kind}", f"x-ratelimit-reset-{kind}"),
            (f"anthropic-ratelimit-{kind}-remaining", f"anthropic-ratelimit-{kind}-reset"),
        ):
            if _number(headers.get(remaining_name)) != 0:
                continue
            wait = _any_duration(headers.get(reset_name, ""), now)
            if wait is not None:
                waits.append(wait)
    return max(waits, default=None)


def _any_duration(text: str, now: datetime) -> float | None:
    """Seconds as a number, as a duration, or until a moment."""
    for wait in (_number(text), duration_s(text)):
        if wait is not None:
            return wait
    return _seconds_until(text, now) if text else None


def duration_s(text: str) -> float | None:
    """Read a duration such as `6m0s`, `1.5s` or `120ms` in seconds; None when it is not one."""
    match = _DURATION.fullmatch(text.strip())
    if match is None or not any(match.groups()):
        return None
    try:
        days, hours, minutes, seconds, milliseconds = (float(part or 0) for part in match.groups())
    except ValueError:
        return None
    wait_s = days * 86400 + hours * 3600 + minutes * 60 + seconds + milliseconds / 1000
    return wait_s if wait_s < LONGEST_S else None


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else None
    except ValueError:
        return None
    return value if value is not None and 0 <= value < LONGEST_S else None


def _seconds_until(text: str, now: datetime) -> float | None:
    try:
        moment = parse_instant(text, zoneless="utc") if "T" in text[:11] else parsedate_to_datetime(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        seconds = max(0.0, (moment - now).total_seconds())
    except (ValueError, TypeError, OverflowError, IndexError):  # the standard library's ways to say that it is none
        return None
    return seconds if seconds < LONGEST_S else None
