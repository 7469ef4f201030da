"""The value that every statistic returns, and the two quantiles that every interval needs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Values: TypeAlias = Sequence[float] | NDArray[np.float64]

LEVEL = 0.95
"""Confidence level of every interval in a report."""
QUANTILES = "scipy.special"
"""The library that quantiles come from, loaded when the first is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A number with its uncertainty.

    Attributes:
        value: the estimate; None = it does not exist (no observations, zero correct).
        se: standard error; None = not known.
        ci_low, ci_high: interval at `LEVEL`; None = no bound on that side.
        n: observations (samples, not repeats) that it rests on.
    """

    value: float | None
    se: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    n: int = 0


def known_sum(amounts: Iterable[float | None]) -> float | None:
    """Add amounts up; None where one is not known."""
    listed = list(amounts)
    known = [amount for amount in listed if amount is not None]
    return sum(known) if len(known) == len(listed) else None


def t_quantile(probability: float, degrees: float) -> float:
    """Return the quantile of Student's t distribution."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, probability))


def normal_quantile(probability: float) -> float:
    """Return the quantile of the standard normal distribution."""
    from scipy.special import ndtri

    return float(ndtri(probability))
