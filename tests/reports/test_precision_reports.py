"""Reports of runs that were asked in waves: scores by design with both intervals, what was saved, and what was not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from harness.ledger import Ledger
from harness.precision import Draw, Target, estimate, pilot
from harness.pricing.book import PriceBook
from harness.pricing.rows import Price
from harness.rendering.html.html_page import to_html
from harness.reports.exports.sample_export import SAMPLES, sample_stream
from harness.reports.facts.assembly import spend_report
from harness.reports.ledgers import cell_table, run_detail
from harness.reports.precision.precision_table import precision_table
from harness.reports.report_parts import report_document
from harness.reports.spend.report import SpendReport, SpendRow
from harness.reports.spend.spend_page import report_page
from harness.reports.spend.spend_tables import FULL, spend_table, summary_table
from harness.usage.values import Meter
from tests.support.wave_ledgers import TaskPlan, Told, WaveRun, drawn_by_lot

MODELS = {"sim/plain": 0.4, "sim/thinker@low": 0.55, "sim/thinker@high": 0.75}
LENGTHS = {"sim/plain": 50, "sim/thinker@low": 300, "sim/thinker@high": 900}
INDEX = (
    TaskPlan(name="choice", n_items=900, weight=0.5),
    TaskPlan(name="sums", n_items=40, repeats=3, weight=0.3),
    TaskPlan(name="steps", n_items=120, group=4, weight=0.2),
)
LOT = drawn_by_lot(MODELS, tokens=LENGTHS)
BOOK = PriceBook(
    rows=tuple(
        Price(
            provider="sim",
            model=name,
            rates={Meter.INPUT: Decimal(1), Meter.OUTPUT: Decimal(4)},
            source="invented",
        )
        for name in ("plain", "thinker", "a", "b")
    )
)


def wave_run(ledger: Ledger, run_id: str, **changes: Any) -> WaveRun:
    values: dict[str, Any] = {"models": tuple(MODELS), "tasks": INDEX, "answers": LOT, **changes}
    return WaveRun(ledger=ledger, run_id=run_id, **values)


async def fill(ledger: Ledger) -> None:
    """Two runs in waves, the second stopped after two of them, and the whole suite."""
    run = wave_run(ledger, "waves")
    run.store(run.design(0.05))
    await run.to_the_end()
    stopped = wave_run(ledger, "stopped", models=("sim/thinker@high",))
    stopped.store(stopped.design(0.03))
    await stopped.wave(wave=0)
    await stopped.wave(wave=1)
    ledger.finish_run("stopped", "partial")
    whole = wave_run(ledger, "whole", models=("sim/plain", "sim/thinker@high"))
    whole.store()
    await whole.whole()


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with Ledger.open(tmp_path_factory.mktemp("waves") / "ledger.db") as opened:
        asyncio.run(fill(opened))
        yield opened


def report(ledger: Ledger, *runs: str) -> SpendReport:
    return spend_report(ledger, BOOK, runs or ["waves"])


def rows_by_name(made: SpendReport) -> dict[str, SpendRow]:
    return {row.facts.name: row for row in made.rows}


def test_the_score_is_the_estimate_by_design_and_not_the_mean_of_what_was_drawn(ledger: Ledger) -> None:
    run = wave_run(ledger, "waves")
    _, states = run.read()
    made = rows_by_name(report(ledger))
    for found in states.values():
        row, by_design = made[found.cell.model], estimate(found.states)
        assert row.score.value == by_design.value
        assert (row.score.ci_low, row.score.ci_high) == (by_design.this_suite.low, by_design.this_suite.high)
        assert row.n_solves == len(found.draws), "what was planned and not drawn is not missing"
        assert row.score.value != pytest.approx(row.n_correct / row.n_solves, abs=0.001)


def test_json_names_both_intervals_of_suite_and_tasks(ledger: Ledger) -> None:
    document = json.loads(json.dumps(report_document(report(ledger)), default=str))
    assert len(document["rows"]) == 3
    for row in document["rows"]:
        told = row["precision"]
        assert told["ended"] == "reached"
        assert told["is_reached"] is True
        assert told["this_suite"]["half_width"] <= 0.05 == told["wanted_half_width"]
        assert told["this_suite"]["half_width"] < told["questions_like_these"]["half_width"]
        assert row["score_ci_low"] == told["this_suite"]["ci_low"]
        assert [task["task"] for task in told["tasks"]] == ["choice", "sums", "steps"]
        assert {task["task"]: task["score"] for task in row["tasks"]} == {
            task["task"]: task["score"] for task in told["tasks"]
        }
        assert told["n_answers_whole"] == 900 + 3 * 40 + 120
        assert told["n_answers_drawn"] == row["n_solves"] < told["n_answers_whole"]
        assert sum(stratum["weight"] for stratum in told["strata"]) == pytest.approx(1)


def test_what_the_whole_suite_would_have_cost_is_near_what_it_cost(ledger: Ledger) -> None:
    made, whole = rows_by_name(report(ledger)), rows_by_name(report(ledger, "whole"))
    for name in ("sim/plain", "sim/thinker@high"):
        drawn = made[name].facts.drawn
        assert drawn is not None
        assert drawn.whole_usd == pytest.approx(float(whole[name].facts.solve.cost.total), rel=0.05)
        assert float(made[name].cost_per_task_usd or 0) == pytest.approx(
            float(whole[name].cost_per_task_usd or 0), rel=0.05
        )
        assert float(made[name].cost_per_correct_usd or 0) == pytest.approx(
            float(whole[name].cost_per_correct_usd or 0), rel=0.15
        )
        (told,) = (row for row in report_document(report(ledger))["rows"] if row["model"] in name and name.endswith(
            row["setting"] or "plain"))  # fmt: skip
        assert Decimal(told["precision"]["cost_usd"]) == made[name].facts.solve.cost.total
        assert Decimal(told["precision"]["saved_usd"]) == pytest.approx(
            Decimal(told["precision"]["whole_suite_usd"]) - Decimal(told["precision"]["cost_usd"]), abs=Decimal("1e-9")
        )


def test_other_prices_change_what_the_whole_suite_would_have_cost(ledger: Ledger) -> None:
    dear = rows_by_name(spend_report(ledger, BOOK, ["waves"], what_if="model=sim/a"))
    assert {name: row.facts.drawn.whole_usd for name, row in dear.items() if row.facts.drawn} == pytest.approx(
        {name: row.facts.drawn.whole_usd for name, row in rows_by_name(report(ledger)).items() if row.facts.drawn}
    ), "the same prices under another name"
    twice = PriceBook(
        rows=tuple(replace(row, rates={meter: 2 * rate for meter, rate in row.rates.items()}) for row in BOOK.rows)
    )
    for name, row in rows_by_name(spend_report(ledger, twice, ["waves"])).items():
        drawn, before = row.facts.drawn, rows_by_name(report(ledger))[name].facts.drawn
        assert drawn is not None
        assert before is not None
        assert before.whole_usd is not None
        assert drawn.whole_usd == pytest.approx(2 * before.whole_usd)


def test_a_run_that_was_stopped_early_says_what_it_reached_and_claims_no_saving(ledger: Ledger) -> None:
    made = report(ledger, "stopped")
    (row,) = made.rows
    told = report_document(made)["rows"][0]["precision"]
    assert (told["ended"], told["is_reached"], told["saved_usd"]) == ("stopped early", False, None)
    assert told["this_suite"]["half_width"] > 0.03
    assert row.score.value is not None
    table = precision_table(made)
    assert any("before the ±3 that were asked for" in note for note in table.notes)
    assert any("has not come to the precision that it was asked for" in warning for warning in made.warnings)
    assert not any("not everything planned" in warning for warning in made.warnings)


def test_people_read_both_names_beside_what_was_asked(ledger: Ledger) -> None:
    made = report(ledger)
    table = precision_table(made)
    assert [column.title for column in table.columns if column.kind == "decimal"] == [
        "this suite %",
        "questions like these %",
    ]
    summary = summary_table(made)
    at = [column.name for column in summary.columns].index("score")
    assert all("±" in row[at] and row[at].endswith("this suite") for row in summary.rows)
    page = to_html(report_page(made))
    for words in ("this suite", "questions like these", "saved by asking as far as needed", "Asked as far as needed"):
        assert words in page


def test_ordinary_rows_stay_as_they_were_beside_rows_in_waves(ledger: Ledger) -> None:
    alone, together = rows_by_name(report(ledger, "whole")), report(ledger, "whole", "waves")
    assert len(together.rows) == 2 + 3, "what waves asked is not mixed with what was asked as a whole"
    for row in together.rows:
        if row.facts.drawn is None:
            assert row == alone[row.facts.name]
    document = report_document(report(ledger, "whole"))
    assert all("precision" not in row for row in document["rows"])
    assert spend_table(report(ledger, "whole")).columns == tuple(column for column, _ in FULL)
    assert precision_table(report(ledger, "whole")).rows == []


def test_rows_of_one_name_are_told_apart_by_their_run(ledger: Ledger) -> None:
    names = [row[0] for row in summary_table(report(ledger, "whole", "waves", "stopped")).rows]
    assert len(names) == len(set(names)) == 6


def test_files_have_both_intervals_where_waves_asked(ledger: Ledger) -> None:
    table = spend_table(report(ledger, "waves", "whole"))
    by_name = [dict(zip((column.name for column in table.columns), row, strict=True)) for row in table.rows]
    drawn = [row for row in by_name if row["waves_ended"] is not None]
    assert len(drawn) == 3
    for row in drawn:
        assert row["this_suite_ci_low"] == row["score_ci_low"]
        assert row["like_these_ci_low"] < row["this_suite_ci_low"]
        assert row["saved_usd"] == pytest.approx(row["whole_suite_usd"] - row["cost_usd"], abs=Decimal("1e-9"))


def test_nothing_is_said_of_the_suite_before_every_stratum_has_an_answer(tmp_path: Any) -> None:
    with Ledger.open(tmp_path / "ledger.db") as opened:
        run = wave_run(opened, "r", models=("sim/a",), answers=lambda *_: Told())
        run.store(run.design(0.05))
        (states,) = run.read()[1].values()
        asyncio.run(_ask_one_stratum(run, states))
        made = report(opened, "r")
    (row,) = made.rows
    assert row.score.value is None
    assert row.cost_per_task_usd is None
    told = report_document(made)["rows"][0]["precision"]
    assert told["this_suite"] is None
    assert told["whole_suite_usd"] is None
    assert any("no answer of sums, steps has one" in note for note in precision_table(made).notes)


async def _ask_one_stratum(run: WaveRun, states: Any) -> None:
    draws = [
        Draw(stratum="choice", passes=(20,)),
        Draw(stratum="sums", passes=(0, 0, 0)),
        Draw(stratum="steps", passes=(0,)),
    ]
    await run.ask_draws(states.cell.cell_id, states, draws, wave=0)


def test_a_setting_that_changes_neither_tokens_nor_score_has_no_effect(tmp_path: Any) -> None:
    same = drawn_by_lot({"sim/a": 0.5})
    with Ledger.open(tmp_path / "ledger.db") as opened:
        run = wave_run(
            opened,
            "r",
            models=("sim/a@low", "sim/a@high"),
            tasks=(TaskPlan(name="choice", n_items=400),),
            answers=lambda model, task, sample, epoch: same("sim/a", f"{task}{model[-3:]}", sample, epoch),
        )
        run.store(run.design(0.08))
        asyncio.run(run.to_the_end())
        document = report_document(report(opened, "r"))
    (step,) = (pair for pair in document["pairs"] if pair["kind"] == "effort")
    assert step["no_effect"] is True
    assert step["tokens_told_apart"] is False
    assert "no effect" in step["sentence"]
    assert any("the provider may ignore the setting" in warning for warning in document["warnings"])


def test_a_step_of_effort_is_priced_over_the_whole_suite(ledger: Ledger) -> None:
    (step,) = (pair for pair in report_document(report(ledger))["pairs"] if pair["kind"] == "effort")
    made = rows_by_name(report(ledger))
    dear, cheap = (made[f"sim/thinker@{setting}"].cost_per_task_usd or Decimal(0) for setting in ("high", "low"))
    n_samples = 900 + 40 + 120
    assert float(step["extra_cost_usd"]) == pytest.approx(n_samples * float(dear - cheap), rel=0.1)
    assert float(step["usd_per_point"]) == pytest.approx(
        float(step["extra_cost_usd"]) / (100 * step["score_difference"]["value"])
    )
    assert step["outcome"] == "better"
    assert step["design"] == "paired"
    assert step["score_difference"]["ci_low"] > step["score_difference_like_these"]["ci_low"]


def test_a_pilot_before_a_whole_run_leaves_an_ordinary_row(tmp_path: Any) -> None:
    with Ledger.open(tmp_path / "ledger.db") as opened:
        run = wave_run(opened, "r", models=("sim/a",), answers=drawn_by_lot({"sim/a": 0.6}))
        run.store(replace(run.design(0.05), kind="pilot", half_width=None))
        _, states = run.read()
        asyncio.run(_pilot(run, states[run.cells["sim/a"]]))
        (row,) = report(opened, "r").rows
        assert row.facts.drawn is not None
        assert row.facts.drawn.ended == "pilot"
        assert row.score.value is not None
        asyncio.run(run.ask(run.cells["sim/a"], [p for p in run.planned if p not in _drawn(opened)]))
        opened.finish_run("r", "complete")
        (row,) = report(opened, "r").rows
        assert row.facts.drawn is None
        assert row.n_solves == 900 + 3 * 40 + 120


async def _pilot(run: WaveRun, states: Any) -> None:
    draws = pilot([state.stratum for state in states.states], Target(half_width=0.05))
    await run.ask_draws(states.cell.cell_id, states, draws, wave=0)


def _drawn(ledger: Ledger) -> set[int]:
    return {draw.planned_id for draw in ledger.draws("r")}


def test_the_export_of_samples_weighs_up_to_the_score_and_lists_what_was_drawn(ledger: Ledger) -> None:
    table = [
        dict(zip((column.name for column in stream.columns), row, strict=True))
        for stream in [sample_stream(ledger, BOOK, ["waves"])]
        for batch in stream.batches
        for row in zip(*batch, strict=True)
    ]
    made = rows_by_name(report(ledger))
    assert len(table) == sum(row.n_solves for row in made.values())
    assert not any(row["reason"] == "not_asked" for row in table)
    own = [row for row in table if row["model"] == "plain" and row["task"] == "choice"]
    assert {row["stratum"] for row in own} == {"choice"}
    assert sorted(row["unit"] for row in own) == list(range(len(own)))
    assert {row["inclusion_probability"] for row in own} == {len(own) / 900}
    repeated = [row for row in table if row["model"] == "plain" and row["task"] == "sums"]
    for epoch in range(3):
        weights = [1 / row["inclusion_probability"] for row in repeated if row["epoch"] == epoch]
        assert not weights or sum(weights) == pytest.approx(40)


def test_the_export_of_samples_of_ordinary_runs_keeps_its_columns(ledger: Ledger) -> None:
    assert sample_stream(ledger, BOOK, ["whole"]).columns == SAMPLES


def test_a_run_in_waves_is_shown_with_what_it_drew_and_not_with_what_is_left(ledger: Ledger) -> None:
    detail = run_detail(ledger, "waves")
    made = rows_by_name(report(ledger))
    shown = {row[2]: row[4] for row in cell_table(detail).rows}
    assert shown["plain"] == made["sim/plain"].n_solves
    for cell in detail["cells"]:
        assert cell["n_planned"] == 900 + 3 * 40 + 120
        assert cell["n_drawn"] == cell["n_answered"]
    assert all("n_drawn" not in cell for cell in run_detail(ledger, "whole")["cells"])


def test_answers_that_were_given_up_in_flight_are_not_passed_over_in_silence(tmp_path: Any) -> None:
    """What was in flight when a run broke off are its long answers, which are wrong more often."""
    slow = {"choice-00003", "choice-00007"}
    with Ledger.open(tmp_path / "ledger.db") as opened:
        run = wave_run(
            opened,
            "r",
            models=("sim/a",),
            tasks=(TaskPlan(name="choice", n_items=300),),
            answers=lambda *asked: (
                Told(score=None, given_up=True) if asked[2] in slow else LOT("sim/plain", *asked[1:])
            ),
        )
        run.store(run.design(0.05))
        asyncio.run(run.wave(wave=0))
        opened.finish_run("r", "partial")
        made = report(opened, "r")
        told = report_document(made)["rows"][0]["precision"]
    assert (told["n_answers_pending"], told["n_answers_given_up"], told["ended"]) == (2, 2, "stopped early")
    assert any("in flight when the run broke off" in note for note in precision_table(made).notes)


async def test_both_databases_give_the_same_report(ledger_url: str) -> None:
    with Ledger.open(ledger_url) as opened:
        run = wave_run(opened, "r", models=("sim/thinker@low", "sim/thinker@high"))
        run.store(run.design(0.08))
        await run.to_the_end()
        (high, low) = (row["precision"] for row in report_document(report(opened, "r"))["rows"])
    assert [(told["ended"], told["n_answers_drawn"] < told["n_answers_whole"]) for told in (high, low)] == [
        ("reached", True),
        ("reached", True),
    ]
    assert (round(high["score"], 6), round(low["score"], 6)) == (0.706976, 0.563033)
