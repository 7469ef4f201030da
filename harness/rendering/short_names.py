"""Names of models made to fit a narrow place: the end with the setting stays, and different names stay different.

Pure. Data flows names + width -> shorter names, for terminal columns, chart labels and headings.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

_END = re.compile(r"(?P<body>.*?)(?P<end>(?:@[^@()\s]*)?(?: \([^()]*\))?(?:, [^,]*)?)", re.DOTALL)
"""`provider/model`, then what tells rows of one model apart: setting, mark and suite."""
_MARK = re.compile(r" \((sim|rec)[a-z]+\)")
"""`(simulated)` and `(reconstructed)` become `(sim.)` and `(rec.)`, and stay."""
_FEWEST = 5
"""Letters of a model's own name that have to remain beside its setting."""


def short_names(names: Sequence[str], width: int) -> list[str]:
    """Shorten every name to a width; in the first way that keeps different names different, else in the last."""
    made: list[str] = []
    for way in _WAYS:
        made = [way(name, width) for name in names]
        if len(set(made)) == len(set(names)):
            return made
    return made


def stay_distinct(names: Sequence[str], width: int) -> bool:
    """Say whether different names are still different at this width."""
    return len(set(short_names(names, width))) == len(set(names))


def short_name(name: str, width: int) -> str:
    """Shorten one name: its provider goes first, then the middle of the model; the setting stays."""
    return _without_provider(name, width)


def middle_out(text: str, width: int) -> str:
    """Leave out the middle of a text that is longer than a width."""
    if len(text) <= width or width < 1:
        return text
    start = width // 2
    end = width - 1 - start
    return f"{text[:start]}…{text[len(text) - end :]}"


def _without_provider(name: str, width: int) -> str:
    def body(text: str, room: int) -> str:
        provider, slash, model = text.rpartition("/")
        if slash and provider and len(model) + 2 <= room:
            return f"…/{model}"
        return middle_out(model if slash and provider else text, room)

    return _kept_end(name, width, body)


def _with_provider(name: str, width: int) -> str:
    return _kept_end(name, width, middle_out)


def _from_the_end(name: str, width: int) -> str:
    return name if len(name) <= width or width < 1 else f"…{name[len(name) - width + 1 :]}"


def _kept_end(name: str, width: int, shorten: Callable[[str, int], str]) -> str:
    if len(name) <= width:
        return name
    name = _MARK.sub(r" (\1.)", name)
    if len(name) <= width:
        return name
    found = _END.fullmatch(name)
    assert found is not None
    body, end = found["body"], found["end"]
    room = width - len(end)
    if room < min(_FEWEST, len(body)):
        return middle_out(name, width)
    return shorten(body, room) + end


_WAYS = (_without_provider, _with_provider, middle_out, _from_the_end)
