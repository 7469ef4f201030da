"""Right programs of every kind pass and wrong ones fail: names, arguments and results as MBPP and contests have them."""

# ruff: noqa: E501 - programs are kept on the lines on which they would be written
from __future__ import annotations

import pytest

from harness.declared import Json
from harness.sandbox import Limits, Verdict
from harness.sandbox.sandboxed.values import decode, encode
from harness.sandbox.worker import Worker
from harness.scorers import score
from harness.scorers.values import ProgramCase, ProgramCheck
from harness.suites import Sample, ScorerRef

pytestmark = pytest.mark.sandbox


def ran(worker: Worker, program: str, tests: str, *, entry_point: str | None = None) -> Verdict:
    return worker.run(ProgramCheck(program=program, tests=tests, entry_point=entry_point))


# (right program, wrong program, tests): references in the manner of MBPP, one for each kind of name, argument and result
NODE = "class Node:\n    def __init__(self, value):\n        self.value, self.left, self.right = value, None, None\n"
MBPP_KINDS = {
    "named like a built-in": (
        "def max(a, b): return a if a > b else b",
        "def max(a, b): return a",
        "assert max(1, 2) == 2\nassert max(5, 3) == 5",
    ),
    "named like another built-in, in an expression": (
        "def sum(n): return n * (n + 1) // 2",
        "def sum(n): return n",
        "assert sum(4) + 1 == 11\nassert not sum(3) != 6",
    ),
    "a type as an argument": (
        "def keep(items, kind): return [x for x in items if isinstance(x, kind)]",
        "def keep(items, kind): return items",
        "assert keep([1, 'a', 2.5], str) == ['a']\nassert keep([1, None], (int, type(None))) == [1, None]",
    ),
    "a built-in function as an argument": (
        "def apply(f, items): return [f(x) for x in items]",
        "def apply(f, items): return items",
        "assert apply(len, ['a', 'bc']) == [1, 2]\nassert apply(lambda x: -x, [1]) == [-1]",
    ),
    "a type as a result": (
        "def kind(x): return type(x)",
        "def kind(x): return str",
        "assert kind(1) == int and kind(1) is int and kind(None) is type(None)",
    ),
    "attributes set by tests": (
        f"{NODE}def depth(n): return 0 if n is None else 1 + max(depth(n.left), depth(n.right))",
        f"{NODE}def depth(n): return 1",
        "root = Node(1)\nroot.left = Node(2)\nroot.left.right = Node(3)\nassert depth(root) == 3\n"
        "del root.left\nassert not hasattr(root, 'left')\nassert isinstance(root, Node) and not isinstance(1, Node)",
    ),
    "an attribute of a function": (
        "def count():\n    count.calls += 1\n    return count.calls",
        "def count(): return 5",
        "count.calls = 3\nassert count() == 4\nassert count.calls == 4",
    ),
    "items set by tests": (
        "class Table:\n    def __init__(self): self.d = {}\n    def __setitem__(self, k, v): self.d[k] = v\n"
        "    def __getitem__(self, k): return self.d[k]\n    def __delitem__(self, k): del self.d[k]\n"
        "    def __len__(self): return len(self.d)",
        "class Table:\n    def __setitem__(self, k, v): pass\n    def __getitem__(self, k): return 0\n"
        "    def __delitem__(self, k): pass\n    def __len__(self): return 0",
        "t = Table()\nt['a'] = 1\nt['b'] = 2\ndel t['a']\nassert t['b'] == 2 and len(t) == 1",
    ),
    "a module that only the program imports": (
        "import math\ndef area(r): return math.pi * r * r",
        "import math\ndef area(r): return 3 * r * r",
        "assert math.isclose(area(2), 12.566370614359172, rel_tol=1e-9)",
    ),
    "dates": (
        "from datetime import date, datetime, timedelta\ndef later(d, n): return d + timedelta(days=n)",
        "def later(d, n): return d",
        "import datetime\nassert later(datetime.date(2024, 2, 28), 2) == datetime.date(2024, 3, 1)\n"
        "assert later(datetime.datetime(2024, 1, 1, 5), 1) == datetime.datetime(2024, 1, 2, 5)\n"
        "assert later(datetime.timedelta(hours=1), 1) == datetime.timedelta(days=1, hours=1)",
    ),
    "views, slices, arrays": (
        "from array import array\ndef f(d, part): return d.keys(), d.items(), array('i', [1, 2, 3])[part], part",
        "def f(d, part): return d, d, [1], part",
        "from array import array\nkeys, items, numbers, part = f({'a': 1}, slice(1, None))\n"
        "assert keys == {'a'} and items == {('a', 1)} and numbers == array('i', [2, 3]) and part == slice(1, None)",
    ),
    "iterators, matches, sets": (
        "import re\ndef f(text): return re.search('b+', text)\ndef g(n): return map(str, range(n))\ndef h(s): return set(s)",
        "def f(text): return None\ndef g(n): return []\ndef h(s): return set()",
        "assert f('abbc').group() == 'bb' and not f('x')\nassert list(g(3)) == ['0', '1', '2']\nassert h('aab') == {'a', 'b'}",
    ),
    "several assertions on set(...) of the result": (
        "def common(a, b): return [x for x in a if x in b]",
        "def set(x): return 1\ndef common(a, b): return []",
        "assert set(common([1, 2, 3], [2, 3])) == set([2, 3])\nassert set(common([], [1])) == set([])",
    ),
    "an exception that tests wait for": (
        "def f(n):\n    if n < 0: raise ValueError('negative')\n    return n",
        "def f(n): return n",
        "assert f(1) == 1\ntry:\n    f(-1)\n    assert False\nexcept ValueError as e:\n    assert 'negative' in str(e)",
    ),
    "complex numbers and bytes": (
        "import cmath\ndef f(a, b): return complex(a, b), cmath.polar(complex(a, b))[0], bytes([a])",
        "def f(a, b): return a, b, b''",
        "z, r, b = f(3, 4)\nassert z == 3 + 4j and r == 5.0 and b == b'\\x03'",
    ),
}


