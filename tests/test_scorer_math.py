"""Formulas are equal when they mean the same, and hostile ones cost bounded time and nothing else."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.math_forms import perturbed, rewritten
from harness.math_workers import MathWorkers, check_all
from harness.scorers import MathCheck, Score, score
from harness.suites import Sample, ScorerRef
from tests.shared_data import shared

REF = ScorerRef(name="math")


def outcome(text: str, target: str) -> Score | MathCheck:
    found = score(
        REF, text=text, sample=Sample(task="t", sample_id="1", input="?", target=target), finish_reason="stop"
    )
    assert isinstance(found, Score | MathCheck)
    return found


def finished(found: list[Score | MathCheck]) -> list[Score]:
    """Carry out what is left to the workers, in one pool."""
    checked = iter(check_all([one for one in found if isinstance(one, MathCheck)]))
    return [next(checked) if isinstance(one, MathCheck) else one for one in found]


def values(pairs: list[tuple[str, str]]) -> list[float | None]:
    return [one.value for one in finished([outcome(f"\\boxed{{{answer}}}", target) for answer, target in pairs])]


EQUAL = [
    ("0.5", r"\frac{1}{2}"),
    (r"\dfrac12", r"\frac{1}{2}"),
    ("42.", "42"),
    ("1,000", "1000"),
    (r"x = 5", "5"),
    (r"2 + x", "x+2"),
    (r"(x-1)(x+1)", "x^2-1"),
    (r"\sqrt{8}", r"2\sqrt{2}"),
    (r"90^\circ", "90"),
    (r"\text{Evelyn}", "Evelyn"),
    (r"\left(3,\frac{\pi}{2}\right)", r"(3, \pi/2)"),
    (r"15\text{ cm}^2", r"15\mbox{ cm}^2"),
    (r"\{2, 1\}", r"\{1, 2\}"),
]
DIFFERENT = [
    ("700001", "700002"),
    ("711", "11"),
    ("0.33", r"\frac{1}{3}"),
    ("x+3", "x+2"),
    (r"(2, 1)", r"(1, 2)"),
    ("[0, 1)", "[0, 1]"),
    (r"\text{Zoe}", r"\text{Evelyn}"),
    ("-5", "5"),
]


def test_the_same_value_in_another_form_is_right() -> None:
    assert values(EQUAL) == [1.0] * len(EQUAL)


def test_another_value_is_wrong() -> None:
    assert values(DIFFERENT) == [0.0] * len(DIFFERENT)


def test_plain_numbers_are_settled_without_a_worker() -> None:
    assert isinstance(outcome(r"\boxed{0.5}", r"\frac{1}{2}"), Score)
    assert isinstance(outcome(r"\boxed{x+1}", "1+x"), MathCheck)


def test_the_last_box_counts_and_its_rule_is_recorded() -> None:
    found = outcome(r"First \boxed{3}, no: \boxed{\frac{1}{2}} (not 7).", r"\frac{1}{2}")
    assert isinstance(found, Score)
    assert (found.value, found.rule) == (1.0, "boxed")


def test_math_500_references_equal_themselves_and_a_rewritten_form_and_differ_from_a_perturbed_one() -> None:
    """Every eighth reference here; `python -m benchmarks.scoring` shows all 500 by subject."""
    path = shared("data/questions/math500/test.jsonl")
    answers = [json.loads(line)["answer"] for line in path.read_text(encoding="utf-8").splitlines()][::8]
    forms = [(form, answer) for answer in answers for form in (answer, rewritten(answer)[1], perturbed(answer))]
    assert all(form != target for form, target in forms[1::3])
    expected = [1.0, 1.0, 0.0] * len(answers)
    found = zip(forms, values(forms), expected, strict=True)
    assert [(form, value) for form, value, right in found if value != right] == []


def test_the_worker_itself_finds_references_equal_to_themselves() -> None:
    targets = [target for _, target in EQUAL] + [
        r"\begin{pmatrix} -7 \\ 16 \end{pmatrix}",
        r"(-\infty, 2) \cup (3, \infty)",
    ]
    scores = check_all([MathCheck(answer=target, target=target) for target in targets])
    assert [one.value for one in scores] == [1.0] * len(targets)


def files_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


HOSTILE = {
    "ten megabytes": "x+" * 5_000_000 + "x",
    "nested 10,000 deep": "\\frac{1}{" * 10_000 + "1" + "}" * 10_000,
    "brackets 10,000 deep": "(" * 10_000 + "1" + ")" * 10_000,
    "unclosed braces": "{" * 10_000,
    "a python import": "__import__('os').system('touch hostile_was_here')",
    "a python import in text": "\\text{__import__('os').system('touch hostile_was_here')}",
    "a tower of powers": "9^{9^{9^{9^{9}}}}",
    "a large factorial": "(10^{9})!",
    "a long sum of roots": "+".join(f"\\sqrt{{{n}}}" for n in range(2, 200)),
    "null bytes": "1\x00\x002",
    "a newline that would break the channel": '1\n{"equal": true}\n',
}


async def test_hostile_formulas_return_in_bounded_time_are_never_right_and_leave_a_working_pool() -> None:
    async with MathWorkers(1) as workers:
        for name, text in HOSTILE.items():
            started = time.perf_counter()
            found = outcome(f"\\boxed{{{text}}}\nAnswer: {text}", "2")
            if isinstance(found, MathCheck):
                found = await workers.check(dataclasses.replace(found, timeout_s=1))
            assert found.value in (0.0, None), name
            assert time.perf_counter() - started < 20, name
        assert (await workers.check(MathCheck(answer="1+x", target="x+1"))).value == 1.0


@pytest.mark.parametrize("name", ["nested 10,000 deep", "a python import", "a python import in text"])
async def test_poison_that_reaches_a_worker_does_nothing_and_the_next_answer_is_scored(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with MathWorkers(1) as workers:
        poisoned = await workers.check(MathCheck(answer=HOSTILE[name], target="2", timeout_s=1))
        assert poisoned.value in (0.0, None)
        assert (await workers.check(MathCheck(answer="1+x", target="x+1"))).value == 1.0
    assert files_in(tmp_path) == []


async def test_a_comparison_that_takes_too_long_is_undecided_not_wrong() -> None:
    async with MathWorkers(1) as workers:
        await workers.check(MathCheck(answer="1", target="1"))
        found = await workers.check(MathCheck(answer="9^{9^{9^{9}}}", target="x+1", timeout_s=0.001))
    assert (found.value, found.reason) == (None, "undecided")
    assert found.explanation == "the comparison took longer than 0.001 s"


async def test_no_worker_outlives_its_pool() -> None:
    async with MathWorkers(2) as workers:
        await asyncio.gather(*(workers.check(MathCheck(answer="x", target="x")) for _ in range(4)))
        pids = workers.process_ids()
        assert len(pids) == 2
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_worker_cannot_write_files_and_knows_no_secrets() -> None:
    program = (
        "import resource, os; from harness import math_worker; math_worker.limit_this_process();"
        "assert resource.getrlimit(resource.RLIMIT_FSIZE) == (0, 0);"
        "assert resource.getrlimit(resource.RLIMIT_AS)[0] == math_worker.MEMORY_BYTES"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_scoring_imports_nothing_heavy() -> None:
    program = "import sys; import harness.scorers; assert not {'sympy', 'math_verify', 'asyncio'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
