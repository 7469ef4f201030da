"""Totals to come: exact arithmetic, coverage of the interval, and the bound on rare events."""

from __future__ import annotations

import numpy as np
import pytest

from harness.stats.totals_to_come import FEWEST_SEEN, Stratum, share_upper_bound, total_to_come


def test_a_total_adds_each_stratums_mean_times_what_is_to_come() -> None:
    small, large = [1.0, 3.0] * 5, [100.0, 200.0, 300.0] * 4
    found = total_to_come([Stratum(seen=small, n_to_come=7), Stratum(seen=large, n_to_come=3)])
    assert found.value == 7 * 2 + 3 * 200
    # s^2 M (M/n + 1): 10/9 * 7 * (7/10 + 1) + 80,000/11 * 3 * (3/12 + 1)
    assert found.se == pytest.approx((10 / 9 * 7 * 1.7 + 80_000 / 11 * 3 * 1.25) ** 0.5)
    assert found.n == 22


def test_the_same_seed_gives_the_same_interval() -> None:
    strata = [Stratum(seen=[float(value) for value in range(1, 30)], n_to_come=40)]
    assert total_to_come(strata, seed=3) == total_to_come(strata, seed=3) != total_to_come(strata, seed=4)


def test_a_stratum_with_few_values_gives_a_total_without_an_interval_and_one_with_none_no_total() -> None:
    few = Stratum(seen=[5.0] * (FEWEST_SEEN - 1), n_to_come=2)
    assert total_to_come([few]).value == 10
    assert total_to_come([few]).ci_low is None
    assert total_to_come([few, Stratum(seen=[], n_to_come=1)]).value is None
    assert total_to_come([few, Stratum(seen=[], n_to_come=0)]).value == 10


def test_values_that_are_all_alike_have_an_interval_without_width() -> None:
    found = total_to_come([Stratum(seen=[4.0] * 9, n_to_come=3)])
    assert (found.value, found.ci_low, found.ci_high) == (12, 12, 12)


@pytest.mark.parametrize("n_to_come", [60, 1_000])
def test_nine_of_ten_totals_lie_in_their_interval_also_with_two_humps(n_to_come: int) -> None:
    random = np.random.default_rng(11)

    def lengths(n: int) -> list[float]:
        short, long = np.exp(random.normal(6.0, 0.6, n)), np.exp(random.normal(8.5, 0.5, n))
        return list(np.where(random.random(n) < 0.8, short, long))

    held = 0
    for seed in range(300):
        found = total_to_come([Stratum(seen=lengths(50), n_to_come=n_to_come)], seed=seed)
        assert found.ci_low is not None
        assert found.ci_high is not None
        held += found.ci_low <= sum(lengths(n_to_come)) <= found.ci_high
    assert 0.84 <= held / 300 <= 0.95


def test_the_bound_of_a_share_is_clopper_and_pearsons() -> None:
    assert share_upper_bound(0, 100) == pytest.approx(1 - 0.05 ** (1 / 100))  # (1 - p)^100 = 0.05
    assert share_upper_bound(1, 10) == pytest.approx(0.394163, abs=1e-6)
    assert share_upper_bound(0, 0) == share_upper_bound(5, 5) == 1.0
