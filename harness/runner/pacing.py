"""How fast one model may be asked: in-flight limit that adapts to 429s, requests and tokens per minute, pauses.

One `Gate` per model. The clock is an argument; nothing here sleeps. Data flows: a worker asks `wait_s`, takes a place
with `enter`, and tells the outcome with `leave`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.errors import ErrorClass, ProviderError

_SLOWS_DOWN = frozenset({ErrorClass.RATE_LIMIT, ErrorClass.OVERLOADED})


@dataclass(slots=True)
class Bucket:
    """A token bucket: `per_minute` units flow in, at most `burst_s` seconds' worth gather.

    One minute's worth is never sent at once: providers enforce their limits over much shorter windows.
    """

    per_minute: float
    clock: Callable[[], float]
    burst_s: float = 1.0
    _level: float = 0.0
    _seen_s: float | None = None

    def wait_s(self, amount: float) -> float:
        """Seconds until `amount` units are there; an amount above the burst waits for a full bucket."""
        needed = min(amount, self._capacity)
        self._refill()
        return max(0.0, (needed - self._level) * 60.0 / self.per_minute)

    def take(self, amount: float) -> None:
        """Take units; the level may go below zero, which later requests wait off."""
        self._refill()
        self._level -= amount

    @property
    def _capacity(self) -> float:
        return max(1.0, self.per_minute * self.burst_s / 60.0)

    def _refill(self) -> None:
        now_s = self.clock()
        if self._seen_s is None:
            self._level = self._capacity
        else:
            self._level = min(self._capacity, self._level + (now_s - self._seen_s) * self.per_minute / 60.0)
        self._seen_s = now_s


class Gate:
    """Places in flight for one model.

    The limit starts at what the user asked for. A 429 or an overload cuts it (at most once per round trip) to 70 % of
    what was in flight and opens a pause where the provider named one; each limit's worth of answers adds places back
    (additive increase, multiplicative decrease).
    """

    def __init__(
        self,
        limit: int,
        *,
        clock: Callable[[], float],
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
    ) -> None:
        self._most = float(limit)
        self._limit = float(limit)
        self._clock = clock
        self._requests = Bucket(requests_per_minute, clock) if requests_per_minute else None
        self._tokens = Bucket(tokens_per_minute, clock) if tokens_per_minute else None
        self._paused_until_s = 0.0
        self._cut_at_s = float("-inf")
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
        waits = [self._paused_until_s - self._clock() if self._paused_until_s else 0.0]
        if self._requests is not None:
            waits.append(self._requests.wait_s(1.0))
        if self._tokens is not None:
            waits.append(self._tokens.wait_s(tokens))
        return max(0.0, *waits)

    def enter(self, tokens: int) -> float:
        """Take a place; returns the instant on the gate's clock, which `leave` wants back."""
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        if self._requests is not None:
            self._requests.take(1.0)
        if self._tokens is not None:
            self._tokens.take(tokens)
        return self._clock()

    def leave(self, entered_s: float, error: ProviderError | None = None) -> None:
        """Give the place back and learn from how the request ended."""
        in_flight = self.in_flight
        self.in_flight -= 1
        if error is None:
            self._limit = min(self._most, self._limit + 1.0 / max(1.0, self._limit))
        elif error.error_class in _SLOWS_DOWN:
            if error.retry_after_s:
                self._paused_until_s = max(self._paused_until_s, self._clock() + error.retry_after_s)
            if entered_s > self._cut_at_s:
                self._limit = max(1.0, in_flight * 0.7)
                self._cut_at_s = self._clock()
