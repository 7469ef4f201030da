"""Paired differences, between runs that asked as much and runs that did not."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest

from harness.precision import (
    PairState,
    PrecisionError,
    Stratum,
    StratumState,
    Target,
    UnitResult,
    difference,
    estimate,
    next_difference_wave,
    pilot,
)

N = 600
STRATUM = Stratum(task="t", n_units=N, n_items=N, repeats=2, weight=1.0)


def results(scores: Sequence[Sequence[float]], start: int = 0) -> list[UnitResult]:
    return [UnitResult(unit=f"unit {start + k}", scores=(tuple(own),)) for k, own in enumerate(scores)]


def two_models(seed: int) -> tuple[list[list[float]], list[list[float]], float]:
    """Two models that find the same samples hard, the first a little better; and the difference of their chances."""
    rng = Random(seed)
    answers: tuple[list[list[float]], list[list[float]]] = ([], [])
    truth = 0.0
    for _ in range(N):
        base = rng.betavariate(0.6, 0.5)
        head = min(1.0, max(0.0, base + rng.gauss(0.05, 0.1)))
        truth += (head - base) / N
        for side, chance in zip(answers, (head, base), strict=True):
            side.append([float(rng.uniform(0, 1) < chance) for _ in range(2)])
    return *answers, truth


def test_a_difference_on_the_same_samples_is_the_mean_difference() -> None:
    """+1, 0, 0, -1, +1 on five units that both have, one unit each that only one has: (1 + 0 + 0 - 1 + 1)/5."""
    small = Stratum(task="t", n_units=50, n_items=50, weight=1.0)
    head, base = [[1.0], [1.0], [0.0], [0.0], [1.0]], [[0.0], [1.0], [0.0], [1.0], [0.0]]
    pair = PairState.of(small, results(head), results(base))
    found = difference([pair])
    assert found.estimate.plain == pytest.approx(0.2)
    assert found.design == "paired"
    assert (pair.head.observed.n_units, pair.base.observed.n_units, pair.n_common) == (5, 5, 5)


def test_runs_in_another_order_are_lined_up_by_name() -> None:
    head, base, _ = two_models(1)
    straight = difference([PairState.of(STRATUM, results(head[:60]), results(base[:60]))])
    turned = difference([PairState.of(STRATUM, results(head[:60]), results(base[:60])[::-1])])
    assert straight == turned


def test_other_data_under_the_same_name_is_refused() -> None:
    head = [UnitResult(unit="a", scores=((1.0,), (0.0,)))]
    with pytest.raises(PrecisionError, match="different data"):
        PairState.of(STRATUM, head, [UnitResult(unit="a", scores=((1.0,),))])


@pytest.mark.parametrize(("n_head", "n_base"), [(150, 150), (150, N), (N, 150), (150, 300)])
def test_the_interval_covers_the_difference(n_head: int, n_base: int) -> None:
    """80 pairs of models: 95 % are 76; 68 or fewer happen once in three hundred."""
    hits, errors = 0, 0.0
    for seed in range(80):
        head, base, truth = two_models(seed)
        found = difference([PairState.of(STRATUM, results(head[:n_head]), results(base[:n_base]))]).estimate
        assert found.value is not None
        hits += found.this_suite.low <= truth <= found.this_suite.high
        errors += (found.value - truth) / 80
    assert hits >= 69
    assert abs(errors) < 0.01


def test_pairing_is_narrower_than_two_scores_and_a_whole_base_narrower_still() -> None:
    head, base, _ = two_models(3)
    paired = difference([PairState.of(STRATUM, results(head[:150]), results(base[:150]))]).estimate
    whole = difference([PairState.of(STRATUM, results(head[:150]), results(base))]).estimate
    alone = [estimate([StratumState.of(STRATUM, results(side[:150]))]) for side in (head, base)]
    unpaired = sum(found.half_width**2 for found in alone) ** 0.5
    assert paired.half_width < 0.85 * unpaired
    assert whole.half_width < paired.half_width


def test_without_common_samples_two_scores_are_compared_and_it_is_said() -> None:
    head, base, _ = two_models(3)
    pair = PairState.of(STRATUM, results(head[:150]), results(base[150:400], start=150))
    found = difference([pair])
    assert found.design == "unpaired"
    assert pair.head.observed.n_units - pair.n_common == 150
    alone = estimate([StratumState.of(STRATUM, results(head[:150]))])
    assert found.estimate.half_width > alone.half_width


def test_models_without_a_discordant_sample_are_not_known_to_be_equal() -> None:
    """60 samples, no discordant one: a made-up +1 and -1 leave 1.96 sqrt(2/61/60), about 4.6 points."""
    ones = [[1.0]] * 60
    large = Stratum(task="t", n_units=100_000, n_items=100_000, weight=1.0)
    found = difference([PairState.of(large, results(ones), results(ones))]).estimate
    assert found.value == 0.0
    assert 0.044 < found.half_width < 0.055


@pytest.mark.parametrize("asks_base", [True, False])
def test_a_wanted_difference_is_reached_by_asking_both_or_one(asks_base: bool) -> None:
    head, base, _ = two_models(5)
    target = Target(half_width=0.06, kind="difference")
    (draw,) = pilot([STRATUM], target)
    for wave in range(1, 13):
        asked = [
            [own[: sum(k < units for units in draw.passes)] for k, own in enumerate(head[: draw.n_units])],
            [own[: sum(k < units for units in draw.passes)] for k, own in enumerate(base[: draw.n_units])],
        ]
        pair = PairState.of(STRATUM, results(asked[0]), results(asked[1] if asks_base else base), usd=(1.0, 1.0))
        more = next_difference_wave([pair], target, wave=wave, asks_base=asks_base)
        if more is None:
            break
        assert more[0].n_units >= draw.n_units
        (draw,) = more
    else:
        pytest.fail("twelve waves did not do")
    assert difference([pair]).estimate.half_width <= 0.06
    assert draw.n_units < N
