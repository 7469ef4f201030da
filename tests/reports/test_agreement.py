"""Our verdicts laid beside recorded ones: what agrees, what differs, and files that cannot be compared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli.app import app
from harness.errors import InputError
from harness.ledger import Ledger
from harness.ledger.reading.attempt_rows import score_rows
from harness.reports.agreement import Recorded, Verdict, agrees, compare, read_recorded
from tests.support.messy_replies import MESSY_SCORERS, messy_replies, scored_replies
from tests.support.runs import number_suite, run


def verdict(value: float | None, answer: str | None = None, sample_id: str = "1", model: str = "sim/direct") -> Verdict:
    return Verdict(
        sample_id=sample_id,
        suite="s",
        task="t",
        model=model,
        epoch=1,
        value=value,
        answer=answer,
        rule="answer_line",
        reason=None if value is not None else "no_answer",
    )


def test_an_unscored_answer_agrees_with_a_recorded_wrong_one_and_differs_from_a_right_one() -> None:
    assert agrees(Recorded(sample_id="1", correct=False), verdict(None))
    assert not agrees(Recorded(sample_id="1", correct=True), verdict(None))


@pytest.mark.parametrize(
    ("theirs", "ours"), [("c", "C"), ("1,234", "1234"), ("0.5", "1/2"), ("\\dfrac12", "\\frac{1}{2}")]
)
def test_recorded_answers_are_the_same_in_other_forms(theirs: str, ours: str) -> None:
    assert agrees(Recorded(sample_id="1", answer=theirs), verdict(1.0, ours))
    assert not agrees(Recorded(sample_id="1", answer="7"), verdict(1.0, ours))


def test_a_recorded_model_speaks_of_that_model_only() -> None:
    ours = [verdict(1.0, model="sim/direct"), verdict(0.0, model="sim/reasoner")]
    found = compare([Recorded(sample_id="1", correct=True, model="sim/direct")], ours)
    assert (found.n_compared, found.n_agreed, found.n_unrecorded, found.is_whole) == (1, 1, 1, True)


def test_a_recorded_sample_that_the_run_does_not_have_is_named() -> None:
    found = compare([Recorded(sample_id="2", correct=True)], [verdict(1.0)])
    assert (found.n_compared, found.unknown, found.is_whole) == (0, ["2"], False)


def test_every_unreadable_line_is_named() -> None:
    lines = [
        '{"sample_id": "1", "correct": true}',
        "no json",
        '{"sample_id": "2"}',
        '{"sample_id": "3", "correct": "yes"}',
    ]
    with pytest.raises(InputError) as caught:
        read_recorded(lines, where="verdicts.jsonl")
    assert [finding.where for finding in caught.value.findings] == ["line 2", "line 3", "line 4"]
    with pytest.raises(InputError, match="no recorded verdict"):
        read_recorded([""], where="verdicts.jsonl")


def test_score_against_recorded_verdicts_lists_differences_and_exits_by_them(tmp_path: Path) -> None:
    database = tmp_path / "ledger.db"
    with Ledger.open(database) as ledger:
        run(number_suite(tmp_path, 10), ["sim/direct"], ledger)
        rows = list(score_rows(ledger))
    file = tmp_path / "verdicts.jsonl"
    said = [{"sample_id": row.sample_id, "correct": row.value_millionths == 1_000_000} for row in rows]
    file.write_text("".join(json.dumps(one) + "\n" for one in said), encoding="utf-8")
    command = ["score", "run-1", "--db", str(database), "--against", str(file), "--json"]
    same = CliRunner().invoke(app, command)
    assert same.exit_code == 0
    assert json.loads(same.stdout)["agreement"]["n_agreed"] == 10
    said[0]["correct"] = not said[0]["correct"]
    file.write_text("".join(json.dumps(one) + "\n" for one in said), encoding="utf-8")
    other = CliRunner().invoke(app, command)
    assert other.exit_code == 1
    assert [one["sample_id"] for one in json.loads(other.stdout)["agreement"]["differences"]] == [rows[0].sample_id]
    shown = CliRunner().invoke(app, command[:-1])
    assert "9 of 10 verdicts agree (90.00 %)" in shown.stdout


@pytest.mark.parametrize("scorer", MESSY_SCORERS)
def test_no_untidy_reply_with_a_wrong_answer_is_credited_and_the_right_ones_are_found(scorer: str) -> None:
    """A part of what `python -m benchmarks.scoring` measures."""
    replies = list(messy_replies(scorer, 400, seed=11))
    found = list(zip(replies, scored_replies(replies), strict=True))
    assert [reply.text for reply, score in found if score.value == 1.0 and not reply.right] == []
    assert [reply.text for reply, score in found if score.value != 1.0 and reply.right] == []
