"""Are two answers the same? Exactly: rational numbers as they are, other expressions by proof or by many digits.

A decimal reference with at least three digits is met by what rounds to it at its own precision; nothing else is
approximate. Expressions with letters agree when they agree at several points to 40 digits and more, so that an
identity need not be found by rewriting.
"""

from __future__ import annotations

from collections.abc import Sequence

import sympy

from harness.formulas.units import differ
from harness.formulas.values import Based, Expression, Matrix, Relation, Scalar, Several, Union, Value

_DIGITS = 60
_CLOSE = sympy.Rational(1, 10**45)
_POINTS = tuple(sympy.Rational(*point) for point in ((7, 5), (-13, 11), (19, 7), (3, 17), (-29, 9)))
_MOST_ITEMS = 60
_MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
_FEWEST_DIGITS = 3


def same(target: Value, answer: Value) -> bool:
    """Whether an answer is what the reference says."""
    if isinstance(target, Relation) or isinstance(answer, Relation):
        sets = _as_set(target), _as_set(answer)
        if sets[0] is not None and sets[1] is not None:
            return same(sets[0], sets[1])
    target, answer = _unwrapped(target, answer), _unwrapped(answer, target)
    if isinstance(target, Scalar) and isinstance(answer, Scalar):
        return _same_scalar(target, answer)
    if isinstance(target, Based) or isinstance(answer, Based):
        return target == answer
    if isinstance(target, Several) and isinstance(answer, Several):
        return _same_several(target, answer)
    if isinstance(target, Union) and isinstance(answer, Union):
        return _matched(target.parts, answer.parts)
    if isinstance(target, Matrix) and isinstance(answer, Matrix):
        return len(target.rows) == len(answer.rows) and all(
            len(one) == len(other)
            and all(_same_expression(left, right) for left, right in zip(one, other, strict=True))
            for one, other in zip(target.rows, answer.rows, strict=True)
        )
    if isinstance(target, Relation) and isinstance(answer, Relation):
        return _same_relation(target, answer)
    return False


def _unwrapped(value: Value, other: Value) -> Value:
    """An equation that names its value ("x = 5") as that value, where the other side is no other equation."""
    if not isinstance(value, Relation):
        return value
    if set(value.signs) <= {"=", "~"} and (not isinstance(other, Relation) or (_names(value) and _names(other))):
        if not _names(value):
            return value
        if isinstance(other, Relation) and value.sides[0] != other.sides[0]:
            return value
        first = value.sides[0]
        exact: list[Value] = [first] if isinstance(first, Scalar) and first.expression.is_number else []
        exact += [side for side, sign in zip(value.sides[1:], value.signs, strict=True) if sign == "="]
        return exact[-1] if exact else value.sides[-1]
    return value


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
    sides, signs = list(value.sides), list(value.signs)
    if not all(isinstance(side, Scalar) for side in sides) or not set(signs) <= set(_MIRRORED):
        return None
    if (
        len(sides) == 2
        and isinstance(sides[1], Scalar)
        and sides[1].expression.is_Symbol
        and sides[1].expression != sympy.oo
    ):
        sides, signs = sides[::-1], [_MIRRORED[signs[0]]]
    first = sides[0]
    if len(sides) == 2 and isinstance(first, Scalar) and first.expression.is_Symbol:
        if signs[0] in ("<", "<="):
            return Several((Scalar(-sympy.oo), sides[1]), "(", "]" if signs[0] == "<=" else ")")
        return Several((sides[1], Scalar(sympy.oo)), "[" if signs[0] == ">=" else "(", ")")
    middle = sides[1] if len(sides) == 3 else None
    if not isinstance(middle, Scalar) or not middle.expression.is_Symbol:
        return None
    if signs[0] in (">", ">="):
        sides, signs = sides[::-1], [_MIRRORED[sign] for sign in signs[::-1]]
    if not set(signs) <= {"<", "<="}:
        return None
    return Several((sides[0], sides[2]), "[" if signs[0] == "<=" else "(", "]" if signs[1] == "<=" else ")")


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
    differences = []
    for relation in (target, answer):
        left, right = relation.sides
        if not isinstance(left, Scalar) or not isinstance(right, Scalar):
            return False
        differences.append(left.expression - right.expression)
    letters = sorted(differences[0].free_symbols | differences[1].free_symbols, key=str)
    ratios = []
    for shift in _POINTS:
        at = {letter: shift + sympy.Rational(index, 3) for index, letter in enumerate(letters)}
        one, other = (difference.subs(at) for difference in differences)
        if other == 0 or one == 0:
            if one != other:
                return False
            continue
        ratios.append(one / other)
    return bool(ratios) and all(_same_expression(ratios[0], ratio) for ratio in ratios[1:])


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
