"""A token bucket: units flow in steadily and are taken by requests. The clock is an argument; nothing here sleeps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


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
