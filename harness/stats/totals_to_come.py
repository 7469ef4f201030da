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


@dataclass(frozen=True, slots=True, kw_only=True)
class Stratum:
    """Values that were seen, and how many more of the kind are to come."""

    seen: Sequence[float]
    n_to_come: int


def total_to_come(strata: Sequence[Stratum], *, level: float = FORECAST_LEVEL, seed: int = 0) -> Estimate:
    """Forecast the sum of all values to come, `sum_h M_h * mean_h`, with a prediction interval.

    The interval is the bootstrap-t of Efron & Tibshirani (1993), An Introduction to the Bootstrap, section 12.5, on
    the error of a forecast: each replicate draws the seen values again, and the values to come from them, so that
    the interval holds the randomness of both. Values to come count as new draws: where the same items are asked
    again it is too wide rather than too narrow. Tails that were not seen are not in it; see `share_upper_bound`.

    Returns:
        The estimate; without an interval where a stratum has fewer than `FEWEST_SEEN` values, None without any value.
    """
    import numpy as np

    asked = [stratum for stratum in strata if stratum.n_to_come]
    n_seen = sum(len(stratum.seen) for stratum in asked)
    if any(not len(stratum.seen) for stratum in asked):
        return Estimate(value=None, n=n_seen)
    seen = [np.asarray(stratum.seen, dtype=float) for stratum in asked]
    total = float(sum(one.n_to_come * values.mean() for one, values in zip(asked, seen, strict=True)))
    if any(len(values) < FEWEST_SEEN for values in seen):
        return Estimate(value=total, n=n_seen)
    se = sqrt(
        sum(
            _error_variance(values.var(ddof=1), len(values), one.n_to_come)
            for one, values in zip(asked, seen, strict=True)
        )
    )
    pivots = _pivots(seen, [one.n_to_come for one in asked], np.random.default_rng(seed))
    low, high = np.quantile(pivots, [(1 - level) / 2, (1 + level) / 2]) if len(pivots) else (0.0, 0.0)
    return Estimate(value=total, se=se, ci_low=total - float(high) * se, ci_high=total - float(low) * se, n=n_seen)


def share_upper_bound(n_hits: int, n: int, *, level: float = 0.95) -> float:
    """Bound a share from above: one-sided, Clopper & Pearson (1934), Biometrika 26(4); 1 where nothing was seen."""
    from scipy.special import betaincinv

    return 1.0 if n_hits >= n else float(betaincinv(n_hits + 1, n - n_hits, level))


def _error_variance(variance: float, n_seen: int, n_to_come: int) -> float:
    """Variance of a forecast's error: of the mean times the number to come, and of the values to come themselves."""
    return variance * n_to_come * (n_to_come / n_seen + 1)


def _pivots(seen: Sequence[ndarray], to_come: Sequence[int], random: Generator) -> ndarray:
    """Errors of forecasts made from drawn values, each in its own standard errors; those without spread say nothing."""
    import numpy as np

    errors, variances = np.zeros(_REPLICATES), np.zeros(_REPLICATES)
    for values, n_to_come in zip(seen, to_come, strict=True):
        for start in range(0, _REPLICATES, _AT_A_TIME):
            drawn = values[random.integers(0, len(values), (_AT_A_TIME, len(values)))]
            part = slice(start, start + _AT_A_TIME)
            errors[part] += n_to_come * drawn.mean(axis=1) - _sums_to_come(values, n_to_come, random)
            variances[part] += _error_variance(1.0, len(values), n_to_come) * drawn.var(axis=1, ddof=1)
    known = variances > 0
    pivots: ndarray = errors[known] / np.sqrt(variances[known])
    return pivots


def _sums_to_come(values: ndarray, n_to_come: int, random: Generator) -> ndarray:
    sums: ndarray
    if n_to_come <= _MOST_DRAWN:
        sums = values[random.integers(0, len(values), (_AT_A_TIME, n_to_come))].sum(axis=1)
    else:
        sums = n_to_come * values.mean() + sqrt(n_to_come) * values.std() * random.standard_normal(_AT_A_TIME)
    return sums
