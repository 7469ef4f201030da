"""Short texts are equal exactly, or after the normalisation that a suite names, and never by their ending."""

from __future__ import annotations

import pytest

from harness.scorers import Score, score
from harness.suites import Sample, ScorerRef


def scored(text: str, target: str, **options: object) -> Score:
    sample = Sample(task="t", sample_id="1", input="?", target=target)
    outcome = score(ScorerRef(name="text", options=options), text=text, sample=sample, finish_reason="stop")
    assert isinstance(outcome, Score)
    return outcome


@pytest.mark.parametrize("text", ["Answer: Yes", "answer:  yes.", "**Answer: YES**", r"so \boxed{yes}", "Well,\nYes"])
def test_case_spaces_and_markup_do_not_matter_by_default(text: str) -> None:
    assert scored(text, "yes").value == 1.0


def test_an_ending_is_not_the_whole_text() -> None:
    assert scored("Answer: invalid", "valid").value == 0.0


def test_exact_means_exact() -> None:
    assert scored("Answer: Yes", "yes", normalise=[]).value == 0.0


def test_brackets_of_a_sequence_are_compared_without_spaces() -> None:
    assert scored("Answer: ] ) >", "])>", normalise=["all_spaces"]).value == 1.0
    assert scored("Answer: ] ) ]", "])>", normalise=["all_spaces"]).value == 0.0


@pytest.mark.parametrize("text", ["Answer: (B)", "Answer: B", "Answer: (B) the owl", "Answer: B) the owl"])
def test_a_letter_stands_for_its_option(text: str) -> None:
    assert scored(text, "(B)", leading_letter=True).value == 1.0
    assert scored(text, "(C)", leading_letter=True).value == 0.0


def test_any_of_several_references_is_right() -> None:
    assert scored("Answer: car", "automobile|car", separator="|").value == 1.0


@pytest.mark.parametrize(
    "text",
    [
        "The answer is:\n\nParis",
        "Answer:\n\nParis",
        "**Answer:** Paris.",
        'Answer: "Paris"',
        "Answer: Paris (the capital)",
        "Answer: Paris, because it is the capital",
        "Answer: \\text{Paris}",
        "<answer>Paris</answer>",
        '{"answer": "Paris", "sure": true}',
        "Antwort: Paris",
        "答案：Paris",
        "Réponse : Paris",
        "So the answer is Paris.",
        "Lyon?\nParis",
    ],
)
def test_a_short_answer_is_found_in_every_form_in_which_it_is_stated(text: str) -> None:
    assert scored(text, "Paris").value == 1.0
    assert scored(text, "Lyon").value == 0.0


@pytest.mark.parametrize(
    "text", ["The answer is not Paris", "Answer: Paris or Lyon", "Answer: Lyon\n", "Answer: no idea"]
)
def test_another_short_answer_is_not_credited(text: str) -> None:
    assert scored(text, "Paris").value != 1.0
