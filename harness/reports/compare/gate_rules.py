"""How a comparison's verdict becomes an exit code, what doubt does to it, and how thresholds are written. Pure."""

from __future__ import annotations

from typing import Literal, get_args

from harness.errors import InputError
from harness.reports.compare.comparison import EXIT_CODES, Verdict

OnInconclusive = Literal["pass", "warn", "fail"]
"""What too few samples do: `fail` ends with 5; `warn` and `pass` end with 0, the first of them aloud."""


def gate_code(verdict: Verdict, on_inconclusive: OnInconclusive = "fail") -> int:
    """Give the exit code of a verdict."""
    return 0 if verdict == "inconclusive" and on_inconclusive != "fail" else EXIT_CODES[verdict]


def parse_on_inconclusive(text: str) -> OnInconclusive:
    """Read the option of that name.

    Raises:
        InputError: it is none of the three words.
    """
    for word in get_args(OnInconclusive):
        if word == text:
            return word  # type: ignore[no-any-return]  # get_args is not typed
    raise InputError(f"not a rule: {text!r}", where="--on-inconclusive", fix="one of: pass, warn, fail")


def parse_share(text: str | None, unit: str, option: str) -> float | None:
    """Read `10%` or `1pt` as a share; None stays None.

    Raises:
        InputError: not a number of that unit, or below zero.
    """
    if text is None:
        return None
    try:
        share = float(text.strip().removesuffix(unit).strip()) / 100
    except ValueError:
        share = -1.0
    if not 0 <= share < float("inf"):
        raise InputError(f"not a threshold: {text!r}", where=option, fix=f"write a number with its unit: 10{unit}")
    return share
