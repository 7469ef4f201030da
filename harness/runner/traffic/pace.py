"""The rate that a provider accepts, learned from its refusals and from what its rate-limit headers say.

One `Pace` per model, unlimited until refusals are too many to be chance. Data flows: sendings and refusals are counted
over a sliding window; a signal sets the pace a little below what was accepted, time raises it. The clock is given.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from harness.instants import parse_instant
from harness.providers.retry_after import duration_s
from harness.runner.traffic.token_bucket import Bucket

_BELOW_ACCEPTED = 0.95
_DEEPEST_CUT = 0.5
_SLOWEST_PER_S = 1 / 60
_CAREFUL_S = 5.0
_CAREFUL_GROWTH_PER_S = 0.05
_GROWTH_PER_S = 0.25
_GROWTH_AT_THE_LIMIT_PER_S = 0.002
_AT_THE_LIMIT_SHARE = 0.02
_BURST_S = 0.1
_NEARLY_USED_UP = 0.1
_SLOT_S = 0.25
_LEAST_SENT = 4
_ENOUGH_SENT = 16
_LONGEST_WINDOW_S = 60.0
_FREE_SHARE = 0.3
_PACED_SHARE = 0.1
_USUAL_WEIGHT = 1 / 64
_MOST_USUAL = 0.05


@dataclass(slots=True)
class _Slot:
    begins_s: float
    sent: int = 0
    refused: int = 0


class Window:
    """Sendings and refusals of the last second, or of longer where a second holds few."""

    def __init__(self) -> None:
        self._slots: deque[_Slot] = deque([_Slot(float("-inf"))])
        self.sent = 0
        self.refused = 0

    def add(self, now_s: float) -> None:
        """Count a sending."""
        newest = self._slots[-1]
        if now_s - newest.begins_s >= _SLOT_S:
            newest = _Slot(now_s)
            self._slots.append(newest)
            self._forget(now_s)
        newest.sent += 1
        self.sent += 1

    def refuse(self, sent_s: float) -> None:
        """Count a sending as refused."""
        for slot in reversed(self._slots):
            if slot.begins_s <= sent_s:
                slot.refused += 1
                self.refused += 1
                return

    def share_surely_refused(self) -> float:
        """Two standard errors below the share that was refused; 0 where too few were sent to say."""
        if self.sent < _LEAST_SENT:
            return 0.0
        share = min(1.0, self.refused / self.sent)
        return share - 2.0 * math.sqrt(share * (1.0 - share) / self.sent)

    def accepted_per_s(self, now_s: float) -> float:
        """Sendings a second that were not refused."""
        return (self.sent - self.refused) / max(1.0, now_s - self.since_s)

    @property
    def since_s(self) -> float:
        """When the first of these sendings left; an endless past where there is none."""
        return next((slot.begins_s for slot in self._slots if slot.sent), float("-inf"))

    def _forget(self, now_s: float) -> None:
        while len(self._slots) > 2:
            oldest, next_s = self._slots[0], self._slots[1].begins_s
            is_long = now_s - next_s >= 1.0 and self.sent - oldest.sent >= _ENOUGH_SENT
            if not is_long and now_s - next_s < _LONGEST_WINDOW_S:
                return
            self._slots.popleft()
            self.sent -= oldest.sent
            self.refused -= oldest.refused


class Pace:
    """Requests a second that are let through; no limit before refusals are surely more than 30 %.

    The pace becomes 95 % of what was accepted, and at most halves in one round trip. It then grows by 5 % a second,
    after five seconds by 25 %, and hardly at all while some requests are refused. Refusals that come whatever the
    pace (`usual`) are not taken as a signal.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._window = Window()
        self._bucket: Bucket | None = None
        self._least_per_s = 0.0
        self._cut_at_s = float("-inf")
        self._grown_at_s = 0.0
        self._usual_share = 0.0

    @property
    def per_s(self) -> float | None:
        """The pace now; None = no limit."""
        return None if self._bucket is None else self._bucket.per_minute / 60.0

    def wait_s(self) -> float:
        """Seconds until the next request may leave."""
        if self._bucket is None:
            return 0.0
        self._grow(self._bucket)
        return self._bucket.wait_s(1.0)

    def sent(self, now_s: float) -> None:
        """Count a request that leaves now."""
        self._window.add(now_s)
        if self._bucket is not None:
            self._bucket.take(1.0)
            self._usual_share -= self._usual_share * _USUAL_WEIGHT

    def refused(self, sent_s: float) -> bool:
        """Count a refusal and slow down if refusals are too many to be chance; says whether they are."""
        now_s = self._clock()
        self._window.refuse(sent_s)
        if self._bucket is not None and sent_s > self._cut_at_s:
            self._usual_share = min(_MOST_USUAL, self._usual_share + _USUAL_WEIGHT)
        bearable = _FREE_SHARE if self._bucket is None else _PACED_SHARE
        if self._window.share_surely_refused() <= bearable + 2.0 * self._usual_share:
            return False
        accepted = self._window.accepted_per_s(now_s)
        if sent_s > self._cut_at_s:
            self._least_per_s = _DEEPEST_CUT * (self.per_s or accepted)
            self._cut_at_s = now_s
        self.hold(max(self._least_per_s, min(accepted * _BELOW_ACCEPTED, self.per_s or accepted)))
        return True

    def hold(self, per_s: float) -> None:
        """Let so many requests a second through, until the pace grows again."""
        per_s = max(_SLOWEST_PER_S, per_s)
        if self._bucket is None:
            self._bucket = Bucket(per_s * 60.0, self._clock, burst_s=_BURST_S)
            self._bucket.take(1.0)
        self._bucket.per_minute = per_s * 60.0
        self._grown_at_s = self._clock()

    def _grow(self, bucket: Bucket) -> None:
        now_s = self._clock()
        passed_s = now_s - self._grown_at_s
        if passed_s > 0.1:
            growth_per_s = _GROWTH_PER_S if now_s - self._cut_at_s > _CAREFUL_S else _CAREFUL_GROWTH_PER_S
            if self._window.refused > _AT_THE_LIMIT_SHARE * self._window.sent:
                growth_per_s = _GROWTH_AT_THE_LIMIT_PER_S
            bucket.per_minute *= 1.0 + passed_s * growth_per_s
            self._grown_at_s = now_s


