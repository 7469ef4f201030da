"""How much units and answers vary: the variance between units, and the noise of one model's repeated answers.

Columns of scores go in, one `Spread` a stratum comes out; estimates, plans and differences are made of nothing else.
Proportions are smoothed, so that twenty right answers of twenty are no proof of certainty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, sqrt
from typing import TYPE_CHECKING

from harness.precision.observed import Observed

if TYPE_CHECKING:
    from harness.precision.observed import Floats, Integers

NOISE_SHARE = 0.6
"""Assumed share of repeat noise in the variance of single answers where no sample was asked twice: above the .33 to .44
seen on AIME-like tasks, since a share that is too large only costs width."""
_SHARED_REPEATS, _OWN_REPEATS = 4.0, 6.0
"""Repeats that the assumption, and what all strata show together, count as beside a stratum's own repeats."""
_HALF_A_PAIR = 0.25
_ASSUMED_DF = 6.0
CAUTION = 0.3
"""Standard errors that are added to each variance: a run that stops when its interval looks narrow stops where
variances are too small by chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """What a stratum's drawn units show; all variances are of unit means.

    Attributes:
        n: units observed.
        value: estimated mean score (or difference) of the stratum.
        total: variance of observed unit values (after the bank's part is taken out), repeat noise included.
        noise: repeat noise of a unit at the attempts that it had.
        single: repeat noise of a unit with one attempt for each sample.
        raw: like `total`, with the bank's part left in.
        third: third central moment of unit values, smoothed like `total`.
        lean: third central moment over variance, not smoothed.
        lever: factor >= 1 for the error of the bank's coefficient.
        df, noise_df: degrees of freedom behind `total` and `noise`.
        coefficient: of the bank's prediction; 0 without a bank.
    """

    n: int
    value: float
    total: float
    noise: float
    single: float
    raw: float
    third: float = 0.0
    lean: float = 0.0
    lever: float = 1.0
    df: float
    noise_df: float
    coefficient: float = 0.0

    @classmethod
    def nothing(cls) -> Spread:
        """No unit was observed."""
        return cls(n=0, value=0.0, total=0.0, noise=0.0, single=0.0, raw=0.0, df=0.0, noise_df=0.0)

    @property
    def between(self) -> float:
        """Variance between units of their expected values, as far as the bank does not explain it."""
        return max(0.0, self.total - self.noise)

    @property
    def raw_between(self) -> float:
        """Variance between units of their expected values."""
        return max(0.0, self.raw - self.noise)


@dataclass(frozen=True, slots=True)
class Noise:
    """Repeat noise of one answer in a stratum, and the degrees of freedom behind it."""

    variance: float
    df: float


@dataclass(frozen=True, slots=True)
class Smoothing:
    """Made-up observations that keep a variance above zero: half of `weight` at each of two values."""

    low: float
    high: float
    weight: float


SCORES = Smoothing(0.0, 1.0, 1.0)
"""(k + .5) / (n + 1) for proportions; the same for scores between 0 and 1."""


def smoothed_differences(n_strata: int) -> Smoothing:
    """One difference of +1 and one of -1 (Bonett & Price 2012, J. Educ. Behav. Stat. 37(4)).

    Less for each of several strata, by the root of their number: what is made up adds up, while errors even out.
    """
    return Smoothing(-1.0, 1.0, 2.0 / sqrt(n_strata))


def repeat_noise(strata: Sequence[Observed], tasks: Sequence[tuple[str, float]] | None = None) -> list[Noise]:
    """Estimate the repeat noise of one answer in each stratum.

    The pooled variance within samples that were asked more than once, smoothed by half a pair of answers that disagree
    (over the root of their number for several strata, whose errors even out), and drawn towards the share that all
    strata of the model show together, as this is towards `NOISE_SHARE` (empirical Bayes with fixed weights). A stratum
    without repeats has what the others show; none exceeds the smoothed variance of its single answers.

    A count of D samples that disagreed with themselves has a relative variance of 1/D: hence two degrees of freedom for
    each, and `_ASSUMED_DF` for what is assumed; `CAUTION` is added. Where no sample at all was asked twice, noise is
    the assumption and nothing is added to it.

    Args:
        tasks: task and weight of each stratum, where a task may have several; None = each is a task. Shares are shares
            of a task's variance: within layers of like difficulty, noise is a larger part of what is left.
    """
    shown = [_within(seen) for seen in strata]
    singles = [_single_variance(seen) for seen in strata]
    whole = _of_whole_tasks(strata, singles, tasks) if tasks is not None else singles
    ratios = [within.squares / single for within, single in zip(shown, whole, strict=True)]
    n_repeats = sum(within.n_repeats for within in shown)
    if not n_repeats:
        return [Noise(min(own, task * NOISE_SHARE), inf) for own, task in zip(singles, whole, strict=True)]
    shared = (sum(ratios) + _SHARED_REPEATS * NOISE_SHARE) / (n_repeats + _SHARED_REPEATS)
    half = _HALF_A_PAIR / sqrt(max(1, sum(within.n_repeats > 0 for within in shown)))
    found = []
    for within, single, task, ratio in zip(shown, singles, whole, ratios, strict=True):
        own = (ratio + half / task, within.n_repeats + 1) if within.n_repeats else (0.0, 0)
        share = (own[0] + _OWN_REPEATS * shared) / (own[1] + _OWN_REPEATS)
        df = 2 * within.events + _ASSUMED_DF
        found.append(Noise(min(single, task * share * (1 + CAUTION * sqrt(2 / df))), df))
    return found


def _of_whole_tasks(
    strata: Sequence[Observed], singles: Sequence[float], tasks: Sequence[tuple[str, float]]
) -> list[float]:
    """Scale each stratum's variance of single answers to what it would be if the task were not divided."""
    scales: dict[str, float] = {}
    for name in {name for name, _ in tasks}:
        own = [
            (weight, single, float(seen.means.mean()))
            for (task, weight), single, seen in zip(tasks, singles, strata, strict=True)
            if task == name and seen.n_units
        ]
        total = sum(weight for weight, _, _ in own)
        mean = sum(weight * value for weight, _, value in own) / total if own else 0.0
        apart = sum(weight * (value - mean) ** 2 for weight, _, value in own)
        scales[name] = 1 + apart / sum(weight * single for weight, single, _ in own) if own else 1.0
    return [single * scales[task] for (task, _), single in zip(tasks, singles, strict=True)]


@dataclass(frozen=True, slots=True)
class _Within:
    """Sum of squares within samples, repeats behind it, and how many samples made it (Kish's effective number)."""

    squares: float
    n_repeats: float
    events: float


def _within(seen: Observed) -> _Within:
    again = seen.attempts > 1
    r, total, squares = seen.attempts[again], seen.total[again], seen.squares[again]
    own = squares - total * total / r
    summed = float(own.sum())
    return _Within(summed, float((r - 1).sum()), summed * summed / float(own @ own) if summed > 0 else 0.0)


def _single_variance(seen: Observed) -> float:
    """Smoothed variance of single answers, p(1 - p) with p = (k + .5) / (n + 1) for right and wrong."""
    n = len(seen.unit)
    mean = (float(seen.means.sum()) + 0.5) / (n + 1)
    square = (float((seen.squares / seen.attempts).sum()) + 0.5) / (n + 1)
    return max(square - mean * mean, 1e-9)


def score_spread(seen: Observed, noise: Noise, *, prediction: float | None = None) -> Spread:
    """Describe the scores of a stratum.

    Args:
        prediction: mean of the bank's predictions over the whole stratum; used where the drawn samples have theirs.
    """
    use = prediction is not None and seen.predictions is not None
    return unit_spread(
        seen.means,
        seen.unit,
        noise=noise.variance / seen.attempts,
        single=noise.variance,
        noise_df=noise.df,
        smoothing=SCORES,
        helper=seen.predictions if use else None,
        helper_mean=prediction if use else None,
    )


def unit_spread(
    values: Floats,
    unit: Integers,
    *,
    noise: Floats,
    single: float,
    noise_df: float,
    smoothing: Smoothing,
    helper: Floats | None = None,
    helper_mean: float | None = None,
    bounds: tuple[float, float] = (0.0, 2.0),
) -> Spread:
    """Describe values of samples, units being drawn whole.

    A ratio estimate over units (Cochran 1977, Sampling Techniques, section 9A: clusters of unequal sizes), and with a
    helper variable the regression estimate (sections 7.1 to 7.4; Saerndal, Swensson & Wretman 1992, section 6.4) with a
    coefficient within bounds that is fitted on the drawn units.

    Args:
        noise: repeat noise of each value.
        single: repeat noise of a value with one attempt. Neither is believed beyond two standard errors above the whole
            variance of values, of which repeat noise is a part.
        helper: what is known of every sample of the stratum, for the drawn ones; `helper_mean` over all of them.
    """
    n_items = len(values)
    n = int(unit[-1]) + 1 if n_items else 0
    if n == 0:
        return Spread.nothing()
    size = n_items / n
    mean = float(values.sum()) / n_items
    residual = _by_unit(values - mean, unit, n, n_items) / size
    raw = float(residual @ residual)
    coefficient, lever, lost = 0.0, 1.0, 0
    if helper is not None and helper_mean is not None and n > 3:
        known = float(helper.sum()) / n_items
        side = _by_unit(helper - known, unit, n, n_items) / size
        power = float(side @ side)
        if power > 1e-12:
            coefficient = min(bounds[1], max(bounds[0], float(side @ residual) / power))
            lever, lost = 1 + n * (helper_mean - known) ** 2 / power, 1
            residual = residual - coefficient * side
            mean += coefficient * (helper_mean - known)
    added = _added(mean, smoothing) / size
    square, cube = float(residual @ residual), float((residual**3).sum())
    third = cube + _third(mean, smoothing) / size**2
    total = (square + added) / max(1.0, n + smoothing.weight - 1 - lost)
    total *= 1 + CAUTION * _relative_error(residual, added, n)
    raw = (raw + added) / max(1.0, n + smoothing.weight - 1)
    shown = float(noise.sum()) / n / size**2
    believed = min(1.0, max(total, raw) * (1 + 2 * sqrt(2 / max(1, n - 1))) / shown) if shown > 0 else 1.0
    return Spread(
        n=n,
        value=mean,
        total=total,
        noise=believed * shown,
        single=believed * single / size,
        raw=raw,
        third=third / (n + smoothing.weight),
        lean=cube / square if square > 1e-12 else 0.0,
        lever=lever,
        df=float(n - 1 - lost),
        noise_df=noise_df,
        coefficient=coefficient,
    )


def _relative_error(residual: Floats, added: float, n: int) -> float:
    """Standard error of a variance over itself, by the fourth moment: where k of many err, one over the root of k."""
    squares = residual * residual
    fourth, square = float(squares @ squares) + added**2, float(squares.sum()) + added
    return sqrt(max(0.0, fourth / square**2 - 1 / (n + 1)))


def _by_unit(values: Floats, unit: Integers, n: int, n_items: int) -> Floats:
    import numpy as np

    return values if n == n_items else np.bincount(unit, weights=values, minlength=n).astype(np.float64)


def _added(mean: float, smoothing: Smoothing) -> float:
    return smoothing.weight * ((smoothing.low - mean) ** 2 + (smoothing.high - mean) ** 2) / 2


def _third(mean: float, smoothing: Smoothing) -> float:
    return smoothing.weight * ((smoothing.low - mean) ** 3 + (smoothing.high - mean) ** 3) / 2