@pytest.mark.parametrize("kind", MBPP_KINDS)
def test_references_of_every_kind_pass_and_wrong_programs_fail(worker: Worker, kind: str) -> None:
    right, wrong, tests = MBPP_KINDS[kind]
    verdict = ran(worker, right, tests)
    assert verdict.passed is True, verdict
    space: dict[str, object] = {}
    exec(f"{right}\n{tests}", space)  # noqa: S102 - our own text: plain Python agrees
    verdict = ran(worker, wrong, tests)
    assert verdict.passed is False, verdict


FAKES = {
    "a module that agrees with everything": (
        "class math:\n    isclose = staticmethod(lambda *a, **k: True)\ndef f(): return 1",
        "assert math.isclose(f(), 2)",
    ),
    "a built-in that agrees with everything": ("def abs(x): return 0\ndef f(): return 9", "assert abs(f() - 1) < 0.1"),
    "a built-in in each assertion": (
        "def sorted(x): return 0\ndef len(x): return 0\ndef f(x): return x",
        "assert sorted(f([2])) == sorted([1])\nassert sorted(f([3])) == sorted([1])",
    ),
    "a result that takes every attribute": (
        "class A:\n    def __setattr__(self, n, v): pass\n    def __getattr__(self, n): return 5\ndef f(): return A()",
        "x = f()\nx.value = 3\nassert x.value == 3",
    ),
}


@pytest.mark.parametrize("name", FAKES)
def test_what_tests_lean_on_is_never_the_programs(worker: Worker, name: str) -> None:
    program, tests = FAKES[name]
    assert ran(worker, program, tests).passed is False


