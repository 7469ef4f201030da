"""Numbers are compared exactly, wherever a reply hides them."""

from __future__ import annotations

import gzip
import json
from fractions import Fraction

import pytest

from harness.scorers import SCORERS, Score, score
from harness.scorers.number import parse_number
from harness.suites import Sample, ScorerRef
from tests.shared_data import shared


def sample(target: str) -> Sample:
    return Sample(task="t", sample_id="1", input="?", target=target)


def scored(text: str, target: str, **options: object) -> Score:
    outcome = score(ScorerRef(name="number", options=options), text=text, sample=sample(target), finish_reason="stop")
    assert isinstance(outcome, Score)
    return outcome


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("42", 42),
        ("42.", 42),
        ("$1,234.50", Fraction(2469, 2)),
        ("-3", -3),
        ("\u22127", -7),
        ("60%", 60),
        ("3/4", Fraction(3, 4)),
        (r"\frac{3}{4}", Fraction(3, 4)),
        (r"-\frac34", Fraction(-3, 4)),
        ("1e3", 1000),
        ("0.1", Fraction(1, 10)),
        (".5", Fraction(1, 2)),
        (r"\$18", 18),
    ],
)
def test_a_written_number_is_read_exactly(text: str, value: Fraction) -> None:
    assert parse_number(text) == value


@pytest.mark.parametrize(
    "text", ["", "forty", "1,23", "12 34", "--5", "1/0", r"\frac123", None, "NaN", "Infinity", "9" * 5000]
)
def test_what_is_no_number_is_none(text: str | None) -> None:
    assert parse_number(text) is None


def test_an_ending_is_not_the_whole_number() -> None:
    assert scored("Answer: 711", "11").value == 0.0


def test_no_digit_is_lost() -> None:
    assert scored("Answer: 700001", "700002").value == 0.0
    assert scored("Answer: 12345678901234567890", "12345678901234567891").value == 0.0


def test_a_full_stop_behind_a_number_does_not_make_it_wrong() -> None:
    assert scored("Answer: 42.", "42").value == 1.0


def test_no_answer_never_equals_no_reference() -> None:
    assert scored("I cannot say.", "n/a").reason == "no_answer"
    assert scored("Answer: 5", "n/a").value == 0.0


def test_the_last_answer_line_wins_over_later_numbers() -> None:
    found = scored("Answer: 3\nNo, wait.\n**Answer:** 4\n(checked 99 times)", "4")
    assert (found.value, found.rule) == (1.0, "answer_line")


def test_a_cut_reply_without_a_number_is_truncated_not_wrong() -> None:
    ref = ScorerRef(name="number")
    assert score(ref, text="", sample=sample("4"), finish_reason="length") == Score(
        reason="truncated", explanation="the reply ends at the output cap before an answer"
    )


def test_a_number_in_the_middle_of_a_cut_thought_is_not_its_answer() -> None:
    ref = ScorerRef(name="number")
    cut = score(ref, text="First 3 + 4 is 7, then", sample=sample("4"), finish_reason="length")
    assert isinstance(cut, Score)
    assert cut.reason == "truncated"
    settled = score(ref, text="Answer: 4\nLet me explain: 3", sample=sample("4"), finish_reason="length")
    assert isinstance(settled, Score)
    assert settled.value == 1.0


def test_a_refusal_is_unscored() -> None:
    outcome = score(ScorerRef(name="number"), text="4", sample=sample("4"), refused=True)
    assert outcome == Score(reason="refused")


def test_a_tolerance_is_inclusive_and_exact() -> None:
    assert scored("Answer: 0.3", "0.1", tolerance="0.2").value == 1.0
    assert scored("Answer: 0.3000001", "0.1", tolerance="0.2").value == 0.0


def test_an_unknown_rule_is_refused_by_the_options() -> None:
    with pytest.raises(ValueError, match="unknown rules"):
        SCORERS["number"].options.model_validate({"find": ["crystal_ball"]})


def test_every_labelled_gsm8k_answer_is_scored_as_its_label_says() -> None:
    path = shared("data/questions/gsm8k/example_model_solutions.jsonl.gz")
    authors = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")
    agreed = total = 0
    for row in map(json.loads, gzip.decompress(path.read_bytes()).splitlines()):
        target = row["ground_truth"].rpartition("A:")[2].strip()
        for author in authors:
            found = scored(row[author]["solution"], target, find=["short_answer_line"])
            agreed += (found.value == 1.0) is row[author]["is_correct"]
            total += 1
    assert (agreed, total) == (5276, 5276)


def test_recorded_answers_of_a_real_model_reach_the_published_score() -> None:
    path = shared("data/recorded/gsm8k_answers/gsm_gpt-3.5-turbo-0125.jsonl.gz")
    right = total = 0
    for row in map(json.loads, gzip.decompress(path.read_bytes()).splitlines()):
        found = scored(row["output"][0], row["answer"].strip("# "), find=["json:answer"])
        right += found.value == 1.0
        total += 1
    assert (right, total) == (1060, 1319)
    assert round(100 * right / total, 2) == 80.36
