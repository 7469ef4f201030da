"""Settings of one model on shared samples."""

from __future__ import annotations

from random import Random

import pytest

from harness.precision import (
    Draw,
    PairState,
    PrecisionError,
    Stratum,
    StratumState,
    Target,
    UnitResult,
    difference,
    next_ladder_wave,
    pilot,
)
from harness.precision.ladder import token_ratio

STRATUM = Stratum(task="t", n_units=3000, n_items=3000, weight=1.0)


def answers(ability: float, seed: int) -> list[float]:
    rng, own = Random(1), Random(seed)
    return [float(own.uniform(0, 1) < min(1.0, max(0.0, rng.gauss(ability, 0.5)))) for _ in range(3000)]


def state(scores: list[float], n: int, usd: float) -> StratumState:
    results = [UnitResult(unit=str(k), scores=((score,),)) for k, score in enumerate(scores[:n])]
    return StratumState.of(STRATUM, results, usd_per_attempt=usd)


def test_all_settings_are_asked_the_same_samples_until_neighbours_are_told_apart_as_wanted() -> None:
    settings = [answers(0.4, 2), answers(0.5, 3), answers(0.6, 4)]
    target = Target(half_width=0.04, kind="difference")
    draws: tuple[tuple[Draw, ...], ...] = (pilot([STRATUM], target),) * 3
    for wave in range(1, 13):
        levels = [
            [state(scores, drawn[0].n_units, usd)]
            for scores, drawn, usd in zip(settings, draws, (1.0, 2.0, 5.0), strict=True)
        ]
        more = next_ladder_wave(levels, target, wave=wave)
        if more is None:
            break
        draws = more
    else:
        pytest.fail("twelve waves did not do")
    low, middle, high = (drawn[0].n_units for drawn in draws)
    assert middle == max(low, high) < 3000
    for base, head in ((0, 1), (1, 2)):
        found = difference([PairState.nested(head=levels[head][0], base=levels[base][0])]).estimate
        assert found.half_width <= 0.04
        assert found.this_suite.low > 0


def test_a_ladder_needs_two_settings() -> None:
    with pytest.raises(PrecisionError, match="two or more"):
        next_ladder_wave([[state(answers(0.5, 2), 50, 1.0)]], Target(half_width=0.04), wave=1)


def test_tokens_of_two_settings_are_told_apart_by_their_ratio() -> None:
    ratio, interval = token_ratio([(100.0, 300.0 + k % 7) for k in range(1000)], 0.95)
    assert ratio == pytest.approx(3.03, rel=0.01)
    assert interval.low > 1


def test_tokens_that_a_setting_does_not_change_are_not_told_apart() -> None:
    rng = Random(7)
    _, interval = token_ratio([(rng.lognormvariate(6, 1), rng.lognormvariate(6, 1)) for _ in range(400)], 0.95)
    assert interval.low < 1 < interval.high


def test_unknown_tokens_are_not_made_up() -> None:
    ratio, interval = token_ratio([(0.0, 10.0)], 0.95)
    assert ratio is None
    assert interval.low < 1 < interval.high
