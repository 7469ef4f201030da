"""Numbers: exact comparison as fractions, so that no digit is lost and no ending is mistaken for the whole.

An answer that is not a number equals nothing, another such answer included. What a reply states ("Answer: 36 (3 boxes
of 12)") is read up to its first reason or aside; a list, a range or a sum states no single number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction

from pydantic import Field, field_validator

from harness.scorers import extraction
from harness.scorers.numerals import Numeral, numerals, plain_numbers, read_run
from harness.scorers.values import Score
from harness.suites.sample import Sample
from harness.typed_files import Strict

_LONGEST_STATED = 2_000
_LONGEST_NUMBER = 1_000
_PLAIN = re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d{1,3})?")
_ASIDE = re.compile(r"\([^()\n]{0,400}\)")
_REASON = re.compile(
    r"[;\n]|(?<=\w)[.!?](?=\s|$)|,?[ ](?i:because|since|as (?:the|each|there|it|we|he|she|they)|where|which|"
    r"given|so|but|therefore|"
    r"porque|weil|denn|car|parce)(?!\w)|[ ](?:[-–—]|->|→)[ ](?=[A-Za-z])"
)
_RELATION = re.compile(r"[ ](?i:out of|of|per|than|from|for|at|every|each|after|before|in)(?!\w)")
_BETWEEN_LIST = re.compile(r"[\s,;$€£]*(?:(?i:and|or|und|oder|et|ou|y|o|to|through)|&)?[\s,;$€£]*")
_COMPOUND = re.compile(
    r"[ ]?(?i:hours?|hrs?|h|minutes?|mins?|feet|foot|ft|dollars?|euros?|pounds?|lbs?|years?|months?|weeks?|"
    r"days?|km|m|kg|litres?|liters?|"
    r"degrees?|meters?|metres?|yards?|miles?|gallons?|pints?|rupees?)[,]?[ ](?:and[ ])?"
)
_SMALL = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_WORD_VALUES = {word: value for value, word in enumerate(_SMALL)} | {
    word: 20 + 10 * place for place, word in enumerate(_TENS)
}
_WORD = re.compile(r"[A-Za-z]+")
_BOUND = re.compile(r"[ ][<>]=?[ ]|[≤≥]|\\(?:leq?|geq?|lt|gt)(?![A-Za-z])|(?<![^\W_])log_?\d")
"""What gives a range of numbers, or another number than the digits in it."""
_MULTIPLES = {"hundred": 100, "thousand": 1000, "million": 10**6}


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
    """Read one number exactly: digits, groups, currency signs, percent, fractions, mixed numbers, exponents, LaTeX.

    Returns:
        None when the text is not one number and nothing else ("42." is 42, "42 apples" and "1,23" are none).
    """
    if text is None or len(text) > _LONGEST_NUMBER:
        return None
    bare = plain_numbers(text).strip().strip("*_`~$ ").rstrip(".%°").rstrip()
    if _PLAIN.fullmatch(bare):
        return Fraction(Decimal(bare))
    found = [] if re.search(r"[^\W\d_]|:", bare) else numerals(bare)
    if len(found) != 1 or bare[: found[0].start].strip("$€£¥₹ ") or re.search(r"[^\s$€£¥₹]", bare[found[0].end :]):
        return None
    if re.fullmatch(r"[\d,]+", bare) and read_run(bare, decimal_comma=False) is None:
        return None
    return found[0].value


def stated_number(text: str, which: str = "last") -> Fraction | None:
    """Read the number that a stated answer gives, which may hold words around it ("72 cubic inches").

    Args:
        which: `first`, `last` or `only`, where the answer's first clause holds several.
    """
    plain = plain_numbers(text[:_LONGEST_STATED]).strip()
    if (number := parse_number(plain)) is not None:
        return number
    clause = _clause(plain)
    found = numerals(clause)
    if not found:
        return _spelled(clause)
    if _BOUND.search(clause):
        return None
    if len(found) > 1 and (which == "only" or _is_list(clause, found)):
        return None
    return (found[0] if which == "first" else found[-1]).value


def _clause(text: str) -> str:
    """The part of a stated answer that says the number: no asides, no reasons, behind the last `=`."""
    outside = _ASIDE.sub(" ", text)
    clause = outside if numerals(outside) else text
    for cut in (_REASON, None, _RELATION):
        if cut is None:
            after = re.split(r"[=≈]", clause)[-1]
            clause = after if numerals(after) else clause
            continue
        for match in cut.finditer(clause):
            if numerals(clause[: match.start()]):
                clause = clause[: match.start()]
                break
    return re.sub(r"^\s*-\s+(?=[$€£\d])", "-", clause)


def _is_list(clause: str, found: list[Numeral]) -> bool:
    """Whether the last two numbers are two answers or two parts of one: `3 and 5`, `3 to 5`, `2 hours 30 minutes`."""
    between = clause[found[-2].end : found[-1].start]
    return _BETWEEN_LIST.fullmatch(between) is not None or _COMPOUND.fullmatch(between) is not None


def _spelled(clause: str) -> Fraction | None:
    """Number words at the beginning: "seven", "twenty-one boxes", "one hundred and five"; "one or two" is none."""
    words = _WORD.findall(clause[:200].lower())
    value, used = _said(words)
    if not used or re.search(r"\w", clause[: clause.lower().find(words[0])]):
        return None
    goes_on = words[used : used + 1] in (["or"], ["to"], ["and"], ["through"], ["point"])
    return None if goes_on or value is None else Fraction(value)


def _said(words: Sequence[str]) -> tuple[int | None, int]:
    """The number with which words begin, None for two numbers ("two three"); and how many words it takes."""
    total = group = used = 0
    for number, word in enumerate(words):
        if word in _WORD_VALUES:
            if not _goes_on(group, _WORD_VALUES[word], first=not number):
                return None, number + 1
            group += _WORD_VALUES[word]
        elif word in _MULTIPLES and number:
            group *= _MULTIPLES[word]
            total, group = (total + group, 0) if _MULTIPLES[word] > 100 else (total, group)
        elif word != "and" or not number or words[number - 1] not in _MULTIPLES:
            break
        used = number + 1
    return total + group, used


def _goes_on(group: int, value: int, *, first: bool) -> bool:
    """Whether a number word can follow what was said of its hundred: "twenty one", not "two three" nor "two zero"."""
    return group % (10 if value < 10 else 100) == 0 and (value != 0 or first)


def score_number(options: Mapping[str, object], *, text: str, sample: Sample) -> Score | None:
    """Score a numeric reply; None when it holds no number."""
    chosen = NumberOptions.model_validate(options)
    target = parse_number(sample.target)
    for rule in chosen.find:
        if (found := extraction.find(text, [rule])) is None:
            continue
        answer = found[0][:_LONGEST_STATED]
        number = stated_number(answer, chosen.number_in_answer)
        if number is not None:
            right = number == target or (target is not None and abs(number - target) <= Fraction(chosen.tolerance))
            return Score(value=float(right), answer=answer, rule=rule)
        if numerals(plain_numbers(answer)):
            return Score(value=0.0, answer=answer, rule=rule, explanation="what it states is not one number")
    return None


def check_number_target(sample: Sample) -> str | None:
    """Say what is wrong with a reference answer; None when it is a number."""
    return None if parse_number(sample.target) is not None else f"answer {sample.target!r} is not a number"
