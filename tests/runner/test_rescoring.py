"""Stored answers are scored again without a request; old scores stay, and a check that cannot be made replaces none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from harness.cli import score as command
from harness.errors import InputError, UnpricedModelError
from harness.ledger import Ledger
from harness.ledger.reading.attempt_rows import attempt_rows, score_rows
from harness.models import parse_model
from harness.pricing.price_files import load_price_book
from harness.runner.scoring.rescoring import Rescored, RescoreOptions, rescore
from tests.support.runs import number_suite, run, suite_file
from tests.support.stand_ins import scicode

PROMPT = "{question}\\nReference: {reference}\\nReply: {reply}\\nVerdict: CORRECT or INCORRECT"
JUDGED = f', options = {{ prompt = "{PROMPT}" }}'


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    with Ledger.open(ledger_url) as opened:
        yield opened


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db") as opened:
        yield opened


def again(ledger: Ledger, notices: list[str] | None = None, **options: Any) -> Rescored:
    said = [] if notices is None else notices
    return rescore(ledger, "run-1", book=load_price_book(), options=RescoreOptions(**options), notice=said.append)


def values(ledger: Ledger) -> list[tuple[int | None, str | None]]:
    return [
        (one.value_millionths, one.reason)
        for one in sorted(score_rows(ledger), key=lambda one: (one.cell_id, one.planned_id))
    ]


def test_scoring_again_sends_nothing_gives_the_same_scores_and_keeps_the_old_ones(
    ledger: Ledger, tmp_path: Path
) -> None:
    run(number_suite(tmp_path, 40), ["sim/reasoner", "sim/direct"], ledger)
    before, n_attempts, old = values(ledger), len(list(attempt_rows(ledger))), list(score_rows(ledger))
    made = again(ledger)
    assert values(ledger) == before
    assert len(list(attempt_rows(ledger))) == n_attempts
    every = list(score_rows(ledger, newest=False))
    assert every[: len(old)] == old
    assert len(every) == 2 * len(old) == 160
    assert [(one.n_scored, one.n_higher, one.n_lower) for one in made.cells.values()] == [(40, 0, 0), (40, 0, 0)]
    assert (made.exit_code, dict(made.kept)) == (0, {})


def test_the_suites_present_scorer_decides_and_the_newest_score_counts(sqlite: Ledger, tmp_path: Path) -> None:
    rows = [{"id": f"q{i}", "question": f"What is {i} + 0.5?", "answer": f"{i}.50"} for i in range(30)]
    suite = suite_file(tmp_path, rows, scorer="text")
    run(suite, ["sim/reasoner"], sqlite)
    suite_file(tmp_path, rows, scorer="number")
    notices: list[str] = []
    (changes,) = again(sqlite, notices).cells.values()
    assert any("suite mine has changed" in notice for notice in notices)
    assert {row.scorer for row in score_rows(sqlite)} == {"number"}
    assert {row.scorer for row in score_rows(sqlite, newest=False)} == {"text", "number"}
    assert changes.n_scored == 30


def test_a_sample_that_changed_keeps_its_score_and_that_is_said(sqlite: Ledger, tmp_path: Path) -> None:
    suite = number_suite(tmp_path, 10)
    run(suite, ["sim/direct"], sqlite)
    stored = (tmp_path / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    (tmp_path / "rows.jsonl").write_text("\n".join([stored[0].replace('"1"', '"2"'), *stored[1:9]]), encoding="utf-8")
    before = values(sqlite)
    made = again(sqlite)
    assert values(sqlite) == before
    assert dict(made.kept) == {
        "the sample has changed since the run (its text or its reference answer)": 1,
        "the sample is not in the suite any more": 1,
    }
    assert next(iter(made.cells.values())).n_scored == 8


def test_answers_that_were_not_stored_keep_their_score(sqlite: Ledger, tmp_path: Path) -> None:
    run(number_suite(tmp_path, 5), ["sim/direct"], sqlite, keep_transcripts=False)
    before = values(sqlite)
    made = again(sqlite)
    assert (values(sqlite), dict(made.kept), made.cells) == (before, {"the answer was not stored": 5}, {})


def test_earlier_steps_are_filled_in_again_as_they_were_answered(sqlite: Ledger, tmp_path: Path) -> None:
    scicode(tmp_path)
    run("scicode", ["sim/reasoner"], sqlite, data_dir=tmp_path, limit=3, epochs=1, unsafe_exec=True)
    before = values(sqlite)
    made = again(sqlite, unsafe_exec=True)
    (changes,) = made.cells.values()
    assert (changes.n_scored, changes.n_higher, changes.n_lower) == (len(before), 0, 0)
    assert values(sqlite) == before
    assert sum(value == 1_000_000 for value, _ in before) > len(before) / 2


def test_without_a_sandbox_programs_keep_the_scores_that_they_have(
    sqlite: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scicode(tmp_path)
    run("scicode", ["sim/reasoner"], sqlite, data_dir=tmp_path, limit=1, epochs=1, unsafe_exec=True)
    before = values(sqlite)
    monkeypatch.setenv("PATH", "/nowhere")
    notices: list[str] = []
    made = again(sqlite, notices)
    assert values(sqlite) == before
    assert made.kept["programs cannot be run here"] > 0
    assert any("apt-get install bubblewrap" in notice for notice in notices)


def test_a_judge_is_asked_again_through_the_ledger_with_its_own_purpose(sqlite: Ledger, tmp_path: Path) -> None:
    rows = [{"id": f"q{i}", "question": f"Capital {i}?", "answer": "Paris"} for i in range(12)]
    run(suite_file(tmp_path, rows, scorer="judge", options=JUDGED), ["sim/direct"], sqlite)
    assert {reason for _, reason in values(sqlite)} <= {"undecided", "no_answer", "truncated"}
    without = again(sqlite)
    assert without.kept["no judge model was named (--judge)"] > 5
    again(sqlite, judge=parse_model("sim/reasoner"))
    again(sqlite, judge=parse_model("sim/reasoner"))
    judged = [row for row in attempt_rows(sqlite) if row.purpose == "judge"]
    assert {row.try_number for row in judged} == {1, 2}
    assert len({row.request_id for row in judged}) == len(judged)
    assert {row.model_requested for row in judged} == {"reasoner"}
    assert any(value == 1_000_000 for value, _ in values(sqlite))


def test_a_budget_for_the_judge_stops_it_and_leaves_the_old_scores(sqlite: Ledger, tmp_path: Path) -> None:
    rows = [{"id": f"q{i}", "question": f"Capital {i}?", "answer": "Paris"} for i in range(12)]
    suite = suite_file(tmp_path, rows, scorer="judge", options=JUDGED)
    run(suite, ["sim/direct"], sqlite, judge=parse_model("sim/direct"))
    before = values(sqlite)
    made = again(sqlite, budget_usd=Decimal("0.000001"))
    assert (made.exit_code, made.budget_reached) == (3, True)
    assert values(sqlite) == before
    with pytest.raises(UnpricedModelError):
        again(
            sqlite,
            budget_usd=Decimal(1),
            judge=parse_model("openai-compatible/o9-invented"),
            base_url="http://127.0.0.1:9/v1",
        )


def test_a_run_that_is_not_there_is_an_error_with_a_remedy(sqlite: Ledger) -> None:
    with pytest.raises(InputError, match="runs list"):
        again(sqlite)


def invoke(*arguments: str) -> Any:
    app = typer.Typer()
    app.callback()(lambda: None)
    command.register(app)
    return CliRunner().invoke(app, ["score", *arguments], catch_exceptions=False)


def test_the_command_prints_old_and_new_scores_and_the_report(sqlite: Ledger, tmp_path: Path) -> None:
    run(number_suite(tmp_path, 20), ["sim/direct"], sqlite)
    shown = invoke("run-1", "--db", str(tmp_path / "ledger.db"))
    assert shown.exit_code == 0
    assert "old score %" in shown.stdout
    assert "Spend report" in shown.stdout
    document = json.loads(invoke("run-1", "--db", str(tmp_path / "ledger.db"), "--json").stdout)
    (row,) = document["rows"]
    assert row["old_score"] == row["new_score"] == document["report"]["rows"][0]["score"]
    assert (row["n_scored"], row["n_higher"]) == (20, 0)
