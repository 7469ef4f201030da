"""What simulated models write: prose and a final answer that a scorer really has to parse, right or wrong on purpose.

Data flows Sample -> `KeyEntry` (all that is needed to answer it) -> `write_answer` -> `AnswerText`. A wrong answer
differs in value from the target, never only in spelling: a correct scorer counts exactly the answers meant to be right.
"""

from __future__ import annotations

import functools
import hashlib
import re
import string
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, TypeVar

from harness.suites.sample import Sample

Style = Literal["choice", "number", "math", "code", "text", "grid"]
Ask = Literal["answer", "boxed", "hashes", "so"]
Outcome = Literal["right", "wrong", "none"]
T = TypeVar("T")

STYLES: dict[str, Style] = {
    "multiple_choice": "choice",
    "number": "number",
    "math": "math",
    "program": "code",
    "text": "text",
    "judge": "text",
    "grid_match": "grid",
}
"""How a scorer's answers are written; a scorer that is not listed is judged by the sample's own shape."""

# No digit, no lone capital letter and no word "answer" below: prose alone must never be taken for an answer.
_PROSE = (
    "Let us restate what is asked before working on it.",
    "The key quantities are given in the statement, and nothing else is needed.",
    "First collect the facts, then combine them in order.",
    "Each condition narrows the possibilities, so they are checked one after another.",
    "The usual shortcut does not apply here because the conditions are not symmetric.",
    "Working backwards from the goal gives the same result, which is a useful check.",
    "Rewriting the relation makes the structure clear.",
    "There is one step where a sign is easily lost, so it is worth doing slowly.",
    "Comparing both cases shows that only one of them is consistent.",
    "Substituting back confirms that the conditions hold.",
    "It helps to look at the extreme cases first.",
    "Nothing in the statement contradicts this reading.",
)
_GIVING_UP = "The information at hand does not settle the question."
_OPPOSITES = {"true": "False", "yes": "No", "valid": "invalid", "plausible": "implausible"}
_OPPOSITES |= {"false": "True", "no": "Yes", "invalid": "valid", "implausible": "plausible"}
_PLAIN_NUMBER = re.compile(r"\$?(-?)\$?((?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?)")
_FRACTION = re.compile(r"(-?)\\[dt]?frac\{(\d+)\}\{(\d+)\}")
_DIGIT = re.compile(r"\d")
_SIXTEEN_WORDS = struct.Struct(">16I")
_LETTER = re.compile(r"(\(?)([A-Z])(\)?)")


class Dice:
    """A stream of draws that depends on nothing but its key: equal on every machine and Python version."""

    __slots__ = ("_block", "_key", "_left")

    def __init__(self, key: str) -> None:
        self._key = key
        self._block = 0
        self._left = _words(key)

    def uniform(self) -> float:
        """Draw from the open interval (0, 1)."""
        if not self._left:
            self._block += 1
            self._left = _words(f"{self._key}|{self._block}")
        return (self._left.pop() + 0.5) / 4294967296

    def integer(self, low: int, high: int) -> int:
        """Draw an integer between both ends, ends included."""
        return low + int(self.uniform() * (high - low + 1))

    def pick(self, items: Sequence[T]) -> T:
        """Draw one of the items."""
        return items[int(self.uniform() * len(items))]


def _words(key: str) -> list[int]:
    return list(_SIXTEEN_WORDS.unpack(hashlib.blake2b(key.encode()).digest()))


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyEntry:
    """All that is needed to answer one prompt rightly or wrongly.

    Attributes:
        task, sample_id: whose prompt this is.
        style: form of the answer.
        ask: form of the final line that the prompt asks for.
        target: the reference answer; empty for programs.
        n_choices: number of options of a multiple choice, 0 elsewhere.
        difficulty: 0 (easy) to 1 (hard).
        program: a reference program, None when there is none (then no right answer can be written).
        entry_point: the function that tests call, None when not known.
        answerable: False when the same prompt has two different targets: then no answer is given at all.
        lacks_frames: fewer frames of a video are shown than its item needs (`frames_needed` of its metadata): whoever
            answers can only guess.
        drawn_as: what draws depend on in place of the prompt's digest: however many frames of a video are shown, they
            ask one question; None = the prompt's own digest.
    """

    task: str
    sample_id: str
    style: Style
    ask: Ask
    target: str
    n_choices: int = 0
    difficulty: float = 0.5
    program: str | None = None
    entry_point: str | None = None
    answerable: bool = True
    lacks_frames: bool = False
    drawn_as: str | None = None

    @property
    def can_be_right(self) -> bool:
        """Whether a right answer can be written at all."""
        return self.answerable and (self.program is not None if self.style == "code" else bool(self.target))


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerText:
    """A text in two parts: prose that holds no answer (it may be cut anywhere), and the part that holds it."""

    prose: str
    final: str

    @property
    def whole(self) -> str:
        """The text as the model gives it when it is not cut."""
        return "\n\n".join(part for part in (self.prose, self.final) if part)


