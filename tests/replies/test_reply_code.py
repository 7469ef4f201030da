"""The program is found in a reply however it is written down, and it is not changed by a character."""

from __future__ import annotations

import pytest

from harness.replies.code_blocks import CodeBlock, code_block, code_blocks
from harness.replies.reply_code import defines, find_code

PROGRAM = "def double(n):\n    return 2 * n"


@pytest.mark.parametrize(
    "reply",
    [
        f"```python\n{PROGRAM}\n```",
        f"~~~py\n{PROGRAM}\n~~~",
        f"``` {{.python .numberLines}}\n{PROGRAM}\n```",
        f"````\n{PROGRAM}\n````",
        f"```Python3\n{PROGRAM}\n```   ",
        f"Here is the code: ```python\n{PROGRAM}\n```",
        f"```python\n{PROGRAM}",
        f"```python\n{PROGRAM}\n\nThis doubles it; it's what you asked for.",
        f"```python\n{PROGRAM}```\nand more words",
        f"```python\n{PROGRAM}\n      ```\nThe fence above is indented too far.",
        "1. So:\n\n   ```python\n   def double(n):\n       return 2 * n\n   ```\n",
        "\t```python\n\tdef double(n):\n\t    return 2 * n\n\t```\n",
        "> ```python\n> def double(n):\n>     return 2 * n\n> ```\n",
        f"{PROGRAM}",
        f"I'd write this:\n\n{PROGRAM}\n\nIt's short. Done",
        f"from what you say, this is it:\n{PROGRAM}\nComplexity: linear",
        f"[PYTHON]\n{PROGRAM}\n[/PYTHON]\n[DONE]",
        f"```python\n{PROGRAM}\n```\n```python\nprint(double(3))\n```\n```\n6\n```\n```bash\npython x.py\n```",
        f"```python\nassert double(2) == 4\n```\n\n```python\n{PROGRAM}\n```\n\n```json\n{{}}\n```",
        f"```python\ndef double(n): return n\n```\nBetter:\n```python\n{PROGRAM}\n```",
        f"```python\ndef double(n):\n    retur\nWait.\n```python\n{PROGRAM}\n```",
        f"```text\n{PROGRAM}\n```",
        f"{PROGRAM}\n\nIt gives:\n\n```\n6\n```\n",
    ],
)
def test_the_program_is_the_part_that_defines_what_is_asked_for(reply: str) -> None:
    assert find_code(reply, {"double"}).code.strip("\n") == PROGRAM


def test_line_ends_of_other_kinds_and_odd_characters_stay_as_they_are() -> None:
    for mark in ("\f", "\v", "\x1c", "\x85", "\u2028", "\u2029", "\r"):
        program = f'def double(n):\n    mark = """a{mark}b"""\n    return 2 * n'
        assert find_code(f"```python\n{program}\n```\nDone.", {"double"}).code == program
    assert find_code("```python\r\ndef f():\r\n    return 1\r\n```\r\n", {"f"}).code == "def f():\r\n    return 1\r"


def test_a_fence_inside_a_docstring_does_not_end_the_program() -> None:
    program = 'def f():\n    """Use it:\n\n    ```python\n    f()\n    ```\n    """\n    return 1'
    assert find_code(f"```python\n{program}\n```\nDone.", {"f"}).code == program


def test_a_block_about_blocks_is_one_block() -> None:
    blocks = code_blocks("````markdown\n```python\nx = 1\n```\n````\n```python\ny = 2\n```")
    assert blocks == [
        CodeBlock(text="```python\nx = 1\n```", language="markdown"),
        CodeBlock(text="y = 2", language="python"),
    ]
    assert code_block("no block") is None
    assert code_block("```\n\n```") is None


def test_what_the_program_uses_is_taken_from_the_other_blocks() -> None:
    reply = """
```python
import math
from typing import List
```
A helper, and an example:
```python
LIMIT = 10
def half(n): return n // 2
def unused(): return half(1)
print(half(4))
```
The function:
```python
def whole(n: List) -> int:
    return other(half(n)) + math.floor(LIMIT)
```
with
```python
@staticmethod
def other(n):
    return n
```
"""
    found = find_code(reply, {"whole"})
    for part in (
        "import math",
        "import List",
        "LIMIT = 10",
        "def half(n): return n // 2",
        "@staticmethod\ndef other(n):",
    ):
        assert part in found.code
    assert "unused" not in found.code
    assert "print" not in found.code
    assert found.code.endswith("return other(half(n)) + math.floor(LIMIT)")


