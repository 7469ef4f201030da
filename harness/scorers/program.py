"""Programs: what must be run to decide whether a reply's code is right. Nothing is run here.

Data flows reply + the sample's tests -> `ProgramCheck`, which `harness.sandbox` carries out.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from harness.replies.reply_code import defines, find_code, has_method
from harness.scorers import packed_cases
from harness.scorers.values import ProgramCase, ProgramCheck, Score
from harness.suites.prompts import code_before
from harness.suites.sample import Metadata, Sample
from harness.typed_files import Strict


class ProgramOptions(Strict):
    """Options of `program`.

    Attributes:
        style: `tests` = the sample's `tests` run after the program; `cases` = its input and output cases.
        prefix: `auto` puts the sample's `prompt` (signature and imports) before a reply that does not define the
            entry point itself; `never` takes the reply as the whole program.
        call_check: tests define `check(candidate)`, which is called with the entry point (HumanEval's form).
        timeout_s: wall-clock limit for all tests of one sample.
        memory_mib: memory of the program's process; None = the sandbox's own limit.
    """

    style: Literal["tests", "cases"] = "tests"
    prefix: Literal["auto", "never"] = "auto"
    call_check: bool = False
    timeout_s: float = Field(default=10.0, gt=0, le=3600)
    memory_mib: int | None = Field(default=None, ge=64, le=65_536)


def _wanted(facts: Metadata, tests: str) -> set[str]:
    """Names that the program is to define, one of them at least: the entry point, or what the tests use."""
    if facts.get("entry_point"):
        return {facts["entry_point"]}
    try:
        tree = ast.parse(tests)
    except (SyntaxError, ValueError, RecursionError):
        return set()
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    return {node.id for node in names} - {node.id for node in names if isinstance(node.ctx, ast.Store)}


def _program(code: str, *, prompt: str, entry_point: str | None, prefix: str) -> str:
    """Join the prompt's signature or imports with the reply's code."""
    if prefix == "never" or not prompt or not entry_point:
        return code
    if has_method(code, entry_point) and not defines(code, entry_point):
        return f"{_imports(prompt)}\n\n{code}"
    if defines(code, entry_point):
        return f"{_imports(prompt)}\n\n{_with_helpers(prompt, entry_point, code)}"
    return f"{prompt.rstrip()}\n{_indented(code)}\n"


def _imports(prompt: str) -> str:
    return "\n".join(line for line in prompt.split("\n") if re.match(r"(?:from|import)\s", line))


def _with_helpers(prompt: str, entry_point: str, code: str) -> str:
    """Keep functions that the prompt defines before the entry point and that the reply leaves out."""
    head = re.split(rf"^def\s+{re.escape(entry_point)}\s*\(", prompt, maxsplit=1, flags=re.MULTILINE)[0]
    missing = [name for name in re.findall(r"^def\s+(\w+)", head, re.MULTILINE) if not defines(code, name)]
    return f"{head}\n{code}" if missing else code


def _indented(code: str) -> str:
    """Indent a bare function body that a reply gave flush left; lines inside a string stay as they are."""
    lines = code.split("\n")
    first = next((line for line in lines if line.strip()), "")
    if first.startswith((" ", "\t")):
        return code
    inside = _lines_inside_strings(code)
    return "\n".join(line if number in inside else f"    {line}" for number, line in enumerate(lines, 1))


def _lines_inside_strings(code: str) -> set[int]:
    """Numbers of the lines that begin inside a string, none when the code cannot be read."""
    try:
        nodes = list(ast.walk(ast.parse(code)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    strings = [node for node in nodes if isinstance(node, ast.Constant | ast.JoinedStr) and node.end_lineno]
    return {number for node in strings for number in range(node.lineno + 1, (node.end_lineno or 0) + 1)}


def score_program(options: Mapping[str, object], *, text: str, sample: Sample) -> ProgramCheck | Score | None:
    """Build the check of a reply's program; None when the reply holds no code."""
    chosen = ProgramOptions.model_validate(options)
    facts = sample.metadata
    entry_point = facts.get("entry_point")
    tests = "\n".join(part for part in (_joined(facts.get("test_imports")), _joined(facts.get("tests"))) if part)
    found = find_code(text, _wanted(facts, "" if chosen.style == "cases" else tests))
    code, rule = found.code, found.rule
    if not code.strip():
        return None
    if chosen.style == "cases":
        return _cases_check(code, facts, entry_point=entry_point, timeout_s=chosen.timeout_s, rule=rule)
    if facts.get("n_targets") and sample.targets is None:
        explanation = "the numeric targets of this step are not on this machine"
        return Score(reason="undecided", answer=code, rule=rule, explanation=explanation)
    if not tests.strip():
        return Score(reason="undecided", answer=code, rule=rule, explanation="this sample has no tests on this machine")
    if chosen.call_check:
        tests = f"{tests}\ncheck({entry_point})\n"
    program = _program(code, prompt=facts.get("prompt", ""), entry_point=entry_point, prefix=chosen.prefix)
    if earlier := facts.get("earlier_code") or code_before(facts).strip():
        program = f"{earlier}\n\n{program}"
    return ProgramCheck(
        program=program,
        tests=tests,
        support=facts.get("test_support") or _support(facts.get("prompt", "")),
        entry_point=entry_point,
        timeout_s=chosen.timeout_s,
        answer=code,
        rule=rule,
        targets=sample.targets,
        memory_mib=chosen.memory_mib,
        is_numeric="n_targets" in facts,
    )


def _support(prompt: str) -> str:
    """A prompt that is itself Python (a signature with helpers before it) supports the tests; any other text cannot."""
    try:
        ast.parse(prompt)
    except (SyntaxError, ValueError, RecursionError):
        return ""
    return prompt


def _cases_check(
    code: str, facts: Metadata, *, entry_point: str | None, timeout_s: float, rule: str
) -> ProgramCheck | Score:
    try:
        cases = _cases(facts, functional=bool(entry_point))
    except ValueError as error:
        return Score(reason="undecided", answer=code, rule=rule, explanation=str(error))
    return ProgramCheck(
        program=code,
        kind="call" if entry_point else "stdin",
        entry_point=entry_point or None,
        cases=cases,
        timeout_s=timeout_s,
        answer=code,
        rule=rule,
    )


def _cases(facts: Metadata, *, functional: bool) -> tuple[ProgramCase, ...]:
    """A sample's own cases, and those that a data set keeps packed."""
    plain = [ProgramCase(input=case["input"], expected=case["expected"]) for case in facts.get("cases", ())]
    packed = [facts[name] for name in ("public_cases", "private_cases") if facts.get(name)]
    stored = [case for text in packed for case in packed_cases.unpack(text)]
    return (*plain, *(packed_cases.program_case(case, functional=functional) for case in stored))


def _joined(value: object) -> str:
    """Tests come as one text or as a list of lines."""
    return "\n".join(map(str, value)) if isinstance(value, list | tuple) else str(value or "")


def check_program_target(sample: Sample) -> str | None:
    """Say what a sample lacks for its tests to be run; None when it lacks nothing."""
    if sample.metadata.keys() & {"tests", "cases", "public_cases", "private_cases"}:
        return None
    return "the sample has neither tests nor cases"