WHOLE_PROGRAMS = {
    "exit": "print(sum(map(int, input().split())))\nexit()",
    "quit early": "print(sum(map(int, input().split())))\nquit(0)\nprint('never')",
    "sys.exit": "import sys\nprint(sum(map(int, input().split())))\nsys.exit()",
    "raise SystemExit": "print(sum(map(int, input().split())))\nraise SystemExit",
    "os._exit": "import os, sys\nprint(sum(map(int, input().split())))\nsys.stdout.flush()\nos._exit(0)",
    "fileinput": "import fileinput\nfor line in fileinput.input(): print(sum(map(int, line.split())))",
    "arguments": "import sys\nassert len(sys.argv) == 1\nprint(sum(map(int, sys.stdin.read().split())))",
    "a thread that nobody waits for": (
        "import sys, threading\nsys.setrecursionlimit(10**6)\nthreading.stack_size(2**26)\n"
        "def main(): print(sum(map(int, input().split())))\nthreading.Thread(target=main).start()"
    ),
    "output at the end": (
        "import atexit, io, os, sys\nsys.stdout = io.StringIO()\n"
        "atexit.register(lambda: os.write(1, sys.stdout.getvalue().encode()))\nprint(sum(map(int, input().split())))"
    ),
    "its own module": (
        "import __main__, pickle\nfrom dataclasses import dataclass\n@dataclass\nclass Pair:\n    a: 'int'\n    b: int\n"
        "pair = pickle.loads(pickle.dumps(Pair(*map(int, input().split()))))\nprint(__main__.pair.a + pair.b)"
    ),
    "its own name": "assert __name__ == '__main__' and __file__\nprint(sum(map(int, input().split())))",
}


@pytest.mark.parametrize("kind", WHOLE_PROGRAMS)
def test_whole_programs_find_what_python_usually_has(worker: Worker, kind: str) -> None:
    cases = (ProgramCase(input="1 2\n", expected="3\n"), ProgramCase(input="20 30\n", expected="50"))
    verdict = worker.run(ProgramCheck(program=WHOLE_PROGRAMS[kind], kind="stdin", cases=cases))
    assert verdict.passed is True, verdict


ENDED = {
    "print(3)\nexit(1)": ("program_error", "exit status 1"),
    "print(3)\nimport sys\nsys.exit('failed')": ("program_error", "exit status 1"),
    "print(3)\nimport os\nos.kill(os.getpid(), 11)": ("program_error", "ended by signal 11"),
    "print(3)\nx = bytearray(2**32)": ("memory", "1024 MiB of memory in one process"),
    "print(3)\nx = [open('/dev/null') for _ in range(99)]": ("program_error", "the sandbox's limit: 64 open files"),
}


@pytest.mark.parametrize("program", ENDED)
def test_a_whole_program_that_ends_badly_fails_and_says_why(worker: Worker, program: str) -> None:
    cases = (ProgramCase(input="", expected="3"),)
    verdict = worker.run(ProgramCheck(program=program, kind="stdin", cases=cases))
    reason, words = ENDED[program]
    assert (verdict.passed, verdict.reason) == (False, reason), verdict
    assert words in verdict.detail


def test_a_whole_program_that_works_for_too_long_is_late(worker: Worker) -> None:
    quick = Worker(worker.isolation, Limits(cpu_s=1), slot=48)
    try:
        cases = (ProgramCase(input="", expected="3"),)
        verdict = quick.run(ProgramCheck(program="while True: pass", kind="stdin", cases=cases, timeout_s=20))
    finally:
        quick.close()
    assert (verdict.reason, verdict.detail) == ("timeout", "case 1: more processor time than a program may take")


def test_an_mbpp_reply_is_found_by_the_names_that_its_tests_use(worker: Worker) -> None:
    facts = {"tests": ["assert max_of([1, 3]) == 3", "assert max_of([2]) == 2"], "test_imports": ["import math"]}
    sample = Sample(task="mbpp", sample_id="1", input="?", target="", metadata=facts)
    reply = "```python\ndef max_of(items):\n    return max(items)\n```\nTry:\n```python\nprint(max_of([]))\n```"
    check = score(ScorerRef(name="program", options={"prefix": "never"}), text=reply, sample=sample)
    assert isinstance(check, ProgramCheck)
    assert worker.run(check).passed is True


def test_the_same_built_in_objects_are_on_both_sides() -> None:
    def refuse(value: object) -> list[Json]:
        raise AssertionError(value)

    for value in (int, type(None), ValueError, len, sorted, ..., NotImplemented, slice(1, 2)):
        assert decode(encode(value, refuse), refuse) == value
    for harmful in (exec, eval, open, __import__, input, compile, getattr, globals):
        with pytest.raises(AssertionError):
            encode(harmful, refuse)
