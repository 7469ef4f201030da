"""Mathematical answers: settle what plain text and exact numbers can settle, leave the rest to a bounded worker.

Pure and light: the symbolic comparison itself (math-verify) runs in `harness.math_workers`, never in this process.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import Field, field_validator

from harness.scorers import extraction
from harness.scorers.number import known_rules, parse_number
from harness.scorers.values import MathCheck, Score
from harness.suites import Sample, Strict

LONGEST_ANSWER = 2_000
"""Longer answers are no answers: the longest reference of the shipped suites has under 200 characters."""
_UNSAFE = re.compile(r"__|import|lambda|eval|exec|open\(|getattr|globals|\\(?:input|include|write|def|csname)")
_SPACES = re.compile(r"\\[,;:! ]|\\q?quad|~|\s+")
_WRAPPER = re.compile(r"\\(?:text|mbox|textbf|mathrm|mathbf|textit)\s*\{([^{}]*)\}")
_UNITS = re.compile(r"(?<=[\d}])\\(?:text|mbox|mathrm)\{[^{}]*\}(?:\^\{?\d\}?)?$")


class MathOptions(Strict):
    """Options of `math`.

    Attributes:
        find: extraction rules in order.
        timeout_s: wall-clock limit of the symbolic comparison.
    """

    find: tuple[str, ...] = ("boxed", "answer_line", "hashes", "answer_is")
    timeout_s: float = Field(default=10.0, gt=0, le=60)

    @field_validator("find")
    @classmethod
    def _known(cls, rules: tuple[str, ...]) -> tuple[str, ...]:
        return known_rules(rules)


def plain_latex(text: str) -> str:
    r"""Drop what does not change a formula's meaning: outer `$`, spaces, `\left`, fraction styles, units, degrees."""
    bare = text.strip().strip("$").strip()
    bare = re.sub(r"\\(?:left|right|displaystyle|big|Big)(?![a-zA-Z])", "", bare).replace("\\$", "").replace("\\%", "")
    bare = re.sub(r"\\[dt]frac", r"\\frac", bare)
    bare = _UNITS.sub("", _SPACES.sub("", bare).rstrip("."))
    bare = _WRAPPER.sub(r"\1", bare)
    bare = re.sub(r"\^\{?\\circ\}?|\\degree|°", "", bare)
    bare = re.sub(r"\\frac(\d)(\d)(?!\d)", r"\\frac{\1}{\2}", bare)
    return re.sub(r"\{(\w)\}", r"\1", bare)


def score_math(options: Mapping[str, Any], *, text: str, sample: Sample) -> Score | MathCheck | None:
    """Score a formula, or hand the comparison on; None when the reply holds no answer."""
    chosen = MathOptions.model_validate(options)
    found = extraction.find(text, chosen.find)
    if found is None:
        return None
    answer, rule = found
    if len(answer) > LONGEST_ANSWER:
        return Score(value=0.0, answer=answer[:200], rule=rule, explanation=f"longer than {LONGEST_ANSWER} characters")
    if plain_latex(answer) == plain_latex(sample.target):
        return Score(value=1.0, answer=answer, rule=rule, explanation="the same text")
    given, wanted = parse_number(plain_latex(answer)), parse_number(plain_latex(sample.target))
    if given is not None and wanted is not None:
        return Score(value=float(given == wanted), answer=answer, rule=rule, explanation="compared as exact numbers")
    if _UNSAFE.search(answer):
        return Score(value=0.0, answer=answer, rule=rule, explanation="not a formula")
    return MathCheck(answer=answer, target=sample.target, timeout_s=chosen.timeout_s, rule=rule)
