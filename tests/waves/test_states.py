"""What a run knows, from the ledger alone: states, estimates and the next wave, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import pytest

from harness.errors import LedgerError
from harness.ledger import Ledger
from harness.precision import Draw, estimate, next_wave
from harness.waves.designed_run import read_design
from harness.waves.states import cell_states, wave_draws
from tests.support.wave_ledgers import TaskPlan, Told, WaveRun, drawn_by_lot

INDEX = (TaskPlan(name="choice", n_items=300, weight=2.0), TaskPlan(name="sums", n_items=40, repeats=3, weight=1.0))
LOT = drawn_by_lot({"sim/a": 0.7, "sim/b": 0.4})


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    with Ledger.open(ledger_url) as opened:
        yield opened


def run_of(ledger: Ledger, **changes: object) -> WaveRun:
    values: dict[str, object] = {"run_id": "r", "models": ("sim/a", "sim/b"), "tasks": INDEX, "answers": LOT}
    return WaveRun(ledger=ledger, **{**values, **changes})  # type: ignore[arg-type]


async def test_waves_lead_to_the_precision_that_was_asked_for(ledger: Ledger) -> None:
    run = run_of(ledger)
    run.store(run.design(0.08))
    await run.to_the_end()
    for states in run.read()[1].values():
        found = estimate(states.states)
        assert found.value is not None
        assert found.half_width <= 0.08
        assert states.n_pending == 0
        assert states.n_waves > 1
        assert 0 < len(states.draws) < 300 + 3 * 40
        assert len(states.answers) == len(states.draws) == found.n_attempts
        for state in states.states:
            assert list(state.passes) == sorted(state.passes, reverse=True)
            assert 0 < state.n_pilot <= state.passes[0]


async def test_a_wave_adds_what_was_not_drawn_yet_with_its_share(ledger: Ledger) -> None:
    run = run_of(ledger, models=("sim/a",))
    run.store(run.design())
    await run.wave(wave=0)
    (states,) = run.read()[1].values()
    choice, sums = (state.passes for state in states.states)
    wanted = [Draw(stratum="choice", passes=(choice[0] + 2,)), Draw(stratum="sums", passes=(40, sums[1] + 1, 0))]
    added = wave_draws(states, wanted, wave=1)
    names = [states.cell.names[draw.planned_id] for draw in added]
    assert names[:2] == [("choice", f"choice-{choice[0]:05}", 0), ("choice", f"choice-{choice[0] + 1:05}", 0)]
    assert names[-1] == ("sums", f"sums-{sums[1]:05}", 1)
    assert {draw.wave for draw in added} == {1}
    assert added[0].inclusion_probability == (choice[0] + 2) / 300
    assert len(added) == 2 + 40 - sums[0] + 1
    with pytest.raises(LedgerError, match="cannot take back"):
        wave_draws(states, [Draw(stratum="choice", passes=(choice[0] - 1,))], wave=1)


async def test_what_is_drawn_and_not_answered_is_pending_and_counts_nowhere(ledger: Ledger) -> None:
    run = run_of(ledger, models=("sim/a",))
    run.store(run.design())
    await run.wave(wave=0)
    before = run.read()[1][run.cells["sim/a"]]
    rows = wave_draws(before, [Draw(stratum="choice", passes=(before.states[0].passes[0] + 5,))], wave=1)
    ledger.add_draws(rows)
    after = run.read()[1][run.cells["sim/a"]]
    assert after.n_pending == 5
    assert estimate(after.states) == estimate(before.states)
    assert after.states[0].passes[0] == before.states[0].passes[0] + 5
    await run.ask(run.cells["sim/a"], [row.planned_id for row in rows])
    assert run.read()[1][run.cells["sim/a"]].n_pending == 0


async def test_failures_and_cut_answers_count_as_the_report_counts_them(ledger: Ledger) -> None:
    told = {0: Told(score=None, failed=True), 1: Told(score=None, reason="truncated"), 2: Told(score=0.5)}
    run = run_of(
        ledger,
        models=("sim/a",),
        tasks=(TaskPlan(name="choice", n_items=50),),
        answers=lambda *asked: told.get(int(asked[2][-5:]), Told()),
    )
    run.store(run.design())
    await run.wave(wave=0)
    (states,) = run.read()[1].values()
    scores = [result.scores for result in states.results["choice"]]
    assert scores[:4] == [((),), ((0.0,),), ((0.5,),), ((1.0,),)]
    state = states.states[0]
    assert state.observed.n_units == state.passes[0] - 1, "an answer that never came says nothing of the model"
    assert states.n_pending == 0
    assert state.usd_per_attempt == pytest.approx(450e-6 * (state.passes[0] - 1) / state.passes[0])


async def test_groups_are_drawn_whole(ledger: Ledger) -> None:
    run = run_of(ledger, models=("sim/a",), tasks=(TaskPlan(name="steps", n_items=82, group=4, repeats=2),))
    run.store(run.design(0.2))
    await run.wave(wave=0)
    (states,) = run.read()[1].values()
    (state,) = states.states
    assert state.stratum.n_units == 21
    for result in states.results["steps"]:
        first = int(result.unit[-5:])
        assert first % 4 == 0
        assert len(result.scores) == (2 if first == 80 else 4)
        assert all(result.scores)


async def test_the_same_ledger_gives_the_same_next_wave(ledger: Ledger) -> None:
    """A run that is killed and goes on decides from the rows alone what it would have decided."""
    run = run_of(ledger)
    design = run.design(0.04)
    run.store(design)
    await run.wave(wave=0)
    decided = []
    for _ in range(2):
        again = WaveRun(ledger=ledger, run_id="r", models=run.models, tasks=INDEX, answers=LOT)
        _, states = again.read()
        assert design.target is not None
        decided.append([next_wave(found.states, design.target, wave=1) for found in states.values()])
    assert decided[0] == decided[1]


async def with_bank(ledger: Ledger, tasks: tuple[TaskPlan, ...]) -> WaveRun:
    others = {f"sim/other{number}": 0.3 + 0.1 * number for number in range(4)}
    before = run_of(ledger, run_id="before", models=tuple(others), tasks=tasks, answers=drawn_by_lot(others))
    before.store()
    await before.whole()
    run = run_of(ledger, tasks=tasks)
    run.store(run.design(0.08, bank=True))
    return run


async def test_a_bank_predicts_samples_and_is_read_again_from_a_ledger_that_has_grown(ledger: Ledger) -> None:
    run = await with_bank(ledger, INDEX)
    await run.to_the_end()
    designed, first = run.read()
    source = designed.cells[0].design.bank
    assert source is not None
    assert source.models == tuple(f"sim/other{number}" for number in range(4))
    states = first[run.cells["sim/a"]]
    assert states.states[0].stratum.prediction == pytest.approx(0.45, abs=0.1)
    assert states.states[0].observed.predictions is not None
    later = run_of(ledger, run_id="later", models=("sim/other0",), answers=drawn_by_lot({"sim/other0": 0.9}))
    later.store()
    await later.whole()
    assert {key: estimate(found.states) for key, found in run.read()[1].items()} == {
        key: estimate(found.states) for key, found in first.items()
    }


async def test_large_tasks_are_drawn_in_layers_of_difficulty(ledger: Ledger) -> None:
    run = await with_bank(ledger, (TaskPlan(name="choice", n_items=900),))
    await run.wave(wave=0)
    (states, _) = run.read()[1].values()
    assert [state.stratum.key for state in states.states] == ["choice/hard", "choice/middle", "choice/easy"]
    low, middle, high = (state.stratum.prediction or 0.0 for state in states.states)
    assert low < middle < high
    names = [result.unit for results in states.results.values() for result in results]
    assert len(names) == len(set(names))
    for layer, later in pairwise(states.cell.layers):
        assert not set(layer.units) & set(later.units)


async def test_a_bank_that_the_ledger_has_lost_is_said_to_be_lost(ledger: Ledger) -> None:
    run = await with_bank(ledger, (TaskPlan(name="choice", n_items=900),))
    await run.wave(wave=0)
    stored = ledger.run("r")
    assert stored is not None
    design = run.read()[0].design
    bank = design.cells[0].bank
    assert bank is not None
    lost = replace(
        design, cells=tuple(replace(cell, bank=replace(bank, cell_ids=bank.cell_ids[:2])) for cell in design.cells)
    )
    changed = replace(stored, config={"design": lost.to_json()})
    with pytest.raises(LedgerError, match="not those of its design"):
        read_design(ledger, changed)
    without = read_design(ledger, changed, with_banks=False)
    assert without is not None
    states = cell_states(ledger, without)[run.cells["sim/a"]]
    assert [state.passes for state in states.states] == [
        state.passes for state in run.read()[1][run.cells["sim/a"]].states
    ], "what was drawn says to which stratum it belongs"
    assert all(state.stratum.prediction is None for state in states.states)


async def test_the_model_under_test_and_models_of_another_kind_predict_nothing(ledger: Ledger) -> None:
    both = {"sim/a@low": 0.5, "real/a": 0.5}
    before = run_of(ledger, run_id="before", models=tuple(both), answers=drawn_by_lot(both))
    before.store()
    await before.whole()
    run = run_of(ledger, models=("sim/a",))
    assert run.design(bank=True).cells[0].bank is None, "its own setting, and a real model"
