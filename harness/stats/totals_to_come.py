"""What is still to come, from what was seen: totals over strata with a bootstrap-t interval, and bounds on rare events.

Values in any unit go in, an `Estimate` or a bound in the same unit comes out; random numbers come from the seed alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING

from harness.stats.values import Estimate

if TYPE_CHECKING:
    from numpy import ndarray
    from numpy.random import Generator

FORECAST_LEVEL = 0.90
FEWEST_SEEN = 8
"""Observations of a stratum below which its spread says too little for an interval."""
_REPLICATES = 1_000
_AT_A_TIME = 100
_MOST_DRAWN = 500
"""Values to come up to which they are drawn one by one; the sum of more is drawn from its normal limit."""
_MOST_SEEN = 2_000
"""Values seen up to which they are drawn again one by one; the mean of more is drawn from its normal limit."""
_RARELY = 0.05
_FEWEST_REPEATED = 8
"""Observations with several answers from which repeat noise is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stratum:
    """Observations that were seen, and how many more answers of the kind are to come.

    Attributes:
        seen: mean value of the answers to each observation.
        n_to_come: answers to come, to these observations and to new ones.
        n_again: of these, answers to observations that were seen.
        answers: answers behind a seen value (their harmonic mean over observations).
        repeats: answers to come to a new observation.
        noise: share of the variance of single answers that differs between answers to one observation; None = not
            known, then whichever of none and all makes the forecast less certain.
    """

    seen: Sequence[float]
    n_to_come: int
    n_again: int = 0
    answers: float = 1.0
    repeats: float = 1.0
    noise: float | None = None

    @property
    def error_factor(self) -> float:
        """Variance of the forecast's error over the variance of seen values.

        What differs between observations is known of those that are asked again; what differs between answers to one
        observation is new in every answer.
        """
        n, new = len(self.seen), self.n_to_come - self.n_again
        between = new**2 / n + new * self.repeats
        within = self.n_to_come**2 / (n * self.answers) + self.n_to_come
        if self.noise is None:
            return max(between, within * self.answers)
        seen_variance = 1 - self.noise + self.noise / self.answers
        return ((1 - self.noise) * between + self.noise * within) / seen_variance


@dataclass(frozen=True, slots=True, kw_only=True)
class RareEvents:
    """How often something rare was seen, and what it would add to a total if everything to come were so."""

    n_hits: int
    n_seen: int
    would_add: float


def total_to_come(strata: Sequence[Stratum], *, level: float = FORECAST_LEVEL, seed: int = 0) -> Estimate:
    """Forecast the sum of all values to come, `sum_h M_h * mean_h`, with a prediction interval.

    The interval is the bootstrap-t of Efron & Tibshirani (1993), An Introduction to the Bootstrap, section 12.5, on
    the error of a forecast: each replicate draws the seen values again, and the values to come from them, so that
    the interval holds the randomness of both. Tails that were not seen are not in it; see `rare_events_upper_bound`.

    Returns:
        The estimate; without an interval where a stratum has fewer than `FEWEST_SEEN` values, None without any value.
    """
    asked = [stratum for stratum in strata if stratum.n_to_come]
    n_seen = sum(len(stratum.seen) for stratum in asked)
    if any(not len(stratum.seen) for stratum in asked):
        return Estimate(value=None, n=n_seen)
    import numpy as np

    seen = [np.asarray(stratum.seen, dtype=float) for stratum in asked]
    total = float(sum(one.n_to_come * values.mean() for one, values in zip(asked, seen, strict=True)))
    if any(len(values) < FEWEST_SEEN for values in seen):
        return Estimate(value=total, n=n_seen)
    se = sqrt(sum(values.var(ddof=1) * one.error_factor for one, values in zip(asked, seen, strict=True)))
    pivots = _pivots(seen, [one.n_to_come for one in asked], np.random.default_rng(seed))
    low, high = np.quantile(pivots, [(1 - level) / 2, (1 + level) / 2]) if len(pivots) else (0.0, 0.0)
    return Estimate(value=total, se=se, ci_low=total - float(high) * se, ci_high=total - float(low) * se, n=n_seen)


