"""What to ask next: a small pilot, then waves towards the cheapest allocation, until the interval is narrow enough.

Pure and deterministic: states of strata in, draws out, the same for the same states. A wave must be drained and scored
before the next is computed, so that neither speed nor money decides which answers count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, sqrt

from harness.precision.allocation import Curve, allocate
from harness.precision.design import Draw, Stratum, StratumState, Target, checked
from harness.precision.estimator import PrecisionEstimate, estimate, parts
from harness.precision.spread import NOISE_SHARE
from harness.stats.values import known_sum, normal_quantile, t_quantile

PRIOR_VARIANCE = 0.2
"""Variance of single answers that a plan assumes before any is seen (scores of 28 or 72 %)."""
PILOT_SHARE = 0.1
PILOT_UNITS = (20, 60)
"""A pilot's share of what a stratum will probably need, within these bounds: above them it buys little knowledge, and
may be more than a wide target needs; below them variances mean nothing."""
SECOND_ATTEMPTS = (8, 0.08)
"""Fewest units that are asked twice, and their share, where the suite has repeats and more than a quarter of a stratum
will be asked: there the interval rests on how much of the variance is repeat noise."""
STEPS = (0.5, 0.85)
"""How much of the way to the planned allocation the first waves go; later ones go all of it."""
_LAST_STEP = 0.02
_MARGIN, _PATIENT_WAVES, _MOST_MARGIN = 0.005, 4, 0.3
"""How far below the wanted variance a plan aims: hardly, but twice as far with each wave after the first few, so that a
run which is always just short comes to an end within a dozen."""


def pilot(
    strata: Sequence[Stratum], target: Target, *, usd_per_attempt: Mapping[str, float] | None = None
) -> tuple[Draw, ...]:
    """Draw the first wave.

    Args:
        usd_per_attempt: expected cost of an attempt by stratum key, where something is known; the same for all without.
    """
    checked(strata)
    known = usd_per_attempt or {}
    prices = planning_prices([known.get(stratum.key) for stratum in strata])
    goal = allocate([_prior_curve(*pair) for pair in zip(strata, prices, strict=True)], _wanted(target))
    return tuple(
        Draw(stratum=stratum.key, passes=_pilot_passes(stratum, passes[0]))
        for stratum, passes in zip(strata, goal, strict=True)
    )


def next_wave(states: Sequence[StratumState], target: Target, *, wave: int) -> tuple[Draw, ...] | None:
    """Say what to ask next, as passes from the beginning; None = the target is reached, or all there is was asked.

    Args:
        wave: number of the wave to come; the pilot is 0.
    """
    now = estimate(states, level=target.level)
    curves = curves_of(states)
    return next_passes([state.stratum.key for state in states], curves, now, target, wave=wave)


def next_passes(
    keys: Sequence[str], curves: Sequence[Curve], now: PrecisionEstimate, target: Target, *, wave: int
) -> tuple[Draw, ...] | None:
    """Go from what was drawn towards the cheapest allocation that reaches the target."""
    if now.value is not None and now.half_width <= target.half_width:
        return None
    drawn = [_padded(curve) for curve in curves]
    if drawn == [curve.whole() for curve in curves]:
        return None
    goal = allocate(curves, _wanted(target, df=now.this_suite.df) * (1 - _margin(wave)))
    if goal == drawn:  # the plan sees the target reached, the interval does not: buy a little more of everything
        goal = [_stretched(curve, passes) for curve, passes in zip(curves, drawn, strict=True)]
    step = _step(curves, drawn, goal, wave)
    found = (_part_of_the_way(old, new, step) for old, new in zip(drawn, goal, strict=True))
    return tuple(
        Draw(stratum=key, passes=_with_second_attempts(passes, curve.n_units, new[0]))
        for key, curve, passes, new in zip(keys, curves, found, goal, strict=True)
    )


def _part_of_the_way(drawn: tuple[int, ...], goal: tuple[int, ...], step: float) -> tuple[int, ...]:
    """Go this share of the attempts that are missing, distinct units first."""
    left = ceil(step * (sum(goal) - sum(drawn)) - 1e-9)
    found = []
    for old, new in zip(drawn, goal, strict=True):
        more = min(new - old, left)
        left -= more
        found.append(old + more)
    return tuple(found)


def curves_of(states: Sequence[StratumState]) -> list[Curve]:
    """What asking more would remove, as far as the states show it."""
    prices = planning_prices([state.usd_per_attempt for state in states])
    return [
        Curve(
            weight=part.weight,
            between=part.spread.between,
            noise=part.spread.single,
            n_units=part.n_units,
            repeats=state.stratum.repeats,
            usd=price * state.stratum.unit_items,
            passes=state.passes,
            fixed=part.weight**2 * (1 / part.n_known - 1 / part.n_units) * (part.spread.raw - part.spread.total),
        )
        for state, part, price in zip(states, parts(states), prices, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class Best:
    """The narrowest interval that a suite can give, all its samples and repeats asked.

    Attributes:
        half_width: half of the width for this suite.
        usd: cost of the whole suite at the mean costs seen so far; None = not known.
        measured: whether repeats were seen; otherwise the repeat noise is an assumption.
    """

    half_width: float
    usd: float | None
    measured: bool


def best_possible(states: Sequence[StratumState], *, level: float = 0.95) -> Best:
    """Say how narrow the interval for this suite becomes when everything is asked: repeat noise remains."""
    checked([state.stratum for state in states])
    floors = [
        part.weight**2 * (part.spread.single or _prior_noise(state.stratum)) / part.n_units / state.stratum.repeats
        for state, part in zip(states, parts(states), strict=True)
    ]
    return Best(
        half_width=normal_quantile((1 + level) / 2) * sqrt(sum(floors)),
        usd=known_sum(state.whole_usd for state in states),
        measured=any((state.observed.attempts > 1).any() for state in states),
    )


def forecast_passes(states: Sequence[StratumState], target: Target) -> tuple[Draw, ...]:
    """Say how far each stratum will probably have to be asked; with states that hold no answers, by assumption."""
    checked([state.stratum for state in states])
    prices = planning_prices([state.usd_per_attempt for state in states])
    made = curves_of(states)
    curves = [
        curve if state.observed.n_units > 1 else _prior_curve(state.stratum, price)
        for state, curve, price in zip(states, made, prices, strict=True)
    ]
    goal = allocate(curves, _wanted(target))
    return tuple(Draw(stratum=s.stratum.key, passes=passes) for s, passes in zip(states, goal, strict=True))


def _wanted(target: Target, *, df: float = 1e6) -> float:
    """Variance at which the interval is as narrow as wanted."""
    return (target.half_width / t_quantile((1 + target.level) / 2, max(2.0, min(df, 1e6)))) ** 2


def _step(curves: Sequence[Curve], drawn: list[tuple[int, ...]], goal: list[tuple[int, ...]], wave: int) -> float:
    spent = sum(curve.cost(passes) for curve, passes in zip(curves, drawn, strict=True))
    left = sum(curve.cost(passes) for curve, passes in zip(curves, goal, strict=True)) - spent
    small = left <= _LAST_STEP * spent
    return 1.0 if small or wave > len(STEPS) else STEPS[max(wave, 1) - 1]


def _margin(wave: int) -> float:
    return float(min(_MOST_MARGIN, _MARGIN * 2 ** max(0, wave - _PATIENT_WAVES)))


def _stretched(curve: Curve, passes: tuple[int, ...]) -> tuple[int, ...]:
    """Two per cent more of the first pass that is not complete."""
    for number, units in enumerate(passes):
        if units < curve.n_units:
            return (*passes[:number], min(curve.n_units, units + ceil(0.02 * curve.n_units)), *passes[number + 1 :])
    return passes


def _padded(curve: Curve) -> tuple[int, ...]:
    return (*curve.passes, *(0,) * (curve.repeats - len(curve.passes)))


def _pilot_passes(stratum: Stratum, goal: int) -> tuple[int, ...]:
    fewest, most = PILOT_UNITS
    n = min(stratum.n_units, max(fewest, min(most, round(PILOT_SHARE * goal))))
    return _with_second_attempts((n, *(0,) * (stratum.repeats - 1)), stratum.n_units, goal)


def _with_second_attempts(passes: tuple[int, ...], n_units: int, goal: int) -> tuple[int, ...]:
    """Ask some units twice, where it matters how much of the variance is repeat noise."""
    if len(passes) < 2 or goal <= n_units / 4:
        return passes
    fewest, share = SECOND_ATTEMPTS
    return (passes[0], max(passes[1], min(passes[0], max(fewest, ceil(share * passes[0])))), *passes[2:])


def _prior_noise(stratum: Stratum) -> float:
    return NOISE_SHARE * PRIOR_VARIANCE / stratum.unit_items


def _prior_curve(stratum: Stratum, usd: float) -> Curve:
    return Curve(
        weight=stratum.weight,
        between=(1 - NOISE_SHARE) * PRIOR_VARIANCE,
        noise=_prior_noise(stratum),
        n_units=stratum.n_units,
        repeats=stratum.repeats,
        usd=usd * stratum.unit_items,
    )


def planning_prices(usd: Sequence[float | None]) -> list[float]:
    """Prices to plan with: what is not known costs the mean of the others, what is free next to nothing.

    Where nothing is paid for, attempts count alike.
    """
    paid = [price for price in usd if price]
    mean = sum(paid) / len(paid) if paid else 1.0
    free = 1e-3 * mean if paid else mean
    return [mean if price is None else price or free for price in usd]
