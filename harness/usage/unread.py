"""Counts that a payload holds and no reader knows: they may be billed, so a bill without them is partial.

Data flows `Fields` after reading -> numbers in fields whose names speak of something that is counted or charged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from harness.usage.payload import LARGEST_COUNT, Fields

SHOWN_COUNTS = 6
DEEPEST_LEVEL = 6

_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_COUNTED = re.compile(
    "tokens?|cached?|search|searches|requests?|quer(y|ies)|calls?|sources?|images?|audio|videos?|documents?|pages?|"
    "characters?|chars?|grounding|sessions?|units?|credits?|prompts?|completions?|inputs?|outputs?|reasoning|"
    "thoughts?|thinking|citations?"
)
_MEASURED = re.compile(
    "[mun]s|per|tps|latency|duration|times?|ttft|speed|rate|ratio|percent(age)?|limits?|max|min|index|ids?|version|"
    "remaining|timestamp|created"
)
_WHOLE = re.compile("total|tokens?|inputs?|outputs?|prompts?|completions?|counts?|num|number|of|the|usage|all")
"""Words of names that say again what a total says; a count under one of them that equals a total is a copy."""


def unread_counts(fields: Fields) -> dict[str, int]:
    """List whole numbers above zero that nobody has read so far and that may count something billed, by path."""
    return {path: count for path, value in fields.unknown().items() for path, count in _numbers(path, value)}


def flag_unread_counts(fields: Fields, totals: Iterable[int | None]) -> None:
    """Flag what a reader left unread, except copies of the totals under another name.

    Args:
        totals: input, output and their sum, as read.
    """
    known = {total for total in totals if total is not None}
    unread = {
        path: value
        for path, value in unread_counts(fields).items()
        if not (value in known and all(_WHOLE.fullmatch(word) for word in _words(path)))
    }
    if unread:
        shown = ", ".join(f"{path} {value}" for path, value in list(unread.items())[:SHOWN_COUNTS])
        more = f" and {len(unread) - SHOWN_COUNTS} more" if len(unread) > SHOWN_COUNTS else ""
        fields.flag("unread_counts", f"no reader knows {shown}{more}: what they cost is not in the bill")


def _numbers(path: str, value: object, level: int = 0) -> Iterator[tuple[str, int]]:
    """Walk an unknown value down to its whole numbers."""
    if level > DEEPEST_LEVEL:
        return
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _numbers(f"{path}.{name}", inner, level + 1)
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _numbers(f"{path}[{index}]", inner, level + 1)
    elif isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LARGEST_COUNT and _is_counter(path):
        yield path, value


def _is_counter(path: str) -> bool:
    own_name = path.rpartition(".")[2]
    counted = any(_COUNTED.fullmatch(word) for word in _words(path))
    return counted and not any(_MEASURED.fullmatch(word) for word in _words(own_name))


def _words(path: str) -> list[str]:
    return [word.lower() for word in _WORDS.findall(path)]
