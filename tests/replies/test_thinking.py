"""Thinking that a server leaves in a reply is reasoning: stored and shown as such, never scored."""

from __future__ import annotations

import random

import pytest

from harness.providers.base import Response
from harness.replies.thinking import separate
from harness.scorers import Score, score
from harness.suites import Sample, ScorerRef

HARMONY = (
    "<|channel|>analysis<|message|>perhaps 24<|end|><|start|>assistant<|channel|>final<|message|>It is 72.<|return|>"
)

SEPARATED = [
    ("<think>perhaps 24</think>It is 72.", "It is 72."),
    ("<think>\nperhaps 24\n</think>\n\nIt is 72.", "It is 72."),
    ("perhaps 24\n</think>\n\nIt is 72.", "It is 72."),
    ("<THINK>perhaps 24</Think>It is 72.", "It is 72."),
    ('<thinking budget="9">perhaps 24</thinking>It is 72.', "It is 72."),
    ("<reasoning>perhaps 24</reasoning><answer>72</answer>", "<answer>72</answer>"),
    ("<thought>perhaps 24</thought>It is 72.", "It is 72."),
    ("<seed:think>perhaps 24</seed:think>It is 72.", "It is 72."),
    ("[THINK]perhaps 24[/THINK]It is 72.", "It is 72."),
    ("◁think▷perhaps 24◁/think▷It is 72.", "It is 72."),
    ("<|begin_of_thought|>perhaps 24<|end_of_thought|>It is 72.", "It is 72."),
    ("<|START_THINKING|>perhaps 24<|END_THINKING|>It is 72.", "It is 72."),
    (HARMONY, "It is 72."),
    ("perhaps 24<|end|><|start|>assistant<|channel|>final<|message|>It is 72.", "It is 72."),
    ("analysisWe think 24.assistantfinalIt is 72.", "It is 72."),
    ("<think>perhaps <think>24</think>, no</think>It is 72.", "It is 72."),
    ("<think>one says <think> and then 24</think>It is 72.", "It is 72."),
    ("<think>24</think>\n<think>no</think>\nIt is 72.", "It is 72."),
    ("<think>I end with `</think>`, not 24</think>It is 72.", "It is 72."),
    ("Let me see.\n<think>\nperhaps 24\n</think>\nIt is 72.", "Let me see.\n\nIt is 72."),
    ("<think>24\n```python\nx = 24\n</think>\n\n```python\nx = 72\n```", "```python\nx = 72\n```"),
    ("24\n```python\nx = 24\n</think>\n\n```python\nx = 72\n```", "```python\nx = 72\n```"),
    ("<|im_start|>assistant\n<think>24</think>It is 72.", "It is 72."),
    ("<think></think>\n\nIt is 72.", "It is 72."),
]
ABOUT_MARKS = [
    "The tag `<think>` opens a thought.",
    "Models write <think> and </think> around their thoughts.",
    "```xml\n<think>\nx\n</think>\n```\nAnswer: 3",
    'STOP = ["</think>"]',
    'print("<think>")',
    "The token '<|channel|>final<|message|>' begins an answer.",
    "analysis of the assistantfinal state",
]


@pytest.mark.parametrize(("text", "answer"), SEPARATED)
def test_thinking_inside_a_reply_is_reasoning_and_not_answer(text: str, answer: str) -> None:
    parts = separate(text)
    assert parts.answer == answer
    assert "24" in (parts.reasoning or "24")


@pytest.mark.parametrize("text", ABOUT_MARKS)
def test_a_mark_that_the_answer_is_about_is_not_thinking(text: str) -> None:
    assert separate(text).answer == text


@pytest.mark.parametrize(
    "text", ["<think>\nAnswer: 24\nbut", "[THINK]Answer: 24", "<|channel|>analysis<|message|>Answer: 24"]
)
def test_a_thought_that_is_cut_is_truncated_and_never_credited(text: str) -> None:
    sample = Sample(task="t", sample_id="1", input="?", target="24")
    cut = score(ScorerRef(name="number"), text=text, sample=sample, finish_reason="length")
    assert isinstance(cut, Score)
    assert cut.reason == "truncated"
    ended = score(ScorerRef(name="number"), text=text, sample=sample, finish_reason="stop")
    assert isinstance(ended, Score)
    assert ended.reason == "no_answer"


def test_an_answer_holds_its_reasoning_apart_from_its_birth() -> None:
    made = Response(text=SEPARATED[0][0], finish_reason="stop", usage_kind="openai.chat", raw_usage=None)
    assert (made.text, made.reasoning_text) == ("It is 72.", "perhaps 24")
    both = Response(
        text=HARMONY, reasoning_text="first", finish_reason="stop", usage_kind="openai.chat", raw_usage=None
    )
    assert (both.text, both.reasoning_text) == ("It is 72.", "first\n\nperhaps 24")


def test_what_is_separated_stays_as_it_is_when_it_is_separated_again() -> None:
    generator = random.Random(5)
    words = [*"a\n`\"' ", "```\n", "<think>", "</think>", "[THINK]", "[/THINK]", "<|end|>", "<|start|>assistant"]
    words += ["<|channel|>final<|message|>", "<|channel|>analysis<|message|>", "analysisWe", "assistantfinal"]
    for _ in range(5_000):
        text, cut = "".join(generator.choices(words, k=generator.randint(1, 9))), generator.random() < 0.3
        answer = separate(text, cut=cut).answer
        assert separate(answer, cut=cut).answer == answer
