"""Runs in waves against whole runs and against each other: paired on what both know, honest about the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from harness.ledger import Ledger
from harness.precision import StratumState, pilot
from harness.pricing.book import PriceBook
from harness.pricing.rows import Price
from harness.reports.compare.comparison import Comparison, Thresholds, comparison_object, comparison_table
from harness.reports.compare.run_comparison import compare_models, compare_runs
from harness.reports.facts.assembly import spend_report
from harness.reports.precision.paired_draws import drawn_pair, output
from harness.reports.report_parts import report_document
from harness.usage.values import Meter
from harness.waves.bank_rows import BankReader
from harness.waves.design_record import RunDesign
from harness.waves.designed_run import designed_cell
from harness.waves.states import CellStates, wave_draws
from tests.support.wave_ledgers import TaskPlan, WaveRun, drawn_by_lot

RATES = {Meter.INPUT: Decimal(1), Meter.OUTPUT: Decimal(4)}
BOOK = PriceBook(rows=tuple(Price(provider="sim", model=name, rates=RATES, source="invented") for name in ("a", "b")))
TASKS = (TaskPlan(name="large", n_items=1200), TaskPlan(name="small", n_items=60, repeats=2))
NO_GATE = Thresholds()


def wave_run(ledger: Ledger, run_id: str, right: dict[str, float], *, seed: int = 1, length: int = 100) -> WaveRun:
    lot = drawn_by_lot(right, seed=seed, tokens=dict.fromkeys(right, length))
    return WaveRun(ledger=ledger, run_id=run_id, models=tuple(right), tasks=TASKS, answers=lot)


async def whole(run: WaveRun) -> None:
    run.store()
    await run.whole()


async def in_waves(run: WaveRun, half_width: float = 0.05, *, bank: bool = False) -> None:
    run.store(run.design(half_width, bank=bank))
    await run.to_the_end()


async def fill(ledger: Ledger) -> None:
    """`base` is whole; `same` and `worse` are in waves; `others` predict samples of `banked`."""
    await whole(wave_run(ledger, "base", {"sim/a": 0.7}))
    await in_waves(wave_run(ledger, "same", {"sim/a": 0.7}))
    await in_waves(wave_run(ledger, "wide", {"sim/a": 0.7}), 0.08)
    await in_waves(wave_run(ledger, "worse", {"sim/a": 0.5}, length=200))
    await whole(wave_run(ledger, "others", {"sim/b@1": 0.3, "sim/b@2": 0.6, "sim/b@3": 0.8}))
    await in_waves(wave_run(ledger, "banked", {"sim/a": 0.7}), bank=True)
    await in_waves(wave_run(ledger, "two", {"sim/a": 0.7, "sim/b": 0.5}))


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with Ledger.open(tmp_path_factory.mktemp("compared") / "ledger.db") as opened:
        asyncio.run(fill(opened))
        yield opened


def compared(ledger: Ledger, base: str, head: str, thresholds: Thresholds = NO_GATE) -> Comparison:
    return compare_runs(ledger, BOOK, base, head, thresholds)


@pytest.mark.parametrize(("base", "head"), [("base", "same"), ("same", "base"), ("same", "wide"), ("base", "banked")])
def test_the_same_answers_differ_by_nothing_on_either_side(ledger: Ledger, base: str, head: str) -> None:
    (row,) = compared(ledger, base, head).rows
    found = row.score_difference
    assert found.value == pytest.approx(0, abs=0.005)
    assert found.ci_low is not None
    assert found.ci_high is not None
    assert found.ci_low < 0 < found.ci_high
    assert row.cost_ratio.value == pytest.approx(1, abs=0.02), "of a sample with repeats one side may have fewer"
    told = comparison_object(compared(ledger, base, head))["rows"][0]
    assert told["design"] == "paired"
    assert told["score_difference_is_about"] == "this suite"
    assert told["n_suite_samples"] == 1260


def test_what_got_worse_and_dearer_closes_the_gate(ledger: Ledger) -> None:
    gate = Thresholds(cost_increase=0.2, score_drop=0.05)
    made = compared(ledger, "base", "worse", gate)
    assert made.verdict == "regression"
    (row,) = made.rows
    assert row.score_difference.value == pytest.approx(-0.2, abs=0.06)
    assert row.cost_verdict == row.score_verdict == "regression"
    assert row.cost_ratio.value == pytest.approx((50 + 4 * 200) / (50 + 4 * 100), rel=0.1)
    assert compared(ledger, "base", "same", gate).verdict == "pass"


def test_a_comparison_says_on_what_it_rests(ledger: Ledger) -> None:
    (row,) = compared(ledger, "base", "same").rows
    notes = " ".join(comparison_table(compared(ledger, "base", "same")).notes)
    assert f"on {row.score_difference.n:,} of 1,260 units" in notes
    assert "of questions like these the difference is" in notes
    assert f"{row.base.n_solves:,} answers before and {row.head.n_solves:,} now" in notes
    assert row.more_samples is None


def test_models_of_one_run_in_waves_are_compared_by_design(ledger: Ledger) -> None:
    made = compare_models(ledger, BOOK, ("two", "two"), ("sim/b", "sim/a"), NO_GATE)
    (row,) = made.rows
    assert row.score_difference.value == pytest.approx(0.2, abs=0.07)
    assert row.by_design is not None
    assert row.by_design.is_covered


def test_layers_of_different_predictions_are_two_estimates_and_no_pairs(ledger: Ledger) -> None:
    """Samples that one run drew for being hard say nothing of the whole when paired as if drawn alike."""
    (row,) = compared(ledger, "same", "banked").rows
    assert row.by_design is not None
    assert row.by_design.strata == ()
    found = row.score_difference
    assert found.value == pytest.approx(row.head.score.value - row.base.score.value)  # type: ignore[operator]
    assert found.ci_high is not None
    assert found.ci_high - (found.value or 0) > 0.05, "wider than either estimate"
    assert row.cost_ratio.value is None
    assert any("two estimates" in one or "without pairs" in one for one in comparison_table(
        compared(ledger, "same", "banked")).notes)  # fmt: skip


def test_hard_layers_count_by_their_size_and_not_by_how_much_of_them_was_drawn(ledger: Ledger) -> None:
    """Of a layered task the pairs of each layer stand for all of its samples."""
    base = spend_report(ledger, BOOK, ["base"]).rows[0].facts
    head = spend_report(ledger, BOOK, ["banked"]).rows[0].facts
    pair = drawn_pair(base, head)
    assert pair is not None
    assert [state.stratum.name for state in pair.strata] == ["hard", "middle", "easy", ""]
    assert sum(weight for *_, weight in pair.common) == pytest.approx(1260)
    whole_tokens = sum(tokens or 0 for task in base.tasks for tokens in task.output_tokens)
    answers = sum(sum(task.n_solves) for task in base.tasks)
    means = pair.means(output)
    assert means is not None
    assert means[0] == pytest.approx(whole_tokens / answers, rel=0.05)


def test_a_lost_bank_leaves_an_estimate_and_says_so(tmp_path: Any) -> None:
    with Ledger.open(tmp_path / "ledger.db") as opened:
        asyncio.run(whole(wave_run(opened, "base", {"sim/a": 0.7})))
        asyncio.run(whole(wave_run(opened, "others", {"sim/b@1": 0.3, "sim/b@2": 0.6})))
        run = wave_run(opened, "banked", {"sim/a": 0.7})
        design = run.design(0.06, bank=True)
        bank = design.cells[0].bank
        assert bank is not None
        forged = replace(bank, sha256=dict.fromkeys(bank.sha256, "of other answers"))
        run.store(replace(design, cells=(replace(design.cells[0], bank=forged),)))
        asyncio.run(_ask_as_designed(run, design))
        made = spend_report(opened, BOOK, ["banked"])
        told = report_document(made)["rows"][0]["precision"]
        assert told["bank_is_lost"] is True
        assert told["score"] == pytest.approx(0.7, abs=0.15)
        (row,) = compare_runs(opened, BOOK, "base", "banked", NO_GATE).rows
        assert row.score_difference.value == pytest.approx(0, abs=0.02)


async def _ask_as_designed(run: WaveRun, design: RunDesign) -> None:
    """Draw a run's first wave by the design that it was to have."""
    stored, target = run.ledger.run(run.run_id), design.target
    assert stored is not None
    assert target is not None
    (record,) = run.ledger.cells(run.run_id)
    (own,) = design.cells
    states = CellStates(
        cell=designed_cell(BankReader(run.ledger), stored, record, own, run.ledger.planned(run.run_id)),
        states=tuple(StratumState.of(stratum, passes=(0,) * stratum.repeats) for stratum in own.strata),
        results={},
        draws=(),
        answers={},
        n_pending=0,
    )
    rows = wave_draws(states, pilot(own.strata, target), wave=0)
    run.ledger.add_draws(rows)
    await run.ask(states.cell.cell_id, [row.planned_id for row in rows])
