"""Formulas that do harm, and the workers that read them: bounded, without rights, gone with their pool."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.sandbox.math_pool import MathWorkers
from harness.scorers import MathCheck
from tests.support.math_replies import outcome


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


async def test_a_comparison_whose_reference_alone_takes_too_long_is_undecided() -> None:
    async with MathWorkers(1) as workers:
        await workers.check(MathCheck(answer="1", target="1"))
        found = await workers.check(MathCheck(answer="x", target="x+1", timeout_s=0.000_001))
    assert (found.value, found.reason) == (None, "undecided")
    assert found.explanation == "the comparison took longer than 1e-06 s"


def children() -> set[int]:
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError):  # a thread that has just ended
            found.update(map(int, (task / "children").read_text().split()))
    return found


async def test_no_worker_outlives_its_pool() -> None:
    before = children()
    async with MathWorkers(2) as workers:
        await asyncio.gather(*(workers.check(MathCheck(answer="x", target="x")) for _ in range(4)))
        pids = children() - before
        assert len(pids) == 2
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_worker_cannot_write_files_and_knows_no_secrets() -> None:
    program = (
        "import resource, os; from harness.sandbox import math_worker; math_worker.limit_this_process();"
        "assert resource.getrlimit(resource.RLIMIT_FSIZE) == (0, 0);"
        "assert resource.getrlimit(resource.RLIMIT_AS)[0] == math_worker.MEMORY_BYTES"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
