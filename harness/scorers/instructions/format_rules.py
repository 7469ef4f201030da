"""Instructions about the look of a reply: lines, lists, brackets, quotes, markup."""

from __future__ import annotations

import re
import string
from collections import deque
from itertools import pairwise

from harness.scorers.instructions.sentences import sentences_of
from harness.scorers.instructions.stated_values import EDGES, Arguments, without_marks, words

_PARTNERS = {")": "(", "]": "[", "}": "{"}
_LETTERED = re.compile(r"\W*[aA]\W*[bB]\W*[cC]\W*")
_BEFORE_END = string.digits + string.punctuation.replace('"', "")
DEEPEST_BRACKETS, DEEPEST_QUOTES = 5, 3


def nested_brackets(text: str, _: Arguments) -> bool:
    """Brackets five deep, the innermost closed; a wrong closing one begins anew."""
    still_open: list[str] = []
    deepest = 0
    for mark in text:
        if mark in "([{":
            still_open.append(mark)
            deepest = max(deepest, len(still_open))
        elif mark in _PARTNERS:
            if not still_open or still_open.pop() != _PARTNERS[mark]:
                still_open, deepest = [], 0
            elif deepest >= DEEPEST_BRACKETS:
                return True
    return False


def nested_quotes(text: str, _: Arguments) -> bool:
    """Straight quotes in quotes in quotes, of both kinds in turn; apostrophes are quotes too."""
    still_open: list[str] = []
    deepest = 0
    for mark in text:
        if still_open and mark == still_open[-1]:
            still_open.pop()
            if deepest - len(still_open) >= DEEPEST_QUOTES:
                return True
        elif mark in "\"'":
            still_open.append(mark)
            deepest = max(deepest, len(still_open))
    return False


def one_of_options(text: str, stated: Arguments) -> bool:
    """Nothing but one of the options; lettered ones to the letter, others whatever their case and outer marks."""
    listed = words(stated, "options")
    separator = next((one for one in ("/", "or") if one in listed), ",")
    options = [option.strip() for option in listed.split(separator)]
    if _LETTERED.match(listed):
        return text in options
    return text.strip(EDGES).lower() in [option.strip(EDGES).lower() for option in options]


def word_a_line(text: str, _: Arguments) -> bool:
    """As many lines as words; only lines that are quite empty are left out of the count."""
    bare = without_marks(text).strip()
    return len([line for line in bare.split("\n") if line]) == len(bare.split())


def stairs(text: str, _: Arguments) -> bool:
    """Each line is indented further than the one before.

    Blank lines are dropped as the benchmark drops them: of several in a row, every other one stays and breaks the
    stairs.
    """
    lines = _without_blank_lines(text.split("\n"))
    indents = [len(line) - len(line.lstrip(" ")) for line in lines]
    return all(a < b for a, b in pairwise(indents))


def _without_blank_lines(lines: list[str]) -> list[str]:
    """Drop a blank line, pass over the one behind it, and go on; dropped is the first equal line that is left."""
    is_kept = [True] * len(lines)
    left: dict[str, deque[int]] = {}
    place = 0
    while place < len(lines):
        if lines[place].strip():
            place += 1
            continue
        alike = left.setdefault(lines[place], deque())
        alike.append(place)
        is_kept[alike.popleft()] = False
        if place + 1 < len(lines) and not lines[place + 1].strip():
            left.setdefault(lines[place + 1], deque()).append(place + 1)
        place += 2
    return [line for line, kept in zip(lines, is_kept, strict=True) if kept]


def quotes_explained(text: str, _: Arguments) -> bool:
    """No quote directly behind another, and none at the end."""
    straight = text.replace("“", '"').replace("”", '"').replace("'\"'", "")
    solid = "".join(straight.split())
    return '""' not in solid and not solid.strip(_BEFORE_END).endswith('"') and bool(solid.strip(_BEFORE_END))


def list_with_marker(text: str, stated: Arguments) -> bool:
    """The marker stands in the reply twice, wherever."""
    return text.count(words(stated, "sep")) >= 2


def italic_thesis(text: str, _: Arguments) -> bool:
    """A first passage in HTML italics that is not blank, with text behind it."""
    starts = [at for at in (text.find("<i>"), text.find("<em>")) if at >= 0][:1]
    if not starts:
        return False
    rest = text[starts[0] :]
    ends = [at for at in (rest.find("</i>"), rest.find("</em>")) if at >= 0][:1]
    return bool(ends) and bool(rest[3 : ends[0]].strip()) and bool(rest[ends[0] + 4 :].strip())


def sub_bullets(text: str, _: Arguments) -> bool:
    """A hyphen behind every asterisk before the next one; without an asterisk there is nothing to miss."""
    return all("-" in bullet for bullet in text.split("*")[1:])


def sentences_then_bullets(text: str, _: Arguments) -> bool:
    """Two sentences, then at least two lines with an asterisk, and nothing else; a blank line before them ends the
    sentences.
    """
    n_sentences = n_bullets = 0
    still_sentences = True
    for line in map(str.strip, text.split("\n")):
        if line.startswith("*"):
            still_sentences = False
            n_bullets += 1
            if n_sentences < 2:
                return False
        elif not still_sentences:
            return False
        else:
            found = len(sentences_of(line))
            n_sentences += found
            still_sentences = found > 0
    return n_bullets >= 2


def template(text: str, _: Arguments) -> bool:
    """The three labels of the template, wherever."""
    return all(label in text for label in ("My Answer:", "My Conclusion:", "Future Outlook:"))


def no_whitespace(text: str, _: Arguments) -> bool:
    """No white space at all, also not around the reply."""
    return not any(map(str.isspace, text))
