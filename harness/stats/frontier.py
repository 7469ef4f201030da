"""Score against cost: the Pareto front, its convex hull, and what one more point costs along an effort ladder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.stats.values import Estimate


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Find the points (cost, score) that no other point beats; indices by rising cost.

    A point is beaten by one that costs no more and scores no less and differs in one of the two.
    """
    order = sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1]))
    front: list[int] = []
    for i in order:
        if not front or points[i][1] > points[front[-1]][1] or points[i] == points[front[-1]]:
            front.append(i)
    return front


def convex_hull(points: Sequence[tuple[float, float]]) -> list[int]:
    """Find the part of the Pareto front on the upper convex hull; indices by rising cost.

    A point below the hull is beaten on average by routing questions between its neighbours at random.
    """
    hull: list[int] = []
    for i in dict.fromkeys(pareto_front(points)):
        while len(hull) > 1 and _turn(points[hull[-2]], points[hull[-1]], points[i]) >= 0:
            hull.pop()
        if not hull or points[i] != points[hull[-1]]:
            hull.append(i)
    return hull


def _turn(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step up an effort ladder.

    Attributes:
        usd_per_point: dollars for one more percentage point over the whole suite; None when unresolved or falling.
        verdict: `resolved` (the score rises), `unresolved` (its difference covers zero), `worse` (it falls).
        difference: paired score difference on the common samples.
        extra_usd: added cost on those samples.
    """

    usd_per_point: float | None
    verdict: str
    difference: Estimate
    extra_usd: float


def marginal_usd_per_point(extra_usd: float, difference: Estimate) -> Step:
    """Price one more percentage point between two settings; "unresolved" where the difference covers zero."""
    low, high, value = difference.ci_low, difference.ci_high, difference.value
    if value is None or low is None or high is None or low <= 0 <= high:
        return Step(usd_per_point=None, verdict="unresolved", difference=difference, extra_usd=extra_usd)
    if value < 0:
        return Step(usd_per_point=None, verdict="worse", difference=difference, extra_usd=extra_usd)
    return Step(usd_per_point=extra_usd / (100 * value), verdict="resolved", difference=difference, extra_usd=extra_usd)
