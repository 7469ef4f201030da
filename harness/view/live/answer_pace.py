"""How fast answers come, and how long the rest takes.

Pure. Data flows instants at which answers settled -> answers a second over the last minutes, with an interval -> time
left. Too few answers tell nothing, and then nothing is told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import sqrt
from statistics import fmean, variance

STRETCH_S = 10
LOOKS_BACK_S = 300
FEWEST_ANSWERS = 5
_STRETCH_US = STRETCH_S * 1_000_000
_Z90 = 1.6449
"""Standard deviations on each side of a mean that nine of ten values of a normal distribution are within."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLeft:
    """Seconds until the last answer at the pace of the last minutes; `high_s` None = it has no upper end."""

    expected_s: float
    low_s: float
    high_s: float | None


@dataclass(slots=True)
class Pace:
    """Answers that settled lately, by stretches of ten seconds."""

    stretches: Counter[int] = field(default_factory=Counter)

    def take(self, finished_at_us: int) -> None:
        """Count an answer."""
        self.stretches[finished_at_us // _STRETCH_US] += 1

    def take_all(self, finished_us: Sequence[int]) -> None:
        """Count answers; all but the latest are too old to tell of the pace now."""
        self.stretches.update(instant // _STRETCH_US for instant in finished_us)

    def time_left(self, n_left: int, now_us: int, *, since_us: int) -> TimeLeft | None:
        """Say how long `n_left` answers take; None = too few came lately to tell.

        Counts of whole stretches vary as those of a Poisson process do, or more: the wider of the two is taken, for the
        answers that came and for those to come.

        Args:
            since_us: when the run began to ask; what lies before it is not looked at.
        """
        if n_left <= 0:
            return TimeLeft(expected_s=0.0, low_s=0.0, high_s=0.0)
        first, last, span_s = self._window(now_us, since_us)
        seen = sum(self.stretches[stretch] for stretch in range(first, last + 1))
        if seen < FEWEST_ANSWERS or span_s <= 0:
            return None
        whole = [self.stretches[stretch] for stretch in range(first + 1, last)]
        noise = max(1.0, variance(whole) / fmean(whole)) if len(whole) > 2 and any(whole) else 1.0
        share, expected_s = _Z90 * sqrt(noise / seen + noise / n_left), n_left * span_s / seen
        return TimeLeft(
            expected_s=expected_s,
            low_s=expected_s / (1 + share),
            high_s=expected_s / (1 - share) if share < 1 else None,
        )

    def per_minute(self, now_us: int, *, since_us: int) -> float | None:
        """Answers a minute lately; None = none came."""
        first, last, span_s = self._window(now_us, since_us)
        seen = sum(self.stretches[stretch] for stretch in range(first, last + 1))
        return 60 * seen / span_s if seen and span_s > 0 else None

    def _window(self, now_us: int, since_us: int) -> tuple[int, int, float]:
        """The first and last stretch to look at, and the seconds that they have lasted."""
        last = now_us // _STRETCH_US
        first = max(last - LOOKS_BACK_S // STRETCH_S, since_us // _STRETCH_US)
        self._forget(first)
        return first, last, (now_us - max(first * _STRETCH_US, since_us)) / 1e6

    def _forget(self, first: int) -> None:
        for stretch in [known for known in self.stretches if known < first]:
            del self.stretches[stretch]
