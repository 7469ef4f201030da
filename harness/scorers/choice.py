"""Multiple choice: which letter does a reply settle on?

An ordered chain, strong rules first; inside a rule the last match wins, and the rule that fired is part of the score.
Rules of `WEAK_RULES` also match ordinary prose: such scores are weak evidence and are counted apart in reports.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import Field

from harness.scorers import extraction
from harness.scorers.values import Score
from harness.suites import Sample, Strict

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
WEAK_RULES = frozenset({"option_words", "lone_letter", "only_line", "option_text"})
_LEADING = re.compile(
    r"^[\s*_`~$({\[]*(?:\\(?:text|textbf|mathrm|mathbf)\{)?[\s(]*([A-Z])(?![A-Za-z0-9'’])(?!(?<=[AI])\s+[a-z])"
)
_OPTION_WORDS = re.compile(r"\b(?:option|choice|answer)[\s*_`~:(]{1,4}([A-Z])(?![A-Za-z0-9'’])", re.IGNORECASE)
_OPTION_LINE = re.compile(r"[*_`(]{0,3}([A-Z])[).:][^\n]*")
_LONGEST_LINE = 1_000
_LETTER_LINE = re.compile(r"^[ \t*_`~(]{0,8}([A-Z])[ \t*_`~).]{0,8}$", re.MULTILINE)


class ChoiceOptions(Strict):
    """Options of `multiple_choice`.

    Attributes:
        n_options: number of options where the sample does not list them (they stand in its text).
    """

    n_options: int | None = Field(default=None, ge=2, le=26)


def _leading_letter(answer: str | None) -> str | None:
    match = _LEADING.match(answer or "")
    return match.group(1) if match else None


def _by_answer_line(text: str) -> str | None:
    return _leading_letter(extraction.answer_line(text))


def _by_box(text: str) -> str | None:
    return _leading_letter(extraction.boxed(text))


def _by_answer_is(text: str) -> str | None:
    found = re.findall(r"\banswer is[\s:]{0,4}(?:option |choice )?([^\n]{1,40})", text, re.IGNORECASE)
    letters = [letter for tail in found if (letter := _leading_letter(tail))]
    return letters[-1] if letters else None


def _last(pattern: re.Pattern[str]) -> Callable[[str], str | None]:
    def rule(text: str) -> str | None:
        found = pattern.findall(text)
        return found[-1].upper() if found else None

    return rule


def _by_only_line(text: str) -> str | None:
    """A reply of one line that starts like an option: `E. Cystic fibrosis`."""
    match = _OPTION_LINE.fullmatch(text.strip()[:_LONGEST_LINE])
    return match.group(1) if match else None


CHAIN: tuple[tuple[str, Callable[[str], str | None]], ...] = (
    ("answer_line", _by_answer_line),
    ("boxed", _by_box),
    ("answer_is", _by_answer_is),
    ("option_words", _last(_OPTION_WORDS)),
    ("lone_letter", _last(_LETTER_LINE)),
    ("only_line", _by_only_line),
)


def _by_option_text(text: str, choices: tuple[str, ...]) -> str | None:
    """The option that the `Answer:` line repeats word for word."""
    said = _plain(extraction.answer_line(text) or extraction.boxed(text) or "")
    same = [index for index, choice in enumerate(choices) if said and _plain(choice) == said]
    return LETTERS[same[0]] if len(same) == 1 else None


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).strip(" .")


def score_choice(options: Mapping[str, Any], *, text: str, sample: Sample) -> Score | None:
    """Score a reply to a multiple-choice question; None when no letter was found."""
    n_options = len(sample.choices) if sample.choices else ChoiceOptions.model_validate(options).n_options or 26
    for rule, find in CHAIN:
        letter = find(text)
        if letter and LETTERS.index(letter) < n_options:
            return Score(value=float(letter == sample.target), answer=letter, rule=rule)
    if sample.choices and (letter := _by_option_text(text, sample.choices)):
        return Score(value=float(letter == sample.target), answer=letter, rule="option_text")
    return None


def check_choice_target(sample: Sample) -> str | None:
    """Say what is wrong with a reference answer; None when it is usable."""
    n_options = len(sample.choices) if sample.choices else 26
    if len(sample.target) == 1 and sample.target in LETTERS[:n_options]:
        return None
    return f"answer {sample.target!r} is not one of the letters A-{LETTERS[n_options - 1]}"
