"""Numbers: exact comparison as fractions, so that no digit is lost and no ending is mistaken for the whole.

An answer that is not a number equals nothing, another such answer included.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from pydantic import Field, field_validator

from harness.scorers import extraction
from harness.scorers.values import Score
from harness.suites import Sample, Strict

_DECIMAL = re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d{1,3})?")
_FRACTION = re.compile(r"([-+]?)\\[dt]?frac(?:\{(-?\d+)\}|(\d))(?:\{(-?\d+)\}|(\d))")
_GROUPED = re.compile(r"[-+]?\d{1,3}(?:,\d{3})+(?:\.\d*)?")
_MOST_DIGITS = 1000


class NumberOptions(Strict):
    """Options of `number`.

    Attributes:
        find: extraction rules in order (`harness.scorers.extraction.RULES` or `json:<field>`).
        number_in_answer: which number counts when the found text holds words and several numbers.
        tolerance: largest difference that is still right; "0" = exact.
    """

    find: tuple[str, ...] = ("answer_line", "boxed", "hashes", "answer_is", "last_number")
    number_in_answer: str = Field(default="last", pattern="^(first|last|only)$")
    tolerance: Decimal = Field(default=Decimal(0), ge=0)

    @field_validator("find")
    @classmethod
    def _known(cls, rules: tuple[str, ...]) -> tuple[str, ...]:
        return known_rules(rules)


def known_rules(rules: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse names that are no extraction rules."""
    unknown = [rule for rule in rules if not extraction.is_rule(rule)]
    if unknown:
        raise ValueError(f"unknown rules {unknown}; known: {', '.join(extraction.RULES)}, json:<field>")
    return rules


def parse_number(text: str | None) -> Fraction | None:
    """Read one number exactly: digits, comma groups, currency signs, percent, `a/b`, `\\frac{a}{b}`, exponents.

    Returns:
        None when the text is not one number ("42." is 42, "42 apples" is not a number).
    """
    if text is None or len(text) > _MOST_DIGITS:
        return None
    bare = _strip_units(text)
    if match := _FRACTION.fullmatch(bare):
        top, bottom = int(match[2] or match[3]), int(match[4] or match[5])
        return Fraction(-top if match[1] == "-" else top, bottom) if bottom else None
    if match := re.fullmatch(r"([-+]?\d+)/(\d+)", bare):
        return Fraction(int(match[1]), int(match[2])) if int(match[2]) else None
    if _GROUPED.fullmatch(bare):
        bare = bare.replace(",", "")
    return Fraction(Decimal(bare)) if _DECIMAL.fullmatch(bare) else None


def _strip_units(text: str) -> str:
    bare = text.strip().strip("*_`~").replace("−", "-").replace("\\$", "").replace("\\%", "").replace("{,}", ",")
    bare = bare.replace("\\!", "").replace("\\,", "").strip("$ ")
    bare = re.sub(r"^([-+]?)\s*[$€£]\s*", r"\1", bare)
    return bare.strip().rstrip(".%").rstrip().replace("\u202f", "").replace("\u00a0", "")


def _number_inside(text: str, which: str) -> Fraction | None:
    """The number of a found text that may hold words around it ("72 cubic inches")."""
    if (number := parse_number(text)) is not None:
        return number
    found = extraction.all_numbers(text)
    if not found or (which == "only" and len(found) > 1):
        return None
    return parse_number(found[0] if which == "first" else found[-1])


def score_number(options: Mapping[str, Any], *, text: str, sample: Sample) -> Score | None:
    """Score a numeric reply; None when it holds no number."""
    chosen = NumberOptions.model_validate(options)
    target = parse_number(sample.target)
    for rule in chosen.find:
        found = extraction.find(text, [rule])
        number = _number_inside(found[0], chosen.number_in_answer) if found else None
        if found and number is not None:
            right = target is not None and abs(number - target) <= Fraction(chosen.tolerance)
            return Score(value=float(right), answer=found[0], rule=rule)
    return None


def check_number_target(sample: Sample) -> str | None:
    """Say what is wrong with a reference answer; None when it is a number."""
    return None if parse_number(sample.target) is not None else f"answer {sample.target!r} is not a number"
