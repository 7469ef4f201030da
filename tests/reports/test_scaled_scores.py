"""Suite `aa_omniscience`: right minus wrong over all, abstaining counts zero; said in tables, files and pages."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from harness.cli.app import app
from harness.errors import InputError
from harness.ledger import Ledger
from harness.ledger.reading.attempt_rows import score_rows
from harness.loaders import load_suite
from harness.reports.facts.samples.verdict_counts import VerdictCounts
from harness.reports.indexes.scaled_scores import on_scale
from harness.scorers import JudgeCall, Score, finish_judgement, score
from harness.stats import Estimate
from harness.suites import Sample

SCALE = (-100.0, 100.0)


@pytest.mark.parametrize(
    ("right", "wrong", "neither", "index", "accuracy", "hallucinations"),
    [
        (5, 3, 2, 20.0, 0.5, 0.6),  # (5 - 3) / 10; 3 of 5 that were not right
        (0, 10, 0, -100.0, 0.0, 1.0),
        (10, 0, 0, 100.0, 1.0, None),
        (0, 0, 10, 0.0, 0.0, 0.0),
        (1, 1, 998, 0.0, 0.001, 1 / 999),
        (0, 0, 0, None, None, None),
    ],
)
def test_the_index_is_right_minus_wrong_over_all(
    right: int, wrong: int, neither: int, index: float | None, accuracy: float | None, hallucinations: float | None
) -> None:
    counts = VerdictCounts(scale=SCALE, right=right, wrong=wrong, neither=neither)
    assert counts.accuracy == accuracy
    assert counts.hallucination_rate == hallucinations
    mean = None if index is None else (right + 0.5 * neither) / counts.n
    assert on_scale(Estimate(value=mean), *SCALE).value == (None if index is None else pytest.approx(index))


def test_an_interval_moves_with_its_mean_and_doubles_in_width() -> None:
    moved = on_scale(Estimate(value=0.6, se=0.05, ci_low=0.5, ci_high=0.7, n=9), *SCALE)
    assert (moved.value, moved.ci_low, moved.ci_high, moved.n) == pytest.approx((20, 0, 40, 9))
    assert moved.se == pytest.approx(10)


def judged(reply: str, verdict: str, **how: Any) -> Score:
    """Score a reply as the suite does, a judge saying so."""
    sample = Sample(task="t", sample_id="1", input="Who?", target="Ada")
    made = score(load_suite("aa_omniscience").tasks[0].scorer, text=reply, sample=sample, **how)
    return finish_judgement(made, f"Verdict: {verdict}") if isinstance(made, JudgeCall) else made  # type: ignore[return-value]


def test_verdicts_have_the_values_that_the_index_is_made_of() -> None:
    values = {word: judged("It was Ada.", word).value for word in ("CORRECT", "PARTIAL", "NOT_ATTEMPTED", "INCORRECT")}
    assert values == {"CORRECT": 1.0, "PARTIAL": 0.5, "NOT_ATTEMPTED": 0.5, "INCORRECT": 0.0}


@pytest.mark.parametrize("how", [{"refused": True}, {"finish_reason": "length"}, {}])
def test_a_reply_without_an_answer_abstains_and_no_judge_is_paid(how: Mapping[str, Any]) -> None:
    """Counted as wrong, a refusal would lower the index as much as a false answer."""
    made = judged("", "INCORRECT", **how)
    assert (made.value, made.reason) == (0.5, None)
    assert "NOT_ATTEMPTED" in str(made.explanation)


def test_the_verdict_on_a_missing_answer_has_to_be_one_of_the_verdicts(tmp_path: Path) -> None:
    suite = Path("suites/aa_omniscience.toml").read_text(encoding="utf-8")
    (tmp_path / "mine.toml").write_text(suite.replace('without_answer = "NOT_ATTEMPTED"', 'without_answer = "NONE"'))
    with pytest.raises(InputError) as caught:
        load_suite(str(tmp_path / "mine.toml"))
    assert "without_answer is none of the verdicts" in str(caught.value)


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A run of 60 questions in the hub's layout on a simulated model and judge, twice each; its folder and report."""
    folder = tmp_path_factory.mktemp("omniscience")
    (folder / "data/aa_omniscience").mkdir(parents=True)
    with (folder / "data/aa_omniscience/AA-Omniscience_dataset_public.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["domain", "topic", "question_id", "question", "answer"])
        table.writerows(["Law", "Mills", n, f"Who built mill {n}?", f"miller {n}"] for n in range(60))
    words = ["run", "aa_omniscience", "-m", "sim/flaky", "--judge", "sim/direct", "--data", str(folder / "data")]
    ended = CliRunner().invoke(app, [*words, "--db", str(folder / "ledger.db"), "--json"])
    assert ended.exit_code in (0, 3), ended.output
    return folder, json.loads(ended.stdout)


def test_the_report_counts_verdicts_and_says_the_index(reported: tuple[Path, dict[str, Any]]) -> None:
    folder, document = reported
    with Ledger.open(str(folder / "ledger.db")) as ledger:
        values = [row.value_millionths for row in score_rows(ledger)]
    right, wrong = values.count(1_000_000), values.count(0)
    (row,) = document["rows"]
    (scaled,) = row["scaled"]
    assert right
    assert wrong
    assert (scaled["n_right"], scaled["n_wrong"], scaled["n_neither"]) == (right, wrong, values.count(500_000))
    assert scaled["scaled_score"] == pytest.approx(100 * (right - wrong) / len(values))
    assert scaled["scaled_score"] == pytest.approx(200 * row["score"] - 100)
    assert scaled["scaled_score_ci_low"] == pytest.approx(200 * row["score_ci_low"] - 100)


@pytest.mark.parametrize("ending", ["txt", "md", "html", "csv"])
def test_every_form_of_the_report_says_the_index(reported: tuple[Path, dict[str, Any]], ending: str) -> None:
    folder, document = reported
    (scaled,) = document["rows"][0]["scaled"]
    made = folder / f"report.{ending}"
    ended = CliRunner().invoke(app, ["report", "--db", str(folder / "ledger.db"), *document["runs"], "-o", str(made)])
    assert ended.exit_code == 0, ended.output
    text = made.read_text(encoding="utf-8")
    if ending == "csv":
        (row,) = csv.DictReader(text.splitlines())
        assert float(row["scaled_score"]) == pytest.approx(scaled["scaled_score"])
        assert int(row["n_wrong"]) == scaled["n_wrong"]
    else:
        assert f"{scaled['scaled_score']:+.1f} [{scaled['scaled_score_ci_low']:+.1f} to" in text.replace("&#43;", "+")
