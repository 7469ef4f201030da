"""How a comparison's verdict becomes an exit code, and what doubt does to it. Pure."""

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