def test_parts_between_words_without_fences_are_put_together() -> None:
    helper, main = "def two():\n    return 2", PROGRAM.replace("2", "two()")
    found = find_code(f"First a helper:\n\n{helper}\n\nThen it's easy:\n\n{main}\n\nThat's it.", {"double"})
    assert found.code.rstrip() == f"{helper}\n\n{main}"


def test_of_programs_that_read_their_input_the_last_such_block_counts() -> None:
    program = "n = int(input())\nprint(2 * n)"
    for reply in (
        f"```python\n{program}\n```\nInput:\n```\n3\n```\nOutput:\n```\n6\n```",
        f"```python\n{program}\n```\nTo try it:\n```python\nimport io, sys\nsys.stdin = io.StringIO('3')\n```",
        f"```python\nn = input()\n```\nBetter:\n```python\n{program}\n```\n```sh\npython3 a.py < in\n```",
        f"```\n3\n```\n```\n{program}\n```\n```\n6\n```",
    ):
        assert find_code(reply).code == program
    split = "```python\ndef solve(n):\n    return 2 * n\n```\n```python\nprint(solve(int(input())))\n```"
    assert find_code(split).code == "def solve(n):\n    return 2 * n\n\nprint(solve(int(input())))"
    without_input = "```python\nprint('hello')\n```\n```\nhello\n```"
    assert find_code(without_input).code == "print('hello')"


def test_a_body_is_found_when_nothing_is_defined() -> None:
    for reply in (
        "    return 2 * n\n",
        "Complete it like this:\n\n    return 2 * n\n\nIt's done.",
        "```python\n    return 2 * n\n```\nExample:\n```python\nprint(double(2))\n```",
    ):
        assert find_code(reply, {"double"}).code.strip() == "return 2 * n"


def test_words_alone_hold_no_program() -> None:
    for reply in ("I cannot do this.", "```python\n```", "", "Because of that, a - b is 5.\nIt's from me."):
        assert find_code(reply, {"f"}).code == ""


def test_a_name_is_defined_in_every_usual_way() -> None:
    for code in ("def f(x): 1", "async def f(): 1", "class f: 1", "f = len", "f: int = 1", "def f[T](x: T): 1"):
        assert defines(code, "f"), code
    for code in ("  def f(): 1", "def ff(): 1", "f == 1", "# def f():", "x = f", "f(1)", "f: int"):
        assert not defines(code, "f"), code


def test_a_body_is_indented_but_not_inside_its_strings() -> None:
    from harness.scorers import score
    from harness.scorers.values import ProgramCheck
    from harness.suites import Sample, ScorerRef

    facts = {"prompt": 'def f():\n    """One."""\n', "tests": "assert f()", "entry_point": "f"}
    sample = Sample(task="t", sample_id="1", input="?", target="", metadata=facts)
    reply = '```python\ntext = """a\nb"""\nreturn text\n```'
    check = score(ScorerRef(name="program"), text=reply, sample=sample, finish_reason="stop")
    assert isinstance(check, ProgramCheck)
    space: dict[str, object] = {}
    exec(check.program, space)  # noqa: S102 - our own text
    assert space["f"]() == "a\nb"  # type: ignore[operator]


def test_hostile_replies_are_read_in_bounded_time() -> None:
    size = 200_000
    for reply in (
        "```python\n" + "x = (\n" * (size // 6),
        "def f(:\n" * (size // 8),
        "x = 1\nIt's\n" * (size // 11),
        "(" * size,
        "```python\n" + "-" * size + "1",
        "`" * size,
        "```python\n" * (size // 10),
        "a " * size + "```",
        "    return 1\n'" * (size // 14),
        "def f():\n" + " " * size + "x",
    ):
        for wanted in ({"f"}, set()):  # less than a second in all; hours where the work grows with the square
            assert len(find_code(reply, wanted).code) <= len(reply)
