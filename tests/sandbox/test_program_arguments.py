"""What tests hand to a program: iterators of any kind, and objects of classes that the tests define themselves."""

from __future__ import annotations

import pytest

from harness.sandbox import Verdict
from harness.sandbox.worker import Worker
from harness.scorers.values import ProgramCheck

pytestmark = pytest.mark.sandbox
TREE = """
class Node:
    _hidden = 1
    def __init__(self, value):
        self.value, self.left, self.right = value, None, None
root = Node(1)
root.left = Node(2)
"""


def ran(worker: Worker, program: str, tests: str) -> Verdict:
    return worker.run(ProgramCheck(program=program, tests=tests))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("iter([0, 1])", "[0, 1]"),
        ("map(int, '01')", "[0, 1]"),
        ("(n for n in range(2))", "[0, 1]"),
        ("zip([1], [2])", "[(1, 2)]"),
        ("reversed([1, 2])", "[2, 1]"),
        ("{1: 2}.values()", "[2]"),
    ],
)
def test_an_iterator_of_the_tests_can_be_read_by_the_program(worker: Worker, given: str, expected: str) -> None:
    tests = f"assert taken({given}) == {expected}"
    assert ran(worker, "def taken(items): return [item for item in items]", tests).passed
    assert not ran(worker, "def taken(items): return [item for item in items][:-1]", tests).passed


def test_an_endless_iterator_is_read_only_as_far_as_asked(worker: Worker) -> None:
    tests = "import itertools\nassert first(itertools.count(5)) == 5"
    assert ran(worker, "def first(items): return next(items)", tests).passed


def test_a_tree_of_the_tests_own_class_can_be_walked_and_changed(worker: Worker) -> None:
    height = "def height(node): return max(height(node.left), height(node.right)) + 1 if node else 0"
    assert ran(worker, height, f"{TREE}assert height(root) == 2").passed
    assert not ran(worker, height, f"{TREE}assert height(root) == 3").passed
    cut = "def cut(node):\n    node.left = None\n    return node"
    assert ran(worker, cut, f"{TREE}assert cut(root) is root and root.left is None").passed


@pytest.mark.parametrize("name", ["_hidden", "__class__", "__dict__", "__init__"])
def test_a_program_reaches_no_hidden_attribute_of_the_tests_objects(worker: Worker, name: str) -> None:
    asks = f"def use(node): return type(node)._peer.__get__(node).request('attribute', node._reference, ({name!r},))"
    verdict = ran(worker, asks, f"{TREE}assert use(root) is None")
    assert not verdict.passed
    assert "can only be called, iterated" in verdict.detail
