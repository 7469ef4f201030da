"""Multiple choice: which letter does a reply settle on?

A reply is read as statements: each has a place, a letter (or none: several letters, "I do not know") and a strength.
The last of the strongest counts; a letter beyond the options, or a refusal to choose, is no answer and no reason to
look for a weaker one. The rule that fired is part of the score. Rules of `WEAK_RULES` also match ordinary prose: such
scores are weak evidence and are counted apart in reports.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import Field

from harness.scorers import extraction, mentions
from harness.scorers.cues import Cue, cues
from harness.scorers.letters import Reading, denied, read_letter
from harness.scorers.notation import plain_characters
from harness.scorers.values import Score
from harness.suites.prompts import LETTERS
from harness.suites.sample import Sample
from harness.typed_files import Strict

WEAK_RULES = frozenset({"option_words", "conclusion", "lone_letter", "only_line", "option_text"})
_NO_CHOICE = re.compile(
    r"[\s*_`\"'“(\[]{0,10}(?i:i[ ](?:do[ ]?n[o']t|cannot|can't|can not|am not|'m not|am unable|could not|"
    r"would need)|i don’t|i can’t|"
    r"none|neither|both|either|all of|not (?![^.\n]{0,60} but )|no |un(?:known|clear|decided|determined|able|"
    r"sure|certain)|cannot|"
    r"can't|can’t|undetermined|"
    r"indeterminate|insufficient|impossible|n/?a\b|nothing|skip|there is no|it is (?:not|im)|keine?\b|ninguna|"
    r"aucune|nessuna|"
    r"nenhuma|无法|以上都不|わかりません|모르)"
)
_PLAIN_ENDING = re.compile(
    r"(?:\A|\n)(?:\*\*)?(?i:(?:final[ ])?answer):(?:\*\*)?[ ]?[(*]{0,3}([A-Z])[)*]{0,3}[.]?[*]{0,2}\s*\Z", re.ASCII
)
_LONGEST_PLAIN_ENDING = 60
_CLOSING = re.compile(
    r"(?:(?<=[\s:*$])[*_`]{0,3}\((?:(?i:option|choice|answer)[ ])?(?P<letter>[A-Z])\)"
    r"|(?::|,[ ]i[.]e[.],?|[→⇒➡]|(?:option|choice),)[ ][*(\[]{0,3}(?P<bare>[A-Z])[*)\]]{0,3})[*_`$.!\s]{0,6}$"
)
_STRUCK_OUT = re.compile(r"~~[^~\n]{1,400}~~")
_TAKEN_BACK = re.compile(
    r"(?<!\w)(?i:wait|hmm|oops|correction|i made (?:a|an) (?:mistake|error)|(?:that|this) (?:is|was) (?:wrong|"
    r"incorrect|not right)|"
    r"let me (?:re\w+|correct)|on (?:second thought|reflection))(?!\w)"
)
_IN_BRACKETS = re.compile(r"\(([A-Z])\)")
_LONGEST_UNREAD = 80
_LONGEST_OPTION = 400
_LONGEST_LINE = 600


class ChoiceOptions(Strict):
    """Options of `multiple_choice`.

    Attributes:
        n_options: number of options where the sample does not list them (they stand in its text).
    """

    n_options: int | None = Field(default=None, ge=2, le=26)


@dataclass(frozen=True, slots=True)
class Statement:
    """What a reply says about its answer at one place; `letter` None = it says that there is not one letter."""

    place: int
    letter: str | None
    rule: str


def _stated(text: str, choices: Sequence[str]) -> tuple[Statement | None, int]:
    """Find the last statement of a reply.

    Returns:
        it, and the place of the last stated answer that is no option (-1 = none): weak rules count only behind that.
    """
    unread = -1
    for place, windows, rule, cue in _places(text):
        if (statement := _read(place, windows, rule, cue, choices)) is not None:
            return statement, unread
        if rule == "boxed" or (cue is not None and _is_short_answer_line(cue, windows)):
            unread = max(unread, place)
    return None, unread


def _places(text: str) -> Iterator[tuple[int, tuple[str, ...], str, Cue | None]]:
    """Give the places where an answer may be stated, the last first."""
    boxes = extraction.box_groups(text)
    for cue in cues(text):
        while boxes and boxes[-1][0] > cue.start:
            yield _box(*boxes.pop())
        rule = "answer_line" if cue.kind != "sentence" else "answer_is"
        windows = tuple(text[end : end + _LONGEST_LINE] for end in cue.ends)
        if cue.tagged:
            windows = tuple(window.partition("</")[0] for window in windows)
        yield cue.start, windows, rule, cue
    while boxes:
        yield _box(*boxes.pop())


def _box(place: int, contents: list[str]) -> tuple[int, tuple[str, ...], str, None]:
    return place, (" and ".join(contents[:5])[:_LONGEST_OPTION],), "boxed", None


def _read(place: int, windows: tuple[str, ...], rule: str, cue: Cue | None, choices: Sequence[str]) -> Statement | None:
    if (reading := _first_letter(windows, cue, tuple(choices))) is not None:
        return Statement(place, reading.letter, rule)
    if cue is not None and (cue.kind == "heading" or not cue.direct):
        return None
    if (letter := _option_said(windows[0], choices)) is not None:
        return Statement(place, letter, "option_text")
    if _NO_CHOICE.match(windows[0]):
        return Statement(place, None, rule)
    return Statement(place, letter, rule) if (letter := _closing_letter(windows[0])) is not None else None


def _first_letter(windows: Sequence[str], cue: Cue | None, options: tuple[str, ...]) -> Reading | None:
    """The first window's letter that is not taken back; behind a heading it must end its line."""
    in_heading = cue is not None and cue.kind == "heading"
    for window in windows:
        reading = read_letter(window, english=cue is None or cue.english, option_text=options)
        if reading is None or denied(reading.rest):
            continue
        if not in_heading or _ends_line(reading.rest, window):
            return reading
    return None


