"""The proof's own parts: the population is the index, answers are what they say, and recorded results are read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.judged_figures import Figure
from benchmarks.precision.__main__ import figures
from benchmarks.precision.experiments import Figures, measure
from benchmarks.precision.population import answers, draw_character, draw_items, index_strata
from benchmarks.precision.procedure import knowing_all, run, seen, true_curves, wanted_variance
from benchmarks.recorded_precision import FORMATS
from harness.precision import Target, UnitResult, bank_of
from harness.precision.bank import predicted
from harness.precision.observed import observed

ROOT = Path(__file__).resolve().parents[2]


def test_the_population_has_the_counts_repeats_and_weights_of_the_index() -> None:
    strata = index_strata()
    assert [stratum.n_items for stratum in strata] == [12032, 2684, 198, 30, 500, 338, 315]
    assert [stratum.repeats for stratum in strata] == [1, 1, 5, 10, 3, 3, 3]
    assert sum(stratum.weight for stratum in strata) == pytest.approx(1)
    assert sum(stratum.n_items * stratum.repeats for stratum in strata) == 19_465


def test_columns_of_the_proof_are_those_that_results_make() -> None:
    """Forty units of a task with groups, the first twelve asked twice."""
    strata, rng = index_strata(), np.random.default_rng(3)
    suite = draw_items(rng, strata)
    task = answers(rng, strata, suite, draw_character(rng))[5]
    columns, usd = seen(task, (40, 12, 0))
    units = task.items.unit
    results = [
        UnitResult(
            unit=str(unit),
            scores=tuple(
                tuple(task.scores[: 2 if unit < 12 else 1, item].tolist()) for item in np.flatnonzero(units == unit)
            ),
        )
        for unit in range(40)
    ]
    made = observed(results)
    for ours, theirs in ((columns.unit, made.unit), (columns.attempts, made.attempts), (columns.total, made.total)):
        assert np.array_equal(ours, theirs)
    ends = task.items.ends
    assert usd == pytest.approx(task.usd[0, : ends[40]].sum() + task.usd[1, : ends[12]].sum())


def test_the_bank_of_the_proof_is_the_bank() -> None:
    table = [[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]]
    bank = bank_of(
        {"x": dict(zip("abc", table[0], strict=True)), "y": dict(zip("abc", table[1], strict=True))}, "abc", tested="z"
    )
    assert bank is not None
    assert list(bank.predictions.values()) == pytest.approx(predicted(table).tolist(), abs=1e-6)


def test_a_run_over_the_index_stops_narrow_enough_near_what_full_knowledge_pays() -> None:
    strata, rng, target = index_strata(), np.random.default_rng(11), Target(half_width=0.02)
    tasks = answers(rng, strata, draw_items(rng, strata), draw_character(rng))
    outcome = run(strata, tasks, target)
    assert outcome.final.half_width <= 0.02
    assert outcome.waves <= 12
    assert outcome.usd < 1.5 * knowing_all(true_curves(strata, tasks), wanted_variance(target))
    assert outcome == run(strata, tasks, target)


def test_a_missed_bar_is_seen() -> None:
    assert Figure("E", "covered", 0.94, at_least=0.936).held
    assert not Figure("E", "covered", 0.93, at_least=0.936).held
    assert not Figure("E", "lean", -2.1, at_least=-2.0, at_most=2.0).held
    found = Figures()
    for number in (0, 1):
        measure(2, number, found)
    made = figures(found)
    assert {figure.id for figure in made} == {"E1", "E2", "E3", "E7", "E8", "E9"}
    found.narrow.covered = [False, False]
    assert sum(figure.held for figure in figures(found)) < sum(figure.held for figure in made)


def test_recorded_results_are_replayed(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    rows = [
        {"model": "m", "task": "t", "item": str(k), "score": float(rng.random() < 0.7), "output_tokens": 100 + k % 9}
        for k in range(400)
        for _ in range(2)
    ]
    (tmp_path / "results.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    command = [sys.executable, "-m", "benchmarks.recorded_precision", "--data", str(tmp_path)]
    done = subprocess.run(
        [*command, "--precision", "4", "--orders", "40"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "met" in done.stdout
    (tmp_path / "results.jsonl").write_text('{"model": "m"}\n', encoding="utf-8")
    refused = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert "results.jsonl:1" in refused.stderr


def test_gsm8k_answers_are_read_by_their_last_number() -> None:
    row = {"id": "q", "generator": "m", "answer": "# 1,234", "output": ['{"reasoning": "3 and 5", "answer": "$1234"}']}
    assert FORMATS["zeroeval"](row).score == 1.0
    assert FORMATS["zeroeval"](row | {"answer": "# 5"}).score == 0.0
