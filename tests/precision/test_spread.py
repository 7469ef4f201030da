"""Variances between units and within answers, with the arithmetic beside."""

from __future__ import annotations

import pytest

from harness.precision.observed import Observed, UnitResult, observed
from harness.precision.spread import CAUTION, NOISE_SHARE, SCORES, Noise, repeat_noise, score_spread, unit_spread


def single(*scores: float) -> Observed:
    return observed([UnitResult(unit=str(n), scores=((score,),)) for n, score in enumerate(scores)])


def test_proportions_are_smoothed() -> None:
    """Eight right of ten: (k + .5)/(n + 1) = 8.5/11, times the rest, times the assumed share."""
    noise = repeat_noise([single(*[1.0] * 8, 0.0, 0.0)])[0]
    assert noise.variance == pytest.approx(8.5 / 11 * 2.5 / 11 * NOISE_SHARE)


def test_twenty_right_answers_of_twenty_leave_a_variance() -> None:
    """Sum of squares 0, and half a made-up observation at 1 and half at 0: (0 + .5 (1-1)^2 + .5 (0-1)^2) / 20.

    With caution: the whole sum of squares comes from one of 21 observations.
    """
    spread = score_spread(single(*[1.0] * 20), Noise(0.01, 6))
    assert spread.total == pytest.approx(0.5 / 20 * (1 + CAUTION * (1 - 1 / 21) ** 0.5))


def test_repeats_part_noise_from_difficulty() -> None:
    """Of eight samples asked twice one disagrees: within (1 x .5) / 8 repeats, drawn to the assumed share.

    single answers: mean (7.5 + .5)/9 = 8/9, so s = 8/9 x 1/9 as squares of 0 and 1 are themselves;
    shown .5/s over 8 repeats; shared (shown + 4 x .6)/(8 + 4); own, with half a pair
    more: (shown + .25/s + 6 x shared)/(8 + 1 + 6); df 2 for the one that disagreed and 6 assumed.
    """
    pairs = [(1.0, 0.0)] + [(1.0, 1.0)] * 7
    seen = observed([UnitResult(unit=str(n), scores=(pair,)) for n, pair in enumerate(pairs)])
    s = 8 / 81
    shown = 0.5 / s
    shared = (shown + 4 * 0.6) / 12
    (noise,) = repeat_noise([seen])
    assert noise.variance == pytest.approx(s * (shown + 0.25 / s + 6 * shared) / 15 * (1 + CAUTION * (2 / 8) ** 0.5))
    assert noise.df == pytest.approx(8)


def test_a_task_without_repeats_has_the_noise_that_the_others_show() -> None:
    steady = observed([UnitResult(unit=str(n), scores=((float(n % 2),) * 2,)) for n in range(60)])
    alone = repeat_noise([single(*[1.0, 0.0] * 30)])[0]
    beside_steady = repeat_noise([single(*[1.0, 0.0] * 30), steady])[0]
    assert beside_steady.variance < 0.1 * alone.variance


def test_groups_vary_as_wholes() -> None:
    """Two groups of two, all right and all wrong: residuals of units are +1 and -1 over 2 samples each.

    ((2 x .5)/2)^2 + the same = 0.5, and the made-up observation .25 over a unit's two samples, divided by 2.
    """
    seen = observed([UnitResult(unit="a", scores=((1.0,), (1.0,))), UnitResult(unit="b", scores=((0.0,), (0.0,)))])
    spread = score_spread(seen, Noise(0.08, 6))
    caution = 1 + CAUTION * ((2 * 0.25**2 + 0.125**2) / 0.625**2 - 1 / 3) ** 0.5
    assert spread.total == pytest.approx((0.25 + 0.25 + 0.25 / 2) / 2 * caution)
    assert spread.single == pytest.approx(0.04)
    assert spread.noise == pytest.approx(0.04)


def test_groups_of_unequal_size_weigh_by_their_samples() -> None:
    seen = observed([UnitResult(unit="a", scores=((1.0,), (1.0,), (1.0,))), UnitResult(unit="b", scores=((0.0,),))])
    assert score_spread(seen, Noise(0.1, 6)).value == pytest.approx(0.75)


def test_noise_is_a_larger_part_of_what_is_left_within_layers() -> None:
    """Two layers of .1 and .9: T within each is near .09, of the whole task near .25, so noise shares nearly triple."""
    layers = [single(*[1.0] * 50, *[0.0] * 450), single(*[1.0] * 450, *[0.0] * 50)]
    apart = repeat_noise(layers)[0]
    together = repeat_noise(layers, [("one", 0.5), ("one", 0.5)])[0]
    assert together.variance > 1.3 * apart.variance


def test_a_perfect_prediction_takes_the_spread_out() -> None:
    """Four samples, predictions equal to scores: coefficient 1, and the mean moves to that of all predictions."""
    values = [0.0, 1.0, 1.0, 0.5]
    seen = observed([UnitResult(unit=str(n), scores=((v,),), predictions=(v,)) for n, v in enumerate(values)])
    spread = score_spread(seen, Noise(0.0, 6), prediction=0.5)
    assert spread.coefficient == pytest.approx(1.0)
    assert spread.value == pytest.approx(0.5)
    # the made-up observation alone, .25 at mean .5, over 4 + 1 - 1 - 1
    assert spread.total == pytest.approx(0.25 / 3 * (1 + CAUTION * (1 - 1 / 5) ** 0.5))
    assert spread.raw > spread.total


def test_a_prediction_that_points_the_wrong_way_is_not_used() -> None:
    seen = observed([UnitResult(unit=str(n), scores=((float(n % 2),),), predictions=(1.0 - n % 2,)) for n in range(10)])
    spread = score_spread(seen, Noise(0.0, 6), prediction=0.9)
    assert spread.coefficient == 0.0
    assert spread.value == pytest.approx(0.5)


def test_predictions_count_only_where_every_sample_has_one() -> None:
    results = [UnitResult(unit=str(n), scores=((1.0,),), predictions=None if n else (0.3,)) for n in range(5)]
    assert observed(results).predictions is None


def test_a_sample_without_a_score_is_left_out_and_others_keep_their_place() -> None:
    seen = observed(
        [
            UnitResult(unit="a", scores=((),)),
            UnitResult(unit="b", scores=((1.0, 0.0),)),
            UnitResult(unit="c", scores=((), (0.5,))),
        ]
    )
    assert list(seen.unit) == [0, 1]
    assert list(seen.attempts) == [2, 1]
    assert seen.n_units == 2
    assert seen.passes() == (2, 1)


def test_nothing_observed_is_no_spread() -> None:
    empty = observed([])
    spread = unit_spread(empty.total, empty.unit, noise=empty.total, single=0.1, noise_df=1, smoothing=SCORES)
    assert spread.n == 0
