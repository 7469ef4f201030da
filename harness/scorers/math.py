"""Mathematical answers: settle what plain text and exact numbers can settle, leave the rest to a bounded worker.

Pure and light: the symbolic comparison itself (sympy) runs in `harness.sandbox.math_pool`, never in this process.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction

from pydantic import Field, field_validator

from harness.formulas.tidying import is_worded, words
from harness.formulas.units import MAGNITUDES, differ
from harness.scorers import extraction
from harness.scorers.notation import without_marks
from harness.scorers.number import known_rules, parse_number
from harness.scorers.values import MathCheck, Score
from harness.suites.sample import Sample
from harness.typed_files import Strict

LONGEST_ANSWER = 2_000
"""Longer answers are no answers: the longest reference of the shipped suites has under 200 characters."""
_SPACES = re.compile(r"\\[,;:! ]|\\q?quad|~|(?<!\d)\s+|\s+(?!\d)")
_WRAPPER = re.compile(r"\\(?:text|mbox|textbf|mathrm|mathbf|textit)\s*\{([^{}]*)\}")
_UNITS = re.compile(r"(?<=[\d}])\s*\\(?:text|mbox|mathrm)\{(?P<unit>[^{}]*)\}(?:\^\{?\d\}?)?$")
_SEGMENT = re.compile(r"\$\$(.+?)\$\$|(?<!\\)\$([^$]+)(?<!\\)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)
_ONLY_JOINS = re.compile(r"(?:[\s.,;:*]|and|or)*")
_SENTENCE_END = re.compile(r"(?<=[\w$})\]])\.\s+(?=[A-Z\\])|,?\s(?:because|since|where|which|so that)\s")
_DECIMAL = re.compile(r"[-+]?\d*\.(?P<decimals>\d+)")
_PLAIN_NUMBER = re.compile(r"[-+−]?(?:[\d.,/ ]+|\\frac\{?\d+\}?\{?\d+\}?)")
_FEWEST_DIGITS = 3


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
    r"""Drop what does not change a formula's meaning: outer `$`, spaces, `\left`, fractions' styles, degrees."""
    bare = text.strip().strip("$").strip()
    bare = (
        re.sub(
            r"\\(?:left|right|displaystyle|big|"
            r"Big)(?![a-zA-Z])",
            "",
            bare,
        )
        .replace("\\$", "")
        .replace("\\%", "")
    )
    bare = re.sub(r"\\[dt]frac", r"\\frac", bare.replace("{,}", ",").replace(",\\!", ","))
    bare = _SPACES.sub("", bare).rstrip(".")
    bare = _WRAPPER.sub(r"\1", bare)
    bare = re.sub(r"\^\{?\\circ\}?|\\degree|°", "", bare)
    bare = re.sub(r"\\frac(\d)(\d)(?!\d)", r"\\frac{\1}{\2}", bare)
    return re.sub(r"\{(\w)\}", r"\1", bare)


def formula_in(answer: str) -> str:
    """The formula of a stated answer that may stand in a sentence: `$x=3$, since ...`."""
    said = _SENTENCE_END.split(answer, maxsplit=1)[0].strip("\"“”'‘’`")
    segments = [next(filter(None, match.groups())) for match in _SEGMENT.finditer(said)]
    if not segments:
        return said
    outside = _SEGMENT.sub(" ", said)
    if len(segments) == 1:
        return segments[0] if not re.search(r"[\d=+*/^\\]", outside) else said
    return ", ".join(segments) if _ONLY_JOINS.fullmatch(outside) else said


def _number(text: str) -> tuple[Fraction | None, str | None]:
    """The exact number of a formula and its unit, where it is one."""
    unit = _UNITS.search(text)
    bare = plain_latex(_UNITS.sub("", text))
    return parse_number(bare) if _PLAIN_NUMBER.fullmatch(bare) else None, unit["unit"].strip() if unit else None


def score_math(options: Mapping[str, object], *, text: str, sample: Sample) -> Score | MathCheck | None:
    """Score a formula, or hand the comparison on; None when the reply holds no answer."""
    chosen = MathOptions.model_validate(options)
    found = extraction.find(text, chosen.find)
    if found is None:
        return None
    stated, rule = found
    if len(stated) > LONGEST_ANSWER:
        return Score(value=0.0, answer=stated[:200], rule=rule, explanation=f"longer than {LONGEST_ANSWER} characters")
    answer, target = formula_in(without_marks(stated)), sample.target
    if plain_latex(answer) == plain_latex(target):
        return Score(value=1.0, answer=answer, rule=rule, explanation="the same text")
    if is_worded(target):
        return Score(
            value=float(words(answer) == words(target)), answer=answer, rule=rule, explanation="compared as words"
        )
    (given, unit), (wanted, wanted_unit) = _number(answer), _number(target)
    if given is not None and wanted is not None and not {unit, wanted_unit} & set(MAGNITUDES):
        right = _meets(given, wanted, answer, target) and not differ(unit, wanted_unit)
        return Score(value=float(right), answer=answer, rule=rule, explanation="compared as exact numbers")
    return MathCheck(answer=answer, target=target, timeout_s=chosen.timeout_s, rule=rule)


def _meets(given: Fraction, wanted: Fraction, answer: str, target: str) -> bool:
    """Whether two numbers are equal, or one that is as precise rounds to a decimal reference of three digits."""
    if given == wanted:
        return True
    decimal, answered = _DECIMAL.search(target), _DECIMAL.search(answer)
    if decimal is None or (answered is None and given.denominator == 1):
        return False
    decimals = len(decimal["decimals"])
    if answered is not None and len(answered["decimals"]) < decimals:
        return False
    scale = 10**decimals
    return bool(abs(wanted * scale) >= 10 ** (_FEWEST_DIGITS - 1) and abs(given - wanted) * 2 * scale <= 1)
