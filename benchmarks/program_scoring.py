"""Are programs in replies judged right? Every HumanEval solution in every form of a reply passes, every mutant fails.

Run `python -m benchmarks.program_scoring HumanEval.jsonl.gz`. The forms are those in which people and models write
programs; each goes through the scorer that a run uses and through the sandbox. Exit status 1 when one verdict is wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from harness.sandbox import Sandbox, Verdict
from harness.scorers import score
from harness.scorers.values import ProgramCheck
from harness.suites import Sample, ScorerRef
from tests.support.sandbox_programs import Problem, differing_mutants, read_problems

BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data" / "questions" / "humaneval" / "HumanEval.jsonl.gz"
SCORER = ScorerRef(name="program", options={"call_check": True, "timeout_s": 20})


def fenced(code: str, *, fence: str = "```", language: str = "python") -> str:
    """A program in a fenced block."""
    return f"{fence}{language}\n{code.rstrip()}\n{fence}\n"


def indented(text: str, lead: str) -> str:
    """A text as it stands in a list or in a quotation."""
    return "".join(f"{lead}{line}\n" for line in text.rstrip("\n").split("\n"))


FORMS: dict[str, Callable[[Problem, str], str]] = {
    "a fenced block": lambda _, code: f"Here is the function.\n\n{fenced(code)}",
    "tildes": lambda _, code: fenced(code, fence="~~~"),
    "a long fence, no language": lambda _, code: fenced(code, fence="`````", language=""),
    "python3 and more words": lambda _, code: fenced(code, language='Python3 title="solution.py"'),
    "a block in a list": lambda _, code: f"1. The function:\n\n{indented(fenced(code), '   ')}2. Done.",
    "a quotation": lambda _, code: indented(fenced(code), "> "),
    "lines that end in CR LF": lambda _, code: f"Sure:\n\n{fenced(code)}Done.".replace("\n", "\r\n"),
    "a block that is never closed": lambda _, code: f"```python\n{code.rstrip()}\n\nThis should work; it's tested.",
    "a fence behind the last statement": lambda _, code: f"```python\n{code.rstrip()}```\nThat is all.",
    "an example behind it": lambda p, code: f"{fenced(code)}\nExample:\n\n{fenced(f'print({p.entry_point}.__name__)')}",
    "output and a command behind it": lambda _, code: (
        f"{fenced(code)}Output:\n{fenced('[1, 2]', language='')}Run:\n{fenced('python3 x.py', language='bash')}"
    ),
    "a draft before it": lambda p, code: (
        f"Draft:\n{fenced(f'def {p.entry_point}(*args): return None')}Better:\n{fenced(code)}"
    ),
    "no fence": lambda _, code: code,
    "no fence, words around it": lambda _, code: (
        f"Here's what I'd write:\n\n{code.rstrip()}\n\nIt's linear. Note: it doesn't change its argument."
    ),
    "the body alone": lambda p, code: code.removeprefix(p.prompt),
    "the body alone in a block": lambda p, code: fenced(code.removeprefix(p.prompt)),
}


def check_of(problem: Problem, reply: str) -> ProgramCheck | None:
    """What the scorer makes of a reply; None when it finds no program."""
    facts = {"prompt": problem.prompt, "tests": problem.tests, "entry_point": problem.entry_point}
    sample = Sample(task="humaneval", sample_id=problem.task_id, input=problem.prompt, target="", metadata=facts)
    found = score(SCORER, text=reply, sample=sample, finish_reason="stop")
    return found if isinstance(found, ProgramCheck) else None


async def verdicts(sandbox: Sandbox, problems: Sequence[Problem], replies: Sequence[str]) -> list[Verdict]:
    """Judge one reply to each problem."""
    checks = [check_of(problem, reply) for problem, reply in zip(problems, replies, strict=True)]
    nothing = Verdict(passed=False, reason="wrong", detail="no program was found")

    async def judged(check: ProgramCheck | None) -> Verdict:
        return nothing if check is None else await sandbox.run(check)

    return list(await asyncio.gather(*map(judged, checks)))


async def measure(problems: Sequence[Problem]) -> int:
    """Print a line for each form and for the mutants; give the number of wrong verdicts."""
    wrong = 0
    changed = await asyncio.to_thread(differing_mutants, problems)
    async with Sandbox() as sandbox:
        if sandbox.problem is not None:
            raise SystemExit(f"{sandbox.problem.problem}; {sandbox.problem.fix}")
        for name, form in FORMS.items():
            found = await verdicts(sandbox, problems, [form(problem, problem.solution) for problem in problems])
            wrong += _say(name, problems, found, expected=True)
        replies = [fenced(mutant) for mutant in changed]
        wrong += _say("mutants", problems, await verdicts(sandbox, problems, replies), expected=False)
    return wrong


def _say(name: str, problems: Sequence[Problem], found: Sequence[Verdict], *, expected: bool) -> int:
    bad = [(p.task_id, v) for p, v in zip(problems, found, strict=True) if v.passed is not expected]
    word = "pass" if expected else "fail"
    print(f"{name:36} {len(found) - len(bad):3} of {len(found)} {word}")
    for task_id, verdict in bad[:3]:
        print(f"  {task_id}: {verdict.reason} {verdict.detail}")
    return len(bad)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("humaneval", nargs="?", type=Path, default=BESIDE, help="HumanEval.jsonl.gz")
    path: Path = parser.parse_args().humaneval
    if not path.is_file():
        print(f"left out: {path} is not on this machine")
        return
    started = time.perf_counter()
    wrong = asyncio.run(measure(read_problems(path)))
    print(f"{time.perf_counter() - started:.1f} s")
    sys.exit(int(wrong > 0))


if __name__ == "__main__":
    main()
