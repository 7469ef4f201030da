"""What a run on one's own hardware cost: its busy time, shared over the requests that ran at the same moment.

Pure. Data flows (when each request began and ended, USD per hour) -> USD of each request. The hour's price is declared
by the user; the times are the ledger's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

_US_PER_HOUR = 3_600_000_000
_PICODOLLAR = Decimal("1e-12")


@dataclass(frozen=True, slots=True, kw_only=True)
class Busy:
    """A stretch in which a request kept the hardware busy, in microseconds; the end is not in it."""

    start_us: int
    end_us: int


def shares_us(stretches: Sequence[Busy]) -> list[Fraction]:
    """Share busy time: of every moment each of the n requests under way takes one n-th.

    Returns:
        Microseconds of each stretch, in their order; they sum to the time in which anything ran.
    """
    edges = sorted({edge for each in stretches for edge in (each.start_us, each.end_us)})
    begins: dict[int, list[int]] = {}
    ends: dict[int, list[int]] = {}
    for place, each in enumerate(stretches):
        if each.end_us > each.start_us:
            begins.setdefault(each.start_us, []).append(place)
            ends.setdefault(each.end_us, []).append(place)
    # time that one request would have taken alone, up to an edge: a stretch's share is its difference
    clock, before, n_running, shares = Fraction(0), 0, 0, [Fraction(0)] * len(stretches)
    for edge in edges:
        if n_running:
            clock += Fraction(edge - before, n_running)
        before = edge
        for place in ends.get(edge, ()):
            shares[place] += clock
        for place in begins.get(edge, ()):
            shares[place] -= clock
        n_running += len(begins.get(edge, ())) - len(ends.get(edge, ()))
    return shares


def busy_usd(stretches: Sequence[Busy], usd_per_hour: Decimal) -> list[Decimal]:
    """Give each request's part of the hardware's cost, rounded to picodollars."""
    hourly = Fraction(usd_per_hour)
    return [_usd(share * hourly / _US_PER_HOUR) for share in shares_us(stretches)]


def _usd(amount: Fraction) -> Decimal:
    whole = round(amount * 10**12)
    return Decimal(whole).scaleb(-12).quantize(_PICODOLLAR, rounding=ROUND_HALF_EVEN)
