"""Settings of one model on shared samples: what to ask of each, and how much more the next one writes.

Neighbours are compared in pairs on the same samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import exp, sqrt

from harness.precision.design import Draw, PrecisionError, StratumState, Target
from harness.precision.differences import PairState, next_difference_wave
from harness.precision.estimator import Interval
from harness.stats.values import t_quantile


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


def _padded(state: StratumState) -> tuple[int, ...]:
    return (*state.passes, *(0,) * (state.stratum.repeats - len(state.passes)))