def noise_share(observations: Sequence[Sequence[float]]) -> float | None:
    """Share of the variance of single answers that differs between answers to one observation.

    One-way analysis of variance, Searle, Casella & McCulloch (1992), Variance Components, section 3.6, over the
    observations with several answers; None where these are fewer than eight, or all values are alike.
    """
    several = [values for values in observations if len(values) > 1]
    if len(several) < _FEWEST_REPEATED:
        return None
    import numpy as np

    repeated = [np.asarray(values, dtype=float) for values in several]
    sizes = np.array([len(values) for values in repeated])
    within = float(sum(values.var() * len(values) for values in repeated) / (sizes.sum() - len(sizes)))
    grand = float(np.concatenate(repeated).mean())
    means = np.array([values.mean() for values in repeated])
    among = float((sizes * (means - grand) ** 2).sum() / (len(sizes) - 1))
    size = float((sizes.sum() - (sizes**2).sum() / sizes.sum()) / (len(sizes) - 1))
    total = within + max(0.0, among - within) / size
    return within / total if total else None


def is_below_promise(n_held: int, n: int, level: float) -> bool:
    """Whether so few of n intervals held that intervals of this level would do so in less than one of twenty cases.

    One-sided test of a binomial share, exact.
    """
    from scipy.special import betainc

    return n_held < n and float(betainc(n - n_held, n_held + 1, 1 - level)) < _RARELY


def rare_events_upper_bound(strata: Sequence[RareEvents], *, level: float = 0.95) -> float:
    """Bound from above what rare events add to a total over strata in which they are differently frequent.

    One-sided upper limit of a weighted sum of counts: Fay & Feuer (1997), Statistics in Medicine 16(7), with the
    largest weight for the event that was not seen. Strata of which nothing was seen add all that they could.
    """
    from scipy.special import gammaincinv

    known = [one for one in strata if one.n_seen]
    blind = sum(one.would_add for one in strata if not one.n_seen)
    weights = [one.would_add / one.n_seen for one in known]
    most = max(weights, default=0.0)
    if most <= 0:
        return blind
    mean = sum(weight * one.n_hits for weight, one in zip(weights, known, strict=True)) + most
    variance = sum(weight**2 * one.n_hits for weight, one in zip(weights, known, strict=True)) + most**2
    bound = float(gammaincinv(mean**2 / variance, level)) * variance / mean
    return blind + min(bound, sum(one.would_add for one in known))


def _pivots(seen: Sequence[ndarray], to_come: Sequence[int], random: Generator) -> ndarray:
    """Errors of forecasts made from drawn values, each in its own standard errors; those without spread say nothing."""
    import numpy as np

    errors, variances = np.zeros(_REPLICATES), np.zeros(_REPLICATES)
    for values, n_to_come in zip(seen, to_come, strict=True):
        for start in range(0, _REPLICATES, _AT_A_TIME):
            part = slice(start, start + _AT_A_TIME)
            means, spreads = _drawn_again(values, random)
            errors[part] += n_to_come * means - _sums_to_come(values, n_to_come, random)
            variances[part] += n_to_come * (n_to_come / len(values) + 1) * spreads
    known = variances > 0
    pivots: ndarray = errors[known] / np.sqrt(variances[known])
    return pivots


def _drawn_again(values: ndarray, random: Generator) -> tuple[ndarray, ndarray]:
    """Means and variances of the values drawn again."""
    import numpy as np

    if len(values) > _MOST_SEEN:
        means = values.mean() + values.std() / sqrt(len(values)) * random.standard_normal(_AT_A_TIME)
        return means, np.full(_AT_A_TIME, values.var(ddof=1))
    drawn = values[random.integers(0, len(values), (_AT_A_TIME, len(values)))]
    return drawn.mean(axis=1), drawn.var(axis=1, ddof=1)


def _sums_to_come(values: ndarray, n_to_come: int, random: Generator) -> ndarray:
    sums: ndarray
    if n_to_come <= _MOST_DRAWN:
        sums = values[random.integers(0, len(values), (_AT_A_TIME, n_to_come))].sum(axis=1)
    else:
        sums = n_to_come * values.mean() + sqrt(n_to_come) * values.std() * random.standard_normal(_AT_A_TIME)
    return sums
