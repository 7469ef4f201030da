"""Intervals cover what they promise, by simulation with fixed seeds; point estimates equal worked examples."""

from __future__ import annotations

import random
from itertools import product
from math import comb, exp

import pytest

from harness.stats import (
    Estimate,
    bounded_mean,
    concentration,
    convex_hull,
    cost_of_pass,
    cost_per_correct,
    cost_ratio,
    marginal_usd_per_point,
    observations_to_decide,
    paired_difference,
    pareto_front,
    pass_at_k,
    weighted_index,
)


def covers(estimate: Estimate, truth: float) -> bool:
    low = -1e9 if estimate.ci_low is None else estimate.ci_low
    high = 1e9 if estimate.ci_high is None else estimate.ci_high
    return low <= truth <= high


def repeated_scores(rng: random.Random, n_samples: int, n_epochs: int) -> list[float]:
    """Scores whose samples differ in difficulty (mean 0.7), so that repeats of one sample are alike."""
    means = []
    for _ in range(n_samples):
        p = rng.betavariate(1.4, 0.6)
        means.append(sum(rng.random() < p for _ in range(n_epochs)) / n_epochs)
    return means


def test_a_perfect_score_on_few_samples_still_has_an_interval() -> None:
    estimate = bounded_mean([1.0] * 10)
    assert estimate.value == 1.0
    assert estimate.ci_high == 1.0
    assert estimate.ci_low == pytest.approx(0.7225, abs=1e-4)  # Wilson for 10 of 10


def test_single_answers_get_wilsons_interval() -> None:
    estimate = bounded_mean([1.0] * 8 + [0.0] * 2)
    assert estimate.ci_low == pytest.approx(0.4902, abs=1e-4)
    assert estimate.ci_high == pytest.approx(0.9433, abs=1e-4)


def test_no_samples_is_no_estimate_and_not_zero() -> None:
    assert bounded_mean([]).value is None


def test_repeats_are_not_independent_samples() -> None:
    """Forty answers that are ten samples, each right four times or wrong four times, know as much as ten."""
    clustered = bounded_mean([1.0] * 7 + [0.0] * 3, n_values=40)
    assert clustered.n == 10
    assert clustered.ci_low is not None
    assert clustered.ci_low == bounded_mean([1.0] * 7 + [0.0] * 3).ci_low
    independent = bounded_mean([1.0] * 28 + [0.0] * 12)
    assert independent.ci_low is not None
    assert clustered.ci_low < independent.ci_low - 0.1


@pytest.mark.parametrize(("n_samples", "n_epochs"), [(10, 1), (10, 4), (30, 4), (30, 10), (200, 4)])
def test_the_clustered_interval_covers_the_mean(n_samples: int, n_epochs: int) -> None:
    rng = random.Random(20250611)
    trials = 800
    hits = sum(
        covers(bounded_mean(repeated_scores(rng, n_samples, n_epochs), n_values=n_samples * n_epochs), 0.7)
        for _ in range(trials)
    )
    assert 0.93 <= hits / trials <= 0.995


def test_design_weights_undo_unequal_sampling() -> None:
    easy, hard = [1.0] * 50, [0.0] * 50
    estimate = bounded_mean(easy + hard, weights=[1.0] * 50 + [9.0] * 50)
    assert estimate.value == pytest.approx(0.1)


def test_the_index_weighs_tasks_and_keeps_the_uncertainty_of_a_perfect_task() -> None:
    perfect, half = bounded_mean([1.0] * 10), bounded_mean([1.0, 0.0] * 10)
    index = weighted_index([(1.0, perfect), (3.0, half)])
    assert index.value == pytest.approx(0.625)
    assert index.ci_high is not None
    assert index.ci_low is not None
    assert half.ci_low is not None
    assert perfect.ci_low is not None
    expected = 0.625 - ((0.25 * (1 - perfect.ci_low)) ** 2 + (0.75 * (0.5 - half.ci_low)) ** 2) ** 0.5
    assert index.ci_low == pytest.approx(expected)


def test_an_index_with_an_empty_task_has_no_value() -> None:
    assert weighted_index([(0.5, bounded_mean([1.0])), (0.5, bounded_mean([]))]).value is None


def test_pass_at_k_is_unbiased() -> None:
    """Over all subsets of size k of the n answers, the share with a success is the estimate itself."""
    n, k = 6, 3
    for c in range(n + 1):
        answers = [1] * c + [0] * (n - c)
        exact = 1 - comb(n - c, k) / comb(n, k)
        subsets = [s for s in product(range(n), repeat=k) if len(set(s)) == k]
        assert exact == pytest.approx(sum(any(answers[i] for i in s) for s in subsets) / len(subsets))
        assert pass_at_k([(c, n)], k).value == pytest.approx(exact)


def test_pass_at_k_refuses_too_few_repeats() -> None:
    with pytest.raises(ValueError, match="at least 10 answers"):
        pass_at_k([(3, 9)], 5)


