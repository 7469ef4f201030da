"""Are two answers the same? Exactly: rational numbers as they are, other expressions by proof or by many digits.

A decimal reference with at least three digits is met by what rounds to it at its own precision; nothing else is
approximate. Expressions with letters agree when they agree at several points to 40 digits and more, so that an
identity need not be found by rewriting.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import sympy

from harness.formulas.units import differ
from harness.formulas.values import Based, Expression, Matrix, Relation, Scalar, Several, Union, Value

_DIGITS = 60
_CLOSE = sympy.Rational(1, 10**45)
_POINTS = tuple(sympy.Rational(*point) for point in ((7, 5), (-13, 11), (19, 7), (3, 17), (-29, 9)))
_MOST_ITEMS = 60
_MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
_BRACKETS = {"<": "()", "<=": "[]"}
_FEWEST_DIGITS = 3


def same(target: Value, answer: Value) -> bool:
    """Whether an answer is what the reference says."""
    if (sets := _as_sets(target, answer)) is not None:
        return same(*sets)
    match _unwrapped(target, answer), _unwrapped(answer, target):
        case Scalar() as one, Scalar() as other:
            return _same_scalar(one, other)
        case Several() as one, Several() as other:
            return _same_several(one, other)
        case Union() as one, Union() as other:
            return _matched(one.parts, other.parts)
        case Matrix() as one, Matrix() as other:
            return _same_matrix(one, other)
        case Relation() as one, Relation() as other:
            return _same_relation(one, other)
        case one, other:
            return isinstance(one, Based) and one == other


def _as_sets(target: Value, answer: Value) -> tuple[Value, Value] | None:
    """Both as sets, where one of them is a relation and both are sets."""
    if not isinstance(target, Relation) and not isinstance(answer, Relation):
        return None
    one, other = _as_set(target), _as_set(answer)
    return None if one is None or other is None else (one, other)


def _same_matrix(target: Matrix, answer: Matrix) -> bool:
    if [len(row) for row in target.rows] != [len(row) for row in answer.rows]:
        return False
    pairs = zip(chain(*target.rows), chain(*answer.rows), strict=True)
    return all(_same_expression(one, other) for one, other in pairs)


def _unwrapped(value: Value, other: Value) -> Value:
    """An equation that names its value ("x = 5") as that value, where the other side is no other equation."""
    if not isinstance(value, Relation) or not _names_a_value(value, other):
        return value
    first = value.sides[0]
    exact: list[Value] = [first] if isinstance(first, Scalar) and first.expression.is_number else []
    exact += [side for side, sign in zip(value.sides[1:], value.signs, strict=True) if sign == "="]
    return exact[-1] if exact else value.sides[-1]


def _names_a_value(value: Relation, other: Value) -> bool:
    if not set(value.signs) <= {"=", "~"} or not _names(value):
        return False
    return not isinstance(other, Relation) or (_names(other) and value.sides[0] == other.sides[0])


def _as_set(value: Value) -> Value | None:
    """The set that a value is or names ("x in S", "1 < x < 2"); None when it is none."""
    if isinstance(value, Relation):
        return value.sides[1] if value.signs == ("in",) else _interval(value)
    return value if isinstance(value, Several | Union) and (isinstance(value, Union) or value.opening) else None


def _names(value: Relation) -> bool:
    """Whether a relation begins with a name: one letter, or several in brackets."""
    first = value.sides[0]
    if isinstance(first, Several):
        return all(isinstance(item, Scalar) and item.expression.is_Symbol for item in first.items)
    if not isinstance(first, Scalar):
        return False
    return bool(first.expression.is_Symbol or _is_application(first.expression) or first.expression.is_number)


def _is_application(expression: Expression) -> bool:
    """`f(x)` reads as the product f x."""
    letters = expression.args if expression.is_Mul else ()
    return (
        len(letters) == 2 and all(one.is_Symbol for one in letters) and any(str(one) in "fghPQRST" for one in letters)
    )


def _interval(value: Relation) -> Several | None:
    """The interval that inequalities around one letter describe; None for other relations."""
    sides, signs = value.sides, value.signs
    if not all(isinstance(side, Scalar) for side in sides) or not set(signs) <= set(_MIRRORED):
        return None
    if len(sides) == 2:
        return _half_line(*sides, signs[0])
    if len(sides) != 3 or not _is_letter(sides[1]):
        return None
    if signs[0] in (">", ">="):
        sides, signs = sides[::-1], tuple(_MIRRORED[sign] for sign in signs[::-1])
    if not set(signs) <= _BRACKETS.keys():
        return None
    return Several((sides[0], sides[2]), _BRACKETS[signs[0]][0], _BRACKETS[signs[1]][1])


def _half_line(first: Value, second: Value, sign: str) -> Several | None:
    """All on one side of a bound, given the relation of a letter with it."""
    if _is_letter(second):
        first, second, sign = second, first, _MIRRORED[sign]
    if not _is_letter(first):
        return None
    if sign in _BRACKETS:
        return Several((Scalar(-sympy.oo), second), "(", _BRACKETS[sign][1])
    return Several((second, Scalar(sympy.oo)), _BRACKETS[_MIRRORED[sign]][0], ")")


def _is_letter(value: Value) -> bool:
    return isinstance(value, Scalar) and bool(value.expression.is_Symbol)


def _same_several(target: Several, answer: Several) -> bool:
    if len(target.items) != len(answer.items):
        return False
    unordered = {(target.opening, target.closing), (answer.opening, answer.closing)} <= {("", ""), ("{", "}")}
    if unordered:
        return _matched(target.items, answer.items)
    if (target.opening, target.closing) != (answer.opening, answer.closing):
        return False
    return all(same(one, other) for one, other in zip(target.items, answer.items, strict=True))


def _matched(target: Sequence[Value], answer: Sequence[Value]) -> bool:
    """Whether each value of one side has its partner on the other, whatever the order."""
    if len(target) != len(answer) or len(target) > _MOST_ITEMS:
        return False
    left = list(answer)
    for one in target:
        partner = next((index for index, other in enumerate(left) if same(one, other)), None)
        if partner is None:
            return False
        del left[partner]
    return True


def _same_relation(target: Relation, answer: Relation) -> bool:
    if target.signs != answer.signs and tuple(_MIRRORED.get(sign, sign) for sign in answer.signs[::-1]) == target.signs:
        answer = Relation(answer.sides[::-1], target.signs)
    if target.signs != answer.signs or len(target.sides) != len(answer.sides):
        return False
    if all(same(one, other) for one, other in zip(target.sides, answer.sides, strict=True)):
        return True
    return target.signs == ("=",) and _same_equation(target, answer)


def _same_equation(target: Relation, answer: Relation) -> bool:
    """Whether two equations differ by a constant factor only."""
    one, other = _difference(target), _difference(answer)
    if one is None or other is None:
        return False
    letters = sorted(one.free_symbols | other.free_symbols, key=str)
    ratios = []
    for shift in _POINTS:
        at = {letter: shift + sympy.Rational(index, 3) for index, letter in enumerate(letters)}
        left, right = one.subs(at), other.subs(at)
        if left == 0 or right == 0:
            if left != right:
                return False
            continue
        ratios.append(left / right)
    return bool(ratios) and all(_same_expression(ratios[0], ratio) for ratio in ratios[1:])


def _difference(equation: Relation) -> Expression | None:
    left, right = equation.sides
    return left.expression - right.expression if isinstance(left, Scalar) and isinstance(right, Scalar) else None


def _same_scalar(target: Scalar, answer: Scalar) -> bool:
    if differ(target.unit, answer.unit):
        return False
    if _same_expression(target.expression, answer.expression):
        return True
    return _rounds_to(target, answer)


def _rounds_to(target: Scalar, answer: Scalar) -> bool:
    """Whether an answer at least as precise as a decimal reference becomes it when it is rounded."""
    if target.decimals is None or not answer.expression.is_number or not answer.expression.is_real:
        return False
    digits = str(abs(target.expression * 10**target.decimals))
    if len(digits) < _FEWEST_DIGITS or (answer.decimals is not None and answer.decimals < target.decimals):
        return False
    if answer.decimals is None and answer.expression.is_Integer:
        return False
    return bool(abs(answer.expression - target.expression) <= sympy.Rational(1, 2 * 10**target.decimals))


def _same_expression(one: Expression, other: Expression) -> bool:
    if one == other:
        return True
    if one.is_Rational and other.is_Rational:
        return False
    if not (one.is_finite is not False and other.is_finite is not False):
        return False
    difference = one - other
    letters = sorted(difference.free_symbols, key=str)
    return all(_vanishes(one, other, letters, shift) for shift in (_POINTS if letters else _POINTS[:1]))


def _vanishes(one: Expression, other: Expression, letters: Sequence[Expression], shift: Expression) -> bool:
    """Whether two expressions agree at a point to 45 of 60 digits."""
    at = {letter: shift + sympy.Rational(2 * index + 1, 13) for index, letter in enumerate(letters)}
    left, right = (expression.subs(at).evalf(_DIGITS) for expression in (one, other))
    if not (left.is_number and right.is_number) or left.has(sympy.nan, sympy.zoo) or right.has(sympy.nan, sympy.zoo):
        return False
    size = max(abs(left), abs(right))
    return bool(size == 0 or abs(left - right) <= _CLOSE * size)
