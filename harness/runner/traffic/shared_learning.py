"""How many workers together learn the rate that a provider accepts, from what all of them sent and were refused.

Pure: sums over all workers in, `Learned` out. A rate begins a little below what was accepted, comes near it slowly,
stays there a while, then rises ever faster until it is refused again (the cubic of RFC 9438, on rates): few refusals
while a limit stays as it is, and a limit that rose is found within a minute.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace

from harness.ledger.leases.pace_records import Learned, SharedPace

FREE_SHARE = 0.3
"""Refusals that are surely more than this share are no chance, where no limit is known."""
PACED_SHARE = 0.1
_BELOW = 0.05
_RISE_S = 10.0
_RISE_UNSURE_S = 5.0
_RISE_REQUESTS = 20.0
_DEEPEST_CUT = 0.5
_SLOWEST_PER_S = 1 / 60
_LEAST_S = 1.0
_ENOUGH_SENT = 64
_LEAST_SENT = 4
_FEW_REFUSED = 3
_FEW_SHARE = 0.02
_STEP = 0.98
_MOST_EARLY = 4


def learned_per_s(learned: Learned, now_us: float) -> float | None:
    """Requests a second that all workers together may send now, by what was learned; None = no limit is known."""
    ceiling = learned.ceiling_per_s
    if ceiling is None:
        return None
    return ceiling * (1.0 + _BELOW * (_rises(learned, now_us) - 1.0) ** 3)


def _rises(learned: Learned, now_us: float) -> float:
    rise_s = max(learned.rise_s, _RISE_REQUESTS / (learned.ceiling_per_s or 1.0), 1.0)
    return max(0.0, now_us - learned.since_us) / 1e6 / rise_s


def told(per_s: float, before: Learned) -> Learned:
    """Take over a limit that headers of an answer stated."""
    return _with_ceiling(before, per_s / (1.0 - _BELOW), rise_s=_RISE_UNSURE_S)


@dataclass(frozen=True, slots=True)
class Seen:
    """Requests of all workers over some seconds, and how many of them were refused."""

    n_sent: int
    n_refused: int
    over_s: float

    @property
    def surely_refused(self) -> float:
        """Two standard errors below the share that was refused; 0 where too few were sent to say."""
        if self.n_sent < _LEAST_SENT:
            return 0.0
        share = min(1.0, self.n_refused / self.n_sent)
        return share - 2.0 * math.sqrt(share * (1.0 - share) / self.n_sent)

    @property
    def sent_per_s(self) -> float:
        """Requests a second."""
        return self.n_sent / max(1.0, self.over_s)

    @property
    def accepted_per_s(self) -> float:
        """Requests a second that were not refused."""
        return max(0, self.n_sent - self.n_refused) / max(1.0, self.over_s)


class SeenLately:
    """The last requests of all workers, from sums that are read now and then."""

    def __init__(self) -> None:
        self._sums: deque[Learned] = deque()

    def add(self, pace: SharedPace) -> None:
        """Take in how the sums stand."""
        sums, newest = self._sums, pace.learned
        if sums and sums[-1].since_us != newest.since_us:
            sums.clear()
        if not sums:
            sums.append(replace(newest, n_sent=0, n_refused=0, last_sent_us=newest.first_sent_us))
        if newest.n_sent > sums[-1].n_sent:
            sums.append(newest)
        elif len(sums) > 1:
            sums[-1] = newest
        while len(sums) > 2 and _is_enough(_between(sums[1], newest)):
            sums.popleft()

    def clear(self) -> None:
        """Forget them."""
        self._sums.clear()

    def seen(self) -> Seen:
        """Give the last 64 requests or more, and those of a second or more, or all since the last change."""
        return _between(self._sums[0], self._sums[-1]) if self._sums else Seen(0, 0, 0.0)


def _between(first: Learned, last: Learned) -> Seen:
    over_us = last.last_sent_us - (first.last_sent_us or last.first_sent_us)
    return Seen(last.n_sent - first.n_sent, last.n_refused - first.n_refused, over_us / 1e6)


def _is_enough(seen: Seen) -> bool:
    return seen.n_sent >= _ENOUGH_SENT and seen.over_s >= _LEAST_S


def learned_anew(before: Learned, seen: Seen, now_us: float) -> Learned | None:
    """Learn from refusals; None = they are too few to say anything."""
    per_s = learned_per_s(before, now_us)
    if per_s is None:
        if seen.surely_refused <= FREE_SHARE:
            return None
        return _with_ceiling(before, seen.accepted_per_s, rise_s=_RISE_UNSURE_S)
    if seen.over_s < _LEAST_S:
        return None
    if seen.surely_refused > PACED_SHARE + 2.0 * before.usual_share:
        least = _DEEPEST_CUT * min(per_s, seen.sent_per_s)
        return _with_ceiling(before, max(least, min(seen.accepted_per_s, per_s)), rise_s=_RISE_UNSURE_S)
    if seen.n_refused < _FEW_REFUSED or seen.n_refused <= (_FEW_SHARE + 2.0 * before.usual_share) * seen.n_sent:
        return None
    n_early = before.n_early + 1 if _rises(before, now_us) < 1.0 else 0
    if n_early > _MOST_EARLY:  # they come whatever the rate, and are no reason to go on slowing down
        return replace(before, n_early=0, usual_share=seen.n_refused / seen.n_sent)
    gently = _with_ceiling(before, _STEP * min(seen.accepted_per_s, per_s), rise_s=_RISE_S)
    return replace(gently, n_early=n_early)


def _with_ceiling(before: Learned, ceiling_per_s: float, *, rise_s: float) -> Learned:
    return Learned(
        ceiling_per_s=max(_SLOWEST_PER_S, ceiling_per_s),
        rise_s=rise_s,
        usual_share=before.usual_share,
        tokens_per_minute=before.tokens_per_minute,
    )
