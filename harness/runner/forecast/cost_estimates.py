"""What one suite on one model would send and cost: the value, and how conversations are added to single requests.

Pure. Data flows estimates of a suite's tasks -> one `CostEstimate`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from harness.runner.forecast.output_forecast import OutputForecast
from harness.runner.plan import ModelPlan
from harness.runner.trajectories.expected_turns import Talks

_MICRO_USD = Decimal("0.000001")
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class CostEstimate:
    """What one suite on one model would send and cost.

    Attributes:
        n_requests: samples times epochs; retries and judges are not included.
        input_tokens: estimated with the o200k vocabulary, or from characters (then `is_rough`).
        output: forecast of what is written, and from what it is forecast.
        input_usd: the input alone; like all dollars here at the price in force now, None when unpriced.
        estimated_usd: expected.
        low_usd, high_usd: 90 % prediction interval; None when too little is known for one.
        ceiling_usd: what runaway answers should not lift the bill above; None without an output cap.
        upper_bound_usd: every request at its worst case; None when unpriced or without an output cap.
        notes: what a reader must know of it.
    """

    suite: str
    model: ModelPlan
    n_requests: int
    input_tokens: int
    is_rough: bool
    output: OutputForecast
    input_usd: Decimal | None
    estimated_usd: Decimal | None
    low_usd: Decimal | None
    high_usd: Decimal | None
    ceiling_usd: Decimal | None
    upper_bound_usd: Decimal | None
    notes: tuple[str, ...] = ()


def spread(sides: Iterable[tuple[Decimal | None, Decimal | None]]) -> Decimal | None:
    """One side of the interval of a sum of independent parts: the root of the summed squares of its parts' sides.

    Zou & Donner (2008), Statistics in Medicine 27(10): recovers the variances from the limits. None where a limit is
    not known.
    """
    total = Decimal(0)
    for more, less in sides:
        if more is None or less is None:
            return None
        total += (more - less) ** 2
    return total.sqrt().quantize(_MICRO_USD)


def nothing_single(suite: str, model: ModelPlan, *, is_rough: bool) -> CostEstimate:
    """The estimate of a suite in which nothing is asked in one request."""
    nothing = OutputForecast(expected=0, low=0, high=0, ceiling=0, sources={}, means={}, n_answers=0)
    return CostEstimate(
        suite=suite, model=model, n_requests=0, input_tokens=0, is_rough=is_rough, output=nothing, input_usd=_ZERO,
        estimated_usd=_ZERO, low_usd=_ZERO, high_usd=_ZERO, ceiling_usd=_ZERO, upper_bound_usd=_ZERO,
    )  # fmt: skip


def with_talks(single: CostEstimate, talks: Sequence[Talks], users: Sequence[str]) -> CostEstimate:
    """Add conversations to what is asked in one request each.

    Args:
        users: who plays users.
    """
    if not talks:
        return single
    output, n_samples = single.output, sum(one.n_samples for one in talks)
    usd = _sum([single.estimated_usd, *(one.usd for one in talks)])
    sides = [(single.low_usd, single.estimated_usd, single.high_usd)]
    sides += [(one.low_usd, one.usd, one.high_usd) for one in talks]
    below, above = spread((mid, low) for low, mid, _ in sides), spread((high, mid) for _, mid, high in sides)
    return replace(
        single,
        n_requests=single.n_requests + sum(one.n_requests for one in talks),
        input_tokens=single.input_tokens + sum(one.input_tokens for one in talks),
        output=replace(
            output,
            expected=output.expected + sum(one.output_tokens for one in talks),
            low=None,
            high=None,
            ceiling=None,
            sources={**output.sources, **{one.task: one.source for one in talks}},
            means={**output.means, **{one.task: one.output_tokens / one.n_samples for one in talks}},
            n_answers=output.n_answers + sum(one.n_known for one in talks),
        ),
        input_usd=None,
        estimated_usd=usd,
        low_usd=None if usd is None or below is None else usd - below,
        high_usd=None if usd is None or above is None else usd + above,
        ceiling_usd=_sum([single.ceiling_usd, *(one.ceiling_usd for one in talks)]),
        upper_bound_usd=_sum([single.upper_bound_usd, *(one.bound_usd for one in talks)]),
        notes=(f"{n_samples:,} conversations: requests, tokens and dollars are of all their turns{_played(users)}",),
    )


def _played(users: Sequence[str]) -> str:
    return f"; {' and '.join(users)} plays the user" if users else ""


def _sum(amounts: Iterable[Decimal | None]) -> Decimal | None:
    known = list(amounts)
    return None if None in known else sum((one for one in known if one is not None), _ZERO)
