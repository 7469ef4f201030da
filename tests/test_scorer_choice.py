"""Multiple choice: the right letter is found by the strongest rule that fires, and the rule is recorded."""

from __future__ import annotations

import json

import pytest

from harness.scorers import WEAK_RULES, Score, score
from harness.suites import Sample, ScorerRef
from tests.shared_data import shared

SAMPLE = Sample(task="t", sample_id="1", input="?", target="B", choices=("red", "green", "blue", "none of these"))


def scored(text: str, sample: Sample = SAMPLE) -> Score:
    outcome = score(ScorerRef(name="multiple_choice"), text=text, sample=sample, finish_reason="stop")
    assert isinstance(outcome, Score)
    return outcome


@pytest.mark.parametrize(
    ("text", "letter", "rule"),
    [
        ("Answer: B", "B", "answer_line"),
        ("**Answer: B**", "B", "answer_line"),
        ("**Answer:** (B) green", "B", "answer_line"),
        ("Answer: B because green is right", "B", "answer_line"),
        ("The final answer: B.", "B", "answer_line"),
        (r"Answer: $\boxed{B}$ and so on" + "\n" + r"\boxed{C}", "C", "boxed"),
        (r"So \boxed{\text{B}}", "B", "boxed"),
        ("I think the answer is (C).", "C", "answer_is"),
        ("the answer is option **D**", "D", "answer_is"),
        ("I would take option C here", "C", "option_words"),
        ("After some thought:\n\nB.\n", "B", "lone_letter"),
        ("B. green", "B", "only_line"),
        ("**(C)** blue", "C", "only_line"),
        ("Answer: green", "B", "option_text"),
    ],
)
def test_the_chain_finds_the_letter_and_names_its_rule(text: str, letter: str, rule: str) -> None:
    found = scored(text)
    assert (found.answer, found.rule) == (letter, rule)


def test_the_last_answer_line_wins() -> None:
    assert scored("Answer: A\nOn reflection that is wrong.\nAnswer: B").value == 1.0


def test_a_strong_rule_beats_a_later_weak_one() -> None:
    found = scored("Answer: B\nNote that option C is also tempting.\nC\n")
    assert (found.answer, found.rule) == ("B", "answer_line")


def test_ordinary_prose_is_not_an_answer() -> None:
    assert scored("I believe that a careful reader sees it. A dog barks.").reason == "no_answer"
    assert scored("Answer: I am not sure").reason == "no_answer"


def test_a_letter_beyond_the_options_is_no_answer() -> None:
    assert scored("Answer: G").reason == "no_answer"


def test_a_list_of_options_is_not_an_answer() -> None:
    assert scored("A. red\nB. green\nC. blue").reason == "no_answer"


def test_recorded_direct_answers_of_a_real_model_are_read_as_their_authors_did() -> None:
    path = shared("data/questions/mmmu_pro/sample.jsonl")
    for row in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
        ten = Sample(task="t", sample_id="1", input="?", target=row["answer"], choices=tuple("abcdefghij"))
        found = scored(row["gpt4o_direct"], ten)
        assert (found.answer, found.value == 1.0) == (row["gpt4o_pred"], row["gpt4o_right"])


def test_weak_rules_are_named_so_that_reports_can_count_them() -> None:
    assert {scored("option B").rule, scored("B").rule} <= WEAK_RULES
    assert scored("Answer: B").rule not in WEAK_RULES


def test_a_reply_of_ten_million_characters_takes_bounded_time() -> None:
    assert scored("**" * 5_000_000).reason == "no_answer"
    assert scored("\n" * 10_000_000 + "Answer: B").value == 1.0
