"""Runs that ask until a score is known well enough: simulated models, real ledger, planner and estimator."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from harness.errors import BudgetReached, InputError, NoMoreWaves
from harness.ledger import Ledger
from harness.ledger.reading.attempt_rows import attempt_rows
from harness.models import parse_model
from harness.precision import estimate
from harness.pricing.price_files import load_price_book
from harness.runner import RunSpec, run_suites
from harness.runner.precision.outlook import Outlook
from harness.waves.design_record import design_of
from tests.support.batch_traits import OPENAI, WAITS, address, run_on_thread
from tests.support.loopback_batches import Batches
from tests.support.runs import Watcher, chain_suite, number_suite, observing, run, suite_file

REASONER, DIRECT = "sim/reasoner", "sim/direct"
JUDGED = ', options = { prompt = "Hm: {question} {reference} {reply}" }'
"""A judge is asked, and never says a verdict."""


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db") as opened:
        yield opened


def drawn(ledger: Ledger, run_id: str = "run-1") -> list[tuple[int, int, str, int]]:
    """What was drawn: planned sample, wave, stratum and place."""
    return sorted((one.planned_id, one.wave, one.stratum, one.draw_order) for one in ledger.draws(run_id))


def half_widths(ledger: Ledger, run_id: str = "run-1") -> list[float]:
    return [estimate(one.states).half_width for one in Outlook.of(ledger, run_id).states.values()]


def test_a_run_stops_when_its_score_is_known_well_enough(ledger: Ledger, tmp_path: Path) -> None:
    watcher = Watcher()
    result = run(number_suite(tmp_path, 900), [REASONER], ledger, watcher=watcher, precision=0.04)
    assert (result.status, result.exit_code, result.resume_command) == ("complete", 0, None)
    assert half_widths(ledger)[0] <= 0.04
    assert watcher.sent == len(ledger.draws("run-1")) == result.models[0].n_samples < 600
    assert {one.planned_id for one in ledger.draws("run-1")} == {row.planned_id for row in attempt_rows(ledger)}
    assert "±4 reached" in result.notes[-1]
    assert watcher.planned[parse_model(REASONER)] == watcher.sent


def test_the_plan_is_told_before_anything_is_sent(ledger: Ledger, tmp_path: Path) -> None:
    watcher = Watcher()
    run(number_suite(tmp_path, 900), [REASONER], ledger, watcher=watcher, precision=0.04)
    (task,) = watcher.expected
    assert watcher.sent_when_expected == 0
    assert (task.n_all_items, task.n_all_attempts) == (900, 900)
    assert 100 < task.n_items < 900
    assert task.usd is not None
    assert task.whole_usd is not None
    assert task.usd / task.whole_usd == pytest.approx(task.n_items / 900)


def test_a_stopped_run_goes_on_with_the_waves_of_one_that_was_not(ledger: Ledger, tmp_path: Path) -> None:
    suite = number_suite(tmp_path, 900, epochs=2)
    with Ledger.open(tmp_path / "other.db") as other:
        whole = run(suite, [REASONER], other, precision=0.04)
        wanted, wanted_notes = drawn(other), whole.notes
    sent = 0
    for budget in ("0.5", "2", "5", "100"):
        watcher = Watcher()
        result = run(suite, [REASONER], ledger, watcher=watcher, precision=0.04, budget_usd=Decimal(budget))
        sent += watcher.sent
        if budget != "100":
            assert (result.exit_code, result.status) == (3, "partial")
            assert "a budget ended it first" in result.notes[-1]
    assert (result.exit_code, result.status) == (0, "complete")
    assert drawn(ledger) == wanted
    assert sent == len(wanted)
    assert result.notes == wanted_notes


def test_a_finished_run_sends_nothing_and_says_the_same(ledger: Ledger, tmp_path: Path) -> None:
    suite = number_suite(tmp_path, 300)
    first, watcher = run(suite, [DIRECT], ledger, precision=0.08), Watcher()
    again = run(suite, [DIRECT], ledger, watcher=watcher, precision=0.08)
    assert (again.status, watcher.sent, again.notes) == ("complete", 0, first.notes)
    assert again.models[0].n_samples == len(ledger.draws("run-1"))


def test_what_the_rest_is_said_to_need_counts_waves_to_come(ledger: Ledger, tmp_path: Path) -> None:
    """The budget that was named held the rest of the first wave alone, and stopped the run again and again."""
    suite = number_suite(tmp_path, 900)
    stopped = run(suite, [REASONER], ledger, precision=0.04, budget_usd=Decimal("0.5"))
    assert isinstance(stopped.models[0].stopped_by, BudgetReached)
    assert stopped.rest is not None
    assert stopped.rest.cap_usd > 2


def test_a_model_that_is_stopped_leaves_the_others_their_waves(ledger: Ledger, tmp_path: Path) -> None:
    ledger.set_budget(f"model:{REASONER}", 5 * 10**11)
    result = run(number_suite(tmp_path, 900), [REASONER, DIRECT], ledger, precision=0.05)
    reasoner, direct = result.models
    assert (result.exit_code, direct.n_left, direct.stopped_by) == (3, 0, None)
    assert reasoner.n_left > 0
    assert "±5 reached" in result.notes[-1]


def test_another_precision_is_another_run(ledger: Ledger, tmp_path: Path) -> None:
    suite = number_suite(tmp_path, 300)
    run(suite, [DIRECT], ledger, precision=0.08)
    with pytest.raises(InputError) as refused:
        run(suite, [DIRECT], ledger, precision=0.06)
    (finding,) = refused.value.findings
    assert (finding.where, finding.message) == ("--precision", "6pt now, 8pt in the run")


def test_what_no_model_could_reach_is_refused_before_anything_is_stored(ledger: Ledger, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot tell a score to ±0.1 points.*, for about \$0\."):
        run(number_suite(tmp_path, 100), [DIRECT], ledger, precision=0.001)
    assert ledger.runs() == []


def test_what_the_pilot_shows_to_be_out_of_reach_ends_the_run_and_keeps_the_pilot(
    ledger: Ledger, tmp_path: Path
) -> None:
    result = run(number_suite(tmp_path, 100), [DIRECT], ledger, precision=0.02)
    assert (result.status, result.exit_code, result.resume_command) == ("partial", 2, None)
    (model,) = result.models
    assert isinstance(model.stopped_by, NoMoreWaves)
    assert (model.n_left, model.n_samples) == (0, len(ledger.draws("run-1")))
    assert "all 100 attempts would leave" in model.stopped_by.message
    assert result.notes[-1].startswith("  ±2 out of reach: 1 wave")
    assert "more are expected" not in result.notes[-1]
    watcher = Watcher()
    assert run(number_suite(tmp_path, 100), [DIRECT], ledger, watcher=watcher, precision=0.02).exit_code == 2
    assert watcher.sent == 0


def all_wrong(folder: Path) -> str:
    """A suite of five sums, of which `sim/direct` gets none right; gives its path."""
    rows = [
        {"id": f"only-{i}", "question": f"only: What is {i} + {i + 1}?", "answer": str(2 * i + 1)} for i in range(5)
    ]
    return suite_file(folder, rows, scorer="number")


def test_a_precision_that_the_pilot_reached_is_not_refused_as_out_of_reach(ledger: Ledger, tmp_path: Path) -> None:
    """Five answers, all wrong: known to ±9.4 where an interval without a limit at 0 would be twice as wide."""
    result = run(all_wrong(tmp_path), [DIRECT], ledger, precision=0.1)
    assert half_widths(ledger)[0] <= 0.1
    assert (result.status, result.exit_code, result.models[0].stopped_by) == ("complete", 0, None)


def test_a_price_below_a_cent_is_not_told_as_nothing(ledger: Ledger, tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        run(number_suite(tmp_path, 5), [DIRECT], ledger, precision=0.0001)
    assert re.search(r"for about \$0\.00[0-9]*[1-9]", refused.value.message)


def test_an_interval_that_lies_on_one_side_is_told_with_its_limits(ledger: Ledger, tmp_path: Path) -> None:
    """It read `0.0 ±9.38`, of an interval from 0 to 18.8."""
    result = run(all_wrong(tmp_path), [DIRECT], ledger, precision=0.1)
    assert "mine: 0.0 [0.0, 18.8] points on this suite" in "\n".join(result.notes)


def test_a_task_whose_answers_get_no_score_ends_the_run_after_its_pilot(ledger: Ledger, tmp_path: Path) -> None:
    """Nothing was ever known, so that wave after wave asked the whole suite."""
    rows = [{"id": f"q-{i}", "question": f"Say {i}.", "answer": str(i)} for i in range(300)]
    judged = suite_file(tmp_path, rows, scorer="judge", options=JUDGED)
    result = run(judged, [DIRECT], ledger, precision=0.05, judge=parse_model("sim/direct"))
    assert (result.status, result.exit_code, len(ledger.draws("run-1"))) == ("partial", 1, 22)
    (model,) = result.models
    assert isinstance(model.stopped_by, NoMoreWaves)
    assert "none of the first 22 samples of" in model.stopped_by.message


def test_an_index_without_a_judge_for_one_of_its_tasks_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    rows = [{"id": "1", "question": "Say 1.", "answer": "1"}]
    judged = suite_file(tmp_path, rows, scorer="judge", options=JUDGED)
    with pytest.raises(InputError, match="are scored by a judge and none is named"):
        run(judged, [DIRECT], ledger, precision=0.05)
    assert ledger.runs() == []


def test_failures_for_good_count_as_attempts_and_are_not_drawn_again(ledger: Ledger, tmp_path: Path) -> None:
    result = run(number_suite(tmp_path, 600), ["sim/flaky"], ledger, precision=0.06, max_attempts=1, max_failed=0.5)
    assert (result.status, result.models[0].n_failed > 20) == ("complete", True)
    assert len(ledger.outcomes("run-1")) == len(ledger.draws("run-1")) == result.models[0].n_samples


def test_answers_taken_from_an_earlier_run_are_not_taken_for_free_ones_to_come(ledger: Ledger, tmp_path: Path) -> None:
    """All of the pilot had cost nothing, so that a task looked free and was asked far beyond its need."""
    suite = number_suite(tmp_path, 900)
    first = run(suite, [REASONER], ledger, run_id="first", precision=0.1)
    watcher = Watcher()
    again = run(suite, [REASONER], ledger, watcher=watcher, precision=0.05, reuse=True)
    assert (again.status, watcher.sent) == ("complete", again.models[0].n_samples - first.models[0].n_samples)
    with Ledger.open(tmp_path / "other.db") as other:
        fresh = run(suite, [REASONER], other, precision=0.05)
    assert again.notes[1:] == fresh.notes
    (state,) = next(iter(Outlook.of(ledger, "run-1").states.values())).states
    assert state.usd_per_attempt is not None
    assert state.usd_per_attempt > 0.005


def test_settings_of_one_model_are_asked_the_same_samples(ledger: Ledger, tmp_path: Path) -> None:
    models = [f"{REASONER}@low", f"{REASONER}@high"]
    result = run(number_suite(tmp_path, 900), models, ledger, precision=0.05)
    assert result.status == "complete"
    low, high = (
        {one.planned_id for one in ledger.draws("run-1") if one.cell_id == cell.cell_id}
        for cell in ledger.cells("run-1")
    )
    assert low == high
    assert f"{REASONER}@high less {REASONER}@low" in result.notes[-2]
    assert "±5 reached: " in result.notes[-1]


def test_a_difference_is_asked_of_both_models_on_the_same_samples(ledger: Ledger, tmp_path: Path) -> None:
    result = run(number_suite(tmp_path, 900), [REASONER, DIRECT], ledger, difference=0.06, against=parse_model(DIRECT))
    assert result.status == "complete"
    known, reached = result.notes
    assert known.startswith(f"{REASONER} less {DIRECT} on mine: +")
    assert "±6 reached" in reached
    asked = [
        {one.planned_id for one in ledger.draws("run-1") if one.cell_id == cell.cell_id}
        for cell in ledger.cells("run-1")
    ]
    assert asked[0] == asked[1]


def test_a_difference_to_a_stored_run_asks_its_model_nothing(ledger: Ledger, tmp_path: Path) -> None:
    suite, against = number_suite(tmp_path, 900), parse_model(DIRECT)
    run(suite, [DIRECT], ledger, run_id="base")
    watcher = Watcher()
    result = run(suite, [REASONER], ledger, watcher=watcher, difference=0.06, against=against)
    assert (result.status, len(ledger.cells("run-1"))) == ("complete", 1)
    assert watcher.sent == len(ledger.draws("run-1")) < 600
    known, reached = result.notes
    assert f"{REASONER} less {DIRECT} (stored)" in known
    assert "±6 reached" in reached
    run(suite, [DIRECT], ledger, run_id="later")  # what is stored later does not change it
    assert run(suite, [REASONER], ledger, difference=0.06, against=against).notes == result.notes


def test_a_base_that_is_neither_asked_nor_stored_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    suite = number_suite(tmp_path, 900)
    with pytest.raises(InputError, match="no complete run of sim/direct on mine is stored"):
        run(suite, [REASONER], ledger, difference=0.06, against=parse_model(DIRECT))
    assert ledger.runs() == []


def test_other_models_answers_predict_unless_they_may_not(ledger: Ledger, tmp_path: Path) -> None:
    suite = number_suite(tmp_path, 300)
    for setting in ("low", "high"):
        run(suite, [f"{REASONER}@{setting}"], ledger, run_id=setting)
    for run_id, bank in (("with", True), ("without", False)):
        run(suite, [DIRECT], ledger, run_id=run_id, precision=0.08, bank=bank)
    found = {}
    for one in ledger.runs():
        design = design_of(one.config, run_id=one.run_id)
        if design is not None:
            found[one.run_id] = design.cells[0].bank
    assert found["without"] is None
    assert found["with"] is not None
    assert found["with"].models == (f"{REASONER}@high", f"{REASONER}@low")


def test_samples_that_belong_together_are_drawn_and_counted_together(ledger: Ledger, tmp_path: Path) -> None:
    result = run(chain_suite(tmp_path, 200), [REASONER], ledger, precision=0.06)
    assert result.status == "complete"
    units = Counter(one.draw_order for one in ledger.draws("run-1"))
    assert set(units.values()) == {3}
    assert list(units) == list(range(len(units)))
    assert len(units) < 200
    assert len(ledger.outcomes("run-1")) == units.total()


def test_each_suite_of_a_run_is_asked_as_far_as_it_needs(ledger: Ledger, tmp_path: Path) -> None:
    suites = (number_suite(tmp_path / "a", 600), chain_suite(tmp_path / "b", 200))
    text = Path(suites[1]).read_text(encoding="utf-8")
    Path(suites[1]).write_text(text.replace('name = "mine"', 'name = "chains"', 1), encoding="utf-8")
    spec = RunSpec(suites=suites, models=(parse_model(REASONER),), precision=0.06)
    result = run_suites(spec, ledger=ledger, book=load_price_book(), run_id="run-1", observe=observing(Watcher()))
    assert result.status == "complete"
    assert [line.startswith("  ±6 reached") for line in result.notes] == [False, True, False, True]


async def test_each_wave_is_one_batch(books: Batches, ledger: Ledger, tmp_path: Path) -> None:
    spec = RunSpec(
        suites=(number_suite(tmp_path, 400),),
        models=(parse_model(OPENAI),),
        base_url=f"openai={address(books, OPENAI)}",
        batch=True,
        precision=0.06,
    )
    result = await run_on_thread(spec, ledger, "run-1", Watcher(), WAITS)
    assert result.status == "complete"
    waves = [one.wave for one in ledger.draws("run-1")]
    assert [len(batch["lines"]) for batch in books.batches.values()] == [
        waves.count(wave) for wave in range(max(waves) + 1)
    ]
