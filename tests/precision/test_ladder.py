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
    ladder_step,
    next_ladder_wave,
    pilot,
)

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
        step = ladder_step([PairState.nested(head=levels[head][0], base=levels[base][0])], [])
        assert step.score.estimate.half_width <= 0.04
        assert step.score_told_apart


def test_a_ladder_needs_two_settings() -> None:
    with pytest.raises(PrecisionError, match="two or more"):
        next_ladder_wave([[state(answers(0.5, 2), 50, 1.0)]], Target(half_width=0.04), wave=1)


def test_dollars_per_point_are_extra_cost_over_extra_score() -> None:
    """60 % against 40 % of 1,000 samples, $0.03 more an attempt: $0.03 / 20 points."""
    low, high = ([float(k % 10 < limit) for k in range(1000)] for limit in (4, 6))
    pair = PairState.nested(head=state(high, 1000, 0.05), base=state(low, 1000, 0.02))
    step = ladder_step([pair], [(100.0, 300.0 + k % 7) for k in range(1000)])
    assert step.price is not None
    assert step.price.usd_per_point == pytest.approx(0.03 / 20, rel=0.02)
    assert step.tokens_ratio == pytest.approx(3.03, rel=0.01)
    assert step.tokens_told_apart
    assert not step.no_effect


def test_a_setting_that_changes_neither_tokens_nor_score_has_no_effect() -> None:
    rng = Random(7)
    tokens = [(rng.lognormvariate(6, 1), rng.lognormvariate(6, 1)) for _ in range(400)]
    pair = PairState.nested(head=state(answers(0.5, 3), 400, 0.02), base=state(answers(0.5, 2), 400, 0.02))
    step = ladder_step([pair], tokens)
    assert step.no_effect
    assert step.tokens_interval.low < 1 < step.tokens_interval.high
    assert step.price is not None
    assert step.price.usd_per_point is None
    assert step.price.verdict == "unresolved"


def test_unknown_costs_and_tokens_are_not_made_up() -> None:
    same = StratumState.of(STRATUM, [UnitResult(unit="a", scores=((1.0,),))])
    step = ladder_step([PairState.nested(head=same, base=same)], [(0.0, 10.0)])
    assert step.price is None
    assert step.tokens_ratio is None
    assert not step.tokens_told_apart
