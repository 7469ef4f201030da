"""Programs for the sandbox's tests and its benchmark: HumanEval's solutions, and mutants that are proven to differ.

A mutant is a solution with one operator, constant or condition changed. It is used only when a plain run shows that it
gives another result than the solution on an argument list of the problem's own tests, which refuse it.
"""

from __future__ import annotations

import ast
import copy
import gzip
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from harness.sandbox import Verdict
from harness.sandbox.worker import Worker
from harness.scorers.values import ProgramCheck

ECHO = "def f(x): return x"


def ran(worker: Worker, program: str, tests: str, *, entry_point: str | None = "f") -> Verdict:
    return worker.run(ProgramCheck(program=program, tests=tests, entry_point=entry_point))


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One HumanEval problem with its solution."""

    task_id: str
    prompt: str
    solution: str
    tests: str
    entry_point: str

    def check(self, program: str | None = None, *, timeout_s: float = 20.0) -> ProgramCheck:
        """The check of a program for this problem; None = its own solution."""
        return ProgramCheck(
            program=self.solution if program is None else program,
            tests=f"{self.tests}\ncheck({self.entry_point})\n",
            entry_point=self.entry_point,
            timeout_s=timeout_s,
        )


def read_problems(path: Path) -> list[Problem]:
    """Read HumanEval's file."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [
        Problem(
            task_id=row["task_id"],
            prompt=row["prompt"],
            solution=row["prompt"] + row["canonical_solution"],
            tests=row["test"],
            entry_point=row["entry_point"],
        )
        for row in rows
    ]


COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
}


def changed(node: ast.AST) -> ast.AST | None:
    """The node with one thing changed; None when there is nothing to change in it."""
    new = copy.deepcopy(node)
    match new:
        case ast.Compare() if type(new.ops[0]) in COMPARISONS:
            new.ops[0] = COMPARISONS[type(new.ops[0])]()
        case ast.BinOp() | ast.AugAssign() if type(new.op) in OPERATORS:
            new.op = OPERATORS[type(new.op)]()
        case ast.BoolOp():
            new.op = ast.Or() if isinstance(new.op, ast.And) else ast.And()
        case ast.Constant(value=bool()):
            new.value = not new.value
        case ast.Constant(value=int() | float() as number):
            new.value = number + 1
        case ast.Constant(value=str() as text):
            new.value = text + "?"
        case ast.IfExp():
            new.body, new.orelse = new.orelse, new.body
        case ast.Return(value=ast.expr()):
            new.value = None
        case _:
            return None
    return new


def mutants(problem: Problem) -> Iterator[str]:
    """All programs that differ from the solution in one node of the function's body; the blunt change comes last."""
    tree = ast.parse(problem.solution)
    function = next(
        node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == problem.entry_point
    )
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    nodes = [node for statement in body for node in ast.walk(statement)]
    nodes.sort(key=lambda node: isinstance(node, ast.Return))
    for node in nodes:
        new = changed(node)
        if new is not None:
            yield ast.unparse(ast.fix_missing_locations(_Replace(node, new).visit(copy.deepcopy(tree))))


class _Replace(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.place = (type(old), getattr(old, "lineno", 0), getattr(old, "col_offset", 0), ast.dump(old))
        self.new = new

    def visit(self, node: ast.AST) -> ast.AST:
        place = (type(node), getattr(node, "lineno", 0), getattr(node, "col_offset", 0), ast.dump(node))
        return self.new if place == self.place else super().generic_visit(node)


# Runs outside the sandbox, on programs that are HumanEval's own up to one node. Reads jobs of solution, mutants, tests
# and name; prints for each the number of the first mutant that gives another result than the solution on a recorded
# argument list and that the tests refuse (a problem may have several right results).
DIFFERENTIAL_RUN = """
import copy, json, random, signal, sys
class Late(BaseException): pass
def late(*_): raise Late
signal.signal(signal.SIGALRM, late)
def load(program, name):
    space = {"__name__": "program"}
    exec(program, space)
    return space[name]
def outcome(function, args):
    try:
        return "value", function(*copy.deepcopy(args))
    except Exception as error:
        return "error", type(error).__name__
def refused(check, function):
    try:
        check(function)
    except Exception:
        return True
    return False
def search(job):
    solution, calls = load(job["solution"], job["entry_point"]), []
    def recorder(*args):
        calls.append(copy.deepcopy(args))
        return solution(*args)
    space = {"__name__": "tests"}
    exec(job["solution"], space)
    exec(job["tests"], space)
    space["check"](recorder)
    wanted = [outcome(solution, args) for args in calls]
    for number, program in enumerate(job["mutants"]):
        signal.setitimer(signal.ITIMER_REAL, 1)
        try:
            function = load(program, job["entry_point"])
            differs = any(outcome(function, args) != right for args, right in zip(calls, wanted))
            if differs and refused(space["check"], function):
                return number
        except (Late, Exception):
            pass
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
jobs = json.load(sys.stdin)
sys.stdout = open("/dev/null", "w")
for job in jobs:
    print(search(job), file=sys.__stdout__)
"""


def _differing(problems: Sequence[Problem]) -> list[str]:
    programs = [list(mutants(problem)) for problem in problems]
    jobs = [
        {
            "solution": problem.solution,
            "mutants": candidates,
            "tests": problem.tests,
            "entry_point": problem.entry_point,
        }
        for problem, candidates in zip(problems, programs, strict=True)
    ]
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", DIFFERENTIAL_RUN],
        input=json.dumps(jobs),
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    numbers = done.stdout.split()
    unchanged = [p.task_id for p, number in zip(problems, numbers, strict=True) if number == "None"]
    if unchanged:
        raise ValueError(f"no mutant differs: {unchanged}")
    return [candidates[int(number)] for candidates, number in zip(programs, numbers, strict=True)]


def differing_mutants(problems: Sequence[Problem]) -> list[str]:
    """One proven mutant for each problem, found by two processes."""
    half = len(problems) // 2
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(_differing, (problems[:half], problems[half:]))
    return first + second
