"""Means of scores between 0 and 1: over samples, over tasks of an index, and pass@k over repeats.

Repeats of one sample are averaged before they get here: a mean over `examples * n_repeats` would be too sure of itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import comb, sqrt
from typing import TYPE_CHECKING

from harness.stats.values import LEVEL, Estimate, normal_quantile, t_quantile

if TYPE_CHECKING:
    from harness.stats.values import Values


def bounded_mean(
    scores: Values,
    *,
    weights: Values | None = None,
    n_values: int | None = None,
    level: float = LEVEL,
) -> Estimate:
    """Estimate the mean of scores in [0, 1], one per sample, each the mean over that sample's repeats.

    Wilson's interval on the effective sample size p(1-p)/var, the variance clustered by sample and the size adjusted by
    (z/t)^2 for its degrees of freedom: Korn & Graubard (1998), Survey Methodology 24(2), with Wilson in place of
    Clopper-Pearson as recommended by Franco, Little, Louis & Slud (2019), J. Survey Stat. Methodol. 7(3). It has width
    at 0 % and 100 %, and for single 0/1 answers it is Wilson's interval.

    Args:
        scores: one mean score per sample.
        weights: design weights (1 / inclusion probability); None = all equal.
        n_values: scored answers behind the means (repeats included); the effective size never exceeds it.
        level: confidence level.
    """
    import numpy as np

    y = np.asarray(scores, dtype=float)
    n = len(y)
    if n == 0:
        return Estimate(value=None)
    w = np.ones(n) if weights is None else np.asarray(weights, dtype=float)
    share = w / w.sum()
    mean = min(1.0, max(0.0, float((w * y).sum() / w.sum())))
    variance = n / (n - 1) * float(((share * (y - mean)) ** 2).sum()) if n > 1 else None
    kish = 1.0 / float((share**2).sum())
    binary = bool(np.all((y == 0) | (y == 1))) and weights is None
    size = kish if binary else _effective_size(mean, variance, kish=kish, n=n, n_values=n_values or n, level=level)
    low, high = _wilson(mean, size, level)
    return Estimate(value=mean, se=None if variance is None else sqrt(variance), ci_low=low, ci_high=high, n=n)


def _effective_size(mean: float, variance: float | None, *, kish: float, n: int, n_values: int, level: float) -> float:
    """Independent 0/1 answers that would know as much; without spread, the samples themselves are all there is."""
    if variance is None or variance < 1e-18:
        return kish
    quantile = (1 + level) / 2
    adjusted = mean * (1 - mean) / variance * (normal_quantile(quantile) / t_quantile(quantile, n - 1)) ** 2
    return max(min(adjusted, float(n_values)), min(kish, 1.0))


def _wilson(mean: float, size: float, level: float) -> tuple[float, float]:
    """Wilson (1927), JASA 22, for a proportion seen in `size` independent answers."""
    z = normal_quantile((1 + level) / 2)
    centre = (mean + z * z / (2 * size)) / (1 + z * z / size)
    half = z / (1 + z * z / size) * sqrt(mean * (1 - mean) / size + z * z / (4 * size * size))
    return min(mean, max(0.0, centre - half)), max(mean, min(1.0, centre + half))


def weighted_index(tasks: Sequence[tuple[float, Estimate]]) -> Estimate:
    """Combine task means into an index with weights that are scaled to sum to one.

    The interval recovers each task's variance from its own limits (MOVER: Zou & Donner 2008, Statistics in Medicine
    27), so that a task at 0 % or 100 % still contributes its uncertainty. A task without scores leaves no index.
    """
    n = sum(estimate.n for _, estimate in tasks)
    if not _all_scored(tasks):
        return Estimate(value=None, n=n)
    total = sum(weight for weight, _ in tasks)
    value, below, above, variance = 0.0, 0.0, 0.0, 0.0
    for weight, estimate in tasks:
        share, mean = weight / total, estimate.value or 0.0
        low, high = _limits(estimate)
        value += share * mean
        below += (share * (mean - low)) ** 2
        above += (share * (high - mean)) ** 2
        variance += (share * (estimate.se or 0.0)) ** 2
    return Estimate(
        value=value,
        se=None if any(estimate.se is None for _, estimate in tasks) else sqrt(variance),
        ci_low=max(0.0, value - sqrt(below)),
        ci_high=min(1.0, value + sqrt(above)),
        n=n,
    )


def _all_scored(tasks: Sequence[tuple[float, Estimate]]) -> bool:
    return bool(tasks) and all(estimate.value is not None for _, estimate in tasks)


def _limits(estimate: Estimate) -> tuple[float, float]:
    """Limits of a score; one that is not known lies at the end of its range."""
    low, high = estimate.ci_low, estimate.ci_high
    return 0.0 if low is None else low, 1.0 if high is None else high


def pass_at_k(correct_counts: Sequence[tuple[int, int]], k: int) -> Estimate:
    """Estimate pass@k without bias: 1 - C(n-c, k) / C(n, k), averaged over samples (Chen et al. 2021, section 2.1).

    Args:
        correct_counts: per sample, correct answers and answers.
        k: attempts that a user would allow.

    Raises:
        ValueError: a sample has fewer than 2k answers, where the estimate is too noisy to print.
    """
    short = min((n for _, n in correct_counts), default=0)
    if k < 1 or (correct_counts and short < 2 * k):
        raise ValueError(f"pass@{k} needs at least {2 * k} answers per sample, the fewest here is {short}")
    return bounded_mean([1 - comb(n - c, k) / comb(n, k) for c, n in correct_counts], n_values=len(correct_counts))
