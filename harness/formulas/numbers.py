"""Arithmetic on expressions that stays small: what would be huge is refused before it is computed."""

from __future__ import annotations

import math

import sympy

from harness.formulas.values import Expression, TooLargeError, UnreadableError

MOST_BITS = 40_000
_LARGEST_FACTORIAL = 2_000
_LARGEST_ROOT = 10**60


def symbol(letter: str) -> Expression:
    """A letter: e and i are Euler's number and the imaginary unit."""
    if letter == "e":
        return sympy.E
    return sympy.I if letter == "i" else sympy.Symbol(letter)


def fraction(top: Expression, bottom: Expression) -> Expression:
    """A quotient; a zero below is unreadable."""
    if bottom == 0:
        raise UnreadableError("a division by zero")
    return top / bottom


def power(base: Expression, exponent: Expression) -> Expression:
    """A power whose exact value has at most `MOST_BITS` bits."""
    if exponent.is_Rational and base.is_Rational:
        _refuse_large_power(base, exponent)
    elif _is_huge(exponent):
        raise TooLargeError("an exponent that is too large")
    return base**exponent


def _refuse_large_power(base: Expression, exponent: Expression) -> None:
    size = math.log2(max(abs(base.p), base.q)) if base else 0.0
    if size * abs(float(exponent)) > MOST_BITS:
        raise TooLargeError(f"a power of more than {MOST_BITS} bits")
    if base == 0 and exponent < 0:
        raise UnreadableError("a division by zero")
    if not exponent.is_Integer:
        _refuse_large_root(base)


def _is_huge(exponent: Expression) -> bool:
    if exponent.is_Rational:
        return bool(abs(exponent) > 10_000)
    return bool(exponent.is_number and exponent.is_finite and _magnitude(exponent) > 5_000)


def root(inner: Expression, degree: Expression) -> Expression:
    """A root; odd roots of negative numbers are real."""
    if not degree.is_Integer or not 1 < degree <= 100:
        raise UnreadableError("a root of a degree that is no small integer")
    _refuse_large_root(inner)
    if inner.is_Rational and inner < 0 and degree % 2:
        return -((-inner) ** sympy.Rational(1, degree))
    return inner ** sympy.Rational(1, degree)


def _refuse_large_root(inner: Expression) -> None:
    if inner.is_Rational and max(abs(inner.p), inner.q) > _LARGEST_ROOT:
        raise TooLargeError("a root of a number with more than 60 digits")


def _magnitude(value: Expression) -> float:
    return abs(complex(value.evalf(15)))


def factorial(value: Expression) -> Expression:
    """A factorial of a small number, or of an expression."""
    if value.is_Integer and not 0 <= value <= _LARGEST_FACTORIAL:
        raise TooLargeError(f"a factorial beyond {_LARGEST_FACTORIAL}")
    return sympy.factorial(value)


def binomial(top: Expression, bottom: Expression) -> Expression:
    """A binomial coefficient of small numbers, or of expressions."""
    if top.is_Integer and abs(top) > _LARGEST_FACTORIAL:
        raise TooLargeError(f"a binomial coefficient beyond {_LARGEST_FACTORIAL}")
    return sympy.binomial(top, bottom)


def repeating(start: str, period: str) -> Expression:
    """A repeating decimal: `0.1` and `6` make 1/6."""
    if "." not in start or not period.isdigit() or len(period) > 50:
        raise UnreadableError("a line over digits that are no decimals")
    decimals = len(start.partition(".")[2])
    plain = sympy.Rational(start.rstrip(".") if not decimals else start)
    return plain + sympy.Rational(int(period), (10 ** len(period) - 1) * 10**decimals)
