"""The sandbox on honest programs: tests, cases, values on the channel, limits, the pool, and no sandbox at all."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import time
from collections import Counter
from dataclasses import dataclass

import pytest

from harness.errors import HarnessError
from harness.loaders import load_suite, load_task, suite_file
from harness.resources import shipped
from harness.sandbox import Limits, Sandbox, Unavailable, find_bubblewrap
from harness.sandbox.isolation import NoIsolation
from harness.sandbox.sandboxed.judge import same_output
from harness.sandbox.worker import Worker
from harness.scorers import score
from harness.scorers.values import ProgramCase, ProgramCheck, Score
from tests.support.sandbox_programs import ECHO, differing_mutants, ran, read_problems
from tests.support.shared_data import shared

MIB = 1024 * 1024


VALUES = [
    "None",
    "[True, False, 0, 1, -1, 2**70, -(2**70), 10**5000]",
    "[0.1, -0.0, 1e300, float('inf')]",
    "'text with \\u00e9, \\x00 and \\ud800'",
    "[(1, 2), [3], {4: [5]}, {6, 7}, frozenset({8}), b'\\x00\\xff', 1 + 2j, range(1, 9, 2)]",
    "{(1, 'a'): {None: [()]}, 1.5: 'x', False: 2}",
    "[]",
    "''",
]


@pytest.mark.sandbox
@pytest.mark.parametrize("value", VALUES)
def test_plain_values_come_back_as_they_went(worker: Worker, value: str) -> None:
    verdict = ran(
        worker, ECHO, f"value = {value}\nresult = f(value)\nassert result == value and type(result) is type(value)"
    )
    assert verdict.passed is True, verdict


@pytest.mark.sandbox
def test_results_of_known_libraries_are_compared_by_value(worker: Worker) -> None:
    program = """
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from decimal import Decimal
from fractions import Fraction
Point = namedtuple('Point', 'x y')
def f(n):
    return [Counter('aab'), OrderedDict(a=1), defaultdict(int, b=2), deque([1, 2]), Point(1, 2),
            Decimal('0.10'), Fraction(1, 3)][n]
"""
    tests = """
from collections import deque
from decimal import Decimal
from fractions import Fraction
wanted = [{'a': 2, 'b': 1}, {'a': 1}, {'b': 2}, deque([1, 2]), (1, 2), Decimal('0.1'), Fraction(1, 3)]
assert [f(n) for n in range(7)] == wanted
"""
    assert ran(worker, program, tests).passed is True


@pytest.mark.sandbox
def test_arrays_cross_the_channel(worker: Worker) -> None:
    program = "import numpy as np\ndef f(a, scale): return a * scale, np.float64(a.sum())"
    tests = """
import numpy as np
doubled, total = f(np.arange(6.0).reshape(2, 3), 2)
assert np.allclose(doubled, [[0, 2, 4], [6, 8, 10]]) and doubled.shape == (2, 3) and total == 15
"""
    assert ran(worker, program, tests).passed is True


@pytest.mark.sandbox
def test_a_change_of_an_argument_is_seen_by_the_tests(worker: Worker) -> None:
    tests = "a, d = [3, 1, 2], {'x': 1}\nassert f(a, d) is None\nassert a == [1, 2, 3] and d == {'x': 1, 'y': 2}"
    assert ran(worker, "def f(a, d):\n    a.sort()\n    d['y'] = 2", tests).passed is True


@pytest.mark.sandbox
def test_functions_can_be_passed_in_both_directions(worker: Worker) -> None:
    program = "def f(g, n): return [g(i) for i in range(n)]\ndef adder(k): return lambda x: x + k"
    tests = "assert f(lambda i: i * i, 4) == [0, 1, 4, 9]\nassert adder(3)(4) == 7\nassert f(adder(1), 3) == [1, 2, 3]"
    assert ran(worker, program, tests).passed is True


@pytest.mark.sandbox
def test_iterators_and_objects_of_the_program_can_be_used(worker: Worker) -> None:
    program = """
def f(n):
    yield from range(n)
