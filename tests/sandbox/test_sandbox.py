"""The sandbox on honest programs: tests, cases, values on the channel, limits, the pool, and no sandbox at all."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.errors import HarnessError, InputError
from harness.loaders import load_suite, load_task, suite_file
from harness.resources import shipped
from harness.sandbox import Limits, Sandbox, Unavailable, Verdict, find_bubblewrap, find_isolation
from harness.sandbox.isolation import BoxPlan, Container, NoIsolation
from harness.sandbox.pool import working
from harness.sandbox.sandboxed.judge import same_output
from harness.sandbox.sandboxed.system_calls import REFUSED, RETURN, filter_steps
from harness.sandbox.worker import Worker
from harness.scorers import score
from harness.scorers.values import ProgramCase, ProgramCheck, Score
from tests.support.sandbox_programs import differing_mutants, read_problems
from tests.support.shared_data import shared

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    found = find_bubblewrap()
    if isinstance(found, Unavailable):
        pytest.skip(f"{found.problem}; {found.fix}")
    made = Worker(found, Limits(), slot=42)
    yield made
    made.close()


def ran(worker: Worker, program: str, tests: str, *, entry_point: str | None = "f") -> Verdict:
    return worker.run(ProgramCheck(program=program, tests=tests, entry_point=entry_point))


ECHO = "def f(x): return x"
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
class BrokenIsolation(NoIsolation):
    """One whose processes never start."""

    def command(self, plan: BoxPlan) -> list[str]:
        return ["/bin/false"]


def test_an_isolation_that_does_not_work_is_found_out_before_any_sample() -> None:
    found = working(BrokenIsolation(), Limits())
    assert isinstance(found, Unavailable)
    assert found.problem.startswith("none does not work here: a sandbox did not start")
    assert working(NoIsolation(), Limits()) == NoIsolation()


@pytest.mark.sandbox
def test_a_program_has_no_capability_and_a_user_of_its_own(worker: Worker) -> None:
    program = "def f(): return dict(line.split(':', 1) for line in open('/proc/self/status').read().splitlines())"
    tests = """
status = f()
for name in ('CapInh', 'CapPrm', 'CapEff', 'CapAmb'):
    assert int(status[name].strip(), 16) == 0, name
assert status['NoNewPrivs'].strip() == '1'
assert set(status['Uid'].split()) != {'0'} or status['Uid'].split()[0] != '0'
"""
    assert ran(worker, program, tests).passed is True


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


def test_each_system_call_filter_is_well_formed() -> None:
    for machine in ("x86_64", "aarch64"):
        steps = filter_steps(machine)
        for place, (code, if_true, if_false, _) in enumerate(steps):
            assert code != RETURN or (if_true, if_false) == (0, 0)
            assert place + 1 + max(if_true, if_false) < len(steps) or code == RETURN
        assert steps[-1][0] == RETURN
    assert filter_steps("riscv64") == []
    assert all(len(set(numbers)) == len(numbers) for numbers in zip(*REFUSED.values(), strict=True))


async def test_without_a_sandbox_the_sample_is_unscored_and_the_advice_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    check = ProgramCheck(program=ECHO, tests="assert f(1) == 1", entry_point="f", answer=ECHO, rule="code_block")
    async with Sandbox() as sandbox:
        assert sandbox.problem == Unavailable(
            problem="bubblewrap is not installed", fix="install it: apt-get install bubblewrap"
        )
        verdict = await sandbox.run(check)
    assert (verdict.passed, verdict.reason) == (None, "unsandboxed")
    scored = verdict.score(check)
    assert (scored.value, scored.reason, scored.answer, scored.rule) == (None, "unsandboxed", ECHO, "code_block")
    assert scored.explanation is not None
    assert "apt-get install bubblewrap" in scored.explanation


async def test_unsafe_execution_gives_verdicts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    async with Sandbox(unsafe=True, workers=2) as sandbox:
        assert isinstance(sandbox.isolation, NoIsolation)
        right = ProgramCheck(program="def f(x): return x * x", tests="assert f(3) == 9", entry_point="f")
        wrong = ProgramCheck(program="import os\nos._exit(0)", tests="assert f(3) == 9", entry_point="f")
        slow = ProgramCheck(program="while True: pass", tests="assert f(3) == 9", entry_point="f", timeout_s=1)
        verdicts = await asyncio.gather(*map(sandbox.run, (right, wrong, slow)))
    assert [verdict.reason for verdict in verdicts] == ["passed", "program_ended", "timeout"]


async def test_a_sandbox_that_is_not_open_says_so() -> None:
    with pytest.raises(HarnessError, match="not open"):
        await Sandbox(isolation=NoIsolation()).run(ProgramCheck(program=ECHO))


def test_a_container_engine_that_is_missing_is_an_input_error() -> None:
    with pytest.raises(InputError, match="podwoman is not installed"):
        find_isolation(container_engine="podwoman")


def test_a_container_has_no_network_no_rights_and_no_disk() -> None:
    container = Container(executable="/usr/bin/podman", image="python:3.12-slim", exchange="/run/exchange")
    plan = BoxPlan(side="program", arguments=("/exchange/x", "{}"), slot=3, label="box-1", limits=Limits())
    line = " ".join(container.command(plan))
    for part in ("--network none", "--read-only", "--cap-drop ALL", "no-new-privileges", "--pids-limit 34", "--rm"):
        assert part in line
    assert "--tmpfs /tmp:rw,size=67108864" in line
    assert "--memory 1610612736 --memory-swap 1610612736" in line
    assert line.index("python:3.12-slim") < line.index("python3 -S")
    assert container.stop_command(plan) == ["/usr/bin/podman", "kill", "box-1"]


@pytest.mark.sandbox
def test_an_ordinary_user_is_locked_in_too() -> None:
    """The same checks by a user who is not root, through a user namespace (with the system's own Python)."""
    if isinstance(find_bubblewrap(), Unavailable) or shutil.which("setpriv") is None:
        pytest.skip("needs bubblewrap and setpriv")
    python = Path("/usr/bin/python3")
    same = python.exists() and subprocess.run(
        [python, "-c", "import sys; print(sys.version_info[:2])"], capture_output=True, text=True, check=False
    ).stdout.strip() == str(sys.version_info[:2])
    if not same:
        pytest.skip("needs a system Python of the same version")
    command = [str(python), "-c", ORDINARY_USER]
    if os.geteuid() == 0:
        command = ["setpriv", "--reuid", "54321", "--regid", "54321", "--clear-groups", *command]
    with readable_installation() as folder:
        environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=120, check=False, cwd="/"
        )
    expected = ["None", "passed", "wrong", "timeout", "program_ended", "memory", "memory", "memory", "passed"]
    assert done.stdout.splitlines() == expected, done


