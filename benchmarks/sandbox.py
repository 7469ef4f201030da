"""How much the sandbox costs: the same checks in the sandbox and in plain subprocesses, on the same processors.

Run `python -m benchmarks.sandbox [HumanEval.jsonl.gz]`; without the file the starter suite's programs are used. Rounds
of both sides alternate, and the ratio of the medians is printed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness.loaders import load_suite, load_task, suite_file
from harness.sandbox import Sandbox
from harness.scorers.values import ProgramCheck
from tests.support.sandbox_programs import read_problems

PLAIN_COMMANDS = {
    "python -I (as one starts a script)": [sys.executable, "-I"],
    "python -I -S (no site packages)": [sys.executable, "-I", "-S"],
}


def starter_checks() -> list[ProgramCheck]:
    """The reference solutions of the starter suite with their tests."""
    task = next(task for task in load_suite("starter").tasks if task.name == "code")
    samples = load_task(task, suite_path=suite_file("starter")).samples
    return [
        ProgramCheck(
            program=sample.metadata["reference_solution"],
            tests=f"{sample.metadata['tests']}\ncheck({sample.metadata['entry_point']})\n",
            entry_point=sample.metadata["entry_point"],
            timeout_s=60,
        )
        for sample in samples
    ]


def plain_seconds(checks: Sequence[ProgramCheck], command: Sequence[str], *, workers: int) -> float:
    """Wall time of the checks as scripts of program and tests, each in a subprocess of its own; all must pass."""

    def run(path: Path) -> int:
        return subprocess.run([*command, str(path)], capture_output=True, timeout=120, check=False).returncode

    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(workers) as pool:
        paths = []
        for number, check in enumerate(checks):
            path = Path(folder) / f"{number}.py"
            path.write_text(f"{check.program}\n\n{check.tests}\n", encoding="utf-8")
            paths.append(path)
        started = time.perf_counter()
        codes = list(pool.map(run, paths))
        elapsed = time.perf_counter() - started
    if any(codes):
        raise SystemExit(f"{sum(map(bool, codes))} checks failed in plain subprocesses")
    return elapsed


async def boxed_seconds(checks: Sequence[ProgramCheck], sandbox: Sandbox) -> float:
    """Wall time of the checks in the sandbox; all must pass."""
    started = time.perf_counter()
    verdicts = await asyncio.gather(*(sandbox.run(check) for check in checks))
    elapsed = time.perf_counter() - started
    failed = [verdict for verdict in verdicts if not verdict.passed]
    if failed:
        raise SystemExit(f"{len(failed)} checks failed in the sandbox, the first: {failed[0]}")
    return elapsed


async def measure(checks: Sequence[ProgramCheck], *, workers: int, rounds: int) -> dict[str, list[float]]:
    """Seconds of each round: the sandbox and every plain command, in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in ("sandbox", *PLAIN_COMMANDS)}
    async with Sandbox(workers=workers) as sandbox:
        if sandbox.problem is not None:
            raise SystemExit(f"{sandbox.problem.problem}; {sandbox.problem.fix}")
        await boxed_seconds(checks[: 2 * workers], sandbox)
        for _ in range(rounds):
            seconds["sandbox"].append(await boxed_seconds(checks, sandbox))
            for name, command in PLAIN_COMMANDS.items():
                seconds[name].append(await asyncio.to_thread(plain_seconds, checks, command, workers=workers))
    return seconds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("humaneval", nargs="?", type=Path, help="HumanEval.jsonl.gz")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    checks = (
        [problem.check(timeout_s=60) for problem in read_problems(options.humaneval)]
        if options.humaneval
        else starter_checks()
    )
    seconds = asyncio.run(measure(checks, workers=options.workers, rounds=options.rounds))
    boxed = statistics.median(seconds["sandbox"])
    print(f"{len(checks)} programs, {options.workers} at a time, median of {options.rounds} rounds")
    for name, each in seconds.items():
        median = statistics.median(each)
        per_program_ms = median / len(checks) * 1000
        ratio = "" if name == "sandbox" else f"   sandbox / this = {boxed / median:.2f}"
        print(f"{name:36} {median:7.2f} s  {per_program_ms:6.1f} ms a program{ratio}")


if __name__ == "__main__":
    main()
