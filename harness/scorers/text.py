"""Short text answers: exact, or equal after a normalisation that the suite names.

Several right answers are separated in the target by the suite's `separator`.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Callable, Mapping
from typing import Literal

from pydantic import field_validator

from harness.scorers import extraction
from harness.scorers.letters import WINDOW, read_letter
from harness.scorers.number import known_rules
from harness.scorers.values import Score
from harness.suites.sample import Sample
from harness.typed_files import Strict

Normalisation = Literal[
    "unicode", "case", "spaces", "punctuation", "articles", "markup", "outer_brackets", "all_spaces"
]
LONGEST_ANSWER = 20_000
"""Characters of a short text; a longer one is wrong unless the reference is that long too."""
_WRAPPER = re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|boxed)[ ]?\{([^{}]*)\}|\\[()\[\]]")
_REASON = re.compile(r"(?<=\w)[.!][ ]|[;\n]|,?[ ](?:because|since)(?!\w)|[ ](?=\()")
_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "«": "»", "「": "」"}
_BRACKETS = {"(": ")", "[": "]", '"': '"', "'": "'"}


class TextOptions(Strict):
    """Options of `text`.

    Attributes:
        find: extraction rules in order.
        normalise: what is ignored on both sides, applied in this order; empty = exact.
        leading_letter: when the reference is a letter, read "(B) the second one" as "B".
        separator: text between several right answers in the reference; None = one answer.
    """

    find: tuple[str, ...] = ("answer_line", "boxed", "answer_is", "last_line")
    normalise: tuple[Normalisation, ...] = ("unicode", "markup", "case", "spaces")
    leading_letter: bool = False
    separator: str | None = None

    @field_validator("find")
    @classmethod
    def _known(cls, rules: tuple[str, ...]) -> tuple[str, ...]:
        return known_rules(rules)


def _without_brackets(text: str) -> str:
    """Drop pairs of outer brackets and quotes, however many, in one pass."""
    start, end = 0, len(text)
    while True:
        while start < end and text[start].isspace():
            start += 1
        while start < end and text[end - 1].isspace():
            end -= 1
        if end - start < 2 or _BRACKETS.get(text[start]) != text[end - 1]:
            return text[start:end]
        start, end = start + 1, end - 1


NORMALISATIONS: dict[Normalisation, Callable[[str], str]] = {
    "unicode": lambda text: unicodedata.normalize("NFKC", text),
    "markup": lambda text: text.strip("*_`~$ \t").rstrip(".").strip("*_`~$ \t"),
    "case": str.casefold,
    "spaces": lambda text: " ".join(text.split()),
    "all_spaces": lambda text: "".join(text.split()),
    "punctuation": lambda text: text.translate(str.maketrans("", "", string.punctuation)),
    "articles": lambda text: " ".join(re.sub(r"\b(?:a|an|the)\b", " ", text).split()),
    "outer_brackets": _without_brackets,
}


def normalise(text: str, steps: tuple[Normalisation, ...]) -> str:
    """Apply normalisations in order."""
    for step in steps:
        text = NORMALISATIONS[step](text)
    return text


def score_text(options: Mapping[str, object], *, text: str, sample: Sample) -> Score | None:
    """Score a short text; None when nothing was found."""
    chosen = TextOptions.model_validate(options)
    found = extraction.find(text, chosen.find)
    if found is None:
        return None
    answer, rule = found
    if len(answer) > max(LONGEST_ANSWER, 20 * len(sample.target)):
        return Score(value=0.0, answer=answer[:200], rule=rule, explanation=f"longer than {LONGEST_ANSWER} characters")
    targets = sample.metadata.get("targets") or (
        sample.target.split(chosen.separator) if chosen.separator else [sample.target]
    )
    given = {normalise(said, chosen.normalise) for said in _said(answer, exact=not chosen.normalise)}
    right = any(normalise(target, chosen.normalise) in given for target in targets)
    if not right and chosen.leading_letter:
        right = _same_letter(answer, sample.target)
    return Score(value=float(right), answer=answer, rule=rule)


def _said(answer: str, *, exact: bool) -> list[str]:
    """A stated answer as it stands and, unless it must be exact, unwrapped and up to its first reason or aside."""
    if exact:
        return [answer]
    bare = _WRAPPER.sub(r"\1", answer).strip()
    unquoted = bare[1:-1] if len(bare) > 2 and _QUOTES.get(bare[0]) == bare[-1] else bare
    return [answer, bare, unquoted, _REASON.split(bare, maxsplit=1)[0]]


def _same_letter(answer: str, target: str) -> bool:
    wanted = _without_brackets(target)
    given = read_letter(answer[:WINDOW])
    return len(wanted) == 1 and wanted.isupper() and given is not None and given.letter == wanted


def check_text_target(sample: Sample) -> str | None:
    """Say what is wrong with a reference answer; None when it is usable."""
    return None if sample.target.strip() else "the reference answer is empty"
