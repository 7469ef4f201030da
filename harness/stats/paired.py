"""Differences between two models or runs on the same samples; pairing removes the samples' own difficulty."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, sqrt

from harness.stats.values import LEVEL, Estimate, t_quantile


def paired_difference(base: Sequence[float], head: Sequence[float], *, level: float = LEVEL) -> Estimate:
    """Estimate mean(head - base) for scores in [0, 1] on the same samples, in the same order.

    The interval adds one difference of +1 and one of -1 before Student's t (Bonett & Price 2012, J. Educ. Behav. Stat.
    37(4), adjusted Wald for paired proportions): without them, few samples without any discordant pair would have an
    interval of width zero. The estimate itself is the plain mean.

    Raises:
        ValueError: the two sides have different lengths.
    """
    import numpy as np

    if len(base) != len(head):
        raise ValueError(f"not paired: {len(base)} and {len(head)} scores")
    n = len(base)
    if n == 0:
        return Estimate(value=None)
    difference = np.asarray(head, dtype=float) - np.asarray(base, dtype=float)
    adjusted = np.concatenate([difference, [1.0, -1.0]])
    centre = float(adjusted.mean())
    half = t_quantile((1 + level) / 2, n + 1) * sqrt(float(adjusted.var(ddof=1)) / (n + 2))
    value = float(difference.mean())
    return Estimate(
        value=value,
        se=sqrt(float(difference.var(ddof=1)) / n) if n > 1 else None,
        ci_low=max(-1.0, min(value, centre - half)),
        ci_high=min(1.0, max(value, centre + half)),
        n=n,
    )


def observations_to_decide(estimate: Estimate, threshold: float) -> int | None:
    """Say how many more samples would bring the interval's nearer limit to the threshold, if the estimate stays.

    Half the width shrinks with the square root of the number of samples. None = no number decides (the estimate sits
    on the threshold) or nothing was estimated; 0 = decided already.
    """
    value, low, high = estimate.value, estimate.ci_low, estimate.ci_high
    if value is None or low is None or high is None or estimate.n == 0:
        return None
    if not low <= threshold <= high:
        return 0
    distance = abs(value - threshold)
    if distance <= 1e-12:
        return None
    half = high - value if threshold > value else value - low
    return max(1, ceil(estimate.n * (half / distance) ** 2) - estimate.n)
