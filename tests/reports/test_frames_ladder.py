"""The frames ladder: which numbers of frames are not worse than the most, and what is said where that is not known."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks.generated_clips import write_clips
from harness.cli.app import app
from harness.errors import InputError
from harness.ledger import Ledger, RunRecord
from harness.ledger.records import SuiteRecord, TaskRecord
from harness.reports.facts.report_facts import CellFacts, CostSums, Spend, TokenSums
from harness.reports.frames.frames_ladder import FramesLadder, frames_ladders
from harness.reports.frames.frames_tables import answer, ladder_charts, ladder_document, ladder_table
from tests.support.runs import run
from tests.support.spend_cases import direct, outcomes, report

SAMPLES = 400


def cell(frames: int, correct: list[int], usd: str, *, model: str = "direct") -> CellFacts:
    spend = Spend(
        n_attempts=len(correct),
        cost=CostSums(input=Decimal(usd), output=Decimal(0), charged=Decimal(usd)),
        tokens=TokenSums(input_tokens=len(correct) * frames * 255, output_tokens=len(correct)),
    )
    return replace(
        direct(),
        suite=f"clips.{frames}-frames",
        model=model,
        solve=spend,
        judge=Spend(),
        n_unscored={},
        n_without_answer={},
        tasks=[outcomes(correct, cost_usd=float(usd))],
    )


def of(*cells: CellFacts, margin: float = 0.02) -> tuple[FramesLadder, ...]:
    suites = tuple(
        SuiteRecord(
            name=each.suite,
            version="1",
            sha256=each.suite,
            tasks=(
                TaskRecord(
                    name="questions",
                    revision="r",
                    samples_sha256="s",
                    frames={"per_clip": float(each.suite.split(".")[1].split("-")[0])},
                ),
            ),
        )
        for each in cells
    )
    runs = (
        RunRecord(
            run_id="r1", created_at_us=0, plan_sha256="p", harness_version="1", price_book_sha256="b", suites=suites
        ),
    )
    return frames_ladders(replace(report(*cells), runs=runs), margin=margin)


def right(count: int, *, of_all: int = SAMPLES) -> list[int]:
    return [1] * count + [0] * (of_all - count)


def test_the_cheapest_number_of_frames_that_is_not_worse_is_named_with_what_it_saves() -> None:
    (ladder,) = of(
        cell(4, right(200), "1"), cell(8, right(320), "2"), cell(16, right(320), "4"), cell(32, right(320), "8")
    )
    assert [rung.standing for rung in ladder.rungs] == ["worse", "not worse", "not worse", "most frames"]
    assert ladder.cheapest.frames == 8
    assert "8 frames are not worse than 32 (margin 2 points), and an answer costs 75 % less" in answer(ladder)
    assert ladder.rungs[0].difference.value == pytest.approx(-0.3)


def test_the_dollars_decide_and_not_the_number_of_frames() -> None:
    (ladder,) = of(cell(8, right(320), "4"), cell(16, right(320), "3"), cell(32, right(320), "8"))
    assert ladder.cheapest.frames == 16


def test_too_few_questions_are_called_undecided_with_how_many_more_would_do() -> None:
    (ladder,) = of(cell(8, right(32, of_all=40), "1"), cell(32, right(33, of_all=40), "2"))
    low, _ = ladder.rungs
    assert low.standing == "cannot be told yet"
    assert low.more_samples is not None
    assert low.more_samples > 1000
    assert ladder.cheapest is ladder.most
    said = answer(ladder)
    assert "no smaller number of frames is known to be not worse than 32" in said
    assert f"of 8 it cannot be told yet: about {low.more_samples:,} more questions would decide" in said


def test_equal_scores_of_few_questions_are_not_taken_for_not_worse() -> None:
    (ladder,) = of(cell(8, right(30, of_all=40), "1"), cell(32, right(30, of_all=40), "2"))
    assert ladder.rungs[0].standing == "cannot be told yet"


def test_a_wider_margin_decides_more_and_a_narrower_one_less() -> None:
    cells = (cell(8, right(318), "1"), cell(32, right(320), "2"))
    assert [of(*cells, margin=share)[0].rungs[0].standing for share in (0.001, 0.02, 0.1)] == [
        "cannot be told yet",
        "not worse",
        "not worse",
    ]


def test_each_interval_is_wider_the_more_numbers_of_frames_are_compared() -> None:
    two = of(cell(8, right(310), "1"), cell(32, right(320), "2"))[0]
    four = of(cell(4, right(310), "1"), cell(8, right(310), "1"), cell(16, right(310), "1"), cell(32, right(320), "2"))[
        0
    ]
    assert two.level == pytest.approx(0.95)
    assert four.level == pytest.approx(1 - 0.05 / 3)
    widths = [one.rungs[0].difference for one in (two, four)]
    assert (widths[1].ci_low or 0) < (widths[0].ci_low or 0)


def test_models_have_ladders_of_their_own_and_one_number_of_frames_compares_nothing() -> None:
    found = of(cell(8, right(300), "1"), cell(32, right(300), "2"), cell(8, right(200), "3", model="other"))
    assert sorted(len(ladder.rungs) for ladder in found) == [1, 2]
    alone = next(ladder for ladder in found if len(ladder.rungs) == 1)
    assert "run it with another --frames" in answer(alone)


def test_rows_without_videos_are_in_no_ladder() -> None:
    assert of(replace(cell(8, right(10), "1"), suite="gsm8k.8-frames")) != ()
    assert frames_ladders(report(direct())) == ()


def test_an_unknown_bill_is_said_and_is_never_the_cheapest() -> None:
    unpriced = replace(cell(8, right(320), "1"), solve=Spend(n_attempts=SAMPLES, n_unpriced_attempts=SAMPLES))
    (ladder,) = of(unpriced, cell(16, right(320), "4"), cell(32, right(320), "8"))
    assert ladder.cheapest.frames == 16
    assert ladder_table([ladder]).rows[0][7] == "–"


def test_every_form_tells_the_same_ladder() -> None:
    ladders = of(cell(8, right(320), "2"), cell(32, right(320), "8"))
    document = ladder_document(ladders)
    (found,) = json.loads(json.dumps(document.fields(), default=str))["ladders"]
    assert (found["suite"], found["cheapest_not_worse"], found["most_frames"]) == ("clips", 8, 32)
    assert [rung["cost_per_task_usd"] for rung in found["rungs"]] == ["0.005", "0.02"]
    assert [rung["input_tokens_per_answer"] for rung in found["rungs"]] == [8 * 255, 32 * 255]
    assert document.rows is not None
    typed = document.rows()
    names = [column.name for column in typed.columns]
    assert [row[names.index("frames")] for row in typed.rows] == [8, 32]
    charts = ladder_charts(ladders)
    assert [chart.name for chart in charts] == ["frames-score", "tokens-score", "dollars-score"]
    assert all("8 frames are not worse than 32" in chart.description for chart in charts)


def test_the_command_prints_writes_and_draws_a_ladder(tmp_path: Path) -> None:
    suite = str(write_clips(tmp_path / "clips", 6))
    db = tmp_path / "l.db"
    with Ledger.open(db, create=True) as ledger:
        for frames in ("2", "4"):
            run(suite, ["sim/direct"], ledger, run_id=f"f{frames}", frames=frames)
        run("starter", ["sim/direct"], ledger, run_id="other", limit=1)
    words = ["report", "--frames-ladder", "--db", str(db)]
    shown = CliRunner().invoke(app, [*words, "--json", "--margin", "5pt", "--charts", str(tmp_path / "charts")])
    assert shown.exit_code == 0, shown.output
    (ladder,) = json.loads(shown.stdout)["ladders"]
    assert [rung["frames"] for rung in ladder["rungs"]] == [2, 4]
    assert ladder["margin"] == 0.05
    assert (tmp_path / "charts" / "frames-score.svg").read_text().startswith("<svg")
    assert CliRunner().invoke(app, [*words, "-o", str(tmp_path / "l.csv")]).exit_code == 0
    assert (tmp_path / "l.csv").read_text().count("\n") == 3
    for refused in (["other"], ["--dearest", "3"], ["--format", "html"]):
        assert isinstance(CliRunner().invoke(app, [*words, *refused]).exception, InputError), refused
    assert isinstance(CliRunner().invoke(app, ["report", "--margin", "2pt", "--db", str(db)]).exception, InputError)
