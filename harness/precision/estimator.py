"""The score with its two intervals, from what was drawn: *this suite* and *questions like these*.

    this suite:            sum W^2 [(1 - n/N) S^2/n + (n/N) noise/n]
    questions like these:  the same, plus sum W^2 Sb^2/N

S^2 is the variance of observed unit values, Sb^2 = S^2 - noise. The first is about the samples of the suite and the
model's own chance; the second takes them as a draw of more, and the whole suite leaves it wide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf, sqrt

from harness.precision.design import StratumState, checked
from harness.precision.spread import Spread, repeat_noise, score_spread
from harness.stats.values import t_quantile

CENTRED = 1.05
"""How much further than half of its width an interval may reach from its estimate and be written with `±`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """An interval with half of its width; `df` are the degrees of freedom of its Student's t."""

    low: float
    high: float
    df: float

    @property
    def half_width(self) -> float:
        """Half of the width. The estimate may lie beside the middle where scores are near 0 or 1."""
        return (self.high - self.low) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class PrecisionEstimate:
    """A score, or a difference of scores, and how well it is known.

    Attributes:
        value: estimate, corrected for having stopped by its own width; None = a stratum has no score.
        plain: the weighted mean (or regression estimate) of what was drawn, before that correction.
        this_suite: interval for exactly these samples, the model's own chance included.
        like_these: interval for questions of which these are a draw.
        n_units: units with a score.
        n_attempts: scored attempts.
        level: confidence level of both intervals.
    """

    value: float | None
    plain: float | None
    this_suite: Interval
    like_these: Interval
    n_units: int
    n_attempts: int
    level: float

    @property
    def half_width(self) -> float:
        """Half of the width of the interval for this suite, at which a run stops."""
        return self.this_suite.half_width

    def is_centred(self, interval: Interval) -> bool:
        """Whether `value ± half width` says where an interval lies; near 0 and 1 it may lie all on one side."""
        if self.value is None:
            return False
        reach = max(self.value - interval.low, interval.high - self.value)
        return reach <= CENTRED * interval.half_width


@dataclass(frozen=True, slots=True)
class Part:
    """A stratum's share in an estimate.

    Attributes:
        n_pilot: units that were drawn whatever they showed.
        n_helped: units for which the helper variable (a bank's prediction, another model's score) is known; None = all.
    """

    weight: float
    n_units: int
    spread: Spread
    n_helped: int | None = None
    n_pilot: int = 0

    @property
    def n_known(self) -> int:
        """Units of which at least the helper variable is known."""
        return self.n_units if self.n_helped is None else min(self.n_units, max(self.n_helped, self.spread.n))


def estimate(states: Sequence[StratumState], *, level: float = 0.95) -> PrecisionEstimate:
    """Estimate the score of the whole suite.

    Student's t with Satterthwaite's degrees of freedom (1946, Biometrics Bulletin 2(6)), moved by the skewness of the
    estimate (Johnson 1978, JASA 73), which does for one task near 0 or 1 what Wilson's interval does and vanishes for
    an index of many.
    """
    checked([state.stratum for state in states])
    return combined(
        parts(states),
        level=level,
        n_attempts=sum(state.observed.n_attempts for state in states),
        bounds=(0.0, 1.0),
    )


def estimate_by_task(states: Sequence[StratumState], *, level: float = 0.95) -> dict[str, PrecisionEstimate]:
    """Estimate the score of each task; noise is pooled over all of them, as in `estimate`."""
    checked([state.stratum for state in states])
    found: dict[str, PrecisionEstimate] = {}
    made = list(zip(states, parts(states), strict=True))
    for task in dict.fromkeys(state.stratum.task for state in states):
        own = [(state, part) for state, part in made if state.stratum.task == task]
        total = sum(part.weight for _, part in own)
        found[task] = combined(
            [replace(part, weight=part.weight / total) for _, part in own],
            level=level,
            n_attempts=sum(state.observed.n_attempts for state, _ in own),
            bounds=(0.0, 1.0),
        )
    return found


def parts(states: Sequence[StratumState]) -> list[Part]:
    """Describe the spread of each stratum, noise pooled over all of them."""
    noises = repeat_noise(
        [state.observed for state in states], [(state.stratum.task, state.stratum.weight) for state in states]
    )
    return [
        Part(
            state.stratum.weight,
            state.stratum.n_units,
            score_spread(state.observed, noise, prediction=state.stratum.prediction),
            state.stratum.n_predicted,
            state.n_pilot,
        )
        for state, noise in zip(states, noises, strict=True)
    ]


