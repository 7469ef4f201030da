"""Pilot, waves and estimates: coverage in small seeded simulations, rules of order, refusals."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest

from harness.precision import (
    PrecisionError,
    PrecisionEstimate,
    Stratum,
    StratumState,
    Target,
    UnitResult,
    best_possible,
    estimate,
    estimate_by_task,
    forecast_passes,
    next_wave,
    pilot,
)

POINT = 0.01


def suite(*sizes: int, repeats: int = 1) -> tuple[Stratum, ...]:
    return tuple(
        Stratum(task=f"task {n}", n_units=size, n_items=size, repeats=repeats, weight=1 / len(sizes))
        for n, size in enumerate(sizes)
    )


class Model:
    """Answers drawn from chances between 0 and 1, the same for the same seed."""

    def __init__(self, strata: Sequence[Stratum], seed: int, *, spread: float = 1.0, ease: float = 0.5) -> None:
        rng = Random(seed)
        self.strata = strata
        self.chances = [[min(1.0, max(0.0, rng.gauss(ease, 0.5 * spread))) for _ in range(s.n_units)] for s in strata]
        self.answers = [
            [tuple(float(rng.uniform(0, 1) < chance) for _ in range(s.repeats)) for chance in chances]
            for s, chances in zip(strata, self.chances, strict=True)
        ]
        self.truth = sum(s.weight * sum(c) / len(c) for s, c in zip(strata, self.chances, strict=True))

    def state(self, place: int, passes: Sequence[int], usd: float | None = 1.0, n_pilot: int = 0) -> StratumState:
        results = [
            UnitResult(unit=str(k), scores=(answers[: sum(k < units for units in passes)],))
            for k, answers in enumerate(self.answers[place][: passes[0]])
        ]
        return StratumState.of(self.strata[place], results, usd_per_attempt=usd, n_pilot=n_pilot)

    def run(self, target: Target) -> tuple[PrecisionEstimate, int, float]:
        draws, wave = pilot(self.strata, target), 0
        first = [draw.n_units for draw in draws]
        while True:
            states = [self.state(place, draw.passes, n_pilot=first[place]) for place, draw in enumerate(draws)]
            wave += 1
            more = next_wave(states, target, wave=wave)
            if more is None:
                return estimate(states), wave, sum(sum(draw.passes) for draw in draws)
            for old, new in zip(draws, more, strict=True):
                assert all(a <= b for a, b in zip(old.passes, new.passes, strict=True))
                assert list(new.passes) == sorted(new.passes, reverse=True)
            assert more != draws
            draws = more


@pytest.mark.parametrize(
    ("sizes", "repeats", "points", "ease", "spread"),
    [
        ((1500,), 1, 3.0, 0.5, 1.0),
        ((800, 60), 3, 4.0, 0.6, 0.8),
        ((30, 200, 400), 4, 4.0, 0.4, 1.2),
        ((1200,), 1, 1.5, 1.2, 0.6),  # near the ceiling
    ],
)
def test_the_interval_covers_the_score_on_this_suite(
    sizes: tuple[int, ...], repeats: int, points: float, ease: float, spread: float
) -> None:
    """100 runs: 95 % are 95; 87 or fewer happen once in two hundred. No estimate leans, near 1 neither."""
    target, hits, errors = Target(half_width=points * POINT), 0, 0.0
    for seed in range(100):
        model = Model(suite(*sizes, repeats=repeats), seed, ease=ease, spread=spread)
        found, waves, _ = model.run(target)
        assert found.half_width <= target.half_width
        assert waves <= 12
        assert found.value is not None
        hits += found.this_suite.low <= model.truth <= found.this_suite.high
        errors += found.value - model.truth
    assert hits >= 88
    assert abs(errors / 100) < 3 * target.half_width / 1.96 / 100**0.5


def test_the_same_states_give_the_same_waves() -> None:
    model, target = Model(suite(300, 300), 1), Target(half_width=4 * POINT)
    states = [model.state(place, (40,)) for place in (0, 1)]
    assert next_wave(states, target, wave=1) == next_wave(states, target, wave=1)
    assert pilot(model.strata, target) == pilot(model.strata, target)


@pytest.mark.parametrize("points", [3, 4, 5])
def test_a_wave_asks_distinct_samples_before_repeats(points: int) -> None:
    """40 of 400 units were asked twice; whatever is planned, half of the way asks them all before it repeats more."""
    stratum = suite(400, repeats=3)[0]
    results = [UnitResult(unit=str(n), scores=((float(n % 2), float(n % 3 > 0)),)) for n in range(40)]
    more = next_wave([StratumState.of(stratum, results)], Target(half_width=points * POINT), wave=1)
    assert more is not None
    first, second, third = more[0].passes
    assert first > 150
    assert second == 40 or first == 400
    assert third == 0 or second == 400


def test_a_dear_task_is_asked_less() -> None:
    model, target = Model(suite(5000, 5000), 3), Target(half_width=2 * POINT)
    states = [model.state(0, (400,), usd=1.0), model.state(1, (400,), usd=9.0)]
    more = next_wave(states, target, wave=5)
    assert more is not None
    assert more[0].n_units > 2 * more[1].n_units


def test_a_wide_target_has_a_small_pilot_and_a_narrow_one_a_larger() -> None:
    strata = suite(12_000, 2_700, 500)
    wide, narrow = (sum(draw.n_units for draw in pilot(strata, Target(half_width=h * POINT))) for h in (3, 1))
    assert wide < narrow <= 180


def test_second_attempts_are_asked_where_much_of_a_task_will_be() -> None:
    small, large = suite(60, 100_000, repeats=3)
    draws = pilot((small, large), Target(half_width=3.5 * POINT))
    assert draws[0].passes[1] > 0
    assert draws[1].passes[1] == 0


def test_questions_like_these_stay_uncertain_when_the_suite_is_used_up() -> None:
    """Thirty samples, each asked ten times: this suite is known to its repeat noise, the population is not."""
    model = Model(suite(30, repeats=10), 5)
    found = estimate([model.state(0, (30,) * 10)])
    assert found.like_these.half_width > 2 * found.half_width
    assert found.n_attempts == 300


def test_this_suite_and_questions_like_these_agree_when_little_was_drawn() -> None:
    found = estimate([Model(suite(100_000), 5).state(0, (100,))])
    assert found.like_these.half_width == pytest.approx(found.half_width, rel=0.01)


def test_all_right_is_not_certain() -> None:
    """No error in 60: the rule of three says 95 % of the time below 3/60; the interval reaches about as far."""
    stratum = suite(10_000)[0]
    found = estimate([StratumState.of(stratum, [UnitResult(unit=str(n), scores=((1.0,),)) for n in range(60)])])
    assert found.value == 1.0
    assert found.this_suite.high == 1.0
    assert 1 - 3.9 / 60 < found.this_suite.low < 1 - 2.6 / 60


def test_one_answer_or_none_is_no_precision() -> None:
    stratum = suite(50)[0]
    none = estimate([StratumState.of(stratum)])
    assert (none.value, none.this_suite.low, none.this_suite.high) == (None, 0.0, 1.0)
    one = estimate([StratumState.of(stratum, [UnitResult(unit="a", scores=((1.0,),))])])
    assert one.half_width == 0.5


def test_scores_between_0_and_1_have_less_spread_than_right_and_wrong() -> None:
    stratum = suite(1000)[0]
    graded = [UnitResult(unit=str(n), scores=((0.4 + 0.2 * (n % 2),),)) for n in range(100)]
    binary = [UnitResult(unit=str(n), scores=((float(n % 2),),)) for n in range(100)]
    narrow, wide = (estimate([StratumState.of(stratum, results)]).half_width for results in (graded, binary))
    assert narrow < 0.3 * wide


def test_the_floor_is_the_repeat_noise_of_the_whole_suite_with_its_price() -> None:
    """Four samples in ten asked twice disagree: noise .4/2 = .2 an answer, in 200 x 2 answers."""
    stratum = suite(200, repeats=2)[0]
    pairs = [(1.0, 0.0) if n % 10 < 4 else (float(n % 2),) * 2 for n in range(200)]
    states = [
        StratumState.of(
            stratum, [UnitResult(unit=str(n), scores=(pair,)) for n, pair in enumerate(pairs)], usd_per_attempt=0.01
        )
    ]
    best = best_possible(states)
    assert best.half_width == pytest.approx(1.96 * (0.2 / 400) ** 0.5, rel=0.02)
    assert best.usd == pytest.approx(4.0)
    assert best.measured
    assert not best_possible([StratumState.of(stratum)]).measured
    assert best_possible([StratumState.of(stratum)]).usd is None


def test_everything_asked_ends_a_run_that_cannot_reach_its_target() -> None:
    model = Model(suite(20), 7)
    assert next_wave([model.state(0, (20,))], Target(half_width=0.1 * POINT), wave=3) is None


def test_answers_without_a_score_do_not_make_the_plan_stand_still() -> None:
    """Half of what was drawn came back without a score: the next wave goes on from what was drawn."""
    stratum = suite(500)[0]
    results = [UnitResult(unit=str(n), scores=((float(n % 2),) if n < 20 else (),)) for n in range(40)]
    state = StratumState.of(stratum, results, passes=(40,))
    more = next_wave([state], Target(half_width=5 * POINT), wave=1)
    assert more is not None
    assert more[0].n_units > 40


def test_free_models_are_planned_by_attempts() -> None:
    model = Model(suite(4000, 4000), 9)
    target = Target(half_width=3 * POINT)
    free, unknown, alike = (
        next_wave([model.state(place, (50,), usd=usd) for place in (0, 1)], target, wave=4) for usd in (0.0, None, 2.5)
    )
    assert free == unknown == alike


def test_a_forecast_needs_no_answers() -> None:
    strata = suite(5000, 400)
    passes = forecast_passes([StratumState.of(stratum) for stratum in strata], Target(half_width=2 * POINT))
    assert 300 < passes[0].n_units < 5000
    assert 300 < passes[1].n_units <= 400


def test_tasks_have_estimates_of_their_own() -> None:
    model = Model(suite(400, 400), 2)
    states = [model.state(place, (100,)) for place in (0, 1)]
    whole, tasks = estimate(states), estimate_by_task(states)
    assert list(tasks) == ["task 0", "task 1"]
    values = [found.plain for found in tasks.values()]
    assert None not in values
    assert whole.plain == pytest.approx(sum(value or 0.0 for value in values) / 2)
    assert all(found.half_width > whole.half_width for found in tasks.values())


@pytest.mark.parametrize("half_width", [0.0, -0.01, 0.5, float("nan")])
def test_a_precision_that_means_nothing_is_refused(half_width: float) -> None:
    with pytest.raises(PrecisionError, match="points"):
        Target(half_width=half_width)


def test_strata_must_be_a_whole() -> None:
    one = Stratum(task="a", n_units=5, n_items=5, weight=0.5)
    with pytest.raises(PrecisionError, match=r"sum to 0\.5"):
        pilot([one], Target(half_width=POINT))
    with pytest.raises(PrecisionError, match="names of their own"):
        pilot([one, one], Target(half_width=POINT))
    with pytest.raises(PrecisionError, match="at least one unit"):
        Stratum(task="a", n_units=5, n_items=4, weight=1)
