"""Where sentences end, by the rules that the published checker goes by: full stops of titles, initials, abbreviations,
numbers and addresses end none; runs of dots end one.

A stop that ends nothing is set aside as one character and put back; an end is another. Both are private-use characters.
"""

from __future__ import annotations

import re

_KEPT, _END = "\ue000", "\ue001"
_LETTER_STOP = "([A-Za-z])[.]"
_OPENERS = r"(Mr|Mrs|Ms|Dr|Prof|Capt|Cpt|Lt|(?:He|She|It|They|Their|Our|We|But|However|That|This|Wherever)\s)"
_COMPANY = "(Inc|Ltd|Jr|Sr|Co)"
_BEFORE_DOTTED_NAMES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile("(Mr|St|Mrs|Ms|Dr)[.]"), rf"\1{_KEPT}"),
    (re.compile("[.](com|net|org|io|gov|edu|me)"), rf"{_KEPT}\1"),
    (re.compile("([0-9])[.]([0-9])"), rf"\1{_KEPT}\2"),
)
_DOTS = re.compile(r"\.{2,}")
_DOTTED_NAMES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(rf"\s{_LETTER_STOP} "), rf" \1{_KEPT} "),
    (re.compile(rf"([A-Z][.][A-Z][.](?:[A-Z][.])?) {_OPENERS}"), rf"\1{_END} \2"),
    (re.compile(_LETTER_STOP * 3), rf"\1{_KEPT}\2{_KEPT}\3{_KEPT}"),
    (re.compile(_LETTER_STOP * 2), rf"\1{_KEPT}\2{_KEPT}"),
    (re.compile(rf" {_COMPANY}[.] {_OPENERS}"), rf" \1{_END} \2"),
    (re.compile(rf" {_COMPANY}[.]"), rf" \1{_KEPT}"),
    (re.compile(rf" {_LETTER_STOP}"), rf" \1{_KEPT}"),
)
_QUOTED_ENDS = ((".”", "”."), ('."', '".'), ('!"', '"!'), ('?"', '"?'))
"""An end inside a closing quote counts after it: the quote belongs to the sentence that it ends."""


def sentences_of(text: str) -> list[str]:
    """Split a reply into sentences, each stripped, with their final marks; what follows the last end is one more."""
    text = f" {text}  ".replace("\n", " ")
    for pattern, put in _BEFORE_DOTTED_NAMES:
        text = pattern.sub(put, text)
    text = _DOTS.sub(lambda dots: _KEPT * len(dots[0]) + _END, text)
    text = text.replace("Ph.D.", f"Ph{_KEPT}D{_KEPT}")
    for pattern, put in _DOTTED_NAMES:
        text = pattern.sub(put, text)
    for inside, outside in _QUOTED_ENDS:
        text = text.replace(inside, outside)
    for mark in ".?!":
        text = text.replace(mark, mark + _END)
    found = [part.strip() for part in text.replace(_KEPT, ".").split(_END)]
    return found if found[-1] else found[:-1]
