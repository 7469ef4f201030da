"""The table `samples`: its averages and sums are the report's, its texts are what was asked and answered."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

import harness
from harness.ledger import NO_USAGE, Ledger, PlannedRecord, RunRecord, SuiteRecord
from harness.pricing import Price, PriceBook
from harness.rendering.export_files import export_table, table_stream
from harness.reports.exports.sample_export import SAMPLES
from harness.reports.exports.whole_samples import question_text
from harness.reports.facts.assembly import spend_report
from harness.usage.values import Meter
from tests.support.report_ledgers import Try, add_run, many, used
from tests.support.runs import number_suite, run, suite_file

BOOK = PriceBook(
    rows=(
        Price(
            provider="sim",
            model="reasoner",
            rates={Meter.INPUT: Decimal("2.1"), Meter.CACHE_READ: Decimal("0.53"), Meter.OUTPUT: Decimal("8.7")},
        ),
        Price(provider="sim", model="direct", rates={Meter.INPUT: Decimal("0.4"), Meter.OUTPUT: Decimal("1.6")}),
    )
)


def without_answer(reason: str, finish_reason: str = "stop") -> list[Try]:
    return [Try(score=None, reason=reason, finish_reason=finish_reason)]


ODD = {
    ("silent", 0): without_answer("no_answer"),
    ("cut", 0): without_answer("truncated", "length"),
    ("declined", 0): without_answer("refused"),
    ("unclear", 0): without_answer("undecided"),
    ("failed", 0): [Try(status="failed", usage=NO_USAGE, score=None, billed="no")],
    ("lost", 0): [Try(status="timed_out", usage=NO_USAGE, score=None), Try(usage=used(7, 9, 3, cached=5), score=0.0)],
    ("stated", 0): [Try(usage=replace(used(10, 20), stated_cost_usd=Decimal("0.00001")), score=0.5)],
    ("judged", 0): [Try(), Try(purpose="judge", usage=used(30, 4))],
    ("open", 0): [Try(status=None)],
}


@pytest.fixture
async def ledger(ledger_url: str) -> Any:
    with Ledger.open(ledger_url) as opened:
        cells = {"sim/reasoner@high": {**many(20, 0.8, 900, reasoning=80), **ODD}, "sim/direct": many(20, 0.6, 90)}
        await add_run(opened, "r1", cells)
        await add_run(opened, "r2", {"acme/unpriced": many(5, 0.5, 10)})
        yield opened


def rows_of(ledger: Ledger, book: PriceBook = BOOK, runs: list[str] | None = None) -> list[dict[str, Any]]:
    stream = table_stream(ledger, book, "samples", runs)
    names = [column.name for column in stream.columns]
    return [dict(zip(names, row, strict=True)) for columns in stream.batches for row in zip(*columns, strict=True)]


async def test_the_average_score_is_the_report_s(ledger: Ledger) -> None:
    """Replies without an answer count as wrong, and what is not known of the model is left out: as in the report."""
    scores: dict[str, list[float]] = defaultdict(list)
    for row in rows_of(ledger):
        if row["score"] is not None:
            scores[row["model"]].append(row["score"])
    report = spend_report(ledger, BOOK)
    assert len(report.rows) == 3
    for reported in report.rows:
        assert mean(scores[reported.facts.model]) == pytest.approx(reported.score.value, abs=1e-12)


async def test_dollars_and_counts_add_up_to_the_report_to_the_last_digit(ledger: Ledger) -> None:
    rows = rows_of(ledger)
    for row in spend_report(ledger, BOOK).rows:
        mine = [one for one in rows if one["model"] == row.facts.model]
        solve, judge = row.facts.solve, row.facts.judge
        assert sum(one["cost_usd"] or Decimal(0) for one in mine) == solve.cost.total
        assert sum(one["judge_cost_usd"] or Decimal(0) for one in mine) == judge.cost.total
        assert any(one["cost_is_lower_bound"] for one in mine) == solve.is_lower_bound
        assert sum(one["n_attempts"] for one in mine) == solve.n_attempts
        assert sum(one["n_retries"] for one in mine) == solve.n_retries
        for name in ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens"):
            assert sum(one[name] or 0 for one in mine) == getattr(solve.tokens, name)
    assert sum(one["judge_cost_usd"] or 0 for one in rows) > 0


async def test_what_is_not_known_is_empty_and_says_why(ledger: Ledger) -> None:
    rows = {(row["model"], row["sample_id"], row["epoch"]): row for row in rows_of(ledger)}
    mine = {name: rows["reasoner", name, 0] for name, _ in ODD}
    for name, score, reason in (
        ("silent", 0.0, "no_answer"),
        ("cut", 0.0, "truncated"),
        ("declined", 0.0, "refused"),
        ("unclear", None, "undecided"),
        ("failed", None, "failed"),
        ("stated", 0.5, None),
        ("open", None, "pending"),
    ):
        assert (mine[name]["score"], mine[name]["reason"]) == (score, reason), name
    assert (mine["failed"]["cost_usd"], mine["failed"]["cost_is_lower_bound"]) == (0, False)
    assert (mine["open"]["cost_usd"], mine["open"]["cost_is_lower_bound"]) == (None, True)
    assert (mine["lost"]["n_attempts"], mine["lost"]["n_retries"], mine["lost"]["cost_is_lower_bound"]) == (2, 1, True)
    assert mine["lost"]["status"] == "succeeded"
    assert mine["failed"]["duration_s"] is None
    assert mine["cut"]["duration_s"] == 1.0
    assert mine["failed"]["input_tokens"] is None
    unpriced = rows["unpriced", "q0000", 0]
    assert (unpriced["cost_usd"], unpriced["cost_is_lower_bound"], unpriced["input_tokens"]) == (None, True, 200)
    assert mine["silent"]["question"] == "?"
    assert mine["silent"]["reply"] == "B"


async def test_samples_that_were_never_sent_have_their_row(ledger: Ledger) -> None:
    rows = [row for row in rows_of(ledger, runs=["r1"]) if row["model"] == "direct"]
    missing = [row for row in rows if row["reason"] == "not_asked"]
    assert {(row["sample_id"], row["epoch"]) for row in missing} == set(ODD)
    assert all(row["status"] is None and row["n_attempts"] == 0 and row["cost_usd"] == 0 for row in missing)
    assert len(rows) == 20 + len(ODD)


async def test_rows_come_in_the_order_planned_whatever_was_answered_first(ledger: Ledger) -> None:
    rows = [(row["run_id"], row["model"], row["sample_id"]) for row in rows_of(ledger)]
    planned = [*(f"q{number:04d}" for number in range(20)), *(name for name, _ in ODD)]
    assert rows[: len(planned)] == [("r1", "reasoner", name) for name in planned]
    assert rows[len(planned) : 2 * len(planned)] == [("r1", "direct", name) for name in planned]


async def test_counted_score_of_the_scores_table_counts_as_the_report_does(ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    export_table(ledger, BOOK, "scores", path)
    with path.open(encoding="utf-8", newline="") as file:
        scores = [row for row in csv.DictReader(file) if row["is_newest"] == "true"]
    for row in spend_report(ledger, BOOK).rows:
        counted = [one["counted_score"] for one in scores if one["model"] == row.facts.model]
        assert sum(map(float, filter(None, counted))) == pytest.approx(row.n_correct)
        assert len([value for value in counted if value]) == row.n_solves - row.n_unscored
    assert {one["score"] for one in scores if one["reason"]} == {""}


def test_a_real_run_with_failures_and_repeats_adds_up(tmp_path: Path) -> None:
    """Averages of the repeats of a sample, then of the samples: what the report does."""
    suite = number_suite(tmp_path / "suite", 30, cap=4096)
    with Ledger.open(tmp_path / "ledger.db") as opened:
        run(suite, ["sim/reasoner@high", "sim/flaky"], opened, run_id="one", epochs=2)
    ledger = harness.Ledger(tmp_path / "ledger.db")
    frame = ledger.samples("one")
    report = ledger.report("one").set_index("model")
    by_sample = frame.groupby(["model", "sample_id"]).score.mean().dropna()
    for model in ("reasoner", "flaky"):
        mine = frame[frame.model == model]
        assert float(by_sample[model].mean()) == pytest.approx(float(report.score[model]), abs=1e-9)
        assert mine.cost_usd.sum() == report.cost_usd[model]
    first = frame.iloc[0]
    number = int(first.sample_id.removeprefix("sum-"))
    assert first.question.startswith(f"What is {number} + {number + 1}?")
    assert first.reference == str(2 * number + 1)
    right = frame[frame.score == 1.0]
    assert right.answer.str.strip("$").tolist() == right.reference.tolist()
    assert frame[frame.status == "succeeded"].reply.notna().all()


def test_no_transcripts_keep_no_reference_and_no_texts(tmp_path: Path) -> None:
    suite = number_suite(tmp_path / "suite", 3)
    with Ledger.open(tmp_path / "ledger.db") as opened:
        run(suite, ["sim/direct"], opened, run_id="bare", keep_transcripts=False)
        rows = rows_of(opened)
        assert len(rows) == 3
        for row in rows:
            texts = (row["question"], row["reference"], row["reply"], row["reasoning"])
            assert texts == (None, None, None, None)
            assert row["score"] is not None


def test_several_right_answers_are_a_json_list(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"id": "a", "question": "Who?", "answer": ["Ann", "Änn"]},
        {"id": "b", "question": "Who?", "answer": "Bo"},
    ]
    suite = suite_file(tmp_path / "suite", rows, scorer="text")
    with Ledger.open(tmp_path / "ledger.db") as opened:
        run(suite, ["sim/direct"], opened, run_id="several")
        found = {row["sample_id"]: row["reference"] for row in rows_of(opened)}
    assert json.loads(found["a"]) == ["Ann", "Änn"]
    assert found["b"] == "Bo"


def test_a_run_planned_before_references_were_kept_resumes(ledger_url: str) -> None:
    """The reference does not make a stored sample another one."""
    record = PlannedRecord(suite="s", task="t", sample_id="1", epoch=0, draw_order=0, inclusion_probability=1.0,
                           sample_sha256="0")  # fmt: skip
    with Ledger.open(ledger_url) as opened:
        opened.create_run(
            RunRecord(run_id="old", created_at_us=1, plan_sha256="0" * 64, harness_version="0.1",
                      price_book_sha256="1" * 64, suites=(SuiteRecord(name="s", version="1", sha256="2" * 64),),
                      models=("sim/direct",), config={})
        )  # fmt: skip
        before = list(opened.add_planned("old", [record]))
        assert list(opened.add_planned("old", [replace(record, reference="4")])) == before


def test_images_and_roles_of_a_question_are_named() -> None:
    image = {"image": "image/png;sha256=00"}
    assert question_text([{"role": "user", "content": ["Look:", image]}]) == "Look:\n[image]"
    several = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "1+1?"}]
    assert question_text(several) == "system: Be brief.\n\nuser: 1+1?"


def test_every_column_has_its_own_name() -> None:
    assert len({column.name for column in SAMPLES}) == len(SAMPLES)
