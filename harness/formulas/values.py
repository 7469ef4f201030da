"""What a mathematical answer can be: a number or expression, several in a bracket, a matrix, a relation, a numeral."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Expression = Any
"""A sympy expression; sympy ships no types."""


class UnreadableError(Exception):
    """A text that is not a formula in full; the message says where reading stopped."""


class TooLargeError(UnreadableError):
    """A number that nobody would write out."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """One expression. `decimals`: digits behind the point where it was written as a decimal number, else None."""

    expression: Expression
    decimals: int | None = None
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class Based:
    """A numeral in another base: `1011_2`."""

    digits: str
    base: int


@dataclass(frozen=True, slots=True)
class Several:
    """Values in brackets, or in none (`opening` and `closing` empty: a list, whose order says nothing)."""

    items: tuple[Value, ...]
    opening: str = ""
    closing: str = ""


@dataclass(frozen=True, slots=True)
class Union:
    """Sets joined by `\\cup`."""

    parts: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows of expressions."""

    rows: tuple[tuple[Expression, ...], ...]


@dataclass(frozen=True, slots=True)
class Relation:
    """Sides with the signs between them: `a < x <= b`, `y = 2x`, `x in S`."""

    sides: tuple[Value, ...]
    signs: tuple[str, ...]


Value = Scalar | Based | Several | Union | Matrix | Relation
