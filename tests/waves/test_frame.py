"""Units and strata are the same for who plans and who reads, with the weights of the score that reports show."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.errors import InputError
from harness.ledger import PlannedRecord, SuiteRecord, TaskRecord
from harness.waves.frame import divided, score_weights, task_frames


def planned(task: str, n: int, *, epochs: int = 1, first: int = 0) -> list[PlannedRecord]:
    return [
        PlannedRecord(
            suite="s",
            task=task,
            sample_id=f"{task}{number}",
            epoch=epoch,
            draw_order=first + epoch * n + number,
            inclusion_probability=1.0,
            sample_sha256="x",
        )
        for epoch in range(epochs)
        for number in range(n)
    ]


def suite(**weights: float | None) -> SuiteRecord:
    tasks = tuple(TaskRecord(name=n, revision="r", samples_sha256="d", weight=w) for n, w in weights.items())
    return SuiteRecord(name="s", version="1", sha256="2", tasks=tasks)


def test_samples_are_units_in_draw_order_whatever_order_they_were_stored_in() -> None:
    rows = planned("a", 3, epochs=2)
    (frame,) = task_frames([*reversed(rows), replace(rows[0], suite="other", sample_id="z")], "s", {})
    assert list(frame.units) == ["a0", "a1", "a2"]
    assert (frame.repeats, frame.n_items) == (2, 3)


def test_groups_are_drawn_whole_and_named_after_their_first_sample() -> None:
    (frame,) = task_frames(planned("a", 5), "s", {"a": (2, 3)})
    assert frame.units == {"a0": ("a0", "a1"), "a2": ("a2", "a3", "a4")}
    assert frame.unit_of["a3"] == "a2"
    (layer,) = divided([frame], suite(a=None))
    assert (layer.stratum.n_units, layer.stratum.n_items) == (2, 5)


def test_units_that_do_not_fit_the_plan_are_refused() -> None:
    with pytest.raises(InputError, match="hold 4 samples, and 5 are planned"):
        task_frames(planned("a", 5), "s", {"a": (2, 2)})


def test_an_index_is_weighed_and_another_suite_counts_samples_alike() -> None:
    frames = task_frames([*planned("a", 30), *planned("b", 10, first=30)], "s", {})
    assert score_weights(frames, suite(a=1.0, b=3.0)) == {"a": 0.25, "b": 0.75}
    assert score_weights(frames, suite(a=None, b=None)) == {"a": 0.75, "b": 0.25}
