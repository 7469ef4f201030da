"""The proof of forecasts measures what runs do: its pilot is theirs, and a few of its models and runs come out well."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.forecast.experiments import CEILING_PILOTS, Figures, measure, piloted
from benchmarks.forecast.whole_runs import TASKS, run_all
from benchmarks.precision.population import answers, draw_character, draw_items, index_strata


def test_a_pilot_of_the_proof_asks_every_task_and_leaves_the_rest_to_come() -> None:
    strata, rng = index_strata(), np.random.default_rng(1)
    who = draw_character(rng)
    tasks = piloted(strata, answers(rng, strata, draw_items(rng, strata), who), who, 300)
    assert min(task.n_seen for task in tasks) >= 8
    assert sum(task.n_seen for task in tasks) == pytest.approx(300, abs=5)
    assert sum(task.n_seen + task.n_to_come for task in tasks) == 19_465


def test_forecasts_of_a_few_simulated_bills_are_near_them() -> None:
    found = Figures()
    for number in range(4):
        measure(3, number, found)
    assert found.bills.within(0.25) == 1
    assert max(found.bills.shares) < 0.035
    assert not any(column.exceeded[0] for (size, _), column in found.ceilings.items() if size == max(CEILING_PILOTS))


def test_whole_runs_of_the_proof_are_piloted_forecast_and_kept(tmp_path: Path) -> None:
    found = run_all(tmp_path, 1, seed=5)
    assert (found.n_runs, found.n_pilot_first, found.n_stopped, len(found.misses)) == (1, 1, 1, 1)
    assert sum(TASKS.values()) == 400
