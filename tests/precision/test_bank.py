"""Predictions from other models' answers: what they are made of, and that they never decide what is true."""

from __future__ import annotations

from random import Random

import pytest

from harness.precision import PrecisionError, Stratum, StratumState, UnitResult, bank_of, estimate, layered
from harness.precision.bank import FEWEST_IN_LAYERS, layer_numbers

ITEMS = ("a", "b", "c", "d")


def test_a_prediction_is_the_shrunk_mean_of_what_others_scored_above_their_own_mean() -> None:
    """x scores .5 on average and y .25: for a (+.5 + .75)/(2 + 1) above the middle of .375."""
    bank = bank_of({"x": {"a": 1, "b": 1, "c": 0, "d": 0}, "y": {"a": 1, "b": 0, "c": 0, "d": 0}}, ITEMS, tested="z")
    assert bank is not None
    assert bank.predictions["a"] == pytest.approx(0.375 + 1.25 / 3, abs=1e-6)
    assert bank.predictions["d"] == pytest.approx(0.375 - 0.75 / 3, abs=1e-6)
    assert bank.mean == pytest.approx(0.375, abs=1e-6)
    assert bank.models == ("x", "y")


def test_the_model_under_test_is_refused() -> None:
    with pytest.raises(PrecisionError, match="leave its rows out"):
        bank_of({"z": dict.fromkeys(ITEMS, 1.0)}, ITEMS, tested="z")


def test_models_that_know_a_part_of_the_samples_are_left_out() -> None:
    assert bank_of({"x": {"a": 1.0, "b": 0.0}}, ITEMS, tested="z") is None


def test_answers_that_do_not_differ_predict_nothing() -> None:
    assert bank_of({"x": dict.fromkeys(ITEMS, 1.0)}, ITEMS, tested="z") is None
    assert bank_of({}, ITEMS, tested="z") is None


def test_the_digest_is_that_of_the_predictions() -> None:
    scores = {"x": {"a": 1.0, "b": 0.0, "c": 0.0, "d": 1.0}}
    first, again = bank_of(scores, ITEMS, tested="z"), bank_of(scores, ITEMS, tested="other")
    changed = bank_of({"x": scores["x"] | {"b": 1.0}}, ITEMS, tested="z")
    assert first is not None
    assert again is not None
    assert changed is not None
    assert first.sha256 == again.sha256 != changed.sha256


def task_of(n: int) -> tuple[Stratum, list[str]]:
    return Stratum(task="t", n_units=n, n_items=n, weight=1.0), [f"item {k}" for k in range(n)]


def test_a_large_task_has_layers_of_like_difficulty_that_are_a_whole() -> None:
    task, items = task_of(1200)
    rng = Random(1)
    bank = bank_of({m: {i: float(rng.uniform(0, 1) < 0.5) for i in items} for m in "uvwxy"}, items, tested="z")
    assert bank is not None
    layers = layered(task, {item: (item,) for item in items}, bank)
    assert [layer.stratum.name for layer in layers] == ["hard", "middle", "easy"]
    assert sum(layer.stratum.weight for layer in layers) == pytest.approx(1)
    assert sorted(unit for layer in layers for unit in layer.units) == sorted(items)
    means = [layer.stratum.prediction or 0.0 for layer in layers]
    assert means == sorted(means)
    for layer in layers:
        assert [unit for unit in items if unit in set(layer.units)] == list(layer.units), "the draw order is kept"


def test_a_small_task_stays_whole() -> None:
    task, items = task_of(300)
    bank = bank_of({"x": {item: float(k % 2) for k, item in enumerate(items)}}, items, tested="z")
    assert bank is not None
    (layer,) = layered(task, {item: (item,) for item in items}, bank)
    assert layer.stratum.n_units == 300
    assert layer.stratum.prediction == pytest.approx(bank.mean)


def test_ties_are_not_broken_by_the_draw_order() -> None:
    """All predictions alike: what is a layer must not be the beginning of the order."""
    n = FEWEST_IN_LAYERS
    ties = [f"{Random(k).randrange(10**9):09d}" for k in range(n)]
    numbers = layer_numbers([0.5] * n, ties)
    assert [numbers.count(number) for number in (0, 1, 2)] == [n // 3] * 3
    assert 0.2 < numbers[: n // 3].count(0) / (n // 3) < 0.47


def test_a_bank_that_misleads_costs_width_and_never_coverage() -> None:
    """Random predictions beside good ones, 200 draws of 80 of 400: both cover, only the good ones are narrower."""
    n, drawn = 400, 80
    widths = {"none": 0.0, "good": 0.0, "random": 0.0}
    hits = dict.fromkeys(widths, 0)
    for seed in range(200):
        rng = Random(seed)
        chances = [rng.betavariate(0.8, 0.6) for _ in range(n)]
        truth = sum(chances) / n
        known = {"none": None, "good": chances, "random": [rng.uniform(0, 1) for _ in range(n)]}
        scores = [float(rng.uniform(0, 1) < chance) for chance in chances[:drawn]]
        for name, predictions in known.items():
            stratum = Stratum(
                task="t", n_units=n, n_items=n, weight=1.0, prediction=sum(predictions) / n if predictions else None
            )
            results = [
                UnitResult(unit=str(k), scores=((score,),), predictions=(predictions[k],) if predictions else None)
                for k, score in enumerate(scores)
            ]
            found = estimate([StratumState.of(stratum, results)])
            hits[name] += found.this_suite.low <= truth <= found.this_suite.high
            widths[name] += found.half_width / 200
    assert min(hits.values()) >= 181, hits
    assert widths["good"] < 0.9 * widths["none"]
    assert widths["random"] < 1.03 * widths["none"]


def test_predictions_of_a_prefix_are_as_uncertain_as_the_prefix_is_short() -> None:
    """Known for 100 of 1,000 units of which all 100 were drawn: the bank cannot help at all."""
    rng = Random(4)
    values = [float(rng.uniform(0, 1) < 0.5) for _ in range(100)]
    predictions = [min(1.0, max(0.0, value + rng.gauss(0, 0.3))) for value in values]
    results = [
        UnitResult(unit=str(k), scores=((value,),), predictions=(prediction,))
        for k, (value, prediction) in enumerate(zip(values, predictions, strict=True))
    ]
    plain = Stratum(task="t", n_units=1000, n_items=1000, weight=1.0)
    helped = Stratum(
        task="t", n_units=1000, n_items=1000, weight=1.0, prediction=sum(predictions) / 100, n_predicted=100
    )
    without, with_bank = (estimate([StratumState.of(s, results)]).half_width for s in (plain, helped))
    assert with_bank == pytest.approx(without, rel=0.1)
