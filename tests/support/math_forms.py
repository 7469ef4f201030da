"""Other ways to write a reference answer, and near misses of it: the material for testing equivalence of formulas.

Pure. Data flows a LaTeX answer -> one rewritten form (equal in value) and one perturbed form (different in value).
"""

from __future__ import annotations

import re
from fractions import Fraction

from harness.scorers.math import plain_latex
from harness.scorers.number import parse_number

_INTEGER = re.compile(r"(?<![\d.,_^{])\d+(?![\d.,]|\s*/)|(?<=\{)\d+(?=[\\}a-z\s])|(?<=[(\[-])\d+(?=,)")


def rewritten(answer: str) -> tuple[str, str]:
    """Write an answer differently without changing its value.

    Returns:
        (kind of change, new text).
    """
    if "^\\circ" in answer:
        return "units", answer.replace("^\\circ", " \\text{ degrees}")
    if match := re.fullmatch(r"([\d.]+)\s*\\(?:mbox|text)\{.*", answer):
        return "units", match[1]
    number = parse_number(plain_latex(answer))
    if number is not None:
        return _number_rewritten(number, was_decimal="." in answer)
    if match := re.fullmatch(r"\\text\{([^{}]*)\}", answer):
        return "without \\text", f" {match[1]} "
    if match := re.fullmatch(r"(\d+)_\{?(\d+)\}?", answer):
        braced = "{" not in answer
        return "subscript braces", f"{match[1]}_{{{match[2]}}}" if braced else f"{match[1]}_{match[2]}"
    if (reordered := _sum_reordered(answer)) is not None:
        return "reordered sum", reordered
    if answer == "\\cot x":
        return "identity", "\\frac{\\cos x}{\\sin x}"
    return _first_integer_as_fraction(answer)


def _number_rewritten(number: Fraction, *, was_decimal: bool) -> tuple[str, str]:
    if was_decimal:
        return "decimal against fraction", f"\\frac{{{number.numerator}}}{{{number.denominator}}}"
    if number.denominator == 1:
        return "integer as fraction", f"\\frac{{{2 * number.numerator}}}{{2}}"
    decimal = f"{float(number):.10f}".rstrip("0")
    if Fraction(decimal) == number:
        return "fraction against decimal", decimal
    return "fraction expanded", f"\\frac{{{3 * number.numerator}}}{{{3 * number.denominator}}}"


def _sum_reordered(answer: str) -> str | None:
    """Turn the terms of a plain sum around; None when the answer is not one."""
    left, equals, right = answer.rpartition("=")
    if not re.fullmatch(r"[\w\s^+\-\\{}]*", right) or re.search(r"\\(?:pm|begin|in|cup|frac\{[^}]*[+-])", right):
        return None
    terms = re.findall(r"[+-]?[^+-]+", right.replace(" ", ""))
    if len(terms) < 2:
        return f"{right.strip()} = {left.strip()}" if equals else None
    signed = [term if term[0] in "+-" else f"+{term}" for term in reversed(terms)]
    turned = "".join(signed).removeprefix("+")
    return f"{left} = {turned}" if equals else turned


def _first_integer_as_fraction(answer: str) -> tuple[str, str]:
    if match := _INTEGER.search(answer):
        n = int(match.group())
        return "term expanded", f"{answer[: match.start()]}\\frac{{{2 * n}}}{{2}}{answer[match.end() :]}"
    return "spacing", "\\left. " + answer + " \\right." if answer.startswith("\\frac") else f"\\frac{{2 {answer}}}{{2}}"


def perturbed(answer: str) -> str:
    """Change an answer's value a little: its first digit, or its sign or word when it has none."""
    if match := re.search(r"\d", answer):
        digit = int(match.group())
        return f"{answer[: match.start()]}{digit + 1 if digit < 9 else 8}{answer[match.end() :]}"
    if "\\text" in answer:
        return "\\text{Zoe}"
    return answer.replace("-", "+") if "-" in answer else f"2{answer}"
