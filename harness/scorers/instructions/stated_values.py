"""What an instruction states besides its kind (a number of words, a keyword), and the form of a rule. Pure."""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping

Arguments = Mapping[str, object]
"""Names and values as the data set has them; those that are null there are left out."""
Rule = Callable[[str, Arguments], bool]
"""Says whether a reply, which is not blank, follows an instruction."""

MARKS = string.punctuation
"""The 32 ASCII punctuation marks; others (typographic quotes, dashes) belong to their word."""
EDGES = MARKS + " "
_WITHOUT_MARKS = str.maketrans("", "", MARKS)


def without_marks(text: str) -> str:
    """Delete every ASCII punctuation mark."""
    return text.translate(_WITHOUT_MARKS)


def number(arguments: Arguments, name: str) -> float:
    """A stated number; data sets write whole ones as 36.0 too."""
    value = arguments[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} is no number: {value!r}")
    return value


def words(arguments: Arguments, name: str) -> str:
    """A stated text."""
    value = arguments[name]
    if not isinstance(value, str):
        raise TypeError(f"{name} is no text: {value!r}")
    return value