def _closing_letter(window: str) -> str | None:
    """The letter with which a stated answer in words ends: "the third one: (C)", "30 V (option B)"."""
    line, ended, _ = window.strip().partition("\n")
    closing = _CLOSING.search(line) if ended or len(window) < _LONGEST_LINE else None
    if closing is None or mentions.turned(line[: closing.start()]):
        return None
    letter = closing["letter"] or closing["bare"]
    return letter if set(_IN_BRACKETS.findall(line)) <= {letter} else None


def _ends_line(rest: str, window: str) -> bool:
    """Whether a letter that follows a heading ends its line or opens an option's text: no article, no pronoun."""
    return not rest or rest[0] in "\n.):" or window[: len(window) - len(rest)].rstrip(" ")[-1:] in ".):*\n]}"


def _is_short_answer_line(cue: Cue, windows: tuple[str, ...]) -> bool:
    line = windows[0].strip().split("\n", 1)[0]
    return cue.kind == "line" and cue.opens_line and 0 < len(line) <= _LONGEST_UNREAD


def _option_said(window: str, choices: Sequence[str]) -> str | None:
    """The option that a stated answer repeats word for word."""
    line = window.strip().split("\n", 1)[0]
    said = {_plain(line), _plain(line.split(". ", 1)[0])} - {""}
    same = [index for index, choice in enumerate(choices) if _plain(choice) in said]
    return LETTERS[same[0]] if len(same) == 1 and same[0] < len(LETTERS) else None


def _plain(text: str) -> str:
    bare = re.sub(r"\\(?:text|mathrm|textbf|mathbf)\s?(?=\{)|\\[()\[\]]", " ", text[:_LONGEST_OPTION])
    return " ".join(plain_characters(bare).casefold().split()).strip(" .,;:*_`~$\"'“”‘’{}()[]<>!")


def settle(text: str, choices: Sequence[str] = ()) -> Statement | None:
    """Find the statement that counts.

    Returns:
        None when the reply states nothing; a statement without a letter when what it states is not one option.
    """
    reply = plain_characters(text)
    if "~~" in reply:
        reply = _STRUCK_OUT.sub(" ", reply)
    stated, unread = _stated(reply, choices)
    if stated is not None:
        return _corrected(reply, stated) or stated
    weak = [Statement(place, letter, rule) for place, letter, rule in mentions.of(reply) if place > unread]
    if weak:
        return max(weak, key=lambda one: one.place)
    before, _, last_line = reply.rstrip().rpartition("\n")
    if len(before) < unread:
        return None
    if (letter := _option_said(last_line, choices)) is not None:
        return Statement(len(before), letter, "option_text")
    letter = _closing_letter(last_line)
    return None if letter is None else Statement(len(before), letter, "conclusion")


def _plain_ending(text: str) -> Statement | None:
    """The statement of a last line like `Answer: B`, as most replies have it; what `settle` says, at a tenth of it."""
    start = max(0, len(text) - _LONGEST_PLAIN_ENDING)
    ending = _PLAIN_ENDING.search(text, start)
    return None if ending is None else Statement(ending.start(1), ending[1], "answer_line")


def _corrected(reply: str, stated: Statement) -> Statement | None:
    """What a reply says in other words after it took a stated answer back: "Wait, that is wrong. It should be (C)."."""
    taken_back = _TAKEN_BACK.search(reply, stated.place)
    if taken_back is None:
        return None
    place = taken_back.end()
    later = [
        one for one in mentions.of(reply[place:]) if one[1] is not None and one[2] in ("conclusion", "option_words")
    ]
    last = max(later, key=lambda one: one[0], default=None)
    return Statement(place + last[0], last[1], last[2]) if last is not None else None


def score_choice(options: Mapping[str, object], *, text: str, sample: Sample) -> Score | None:
    """Score a reply to a multiple-choice question; None when it settles on no option."""
    n_options = len(sample.choices) if sample.choices else ChoiceOptions.model_validate(options).n_options or 26
    settled = _plain_ending(text) or settle(text, sample.choices or ())
    if settled is None or settled.letter is None or settled.letter not in LETTERS[:n_options]:
        return None
    return Score(value=float(settled.letter == sample.target), answer=settled.letter, rule=settled.rule)


def check_choice_target(sample: Sample) -> str | None:
    """Say what is wrong with a reference answer; None when it is usable."""
    n_options = len(sample.choices) if sample.choices else 26
    if len(sample.target) == 1 and sample.target in LETTERS[:n_options]:
        return None
    return f"answer {sample.target!r} is not one of the letters A-{LETTERS[n_options - 1]}"