class Account:
    def __init__(self, start): self.balance = start
    def add(self, x): self.balance += x; return self
    def __len__(self): return 3
"""
    tests = """
assert list(f(4)) == [0, 1, 2, 3] and next(f(2)) == 0
account = Account(5)
assert account.add(2).balance == 7 and len(account) == 3
"""
    assert ran(worker, program, tests).passed is True


@pytest.mark.sandbox
def test_exceptions_keep_their_built_in_class(worker: Worker) -> None:
    program = "class Own(LookupError): pass\ndef f(n):\n    raise [ValueError('bad'), KeyError('k'), Own('o')][n]"
    tests = """
for number, kind in enumerate([ValueError, KeyError, LookupError]):
    try:
        f(number)
    except kind:
        continue
    raise AssertionError(number)
"""
    assert ran(worker, program, tests).passed is True


@pytest.mark.sandbox
def test_assert_lists_name_the_function_themselves(worker: Worker) -> None:
    tests = "assert add(1, 2) == 3\nassert add('a', 'b') == 'ab'"
    assert ran(worker, "def add(a, b): return a + b", tests, entry_point=None).passed is True
    assert ran(worker, "def add(a, b): return a - b", tests, entry_point=None).passed is False


@pytest.mark.sandbox
def test_a_failed_assertion_is_quoted(worker: Worker) -> None:
    verdict = ran(worker, ECHO, "assert f(1) == 1\nassert f(2) == 3, 'two is not three'")
    assert (verdict.passed, verdict.reason) == (False, "wrong")
    assert verdict.detail == "at: assert f(2) == 3, 'two is not three' two is not three"


@pytest.mark.sandbox
def test_broken_programs_and_broken_tests_are_told_apart(worker: Worker) -> None:
    assert ran(worker, "def f(x:", "assert f(1)").reason == "program_error"
    assert ran(worker, ECHO, "assert f(1").reason == "tests_broken"
    assert ran(worker, "def g(x): return x", "assert f(1)").reason == "program_error"


@pytest.mark.sandbox
def test_each_case_of_standard_input_is_a_fresh_start(worker: Worker) -> None:
    program = "import sys\nseen = []\nseen.append(sys.stdin.readline())\nprint(len(seen), *seen, sep='\\n', end='')"
    cases = tuple(ProgramCase(input=f"{n}\n", expected=f"1\n{n}\n") for n in range(5))
    assert worker.run(ProgramCheck(program=program, kind="stdin", cases=cases)).passed is True
    wrong = (*cases, ProgramCase(input="x", expected="y"))
    verdict = worker.run(ProgramCheck(program=program, kind="stdin", cases=wrong))
    assert (verdict.passed, verdict.detail) == (False, "case 6 of 6 has another output")


@pytest.mark.sandbox
def test_a_program_reads_standard_input_in_every_usual_way(worker: Worker) -> None:
    case = (ProgramCase(input="1 2\n3\n", expected="6"),)
    for reading in ("open(0).read()", "open('/dev/stdin').read()", "sys.stdin.read()", "sys.stdin.buffer.read()"):
        program = f"import sys\nif __name__ == '__main__':\n    print(sum(map(int, {reading}.split())))"
        verdict = worker.run(ProgramCheck(program=program, kind="stdin", cases=case))
        assert verdict.passed is True, verdict


@pytest.mark.sandbox
def test_large_input_and_output(worker: Worker) -> None:
    text = " ".join(map(str, range(200_000)))
    case = (ProgramCase(input=text, expected=text[::-1]),)
    verdict = worker.run(ProgramCheck(program="print(input()[::-1])", kind="stdin", cases=case))
    assert verdict.passed is True, verdict.detail


@pytest.mark.sandbox
@pytest.mark.parametrize(
    "program", ["def two(a, b): return (a, b)", "class Solution:\n    def two(self, a, b): return [a, b]"]
)
def test_calls_with_json_arguments(worker: Worker, program: str) -> None:
    cases = (
        ProgramCase(input="[1, [2]]", expected="[1, [2]]"),
        ProgramCase(input='["a", null]', expected='["a", null]'),
    )
    assert worker.run(ProgramCheck(program=program, kind="call", entry_point="two", cases=cases)).passed is True
    wrong = (*cases, ProgramCase(input="[1, 2]", expected="[2, 1]"))
    assert worker.run(ProgramCheck(program=program, kind="call", entry_point="two", cases=wrong)).passed is False


def test_lines_of_output_are_compared_as_text_or_as_numbers() -> None:
    assert same_output("1 2 \n3\n\n", "1 2\n3")
    assert same_output("0.50 1e1", "0.5 10")
    assert not same_output("0.5000001", "0.5")
    assert not same_output("711", "11")
    assert not same_output("1\n2", "1 2")
    assert not same_output("nan", "nan nan")


def test_numbers_are_what_programs_print_not_what_python_or_decimal_would_read() -> None:
    for output in ("1_6", "\u0661\u0666", "\uff11\uff16", "0x10", "0b10000", "16L", "1 6", "+-16", "16e"):
        assert not same_output(output, "16"), output
    for output in ("16", "16.0", "+16", "1.6e1", "016", "16.", "1600E-2"):
        assert same_output(output, "16"), output
    assert not same_output("1e99999999999999999999", "1e99999999999999999998")
    assert not same_output("Infinity", "inf")
    assert same_output("inf nan", "inf nan")


@pytest.mark.sandbox
async def test_the_starter_suite_is_judged_right() -> None:
    task = next(task for task in load_suite("starter").tasks if task.name == "code")
    samples = load_task(task, suite_path=suite_file("starter")).samples
    rows = {row["id"]: row for row in map(json.loads, (shipped("suites") / "starter" / "code.jsonl").open())}
    async with Sandbox() as sandbox:
        if sandbox.problem is not None:
            pytest.skip(f"{sandbox.problem.problem}; {sandbox.problem.fix}")
        for key, value in (("reference_solution", 1.0), ("wrong_solution", 0.0)):
            checks = [score(task.scorer, text=f"```python\n{rows[s.sample_id][key]}```", sample=s) for s in samples]
            verdicts = await asyncio.gather(
                *(sandbox.run(check) for check in checks if isinstance(check, ProgramCheck))
            )
            assert len(verdicts) == 30
            assert [v.score(c).value for v, c in zip(verdicts, checks, strict=True) if isinstance(c, ProgramCheck)] == [
                value
            ] * 30


@pytest.mark.sandbox
async def test_humaneval_every_solution_passes_and_every_proven_mutant_fails() -> None:
    problems = read_problems(shared("data/questions/humaneval/HumanEval.jsonl.gz"))
    mutants = await asyncio.to_thread(differing_mutants, problems)
    async with Sandbox() as sandbox:
        if sandbox.problem is not None:
            pytest.skip(f"{sandbox.problem.problem}; {sandbox.problem.fix}")
        right = await asyncio.gather(*(sandbox.run(problem.check()) for problem in problems))
        wrong = await asyncio.gather(*(sandbox.run(p.check(m)) for p, m in zip(problems, mutants, strict=True)))
    assert [p.task_id for p, v in zip(problems, right, strict=True) if v.passed is not True] == []
    assert [p.task_id for p, v in zip(problems, wrong, strict=True) if v.passed is not False] == []
    assert Counter(v.reason for v in wrong).keys() <= {"wrong", "program_error", "timeout"}
    assert len(right) == len(wrong) == 164


@pytest.mark.sandbox
async def test_programs_run_at_the_same_time() -> None:
    check = ProgramCheck(
        program="import time\ndef f(): time.sleep(0.5); return 1", tests="assert f() == 1", entry_point="f"
    )
    async with Sandbox(workers=4) as sandbox:
        if sandbox.problem is not None:
            pytest.skip(f"{sandbox.problem.problem}; {sandbox.problem.fix}")
        await asyncio.gather(*(sandbox.run(check) for _ in range(4)))
        started = time.monotonic()
        verdicts = await asyncio.gather(*(sandbox.run(check) for _ in range(8)))
        assert all(verdict.passed for verdict in verdicts)
        assert time.monotonic() - started < 3.5, "8 programs of 0.5 s, 4 at a time"


@pytest.mark.sandbox
async def test_closing_ends_a_check_that_is_going_on() -> None:
    check = ProgramCheck(program="while True: pass", tests="f()", entry_point="f", timeout_s=600)
    async with Sandbox(workers=1) as sandbox:
        if sandbox.problem is not None:
            pytest.skip(f"{sandbox.problem.problem}; {sandbox.problem.fix}")
        await sandbox.run(ProgramCheck(program=ECHO, tests="assert f(1) == 1", entry_point="f"))
        going_on = asyncio.create_task(sandbox.run(check))
        await asyncio.wait({going_on}, timeout=0.2)
        started = time.monotonic()
    verdict = await going_on
    assert (verdict.passed, verdict.reason) == (None, "sandbox_failed")
    assert verdict.score(check) == Score(reason="failed", answer="", explanation=verdict.detail)
    assert time.monotonic() - started < 20


@pytest.mark.sandbox
def test_a_box_that_died_is_replaced(worker: Worker) -> None:
    assert ran(worker, ECHO, "assert f(1) == 1").passed is True
    for box in (worker._judge, worker._fork_server):
        assert box is not None
        box.process.kill()
        box.process.wait()
        assert ran(worker, ECHO, "assert f(1) == 1").passed is True


@pytest.mark.sandbox
def test_a_box_for_each_program_gives_the_same_verdicts_as_a_fork_server() -> None:
    found = find_bubblewrap()
    if isinstance(found, Unavailable):
        pytest.skip(f"{found.problem}; {found.fix}")
    single = Worker(dataclasses.replace(found, has_fork_server=False), Limits(), slot=43)
    try:
        programs = {
            "def f(x): return x * x": "passed",
            "def f(x): return x": "wrong",
            "import os\nos._exit(0)": "program_ended",
            "while True: print('x' * 1000)": "output_limit",
            "def f(x):\n    try: open('/etc/shadow')\n    except OSError: return x * x": "passed",
        }
        assert [ran(single, program, "assert f(3) == 9").reason for program in programs] == list(programs.values())
    finally:
        single.close()


@dataclass(frozen=True, kw_only=True)
class CheckWithSupport(ProgramCheck):
    support: str = ""


@pytest.mark.sandbox
def test_a_program_cannot_replace_the_functions_of_the_suite_that_its_tests_use(worker: Worker) -> None:
    tests = "for text in ('abc', 'xyz'):\n    assert decode(encode(text)) == text"
    support = "def encode(text):\n    return text[::-1]\ndef decode(text):\n    pass"
    for fake, passed in (
        ("def encode(x): return x\ndef decode(x): return x", False),
        ("def decode(x): return x[::-1]", True),
    ):
        check = CheckWithSupport(program=fake, tests=tests, support=support, entry_point="decode")
        assert worker.run(check).passed is passed


HELPER_FAKES = {
    "HumanEval/32": "def poly(a, b): return 0\ndef find_zero(xs): return 0",
    "HumanEval/38": "def encode_cyclic(s): return s\ndef decode_cyclic(s): return s",
    "HumanEval/50": "def encode_shift(s): return s\ndef decode_shift(s): return s",
}


@pytest.mark.sandbox
def test_humaneval_programs_cannot_redefine_the_helpers_of_the_prompt(worker: Worker) -> None:
    problems = {p.task_id: p for p in read_problems(shared("data/questions/humaneval/HumanEval.jsonl.gz"))}
    for task_id, fake in HELPER_FAKES.items():
        problem = problems[task_id]
        for program, passed in ((problem.solution, True), (fake, False)):
            check = CheckWithSupport(
                program=program,
                tests=f"{problem.tests}\ncheck({problem.entry_point})\n",
                support=problem.prompt,
                entry_point=problem.entry_point,
                timeout_s=20,
            )
            assert worker.run(check).passed is passed, task_id


async def test_a_sandbox_that_is_not_open_says_so() -> None:
    with pytest.raises(HarnessError, match="not open"):
        await Sandbox(isolation=NoIsolation()).run(ProgramCheck(program=ECHO))
