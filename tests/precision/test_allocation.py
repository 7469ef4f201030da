"""The cheapest allocation, held to a search by hand."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.precision.allocation import Curve, allocate


def curve(**changes: object) -> Curve:
    fields = {"weight": 1.0, "between": 0.15, "noise": 0.1, "n_units": 100, "repeats": 1, "usd": 1.0} | changes
    return Curve(**fields)  # type: ignore[arg-type]


def test_the_variance_of_two_stages() -> None:
    """40 of 100 units once: (1 - .4) .15/40 + .1/40; all of them, half of them twice: .1 (50 + 50/2) / 100^2."""
    assert curve().variance((40,)) == pytest.approx(0.6 * 0.15 / 40 + 0.1 / 40)
    assert curve(repeats=2).variance((100, 50)) == pytest.approx(0.1 * 75 / 10_000)
    assert curve(repeats=3).variance((100, 100, 100)) == pytest.approx(0.1 / 300)
    assert curve(repeats=3).floor() == pytest.approx(0.1 / 300)


def test_a_single_task_asks_as_few_as_reach_the_target() -> None:
    (passes,) = allocate([curve()], 0.003)
    assert curve().variance(passes) <= 0.003 < curve().variance((passes[0] - 1,))


def test_two_tasks_share_as_neyman_says() -> None:
    """Far from the ends n is proportional to W S / sqrt(cost): .6 x .5 / 1 against .4 x .5 / 2, which is 3 to 1."""
    big = {"n_units": 10**6, "between": 0.15, "noise": 0.1}
    first, second = allocate([curve(weight=0.6, usd=1.0, **big), curve(weight=0.4, usd=4.0, **big)], 1e-5)
    assert first[0] / second[0] == pytest.approx(3.0, rel=1e-3)


def test_distinct_samples_come_before_repeats() -> None:
    (passes,) = allocate([curve(repeats=4)], 0.0009)
    assert passes[0] == 100
    assert passes[1] == 20  # .1 (100 - n/2) / 100^2 = .0009 at n = 20
    assert passes[2:] == (0, 0)


def test_what_was_drawn_is_kept_and_an_unreachable_target_takes_all() -> None:
    assert allocate([curve(passes=(70,))], 1.0) == [(70,)]
    assert allocate([curve(repeats=2)], 1e-9) == [(100, 100)]


@settings(max_examples=30, deadline=None)
@given(st.floats(0.05, 0.3), st.floats(0.01, 0.2), st.floats(0.2, 5), st.floats(0.05, 0.3), st.floats(0.05, 0.9))
def test_no_other_allocation_is_cheaper(
    between: float, noise: float, usd: float, other_between: float, reach: float
) -> None:
    """Against every pair of prefixes of two tasks of 6 and 8 units with two passes."""
    curves = [
        curve(weight=0.5, between=between, noise=noise, n_units=6, repeats=2, usd=usd),
        curve(weight=0.5, between=other_between, noise=0.1, n_units=8, repeats=2),
    ]
    least, most = (
        sum(c.variance(p) for c, p in zip(curves, ps, strict=True)) for ps in (((6, 6), (8, 8)), ((1, 0), (1, 0)))
    )
    target = least + (most - least) * reach**3
    found = allocate(curves, target)
    assert sum(c.variance(p) for c, p in zip(curves, found, strict=True)) <= target + 1e-12
    prefixes = [[(n, 0) for n in range(1, c.n_units)] + [(c.n_units, m) for m in range(c.n_units + 1)] for c in curves]
    costs = [
        sum(c.cost(p) for c, p in zip(curves, pair, strict=True))
        for pair in itertools.product(*prefixes)
        if sum(c.variance(p) for c, p in zip(curves, pair, strict=True)) <= target
    ]
    # one unit of each task may be lost to rounding up
    assert sum(c.cost(p) for c, p in zip(curves, found, strict=True)) <= min(costs) + sum(c.usd for c in curves) + 1e-9