def test_paired_difference_covers_the_truth_for_few_samples() -> None:
    rng = random.Random(1)
    trials, hits = 800, 0
    for _ in range(trials):
        base, head = [], []
        for _ in range(20):
            difficulty = rng.random()
            base.append(float(rng.random() < difficulty))
            head.append(float(rng.random() < min(1.0, difficulty + 0.15 * (1 - difficulty))))
        hits += covers(paired_difference(base, head), 0.075)
    assert 0.93 <= hits / trials <= 0.995


def test_few_samples_without_a_difference_are_not_proof_of_equality() -> None:
    estimate = paired_difference([1.0] * 5, [1.0] * 5)
    assert estimate.value == 0
    assert estimate.ci_low is not None
    assert estimate.ci_low < -0.3


def test_pairing_refuses_unequal_lengths() -> None:
    with pytest.raises(ValueError, match="not paired"):
        paired_difference([1.0], [1.0, 0.0])


def test_samples_to_decide_shrink_with_the_distance() -> None:
    near = observations_to_decide(Estimate(value=0.02, ci_low=-0.02, ci_high=0.06, n=100), 0.0)
    far = observations_to_decide(Estimate(value=0.03, ci_low=-0.01, ci_high=0.07, n=100), 0.0)
    assert near == 300  # twice the distance per width needs four times the samples
    assert far is not None
    assert far < near
    assert observations_to_decide(Estimate(value=0.05, ci_low=0.01, ci_high=0.09, n=100), 0.0) == 0
    assert observations_to_decide(Estimate(value=0.0, ci_low=-0.01, ci_high=0.01, n=100), 0.0) is None


def heavy_costs(rng: random.Random, n: int, mean: float) -> list[float]:
    """Log-normal costs with a log standard deviation of 1."""
    return [mean * exp(rng.gauss(0.0, 1.0) - 0.5) for _ in range(n)]


@pytest.mark.parametrize("n", [50, 300])
def test_cost_per_correct_covers_the_truth_under_heavy_tails(n: int) -> None:
    rng = random.Random(7)
    trials, hits = 600, 0
    for _ in range(trials):
        scores = [float(rng.random() < 0.4) for _ in range(n)]
        hits += covers(cost_per_correct(heavy_costs(rng, n, 0.02), scores), 0.05)
    assert 0.90 <= hits / trials <= 0.99


def test_cost_per_correct_keeps_the_spend_of_failed_samples() -> None:
    assert cost_per_correct([1.0, 1.0, 2.0], [1.0, 0.0, 0.0]).value == 4.0


def test_cost_per_correct_at_zero_correct_is_undefined() -> None:
    estimate = cost_per_correct([1.0, 2.0], [0.0, 0.0])
    assert estimate.value is None
    assert estimate.ci_high is None


def test_cost_per_correct_has_no_upper_limit_when_one_answer_is_right() -> None:
    estimate = cost_per_correct([1.0, 1.1, 0.9, 1.0, 1.2], [1.0, 0.0, 0.0, 0.0, 0.0])
    assert estimate.value == pytest.approx(5.2)
    assert estimate.ci_low is not None
    assert 0 < estimate.ci_low < 5.2
    assert estimate.ci_high is None


@pytest.mark.parametrize("n", [50, 300])
def test_cost_ratio_covers_the_truth_under_heavy_tails(n: int) -> None:
    rng = random.Random(11)
    trials = 600
    hits = sum(covers(cost_ratio(heavy_costs(rng, n, 1.0), heavy_costs(rng, n, 8.0)), 8.0) for _ in range(trials))
    assert 0.90 <= hits / trials <= 0.985


def test_cost_of_pass_counts_only_problems_that_were_solved() -> None:
    estimate = cost_of_pass([1.0, 1.0, 5.0], [1.0, 0.5, 0.0])
    assert estimate.value == pytest.approx(1.5)
    assert estimate.n == 2


def test_concentration_is_the_share_of_the_dearest_percent() -> None:
    assert concentration([100.0] + [1.0] * 99) == pytest.approx(100 / 199)
    assert concentration([]) is None
    assert concentration([0.0, 0.0]) is None


def test_the_front_drops_dominated_points_and_the_hull_drops_those_a_mixture_beats() -> None:
    points = [(1.0, 0.5), (2.0, 0.55), (3.0, 0.9), (4.0, 0.8), (5.0, 0.95)]
    assert pareto_front(points) == [0, 1, 2, 4]
    assert convex_hull(points) == [0, 2, 4]


def test_a_point_that_costs_the_same_and_scores_less_is_not_on_the_front() -> None:
    assert pareto_front([(1.0, 0.5), (1.0, 0.6), (2.0, 0.6)]) == [1]


def test_a_step_whose_difference_covers_zero_is_unresolved() -> None:
    noise = Estimate(value=0.01, ci_low=-0.02, ci_high=0.04, n=100)
    real = Estimate(value=0.05, ci_low=0.02, ci_high=0.08, n=100)
    assert marginal_usd_per_point(10.0, noise).verdict == "unresolved"
    assert marginal_usd_per_point(10.0, noise).usd_per_point is None
    assert marginal_usd_per_point(10.0, real).usd_per_point == pytest.approx(2.0)
    assert marginal_usd_per_point(10.0, Estimate(value=-0.05, ci_low=-0.08, ci_high=-0.02, n=9)).verdict == "worse"