def combined(
    strata: Sequence[Part], *, level: float, n_attempts: int, bounds: tuple[float, float]
) -> PrecisionEstimate:
    """Add up strata with their weights."""
    n_units = sum(part.spread.n for part in strata)
    if any(part.spread.n == 0 for part in strata):
        unknown = Interval(low=bounds[0], high=bounds[1], df=0.0)
        return PrecisionEstimate(
            value=None,
            plain=None,
            this_suite=unknown,
            like_these=unknown,
            n_units=n_units,
            n_attempts=n_attempts,
            level=level,
        )
    value = sum(part.weight * part.spread.value for part in strata)
    here: list[tuple[float, float]] = []
    more: list[tuple[float, float]] = []
    skew, split = 0.0, [variances(part) for part in strata]
    for part, (drawn, noise) in zip(strata, split, strict=True):
        here += [(drawn, part.spread.df), (noise, part.spread.noise_df)]
        more.append((part.weight**2 * part.spread.raw_between / part.n_units, part.spread.df))
        skew += part.weight * drawn * part.spread.third / part.spread.total / part.spread.n
    clipped, corrected = (min(bounds[1], max(bounds[0], found)) for found in (value, value + _lean(strata, split)))
    return PrecisionEstimate(
        value=corrected,
        plain=clipped,
        this_suite=_interval(clipped, here, skew, level=level, bounds=bounds),
        like_these=_interval(clipped, here + more, skew, level=level, bounds=bounds),
        n_units=n_units,
        n_attempts=n_attempts,
        level=level,
    )


def _lean(strata: Sequence[Part], split: Sequence[tuple[float, float]]) -> float:
    """How far an estimate leans outwards that decided by its own spread how much was drawn, with the sign turned.

    Few errors look like little spread, so that less is asked. With n ~ W S the mean of a stratum is off by half of
    -(third moment) / (S^2 n), and by all of it where the stratum alone makes the variance at which the run stops; to
    first order, as for means of sequential samples (Siegmund 1978, Biometrika 65). What is all drawn, or was drawn
    whatever it showed, does not lean.
    """
    variance = sum(drawn + noise for drawn, noise in split)
    return sum(
        part.weight
        * (1 + drawn / variance)
        / 2
        * max(0.0, 1 - part.spread.n / part.n_units)
        * min(1.0, 2 * max(0.0, 1 - part.n_pilot / part.spread.n))
        * part.spread.lean
        / part.spread.n
        for part, (drawn, _) in zip(strata, split, strict=True)
        if variance > 0
    )


def variances(part: Part) -> tuple[float, float]:
    """Split a stratum's variance into the part of the units not drawn, and that of repeat noise.

    Two-phase where the helper variable is not known of every unit (Cochran 1977, section 12.7): what it explains is as
    uncertain as the units are few for which it is known.
    """
    spread, weight = part.spread, part.weight**2
    drawn = (1 / spread.n - 1 / part.n_known) * spread.total * spread.lever
    drawn += max(0.0, 1 / part.n_known - 1 / part.n_units) * spread.raw
    return weight * max(0.0, drawn), weight * spread.noise / max(spread.n, part.n_units)


def degrees_of_freedom(terms: Sequence[tuple[float, float]]) -> float:
    """Satterthwaite's degrees of freedom of a sum of variances, each with its own."""
    if any(variance > 0 and df <= 0 for variance, df in terms):
        return 0.0
    lost = sum(variance**2 / df for variance, df in terms if variance > 0)
    return sum(variance for variance, _ in terms) ** 2 / lost if lost > 0 else inf


def _interval(
    value: float, terms: Sequence[tuple[float, float]], skew: float, *, level: float, bounds: tuple[float, float]
) -> Interval:
    variance, df = sum(term for term, _ in terms), degrees_of_freedom(terms)
    if df <= 0:
        return Interval(low=bounds[0], high=bounds[1], df=0.0)
    t = t_quantile((1 + level) / 2, min(df, 1e6))
    half = t * sqrt(variance)
    shift = (1 + 2 * t * t) / 6 * skew / variance if variance > 0 else 0.0
    shift = max(-half, min(half, shift))
    return Interval(low=max(bounds[0], value + shift - half), high=min(bounds[1], value + shift + half), df=df)
