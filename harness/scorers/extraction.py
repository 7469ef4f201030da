"""Finding the answer inside a reply: named rules, tried in the order that a scorer asks for.

Each rule takes the reply and gives the LAST place where it matches, or None;
all patterns are linear in the reply's length.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Sequence
from operator import itemgetter

from harness.replies.code_blocks import code_block
from harness.scorers.cues import cues
from harness.scorers.notation import even_lines, without_marks
from harness.scorers.numerals import numerals, plain_numbers

MARKUP = "*_`~ \t"
_LONGEST_NEXT_LINE = 80
_JSON_VALUE = re.compile(r'\s{0,20}:\s{0,20}("(?:[^"\\]|\\.)*"|[^\s,}"\]][^\n,}\]]*)')
_MOST_JSON_FIELDS = 20
_LONGEST_NUMBER = 1_000
_DIGIT = re.compile(r"\d")
_LAST_ASIDE = re.compile(r"[ ]\([^()\n]{1,200}\)[\s.*]*$")
_BEFORE_PAYLOAD = re.compile(r"[\s:：*_`~]*")
_JSON_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_DENIAL = re.compile(r"(?:not|neither|unclear|unknown|n't)(?!\w)", re.IGNORECASE)
_LONGEST_BREATH = 60
_SAME_BREATH = re.compile(
    r"(?:[\s$.,;&{}]|\\(?:text|quad|qquad|[,;()\[\]\\ ])|(?:and|or|und|oder|et|ou)(?!\w)|和|或"
    r"|[a-zA-Z](?:_\{?\w\}?)?[ ]?=)*"
)
_BOX_OR_BRACE = re.compile(
    r"(?P<box>\\(?:boxed|fbox)[ \t]{0,4}\{)|\\(?:boxed|fbox)[ \t]{1,4}(?P<bare>[A-Za-z0-9.]{1,40})|\\.|[{}]", re.DOTALL
)


def answer_line(text: str) -> str | None:
    """What stands behind the last announcement with a colon that opens a line, in any language of `cues`.

    Where its own line ends there, the next line counts if it is short or the reply's last.
    """
    seen = unicodedata.normalize("NFC", without_marks(text))
    for cue in cues(seen):
        announces = cue.kind == "line" and cue.opens_line and cue.direct and not cue.general
        if announces and (answer := _payload(seen, cue.start, cue.ends[0])) is not None:
            return answer
    return None


def answer_is(text: str) -> str | None:
    """What stands behind the last "answer is" (or its like in other languages), up to the end of its line."""
    seen = unicodedata.normalize("NFC", without_marks(text))
    for cue in cues(seen):
        if cue.kind == "sentence" and cue.direct:
            answer = _payload(seen, cue.start, cue.ends[0])
            if answer is not None and not _DENIAL.match(answer):
                return answer.rstrip(".").rstrip(MARKUP) or None
    return None


def _payload(text: str, start: int, end: int) -> str | None:
    """The answer behind an announcement: to the end of its line, of its JSON string or of its tag."""
    opened = _BEFORE_PAYLOAD.match(text, end)
    assert opened is not None  # it matches the empty text
    begin = opened.end()
    stop = text.find("\n", begin)
    line = text[begin : stop if stop >= 0 else len(text)]
    if "\n" in opened.group() and len(line) > _LONGEST_NEXT_LINE and text[begin + len(line) :].strip():
        return None
    return _without_wrapping(line, text[start - 1 : start]).strip(MARKUP) or None


def _without_wrapping(line: str, mark: str) -> str:
    """An answer without its tag's end, or out of its JSON string.

    Args:
        mark: what stands before the announcement.
    """
    if mark in ("<", "_") and "</" in line:
        return line.partition("</")[0]
    if mark in ('"', "'", "_") and (quoted := _JSON_STRING.match(line)) is not None:
        return _json_text(quoted.group()) or ""
    return line


def boxes(text: str) -> list[tuple[int, int, str]]:
    r"""Place, end and content of every `\boxed{...}` or `\boxed 7`, in order; nested ones count as the outer one."""
    if "box" not in text:
        return []
    found: list[tuple[int, int, str]] = []
    opened: list[tuple[int, int] | None] = []  # place and content of a box; None = another brace
    for mark in _BOX_OR_BRACE.finditer(text):
        if mark["bare"]:
            found.append((mark.start(), mark.end(), mark["bare"]))
        elif mark["box"] or mark.group() == "{":
            opened.append(mark.span() if mark["box"] else None)
        elif mark.group() == "}" and opened and (box := opened.pop()) is not None:
            _add_outer(found, (box[0], mark.end(), text[box[1] : mark.start()].strip()))
    return list(filter(itemgetter(2), found))


def _add_outer(found: list[tuple[int, int, str]], box: tuple[int, int, str]) -> None:
    """Add a box in place of those inside it."""
    while found and found[-1][0] > box[0]:
        found.pop()
    found.append(box)


def box_groups(text: str) -> list[tuple[int, list[str]]]:
    """Boxes that a reply gives in one breath ("\\boxed{3}, \\boxed{5} and \\boxed{7}"), each value once, by place."""
    groups: list[tuple[int, list[str]]] = []
    end = -1
    for place, stop, content in boxes(text):
        between = text[end:place] if groups and place - end <= _LONGEST_BREATH else ""
        if between.strip(" \n.$") and _SAME_BREATH.fullmatch(between):
            if content not in groups[-1][1]:
                groups[-1][1].append(content)
        else:
            groups.append((place, [content]))
        end = stop
    return groups


def boxed(text: str) -> str | None:
    r"""The content of the last `\boxed{...}`; several that are given in one breath make a list."""
    groups = box_groups(text)
    return ", ".join(groups[-1][1]) if groups else None


def hashes(text: str) -> str | None:
    """What stands behind the last `####`."""
    _, mark, tail = text.rpartition("####")
    first_line = tail.strip().split("\n", 1)[0].strip(MARKUP)
    return (first_line or None) if mark else None


def short_answer_line(text: str) -> str | None:
    """What stands behind the last line that starts with `A:`."""
    found = re.findall(r"^[ \t]*A:([^\n]*)$", text, re.MULTILINE)
    return found[-1].strip(MARKUP) or None if found else None


def last_number(text: str) -> str | None:
    """The last number of the reply; None where it is part of something else (a date, a range, `2√3`)."""
    plain = plain_numbers(text)
    backwards = _DIGIT.search(plain[::-1])
    if backwards is None:
        return None
    end = len(plain) - backwards.start()
    tail = plain[max(0, end - _LONGEST_NUMBER) : end + _LONGEST_NUMBER]
    outside = _LAST_ASIDE.sub("", tail)
    if _DIGIT.search(outside.rpartition("\n")[2]):  # "72 minutes (1 hour 12 minutes)"
        tail = outside
    found = numerals(tail)
    return tail[found[-1].start : found[-1].end] if found and found[-1].value is not None else None


def last_line(text: str) -> str | None:
    """The last line that is not empty."""
    lines = [line.strip(MARKUP) for line in text.splitlines()]
    return next((line for line in reversed(lines) if line), None)


def whole(text: str) -> str | None:
    """The whole reply."""
    return text.strip() or None


def json_field(text: str, name: str) -> str | None:
    """The last value of a JSON field, also where the JSON around it is broken."""
    key, end = f'"{name}"', len(text)
    for _ in range(_MOST_JSON_FIELDS):
        start = text.rfind(key, 0, end)
        if start < 0:
            return None
        if match := _JSON_VALUE.match(text, start + len(key)):
            return _json_text(match.group(1).strip())
        end = start
    return None


def _json_text(value: str) -> str | None:
    if not value.startswith('"'):
        return None if value == "null" else value
    try:
        return str(json.loads(value, strict=False))
    except json.JSONDecodeError:
        return value.strip('"')


RULES: dict[str, Callable[[str], str | None]] = {
    "answer_line": answer_line,
    "short_answer_line": short_answer_line,
    "boxed": boxed,
    "hashes": hashes,
    "answer_is": answer_is,
    "last_number": last_number,
    "last_line": last_line,
    "code_block": code_block,
    "whole": whole,
}


def is_rule(name: str) -> bool:
    """True for a name in `RULES` or `json:<field>`."""
    return name in RULES or (name.startswith("json:") and len(name) > len("json:"))


def find(text: str, rules: Sequence[str]) -> tuple[str, str] | None:
    """Apply rules in order; the first that finds something wins.

    Returns:
        (answer, name of the rule), or None when no rule found anything.
    """
    text = even_lines(text)
    for name in rules:
        answer = json_field(text, name.removeprefix("json:")) if name.startswith("json:") else RULES[name](text)
        if answer:
            return answer, name
    return None
