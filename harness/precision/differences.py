"""The difference of two models, or runs, on the same samples: pairing takes the samples' own difficulty out.

Where one side was asked more than the other, its further samples serve as a first phase (double sampling), so that a
precision run is compared with a whole run on all that both know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.precision.allocation import Curve
from harness.precision.design import Draw, PrecisionError, Stratum, StratumState, Target, checked
from harness.precision.estimator import Part, PrecisionEstimate, combined
from harness.precision.observed import UnitResult, observed
from harness.precision.spread import (
    Noise,
    Smoothing,
    Spread,
    repeat_noise,
    score_spread,
    smoothed_differences,
    unit_spread,
)
from harness.precision.waves import next_passes, planning_prices

FEWEST_COMMON = 8
"""Common units below which a stratum's two sides are compared as if nothing were common."""

Design = Literal["paired", "unpaired"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairState:
    """What is known of a stratum from two sides whose units have the same names.

    Attributes:
        head, base: the two sides; the first `n_common` units (and their samples) of both are the same.
    """

    head: StratumState
    base: StratumState
    n_common: int

    @classmethod
    def of(
        cls,
        stratum: Stratum,
        head: Sequence[UnitResult],
        base: Sequence[UnitResult],
        *,
        usd: tuple[float | None, float | None] = (None, None),
        passes: tuple[Sequence[int] | None, Sequence[int] | None] = (None, None),
    ) -> PairState:
        """Line up results by unit name, common units first; `usd` (an attempt) and `passes` are head's and base's."""
        ours, theirs = ({result.unit: result for result in side if any(result.scores)} for side in (head, base))
        common = [unit for unit in ours if unit in theirs]
        paired = set(common)
        matched = [_matched(ours[unit], theirs[unit]) for unit in common]
        kept = [pair for pair in matched if any(pair[0].scores)]
        sides = []
        for place, side in enumerate((ours, theirs)):
            rest = [result for unit, result in side.items() if unit not in paired]
            seen = observed([*(pair[place] for pair in kept), *rest])
            drawn = passes[place]
            sides.append(
                StratumState(
                    stratum=stratum,
                    observed=seen,
                    passes=seen.passes() if drawn is None else tuple(drawn),
                    usd_per_attempt=usd[place],
                )
            )
        return cls(head=sides[0], base=sides[1], n_common=len(kept))

    @classmethod
    def nested(cls, head: StratumState, base: StratumState) -> PairState:
        """Two sides in the same draw order, each complete so far: the shorter is a part of the longer."""
        return cls(head=head, base=base, n_common=min(head.observed.n_units, base.observed.n_units))

    @property
    def stratum(self) -> Stratum:
        """The stratum of both sides."""
        return self.head.stratum


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferenceEstimate:
    """Head minus base.

    Attributes:
        estimate: the difference with its two intervals; `n_units` are common units, `n_attempts` those of both sides.
        design: "paired", or "unpaired" where a stratum had too few common units.
    """

    estimate: PrecisionEstimate
    design: Design


def difference(pairs: Sequence[PairState], *, level: float = 0.95) -> DifferenceEstimate:
    """Estimate the difference of two scores on this suite, and on questions like these.

    Per stratum mean(head - base) over common units with a made-up +1 and a made-up -1 (Bonett & Price 2012), improved
    by what one side knows of further units: two-phase regression (Cochran 1977, section 12.7).
    """
    checked([pair.stratum for pair in pairs])
    made = _parts(pairs)
    attempts = sum(side.observed.n_attempts for pair in pairs for side in (pair.head, pair.base))
    return DifferenceEstimate(
        estimate=combined([part for part, _ in made], level=level, n_attempts=attempts, bounds=(-1.0, 1.0)),
        design="paired" if all(paired for _, paired in made) else "unpaired",
    )


def next_difference_wave(
    pairs: Sequence[PairState], target: Target, *, wave: int, asks_base: bool
) -> tuple[Draw, ...] | None:
    """Say what to ask next for a difference as narrow as wanted; None = reached, or nothing is left to ask.

    Both sides must have been asked in the same draw order. The draws are for head; with `asks_base` base is asked the
    same, without it base is a finished run.
    """
    now = difference(pairs, level=target.level).estimate
    keys = [pair.stratum.key for pair in pairs]
    return next_passes(keys, difference_curves(pairs, asks_base=asks_base), now, target, wave=wave)


def difference_curves(pairs: Sequence[PairState], *, asks_base: bool) -> list[Curve]:
    """What asking more common units would remove from the variance of the difference, and what that costs."""
    head_usd = planning_prices([pair.head.usd_per_attempt for pair in pairs])
    base_usd = planning_prices([pair.base.usd_per_attempt for pair in pairs])
    usd = [ours + theirs if asks_base else ours for ours, theirs in zip(head_usd, base_usd, strict=True)]
    return [
        _both_asked(pair, part, price) if asks_base else _head_asked(pair, part, price, noise)
        for pair, (part, _), price, noise in zip(pairs, _parts(pairs), usd, _noises(pairs), strict=True)
    ]


def _both_asked(pair: PairState, part: Part, usd: float) -> Curve:
    return Curve(
        weight=part.weight,
        between=part.spread.between,
        noise=part.spread.single,
        n_units=part.n_units,
        repeats=pair.stratum.repeats,
        usd=usd * pair.stratum.unit_items,
        passes=tuple(min(both) for both in zip(pair.head.passes, pair.base.passes, strict=False)),
    )


def _head_asked(pair: PairState, part: Part, usd: float, noises: tuple[Noise, Noise]) -> Curve:
    """Base's repeat noise stays: for units still to come it is a part of what differs between them."""
    head, base = noises
    believed = part.spread.single * pair.stratum.unit_items / (head.variance + base.variance)
    kept = believed * _kept_noise(pair, base)
    unknown = (1 / part.n_known - 1 / part.n_units) * (part.spread.raw - part.spread.total)
    return Curve(
        weight=part.weight,
        between=max(0.0, part.spread.total - part.spread.noise + kept),
        noise=believed * head.variance / pair.stratum.unit_items,
        n_units=part.n_units,
        repeats=pair.stratum.repeats,
        usd=usd * pair.stratum.unit_items,
        passes=pair.head.passes,
        fixed=part.weight**2 * (kept / part.n_units + max(0.0, unknown)),
    )


def _kept_noise(pair: PairState, noise: Noise) -> float:
    """Repeat noise of a unit on a side that is not asked again."""
    seen = pair.base.observed
    return float((noise.variance / seen.attempts).mean()) / pair.stratum.unit_items if seen.n_units else 0.0


def _noises(pairs: Sequence[PairState]) -> list[tuple[Noise, Noise]]:
    tasks = [(pair.stratum.task, pair.stratum.weight) for pair in pairs]
    head = repeat_noise([pair.head.observed for pair in pairs], tasks)
    base = repeat_noise([pair.base.observed for pair in pairs], tasks)
    return list(zip(head, base, strict=True))


def _parts(pairs: Sequence[PairState]) -> list[tuple[Part, bool]]:
    found, smoothing = [], smoothed_differences(len(pairs))
    for pair, (head, base) in zip(pairs, _noises(pairs), strict=True):
        fewer = min(pair.head.observed.n_units, pair.base.observed.n_units)
        paired = pair.n_common >= min(FEWEST_COMMON, fewer) > 0
        found.append((_paired(pair, head, base, smoothing) if paired else _unpaired(pair, head, base), paired))
    return found


def _paired(pair: PairState, head: Noise, base: Noise, smoothing: Smoothing) -> Part:
    ours, theirs = pair.head.observed.first(pair.n_common), pair.base.observed.first(pair.n_common)
    longer, helper, bounds = pair.base.observed, theirs, (-1.0, 0.5)
    if pair.head.observed.n_units > longer.n_units:
        longer, helper, bounds = pair.head.observed, ours, (-0.5, 1.0)
    extra = longer.n_units > pair.n_common
    spread = unit_spread(
        ours.means - theirs.means,
        ours.unit,
        noise=head.variance / ours.attempts + base.variance / theirs.attempts,
        single=head.variance + base.variance,
        noise_df=min(head.df, base.df),
        smoothing=smoothing,
        helper=helper.means if extra else None,
        helper_mean=float(longer.means.mean()) if extra else None,
        bounds=bounds,
    )
    return Part(pair.stratum.weight, pair.stratum.n_units, spread, longer.n_units if extra else None)


def _unpaired(pair: PairState, head: Noise, base: Noise) -> Part:
    """Two independent draws: variances add up, each with what its side has not drawn."""
    ours, theirs = score_spread(pair.head.observed, head), score_spread(pair.base.observed, base)
    if not ours.n or not theirs.n:
        return Part(pair.stratum.weight, pair.stratum.n_units, Spread.nothing())
    n, size = min(ours.n, theirs.n), pair.stratum.n_units

    def scaled(spread: Spread, variance: float) -> float:
        """A variance as if it came from the smaller side's number of units."""
        left, smaller = 1 / spread.n - 1 / size, 1 / n - 1 / size
        return variance * left / smaller if smaller > 0 else variance

    spread = Spread(
        n=n,
        value=ours.value - theirs.value,
        total=scaled(ours, ours.total) + scaled(theirs, theirs.total),
        noise=ours.noise + theirs.noise,
        single=ours.single + theirs.single,
        raw=ours.raw_between + theirs.raw_between + ours.noise + theirs.noise,
        df=min(ours.df, theirs.df),
        noise_df=min(ours.noise_df, theirs.noise_df),
    )
    return Part(pair.stratum.weight, size, spread)


def _matched(head: UnitResult, base: UnitResult) -> tuple[UnitResult, UnitResult]:
    """Keep the samples of a unit that both sides have scores of."""
    if len(head.scores) != len(base.scores):
        raise PrecisionError(
            f"unit {head.unit} has {len(head.scores)} samples on one side and {len(base.scores)} on the other: the two "
            "runs asked different data"
        )
    both = [(a, b) for a, b in zip(head.scores, base.scores, strict=True) if a and b]
    return (
        UnitResult(unit=head.unit, scores=tuple(a for a, _ in both)),
        UnitResult(unit=base.unit, scores=tuple(b for _, b in both)),
    )