def entry_of(sample: Sample, scorer: str, *, n_frames: int | None = None) -> KeyEntry:
    """Read from a sample what is needed to answer it.

    Args:
        n_frames: how many frames of its video are shown; None = it has none.
    """
    style = _style_of(sample, scorer)
    prompt = sample.input if isinstance(sample.input, str) else "\n".join(p for p in sample.input if isinstance(p, str))
    program, entry_point = _program_of(sample, prompt) if style == "code" else (None, None)
    return KeyEntry(
        task=sample.task,
        sample_id=sample.sample_id,
        style=style,
        ask=_ask_of(prompt),
        target=sample.target,
        n_choices=len(sample.choices or ()) or (4 if style == "choice" else 0),
        difficulty=sample.difficulty,
        program=program,
        entry_point=entry_point,
        lacks_frames=n_frames is not None and n_frames < int(sample.metadata.get("frames_needed") or 0),
        drawn_as=None if n_frames is None else _drawn_as(sample, prompt),
    )


def _drawn_as(sample: Sample, prompt: str) -> str:
    return hashlib.sha256(f"{sample.task}/{sample.sample_id}/{prompt}".encode()).hexdigest()


def write_answer(entry: KeyEntry, outcome: Outcome, dice: Dice) -> AnswerText:
    """Write an answer that is right, wrong, or not an answer at all.

    A right answer that cannot be written (no reference program) is a ValueError: the caller asks `can_be_right` first.
    """
    prose = _prose(dice)
    if outcome == "none" or not entry.answerable:
        return AnswerText(prose=f"{prose} {_GIVING_UP}", final="")
    if entry.style == "code":
        return AnswerText(prose=prose, final=f"```python\n{_program(entry, outcome, dice)}\n```")
    value = entry.target if outcome == "right" else wrong_value(entry, dice)
    return AnswerText(prose=prose, final=_FINALS[entry.style](entry, value, dice))


def wrong_value(entry: KeyEntry, dice: Dice) -> str:
    """Make up an answer that differs from the target in value and looks like it."""
    target = entry.target.strip()
    if entry.style == "grid":
        return _DIGIT.sub(lambda cell: str((int(cell[0]) + 1) % 10), target, count=dice.integer(1, 3))
    letter = _LETTER.fullmatch(target)
    if letter and entry.style in ("choice", "text"):
        return f"{letter[1]}{_other_letter(letter[2], entry.n_choices or 5, dice)}{letter[3]}"
    number = _PLAIN_NUMBER.fullmatch(target)
    if number:
        return _other_number(Decimal(f"{number[1]}{number[2].replace(',', '')}"), dice)
    fraction = _FRACTION.fullmatch(target)
    if fraction:
        return rf"{fraction[1]}\frac{{{int(fraction[2]) + dice.integer(1, 3)}}}{{{fraction[3]}}}"
    if entry.style in ("math", "number"):
        # a denominator that no reference answer has: surely another value, whatever expression the target is
        return rf"\frac{{{dice.integer(101, 996)}}}{{997}}"
    return _other_text(target)


def _style_of(sample: Sample, scorer: str) -> Style:
    if scorer in STYLES:
        return STYLES[scorer]
    if sample.choices:
        return "choice"
    if {"reference_solution", "canonical_solution", "entry_point", "tests", "test"} & set(sample.metadata):
        return "code"
    return "number" if _PLAIN_NUMBER.fullmatch(sample.target.strip()) else "text"


def _ask_of(prompt: str) -> Ask:
    lowered = prompt.lower()
    if "\\boxed" in lowered:
        return "boxed"
    if "####" in lowered:
        return "hashes"
    return "so" if "so the answer is" in lowered else "answer"


def _prose(dice: Dice) -> str:
    return _sentences(dice.integer(0, len(_PROSE) - 1), dice.pick((1, 5, 7)), dice.integer(3, 9))


@functools.cache
def _sentences(start: int, step: int, count: int) -> str:
    # the step is coprime to the number of sentences: none is said twice
    return " ".join(_PROSE[(start + index * step) % len(_PROSE)] for index in range(count))


def _other_letter(letter: str, n_choices: int, dice: Dice) -> str:
    letters = string.ascii_uppercase[: max(2, n_choices)].replace(letter, "")
    return dice.pick(letters)


def _other_number(value: Decimal, dice: Dice) -> str:
    slip = dice.integer(1, 10)
    made = (
        value + slip,
        value - slip,
        value + 1,
        value * 2 + 1,
        # ends in the right digits: a scorer that compares endings takes it for right
        Decimal(f"7{value}") if value >= 0 else value - 100,
    )
    other = dice.pick(made)
    return f"{other if other != value else value + 2:f}"


