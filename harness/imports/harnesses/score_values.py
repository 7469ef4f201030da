"""A score as a number from 0 to 1, or the reason why it is none.

Pure. Data flows a value of a log -> number and reason, of which one is None.
"""

from __future__ import annotations

from harness.imports.containers.json_values import a_number

SHOWN_CHARACTERS = 80


def score_of(value: object) -> tuple[float | None, str | None]:
    """Read a score; truth counts as 1 and falsehood as 0, anything else that is no number from 0 to 1 has a reason."""
    if isinstance(value, bool):
        return float(value), None
    number = a_number(value)
    if number is None:
        if isinstance(value, float):
            return None, f"not a finite number: {value}"
        return None, "not scored" if value is None else f"no number: {str(value)[:SHOWN_CHARACTERS]}"
    if not 0 <= number <= 1:
        return None, f"not on a scale from 0 to 1: {number:g}"
    return number, None
