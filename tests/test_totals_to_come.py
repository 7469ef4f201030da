"""Totals to come: exact arithmetic, coverage of the interval, and the bound on rare events."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from harness.stats.totals_to_come import (
    FEWEST_SEEN,
    RareEvents,
    Stratum,
    noise_share,
    rare_events_upper_bound,
    total_to_come,
)


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


def rare(n_hits: int, n_seen: int, would_add: float = 1) -> RareEvents:
    return RareEvents(n_hits=n_hits, n_seen=n_seen, would_add=would_add)


def test_the_bound_of_one_stratum_is_that_of_a_poisson_count() -> None:
    assert rare_events_upper_bound([rare(0, 100)]) == pytest.approx(-math.log(0.05) / 100)
    assert rare_events_upper_bound([rare(1, 10)]) == pytest.approx(0.474386, abs=1e-6)  # Garwood (1936): 4.74386
    assert rare_events_upper_bound([rare(0, 0, 7)]) == rare_events_upper_bound([rare(5, 5, 7)]) == 7
    assert rare_events_upper_bound([]) == rare_events_upper_bound([rare(3, 9, 0)]) == 0


def test_cut_answers_of_one_task_say_nothing_of_another_that_is_dearer() -> None:
    cheap_cut, dear_cut = [rare(6, 60, 10), rare(0, 60, 1000)], [rare(0, 60, 10), rare(6, 60, 1000)]
    pooled = 11.84 / 120 * 1010  # Poisson's bound of 6 in 120, whichever task they came from
    assert rare_events_upper_bound(cheap_cut) < pooled < rare_events_upper_bound(dear_cut)


@pytest.mark.parametrize("shares", [(0.0, 0.03), (0.03, 0.0), (0.01, 0.01)])
def test_the_bound_is_exceeded_in_at_most_one_of_twenty(shares: tuple[float, float]) -> None:
    random, truth = np.random.default_rng(5), 100 * shares[0] + 900 * shares[1]
    hits = [random.binomial(n, share, 400) for n, share in zip((200, 50), shares, strict=True)]
    bounds = [
        rare_events_upper_bound([rare(int(a), 200, 100), rare(int(b), 50, 900)]) for a, b in zip(*hits, strict=True)
    ]
    assert np.mean(np.array(bounds) < truth) <= 0.05


def test_what_is_asked_again_is_less_uncertain_than_what_is_new() -> None:
    seen = [float(value) for value in range(20)]
    new = Stratum(seen=seen, n_to_come=20, noise=0.25)
    again = Stratum(seen=seen, n_to_come=20, n_again=20, noise=0.25)
    # n = M = 20: M^2/n + M = 40, of which a quarter is noise, and items seen leave nothing between items
    assert (new.error_factor, again.error_factor) == (40, 10)
    assert Stratum(seen=seen, n_to_come=20, n_again=20).error_factor == 40  # noise not known: all of it
    assert Stratum(seen=seen, n_to_come=60, repeats=3, noise=0).error_factor == 60**2 / 20 + 60 * 3


@pytest.mark.parametrize("noise", [0.2, 0.6])
def test_repeat_noise_is_told_from_items_with_several_answers(noise: float) -> None:
    random = np.random.default_rng(2)
    items = random.normal(0, (1 - noise) ** 0.5, 400)
    answers = [[item + random.normal(0, noise**0.5) for _ in range(3)] for item in items]
    assert noise_share(answers) == pytest.approx(noise, abs=0.05)
    assert noise_share(answers[:7]) is noise_share([[1.0]] * 50) is noise_share([[1.0, 1.0]] * 50) is None


def test_nine_of_ten_totals_of_items_asked_again_lie_in_their_interval() -> None:
    random, held, narrower = np.random.default_rng(4), 0, 0
    for seed in range(200):
        items = np.exp(random.normal(6, 0.8, 60))
        first, second = (items[:, None] * np.exp(random.normal(0, 0.4, (60, 2)))).T
        third = items * np.exp(random.normal(0, 0.4, 60))
        pairs = np.stack([first, second], axis=1)
        means = list(pairs.mean(axis=1))
        wide = Stratum(seen=means, n_to_come=60, n_again=60, answers=2)
        found = total_to_come([replace(wide, noise=noise_share(pairs.tolist()))], seed=seed)
        assert found.ci_low is not None
        assert found.ci_high is not None
        assert found.se is not None
        held += found.ci_low <= third.sum() <= found.ci_high
        narrower += found.se < wide.error_factor**0.5 * float(np.std(means, ddof=1))
    assert 0.82 <= held / 200 <= 0.96
    assert narrower >= 190