def refill_when_short(headers: Mapping[str, str], unit: str, now: Callable[[], datetime]) -> float | None:
    """Read from an answer's headers whether less than a tenth of a limit is left.

    OpenAI and its followers state a duration until the limit is full again, Anthropic the moment:
    platform.openai.com/docs/guides/rate-limits and docs.claude.com/en/api/rate-limits (read 2026-11).

    Args:
        headers: names in lower case.
        unit: `requests` or `tokens`.

    Returns:
        units that come back a second; None = enough is left, or nothing legible is said.
    """
    for remaining_name, limit_name, reset_name in _LIMITS[unit]:
        stated = headers.get(remaining_name)
        if stated is not None:
            try:
                remaining, limit = float(stated), float(headers.get(limit_name, ""))
                if remaining >= limit * _NEARLY_USED_UP:
                    return None
                return (limit - remaining) / max(_seconds(headers.get(reset_name, ""), now), 1e-3)
            except ValueError:
                return None
    return None


_LIMITS = {
    unit: (
        (f"x-ratelimit-remaining-{unit}", f"x-ratelimit-limit-{unit}", f"x-ratelimit-reset-{unit}"),
        tuple(f"anthropic-ratelimit-{unit}-{what}" for what in ("remaining", "limit", "reset")),
    )
    for unit in ("requests", "tokens")
}


def _seconds(text: str, now: Callable[[], datetime]) -> float:
    duration = duration_s(text)
    if duration is not None:
        return duration
    if "T" not in text:
        return float(text)
    return max(0.0, (parse_instant(text, zoneless="utc") - now()).total_seconds())