IMPORTED = """
import sys, harness.sandbox.pool, harness.sandbox.worker
from pathlib import Path
for name, module in list(sys.modules.items()):
    file = getattr(module, "__file__", None)
    if "." not in name and file and ("site-packages" in file or name == "harness"):
        print(Path(file).parent if Path(file).name == "__init__.py" else file)
"""


@contextlib.contextmanager
def readable_installation() -> Iterator[str]:
    """A copy of the package and of what it imports that every user can read: this one may be closed to others."""
    found = subprocess.run([sys.executable, "-c", IMPORTED], capture_output=True, text=True, check=True).stdout
    with tempfile.TemporaryDirectory() as folder:
        for source in map(Path, found.split()):
            target = Path(folder) / source.name
            shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
        for path in (Path(folder), *Path(folder).rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        yield folder


ORDINARY_USER = """
import asyncio
from harness.sandbox import Sandbox
from harness.scorers.values import ProgramCheck
PROBE = '''
import os, socket, ctypes
def f():
    found = []
    for attempt in (lambda: open('/etc/shadow'), lambda: os.listdir('/home'), lambda: open('/usr/x', 'w'),
                    lambda: open('/dev/shm/x', 'w'), lambda: open('/x', 'w'), lambda: os.kill(1, 9),
                    lambda: socket.create_connection(('1.1.1.1', 53), 1), lambda: open('/proc/1/mem', 'rb')):
        try:
            found.append(str(attempt()))
        except OSError:
            pass
    caps = [l for l in open('/proc/self/status') if l.startswith('CapEff')][0].split()[1]
    if int(caps, 16): found.append(caps)
    try:
        os.close(socket.socket(40, socket.SOCK_STREAM).detach())
        found.append('AF_VSOCK')
    except OSError:
        pass
    for _ in range(200):
        try:
            if os.fork() == 0:
                os.read(os.pipe()[0], 1)
        except OSError:
            return [x for x in found if x != 'None'] or 'blocked'
    return 'no limit of processes'
'''
HOARD = '''
import mmap, os, time
def f(x):
    told, tell = os.pipe()
    for _ in range(3):
        if os.fork() == 0:
            held = {make}
            for at in range(0, len(held), 4096): held[at] = 1
            os.write(tell, b'.')
            time.sleep(60)
    for _ in range(3): os.read(told, 1)
    time.sleep(1)
    return x * x
'''
CHECKS = [
    ("def f(x): return x * x", "assert f(3) == 9", 20),
    ("def f(x): return x", "assert f(3) == 9", 20),
    ("def f(x):\\n    while True: pass", "assert f(3) == 9", 1),
    ("import os\\nos._exit(0)", "assert f(3) == 9", 20),
    ("def f(x): return bytearray(10**12)", "assert f(3) == 9", 20),
    (HOARD.format(make="mmap.mmap(-1, 700 * 2**20)"), "assert f(3) == 9", 60),
    (HOARD.format(make="bytearray(700 * 2**20)"), "assert f(3) == 9", 60),
    (PROBE, "assert f() == 'blocked', f()", 20),
]
async def main():
    async with Sandbox(workers=1) as sandbox:
        print(sandbox.problem)
        for program, tests, timeout_s in CHECKS:
            check = ProgramCheck(program=program, tests=tests, entry_point="f", timeout_s=timeout_s)
            verdict = await sandbox.run(check)
            print(verdict.reason if verdict.reason != "wrong" or "blocked" not in verdict.detail else verdict)
asyncio.run(main())
"""
