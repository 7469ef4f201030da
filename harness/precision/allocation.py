"""The cheapest way to a wanted variance: most variance removed per dollar first, distinct samples before repeats.

For one stratum the variance `W^2 [(1 - n/N) Sb^2/n + w (sum of 1/r) / n^2]` is convex in its attempts, so that greedy
is optimal: n ~ W sqrt((Sb^2 + w) / cost) (Neyman 1934, JRSS 97) up to N, then further passes by what each removes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, exp, log, sqrt


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """What asking more of a stratum would remove, and what it costs.

    Attributes:
        weight: share of the score.
        between: variance between units.
        noise: repeat noise of a unit with one attempt per sample.
        n_units: units that exist; `repeats` passes over them at most.
        usd: cost of one pass over one unit, above 0.
        passes: units drawn for each pass so far.
        fixed: variance that asking more does not remove.
    """

    weight: float
    between: float
    noise: float
    n_units: int
    repeats: int
    usd: float
    passes: tuple[int, ...] = ()
    fixed: float = 0.0

    def variance(self, passes: Sequence[int]) -> float:
        """Variance that these passes would leave."""
        n = passes[0]
        inverse = n - sum(units / (number * (number + 1)) for number, units in enumerate(passes[1:], 1))
        drawn = (1 - n / self.n_units) * self.between / n + self.noise * inverse / n**2
        return self.fixed + self.weight**2 * drawn

    def floor(self) -> float:
        """Variance that the whole suite with all its repeats leaves."""
        return self.fixed + self.weight**2 * self.noise / self.n_units / self.repeats

    def cost(self, passes: Sequence[int]) -> float:
        """Cost of these passes from the beginning."""
        return sum(passes) * self.usd

    def whole(self) -> tuple[int, ...]:
        """All units in all passes."""
        return (self.n_units,) * self.repeats

    def at_price(self, removed_per_usd: float) -> tuple[int, ...]:
        """Passes to be bought when a dollar has to remove this much variance."""
        drawn = (*self.passes, *(0,) * (self.repeats - len(self.passes)))
        spread = self.between + self.noise
        wanted = self.weight * sqrt(spread / (removed_per_usd * self.usd))
        n = max(drawn[0], min(self.n_units, ceil(wanted)))
        if n < self.n_units:
            return (n, *drawn[1:])
        return (n, *(self._pass(number, drawn[number], removed_per_usd) for number in range(1, self.repeats)))

    def _pass(self, number: int, drawn: int, removed_per_usd: float) -> int:
        return self.n_units if self.removed(number) >= removed_per_usd * self.usd else drawn

    def removed(self, number: int) -> float:
        """Variance that the attempt `number + 1` of one unit removes once all units were asked."""
        return self.weight**2 * self.noise / self.n_units**2 / (number * (number + 1))


def allocate(curves: Sequence[Curve], variance: float) -> list[tuple[int, ...]]:
    """Find the cheapest passes whose variances sum to at most `variance`; all there is where nothing reaches it.

    Passes so far are kept. Exact but for rounding units up: the price of variance is found by bisection, and the pass
    at which it jumps is bought as far as needed.
    """
    whole = [curve.whole() for curve in curves]
    if _sum(curves, whole) >= variance:
        return whole
    low, high = log(1e-30), log(1e30)
    while high - low > 1e-6:
        middle = (low + high) / 2
        enough = _sum(curves, [curve.at_price(exp(middle)) for curve in curves]) <= variance
        low, high = (middle, high) if enough else (low, middle)
    return _filled(curves, exp(high), exp(low), variance)


def _filled(curves: Sequence[Curve], short: float, enough: float, variance: float) -> list[tuple[int, ...]]:
    """Between two prices of variance that differ by a jump, buy only as much of the jump as is needed."""
    passes = [list(curve.at_price(short)) for curve in curves]
    for place, (curve, more) in enumerate(zip(curves, (curve.at_price(enough) for curve in curves), strict=True)):
        for number, units in enumerate(more):
            missing = _sum(curves, passes) - variance
            if missing <= 0:
                return [tuple(found) for found in passes]
            step = units - passes[place][number]
            if number and step > 0:
                step = min(step, ceil(missing / curve.removed(number) - 1e-9)) if curve.noise > 0 else step
            passes[place][number] += step
    return [tuple(found) for found in passes]


def _sum(curves: Sequence[Curve], passes: Sequence[Sequence[int]]) -> float:
    return sum(curve.variance(found) if found[0] else float("inf") for curve, found in zip(curves, passes, strict=True))
