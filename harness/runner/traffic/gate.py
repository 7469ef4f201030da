"""How fast one model may be asked: places in flight, the pace that the provider accepts, limits of the user, pauses.

One `Gate` per model. The clock is an argument; nothing here sleeps. Data flows: a worker asks `wait_s`, takes a place
with `enter`, and tells the outcome with `leave`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from harness.errors import ErrorClass, ProviderError
from harness.runner.traffic.pace import Pace, refill_when_short
from harness.runner.traffic.token_bucket import Bucket

SLOWS_DOWN = frozenset({ErrorClass.RATE_LIMIT, ErrorClass.OVERLOADED})
_CUT = 0.7
_NEARLY_FULL = 0.9
LONG_S = 1.0
NO_HEADERS: Mapping[str, str] = {}


class Gate:
    """Places in flight for one model, and the pace at which they are taken.

    The places start at what the user asked for. 429s and overloads that are more than chance slow the pace (see
    `Pace`), open the pause that the provider named and, when the places were nearly all taken, cut them to 70 %, once
    per round trip. Each answer gives a part of a place back (additive increase, multiplicative decrease).
    """

    def __init__(
        self,
        limit: int,
        *,
        clock: Callable[[], float],
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._most = float(limit)
        self._limit = float(limit)
        self.clock = clock
        self._now = now
        self._requests = Bucket(requests_per_minute, clock) if requests_per_minute else None
        self._tokens = Bucket(tokens_per_minute, clock) if tokens_per_minute else None
        self._paused_until_s = 0.0
        self._cut_at_s = float("-inf")
        self._full_at_s = float("-inf")
        self.pace = Pace(clock)
        self.in_flight = 0
        self.most_in_flight = 0

    @property
    def limit(self) -> int:
        """How many requests may be in flight now; never below one."""
        return max(1, int(self._limit))

    def wait_s(self, tokens: int) -> float | None:
        """Seconds until a request may enter: 0 = now, None = when another one leaves."""
        if self.in_flight >= self.limit:
            return None
        wait_s = self.pace.wait_s()
        if self._paused_until_s:
            wait_s = max(wait_s, self._paused_until_s - self.clock())
        if self._requests is not None:
            wait_s = max(wait_s, self._requests.wait_s(1.0))
        if self._tokens is not None:
            wait_s = max(wait_s, self._tokens.wait_s(tokens))
        return max(0.0, wait_s)

    def enter(self, tokens: int) -> float:
        """Take a place; returns the instant on the gate's clock, which `leave` wants back."""
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        if self._requests is not None:
            self._requests.take(1.0)
        if self._tokens is not None:
            self._tokens.take(tokens)
        now_s = self.clock()
        if self.in_flight >= self._limit * _NEARLY_FULL:
            self._full_at_s = now_s
        self.pace.sent(now_s)
        return now_s

    def leave(
        self, entered_s: float, error: ProviderError | None = None, headers: Mapping[str, str] = NO_HEADERS
    ) -> None:
        """Give the place back and learn from how the request ended.

        Args:
            error: what it ended in; None = an answer.
            headers: rate-limit headers of an answer, names in lower case.
        """
        self.in_flight -= 1
        if error is None:
            self._limit = min(self._most, self._limit + 1.0 / max(1.0, self._limit))
            if headers:
                self._heed(headers)
        elif error.error_class in SLOWS_DOWN:
            is_signal = self.pace.refused(entered_s)
            if is_signal or (error.retry_after_s or 0.0) >= LONG_S:
                self._pause(error.retry_after_s)
            if is_signal and self._full_at_s >= entered_s:
                self._cut(entered_s)

    def _cut(self, entered_s: float) -> None:
        if entered_s > self._cut_at_s:
            self._limit = max(1.0, _CUT * self._limit)
            self._cut_at_s = self.clock()

    def _pause(self, seconds: float | None) -> None:
        if seconds:
            self._paused_until_s = max(self._paused_until_s, self.clock() + seconds)

    def _heed(self, headers: Mapping[str, str]) -> None:
        """Slow down before the first refusal, where an answer says that a limit is nearly used up."""
        requests_per_s = refill_when_short(headers, "requests", self._now)
        if requests_per_s is not None:
            self.pace.hold(requests_per_s)
        tokens_per_s = refill_when_short(headers, "tokens", self._now)
        if tokens_per_s is not None:
            per_minute = max(1.0, tokens_per_s * 60.0)
            if self._tokens is None:
                self._tokens = Bucket(per_minute, self.clock)
            elif self._tokens.per_minute > per_minute:
                self._tokens.per_minute = per_minute
