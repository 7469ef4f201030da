"""The starter suite's questions, answer keys and programs, checked against independent derivations."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import Any

import pytest

from harness.loaders import load_suite, load_task, suite_file
from harness.resources import shipped
from harness.scorers import ProgramCheck, Score, score
from harness.suites import Sample, Suite
from tests.support.starter_choices import FACTS, MULTIPLE_CHOICE
from tests.support.starter_maths import MATH

LETTERS = "ABCD"


def rows_of(name: str) -> list[dict[str, Any]]:
    text = (shipped("suites") / "starter" / f"{name}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


QUESTIONS = {row["id"]: row for row in rows_of("multiple_choice")}
PROBLEMS = {row["id"]: row for row in rows_of("math")}
PROGRAMS = {row["id"]: row for row in rows_of("code")}


def right_option(row: dict[str, Any]) -> str:
    return str(row["options"][LETTERS.index(row["answer"])])


def starter() -> Suite:
    return load_suite("starter")


def samples_of(name: str) -> tuple[Sample, ...]:
    task = next(task for task in starter().tasks if task.name == name)
    return load_task(task, suite_path=suite_file("starter")).samples


def scored(name: str, sample: Sample, reply: str) -> float | None:
    task = next(task for task in starter().tasks if task.name == name)
    outcome = score(task.scorer, text=reply, sample=sample)
    assert isinstance(outcome, Score)
    return outcome.value


def test_the_suite_file_describes_the_shipped_rows() -> None:
    for task in starter().tasks:
        assert isinstance(task.dataset.local, str)
        rows = rows_of(task.name)
        assert (shipped("suites") / task.dataset.local).is_file()
        assert len(rows) == task.dataset.expected_rows
        assert all(column in row for row in rows for column in task.dataset.fields.values())


def test_sizes_and_subjects() -> None:
    assert len(QUESTIONS) == len(rows_of("multiple_choice")) == 60
    assert len(PROBLEMS) == len(rows_of("math")) == 50
    assert len(PROGRAMS) == len(rows_of("code")) == 30
    assert set(Counter(row["subject"] for row in QUESTIONS.values()).values()) == {6}
    assert len({row["subject"] for row in QUESTIONS.values()}) == 10
    assert len({row["subject"] for row in PROBLEMS.values()}) == 6


def test_answer_letters_are_balanced() -> None:
    assert Counter(row["answer"] for row in QUESTIONS.values()) == dict.fromkeys(LETTERS, 15)


def test_no_question_occurs_twice() -> None:
    texts = [row["question"] for row in (*QUESTIONS.values(), *PROBLEMS.values(), *PROGRAMS.values())]
    assert len(set(texts)) == len(texts)


def test_difficulties_lie_between_zero_and_one() -> None:
    rows = (*QUESTIONS.values(), *PROBLEMS.values(), *PROGRAMS.values())
    assert all(0 <= row["difficulty"] <= 1 for row in rows)


def test_every_question_has_four_different_options() -> None:
    assert all(len(set(row["options"])) == len(row["options"]) == 4 for row in QUESTIONS.values())


def test_each_key_is_computed_or_rests_on_a_named_fact() -> None:
    assert MATH.keys() == PROBLEMS.keys()
    assert not MULTIPLE_CHOICE.keys() & FACTS.keys()
    assert MULTIPLE_CHOICE.keys() | FACTS.keys() == QUESTIONS.keys()
    assert len(MULTIPLE_CHOICE) >= len(QUESTIONS) / 2


@pytest.mark.parametrize("sample_id", QUESTIONS)
def test_multiple_choice_key(sample_id: str) -> None:
    row = QUESTIONS[sample_id]
    derived = MULTIPLE_CHOICE[sample_id]() if sample_id in MULTIPLE_CHOICE else FACTS[sample_id][0]
    assert right_option(row) == derived
    assert row["options"].count(derived) == 1


@pytest.mark.parametrize("sample_id", PROBLEMS)
def test_math_key(sample_id: str) -> None:
    answer = PROBLEMS[sample_id]["answer"]
    assert Fraction(answer) == MATH[sample_id]()
    assert str(Fraction(answer)) == answer, "written as a whole number or a fraction in lowest terms"


def passes(solution: str, row: dict[str, Any]) -> bool:
    program = f"{solution}\n{row['test']}\ncheck({row['entry_point']})\nprint('all tests passed')\n"
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, timeout=20, check=False
    )
    return done.returncode == 0 and done.stdout == "all tests passed\n"


def test_every_reference_program_passes_and_every_wrong_one_fails() -> None:
    rows = list(PROGRAMS.values())
    with ThreadPoolExecutor(2) as pool:
        right = list(pool.map(lambda row: passes(row["reference_solution"], row), rows))
        wrong = list(pool.map(lambda row: passes(row["wrong_solution"], row), rows))
        empty = list(pool.map(lambda row: passes(row["question"] + "    return None\n", row), rows))
    ids = [row["id"] for row in rows]
    assert [i for i, passed in zip(ids, right, strict=True) if not passed] == []
    assert [i for i, passed in zip(ids, wrong, strict=True) if passed] == []
    assert [i for i, passed in zip(ids, empty, strict=True) if passed] == []


def test_prompts_define_the_function_that_is_tested() -> None:
    for row in PROGRAMS.values():
        assert row["question"].startswith(f"def {row['entry_point']}(")
        assert row["reference_solution"].splitlines()[0] == row["question"].splitlines()[0]
        assert row["test"].startswith("def check(candidate):\n")


def test_a_reply_in_the_form_that_the_prompt_asks_for_scores_one() -> None:
    for sample in samples_of("multiple_choice"):
        assert sample.target in LETTERS
        wrong = LETTERS[LETTERS.index(sample.target) - 1]
        assert scored("multiple_choice", sample, f"Let me see.\n\nAnswer: {sample.target}") == 1
        assert scored("multiple_choice", sample, f"Let me see.\n\nAnswer: {wrong}") == 0
    for sample in samples_of("math"):
        value = Fraction(sample.target)
        latex = sample.target if value.denominator == 1 else f"\\frac{{{value.numerator}}}{{{value.denominator}}}"
        assert scored("math", sample, f"So it is $\\boxed{{{latex}}}$.") == 1
        assert scored("math", sample, f"So it is $\\boxed{{{value + 1}}}$.") == 0


def test_the_file_decides_how_hard_a_sample_is() -> None:
    for name, rows in (("multiple_choice", QUESTIONS), ("math", PROBLEMS), ("code", PROGRAMS)):
        assert {s.sample_id: s.difficulty for s in samples_of(name)} == {
            i: row["difficulty"] for i, row in rows.items()
        }


def test_a_program_is_checked_with_the_tests_of_its_row() -> None:
    task = next(task for task in starter().tasks if task.name == "code")
    for sample in samples_of("code"):
        reply = f"Here it is.\n\n```python\n{PROGRAMS[sample.sample_id]['reference_solution']}```\n"
        outcome = score(task.scorer, text=reply, sample=sample)
        assert isinstance(outcome, ProgramCheck)
        assert outcome.tests.rstrip().endswith(f"check({sample.sample_id})")
        assert outcome.program.count(f"def {sample.sample_id}(") == 1