def _other_text(target: str) -> str:
    opposite = _OPPOSITES.get(target.casefold())
    if opposite:
        return opposite
    words = target.split()
    if len(words) > 1 and [w.casefold() for w in words] != [w.casefold() for w in reversed(words)]:
        return " ".join(reversed(words))
    return "none of these" if target.casefold() != "none of these" else "all of these"


def _final_line(ask: Ask, value: str) -> str:
    if ask == "boxed":
        return rf"\boxed{{{value}}}"
    if ask == "hashes":
        return f"#### {value}"
    return f"So the answer is {value}." if ask == "so" else f"Answer: {value}"


def _final_choice(entry: KeyEntry, value: str, dice: Dice) -> str:
    tempting = dice.pick(string.ascii_uppercase[: entry.n_choices])
    remark = f"Option ({tempting}) looks tempting at first sight.\n\n" if dice.uniform() < 0.3 else ""
    if entry.ask != "answer":
        return remark + _final_line(entry.ask, value)
    form = dice.pick(("Answer: {}", "Answer: {}", "**Answer: {}**", "Answer: **{}**", "**Answer:** {}"))
    return remark + form.format(value)


def _final_number(entry: KeyEntry, value: str, dice: Dice) -> str:
    step = f"The step before the last one gives {dice.integer(2, 400)}.\n\n" if dice.uniform() < 0.5 else ""
    plain = value.replace(",", "")
    if entry.ask != "boxed" and _PLAIN_NUMBER.fullmatch(plain) and plain[0] not in "-$":
        spelled = f"{Decimal(plain):,f}"
        value = dice.pick((value, value, value, spelled, f"${value}"))
    return step + _final_line(entry.ask, value)


def _final_math(entry: KeyEntry, value: str, dice: Dice) -> str:
    lead = dice.pick(("Therefore the result is", "Hence we obtain", "Collecting terms gives"))
    if entry.ask == "answer":
        return f"{lead} the following.\n\n{_final_line(entry.ask, value)}"
    return f"{lead} ${_final_line(entry.ask, value)}$." if entry.ask == "boxed" else _final_line(entry.ask, value)


def _final_text(entry: KeyEntry, value: str, _: Dice) -> str:
    return _final_line(entry.ask, value)


_FINALS = {
    "choice": _final_choice,
    "number": _final_number,
    "math": _final_math,
    "text": _final_text,
    "grid": _final_text,
}


def _program_of(sample: Sample, prompt: str) -> tuple[str | None, str | None]:
    metadata = sample.metadata
    program = metadata.get("reference_solution") or metadata.get("canonical_solution") or metadata.get("reference")
    entry_point = metadata.get("entry_point")
    if not program:
        return None, entry_point
    if not entry_point:
        defined = re.findall(r"^(?:def|class) (\w+)", program, re.MULTILINE)
        entry_point = defined[-1] if defined else None
    if entry_point and not re.search(rf"^(?:def|class) {re.escape(entry_point)}\b", program, re.MULTILINE):
        # a body without its head, as HumanEval keeps them: the head stands in the prompt
        program = (metadata.get("prompt") or _code_in(prompt)) + program
    return program.rstrip("\n"), entry_point


def _code_in(prompt: str) -> str:
    fenced = re.search(r"```(?:python)?\n(.*?)```", prompt, re.DOTALL)
    if fenced:
        return fenced[1]
    start = re.search(r"^(?:from|import|def|class) ", prompt, re.MULTILINE)
    return prompt[start.start() :] if start else ""


def _program(entry: KeyEntry, outcome: Outcome, dice: Dice) -> str:
    if outcome == "right":
        if entry.program is None:
            raise ValueError(f"{entry.task}/{entry.sample_id} has no reference program to answer with")
        return entry.program
    name = entry.entry_point
    if name is None:
        return 'print("nothing")'
    # a function that calls itself would be off more than once and could end up right: such ones are left unwritten
    calls_itself = entry.program is not None and len(re.findall(rf"\b{re.escape(name)}\b", entry.program)) > 1
    if entry.program is None or calls_itself or dice.uniform() < 0.2:
        return f"def {name}(*arguments, **options):\n    return None"
    return f"{entry.program}\n\n\n{_OFF.replace('NAME', name)}"


_OFF = """first_draft = NAME


def NAME(*arguments, **options):
    value = first_draft(*arguments, **options)
    if value is None:
        return 0
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + abs(value) + 1
    if isinstance(value, str):
        return value[:-1] if value else "nothing"
    if isinstance(value, list):
        return [*value, None]
    return None"""
"""Appended to a reference program: every value it gives is another one of the same kind."""
