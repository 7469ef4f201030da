"""What scoring gives: a score, or a check that an edge module has to carry out before there is one.

Data flows answer text + sample -> `Score | ProgramCheck | MathCheck | JudgeCall`; the last three end in a `Score`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from harness.declared import request_value
from harness.messages import Message
from harness.replies.unscored import UnscoredReason
from harness.suites.sample import TargetsRef


@request_value
class Score:
    """A value, or the reason why there is none; never both, never neither.

    Attributes:
        value: 0 to 1; None = unscored.
        reason: why unscored; None when there is a value.
        answer: what was taken from the reply, None when nothing was found.
        explanation: one sentence for a person; None when the value speaks for itself.
        rule: which extraction rule found the answer (`answer_line`, `boxed`, ...).
    """

    value: float | None = None
    reason: UnscoredReason | None = None
    answer: str | None = None
    explanation: str | None = None
    rule: str | None = None

    def __post_init__(self) -> None:
        if (self.value is None) == (self.reason is None):
            raise ValueError(f"a score has a value or a reason, got value={self.value!r} and reason={self.reason!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramCase:
    """One input with the output that a right program gives.

    Attributes:
        input: standard input, or the JSON array of call arguments.
        expected: standard output (compared line by line, outer space ignored), or the JSON of the return value.
    """

    input: str
    expected: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramCheck:
    """An untrusted program and the tests that decide on it; run by `harness.sandbox`.

    Attributes:
        program: Python source of the answer, with what the suite puts before it (signature, imports, earlier steps).
        kind: `tests` = run `tests` after the program in one namespace; `stdin` = start it once per case;
            `call` = call `entry_point` with each case's arguments.
        tests: Python source that raises when the program is wrong.
        support: valid Python that the tests may call besides the program (a prompt's helper functions), so that a
            program that redefines a helper is still measured with the original one; empty for none.
        entry_point: the function that the tests are about; None when they name it themselves.
        cases: for `stdin` and `call`.
        timeout_s: wall-clock limit for the whole check.
        answer: the extracted code, for the record.
        rule: which rule found it.
        targets: where the numbers are that the tests know as `targets`; None = they need none.
        memory_mib: memory of the program's process; None = the sandbox's own limit.
        is_numeric: tests and program are to compute as one process does: NumPy's numbers stay what they are, and a seed
            in the tests holds for the program.
    """

    program: str
    kind: Literal["tests", "stdin", "call"] = "tests"
    tests: str = ""
    support: str = ""
    entry_point: str | None = None
    cases: tuple[ProgramCase, ...] = ()
    timeout_s: float = 10.0
    answer: str = ""
    rule: str | None = None
    targets: TargetsRef | None = None
    memory_mib: int | None = None
    is_numeric: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MathCheck:
    """A mathematical answer and its reference, to be compared by `sandbox.math_pool` (bounded time and memory)."""

    answer: str
    target: str
    timeout_s: float = 10.0
    rule: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeCall:
    """A question for a judge model; its reply goes to `harness.scorers.finish_judgement`.

    Attributes:
        messages: what is sent, with purpose `judge`.
        model: judge that the suite names, None = the caller must name one.
        max_output_tokens: cap for the judge's reply.
        verdicts: word -> value; the reply's last line holds one of the words.
        answer: the reply being judged, for the record.
        rule: name of the judge's prompt and its version.
    """

    messages: tuple[Message, ...]
    model: str | None
    max_output_tokens: int
    verdicts: Mapping[str, float] = field(default_factory=dict)
    answer: str = ""
    rule: str | None = None


Outcome = Score | ProgramCheck | MathCheck | JudgeCall
