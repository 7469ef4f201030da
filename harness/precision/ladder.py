"""Settings of one model on shared samples: what to ask of each, and what a step from one to the next brings and costs.

Neighbours are compared in pairs on the same samples. A setting that changes neither tokens nor score has no effect that
these samples show; providers ignore settings in silence, so this is said and not guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import exp, sqrt

from harness.precision.design import Draw, PrecisionError, StratumState, Target
from harness.precision.differences import DifferenceEstimate, PairState, difference, next_difference_wave
from harness.precision.estimator import Interval
from harness.stats.frontier import Step, marginal_usd_per_point
from harness.stats.values import Estimate, t_quantile


def next_ladder_wave(
    levels: Sequence[Sequence[StratumState]], target: Target, *, wave: int
) -> tuple[tuple[Draw, ...], ...] | None:
    """Say what to ask of each setting so that every neighbour's difference becomes as narrow as wanted.

    Args:
        levels: the states of each setting's strata, in the order of the ladder, all in the same draw order.

    Returns:
        Draws for each setting; None = every difference is narrow enough, or nothing is left to ask.
    """
    if len(levels) < 2:
        raise PrecisionError(f"a ladder of {len(levels)} setting: wanted two or more")
    goals = [[_padded(state) for state in states] for states in levels]
    moved = False
    for place, (base, head) in enumerate(pairwise(levels)):
        pairs = [PairState.nested(head=ours, base=theirs) for ours, theirs in zip(head, base, strict=True)]
        draws = next_difference_wave(pairs, target, wave=wave, asks_base=True)
        for side in (place, place + 1) if draws is not None else ():
            goals[side] = [
                tuple(map(max, passes, draw.passes)) for passes, draw in zip(goals[side], draws or (), strict=True)
            ]
        moved = moved or draws is not None
    if not moved:
        return None
    return tuple(
        tuple(Draw(stratum=state.stratum.key, passes=passes) for state, passes in zip(states, goal, strict=True))
        for states, goal in zip(levels, goals, strict=True)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderStep:
    """From one setting to the next.

    Attributes:
        score: difference of the scores, head minus base, on common samples.
        tokens_ratio: geometric mean of head's output tokens over base's on common samples, with its interval.
        price: what an attempt costs more as a mean over the suite's samples, for each point of score; None = a cost is
            not known. Without a quotient where the score's interval covers zero.
    """

    score: DifferenceEstimate
    tokens_ratio: float | None
    tokens_interval: Interval
    price: Step | None

    @property
    def tokens_told_apart(self) -> bool:
        """Whether the two settings differ in tokens beyond noise."""
        return not self.tokens_interval.low <= 1 <= self.tokens_interval.high

    @property
    def score_told_apart(self) -> bool:
        """Whether the two settings differ in score beyond noise."""
        found = self.score.estimate.this_suite
        return not found.low <= 0 <= found.high

    @property
    def no_effect(self) -> bool:
        """Whether the setting changed neither tokens nor score as far as these samples show."""
        return not self.tokens_told_apart and not self.score_told_apart


def ladder_step(
    pairs: Sequence[PairState], tokens: Sequence[tuple[float, float]], *, level: float = 0.95
) -> LadderStep:
    """Compare two neighbouring settings.

    Args:
        pairs: strata of both, head being the higher setting.
        tokens: per common sample the mean output tokens of base and of head; answers without tokens are left out.
    """
    score = difference(pairs, level=level)
    ratio, interval = token_ratio(tokens, level)
    more = _usd_more(pairs)
    found = score.estimate
    shown = Estimate(value=found.value, ci_low=found.this_suite.low, ci_high=found.this_suite.high, n=found.n_units)
    return LadderStep(
        score=score,
        tokens_ratio=ratio,
        tokens_interval=interval,
        price=None if more is None else marginal_usd_per_point(more, shown),
    )


def token_ratio(tokens: Sequence[tuple[float, float]], level: float) -> tuple[float | None, Interval]:
    """Estimate the typical ratio of two settings' output tokens, and its interval.

    Student's t on paired logarithms: lengths have heavy tails, their logarithms hardly.

    Args:
        tokens: per common sample the mean output tokens of base and of head; answers without tokens are left out.

    Returns:
        The geometric mean of head over base, None for fewer than two samples; the interval is endless then, with
        `df` 0.
    """
    import numpy as np

    both = np.array([pair for pair in tokens if min(pair) > 0], dtype=float).reshape(-1, 2)
    n = len(both)
    if n < 2:
        return None, Interval(low=0.0, high=float("inf"), df=0.0)
    logs = np.log(both[:, 1]) - np.log(both[:, 0])
    half = t_quantile((1 + level) / 2, n - 1) * sqrt(float(logs.var(ddof=1)) / n)
    centre = float(logs.mean())
    return exp(centre), Interval(low=exp(centre - half), high=exp(centre + half), df=float(n - 1))


def _usd_more(pairs: Sequence[PairState]) -> float | None:
    total = 0.0
    for pair in pairs:
        head, base = pair.head.usd_per_attempt, pair.base.usd_per_attempt
        if head is None or base is None:
            return None
        total += pair.stratum.n_items * (head - base)
    return total / sum(pair.stratum.n_items for pair in pairs)


def _padded(state: StratumState) -> tuple[int, ...]:
    return (*state.passes, *(0,) * (state.stratum.repeats - len(state.passes)))
