"""Statistics of money: cost per correct answer, cost-of-pass, paired cost ratios and how concentrated a bill is.

Costs here are floats of dollars for intervals only; totals in reports are exact and come from `harness.costs`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, exp, log, sqrt
from typing import TYPE_CHECKING

from harness.stats.values import LEVEL, Estimate, t_quantile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.stats.values import Values


def cost_per_correct(costs_usd: Values, scores: Values, *, level: float = LEVEL) -> Estimate:
    """Estimate dollars per correct answer: sum of costs over sum of scores, failed samples' spend included.

    The interval is Fieller's (1954, JRSS B 16): it stays right when few answers are correct, and has no upper limit
    (`ci_high` None) when the number correct cannot be told from zero. At zero correct there is no value.

    Args:
        costs_usd: spend per sample, unscored samples included.
        scores: score per sample summed like the costs (0 for unscored samples).
        level: confidence level.
    """
    import numpy as np

    n = len(costs_usd)
    x, y = np.asarray(scores, dtype=float), np.asarray(costs_usd, dtype=float)
    if n == 0 or x.sum() <= 0:
        return Estimate(value=None, n=n)
    ratio = float(y.sum() / x.sum())
    if n < 2:
        return Estimate(value=ratio, n=n)
    low, high = _fieller(x, y, t_quantile((1 + level) / 2, n - 1))
    residual = y - ratio * x
    se = sqrt(float(residual.var(ddof=1)) / n) / float(x.mean())
    return Estimate(value=ratio, se=se, ci_low=low, ci_high=high, n=n)


def _fieller(x: NDArray[np.float64], y: NDArray[np.float64], t: float) -> tuple[float, float | None]:
    """Solve (mean_y - r mean_x)^2 <= t^2 var(mean_y - r mean_x) for r; no upper limit when it is not bounded."""
    import numpy as np

    n = len(x)
    covariance = np.cov(x, y) / n
    mean_x, mean_y = float(np.mean(x)), float(np.mean(y))
    a = mean_x**2 - t * t * float(covariance[0, 0])
    b = mean_x * mean_y - t * t * float(covariance[0, 1])
    c = mean_y**2 - t * t * float(covariance[1, 1])
    root = sqrt(max(0.0, b * b - a * c))
    if a <= 0:
        lower = c / (b + root) if b + root > 0 else 0.0
        return max(0.0, lower), None
    return max(0.0, (b - root) / a), (b + root) / a


def cost_of_pass(costs_usd: Values, scores: Values) -> Estimate:
    """Estimate cost-of-pass, the expected price of one correct answer when each problem is tried until it is right.

    Mean over problems of (cost per answer / success rate), Erol et al. 2025, arXiv 2504.13359, section 2. It is
    infinite as soon as one problem was never solved, so problems without a success are left out and `n` counts the
    solved ones: read it beside the number of samples. Both sequences hold one mean per problem.
    """
    import numpy as np

    costs, successes = np.asarray(costs_usd, dtype=float), np.asarray(scores, dtype=float)
    values = costs[successes > 0] / successes[successes > 0]
    if not len(values):
        return Estimate(value=None)
    se = sqrt(float(values.var(ddof=1)) / len(values)) if len(values) > 1 else None
    if se is None:
        return Estimate(value=float(values.mean()), n=1)
    half = t_quantile((1 + LEVEL) / 2, len(values) - 1) * se
    mean = float(values.mean())
    return Estimate(value=mean, se=se, ci_low=max(0.0, mean - half), ci_high=mean + half, n=len(values))


def cost_ratio(
    base: Sequence[float],
    head: Sequence[float],
    *,
    weights: Sequence[float] | None = None,
    level: float = LEVEL,
) -> Estimate:
    """Estimate sum(head) / sum(base) for costs (or tokens) of the same samples, in the same order.

    Linearised variance on the log scale with Student's t (Cochran 1977, Sampling Techniques, section 6.3): the interval
    is positive and, for heavy tails, less lopsided than on the plain scale. `se` is on the plain scale.

    Args:
        weights: how many samples each of them stands for; None = all alike.

    Raises:
        ValueError: the two sides have different lengths.
    """
    import numpy as np

    if len(base) != len(head):
        raise ValueError(f"not paired: {len(base)} and {len(head)} costs")
    n = len(base)
    x, y = np.asarray(base, dtype=float), np.asarray(head, dtype=float)
    if weights is not None:
        x, y = x * np.asarray(weights, dtype=float), y * np.asarray(weights, dtype=float)
    if n == 0 or x.sum() <= 0 or y.sum() <= 0:
        return Estimate(value=None, n=n)
    ratio = float(y.sum() / x.sum())
    if n < 2:
        return Estimate(value=ratio, n=n)
    linear = y / y.mean() - x / x.mean()
    se_log = sqrt(float(linear.var(ddof=1)) / n)
    half = t_quantile((1 + level) / 2, n - 1) * se_log
    return Estimate(value=ratio, se=ratio * se_log, ci_low=exp(log(ratio) - half), ci_high=exp(log(ratio) + half), n=n)


def concentration(costs_usd: Values, *, top_share: float = 0.01) -> float | None:
    """Say what share of the bill the dearest `top_share` of the answers made (at least one); None without a bill."""
    import numpy as np

    ordered: list[float] = np.sort(np.asarray(costs_usd, dtype=float))[::-1].tolist()
    total = sum(ordered)
    if not ordered or total <= 0:
        return None
    return sum(ordered[: max(1, ceil(len(ordered) * top_share))]) / total
