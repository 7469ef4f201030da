"""Why requests of a run failed, counted: attempts with the same cause are told once, however many there were.

Data flows attempts that failed -> (class, message, count) -> causes, the most frequent first. Messages that differ only
in numbers and ids (a request's id, a number of tokens) are one cause; what differs between them is left out. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypedDict

from harness.ledger.records import Purpose

MOST_TOLD = 3
"""So many causes are told in a line or a table; how many requests the others took is said."""
_LONGEST = 160
_VARYING = re.compile(r"[\w.+-]*\d[\w.+-]*|[A-Za-z0-9_-]{24,}")
_LEFT_OUT = "…"
_UNPRINTABLE = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureCause:
    """Failed attempts of one cell and purpose that share a cause.

    Attributes:
        error_class: see `harness.errors.ErrorClass`; `not stated` where the ledger has none.
        message: what the provider or the connection said, on one line; parts that differed are `…`.
    """

    cell_id: int
    purpose: Purpose
    error_class: str
    message: str
    n_attempts: int


def one_line(message: str) -> str:
    """Put a message on one line of limited length, without control characters."""
    text = _UNPRINTABLE.sub(" ", message).strip()
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + _LEFT_OUT


def joined(causes: Iterable[FailureCause]) -> list[FailureCause]:
    """Join causes of the same cell, purpose and class whose messages differ in numbers and ids only."""
    alike: dict[tuple[int, str, str, str], list[FailureCause]] = {}
    for cause in causes:
        shape = _VARYING.sub("\0", cause.message)  # no message holds a NUL: see `one_line`
        alike.setdefault((cause.cell_id, cause.purpose, cause.error_class, shape), []).append(cause)
    found = [
        replace(
            group[0],
            message=_common([cause.message for cause in group]),
            n_attempts=sum(cause.n_attempts for cause in group),
        )
        for group in alike.values()
    ]
    return sorted(found, key=lambda cause: (-cause.n_attempts, cause.cell_id, cause.error_class, cause.message))


def _common(messages: Sequence[str]) -> str:
    """Write what messages of one shape share; a part in which they differ becomes `…`."""
    parts = [_VARYING.findall(message) for message in messages]
    shared = [found[0] if len(set(found)) == 1 else _LEFT_OUT for found in zip(*parts, strict=True)]
    following = iter(shared)
    return _VARYING.sub(lambda _: next(following), messages[0])


def over_cells(causes: Iterable[FailureCause]) -> list[FailureCause]:
    """Count the same causes over all cells; `cell_id` is 0 then."""
    return joined(replace(cause, cell_id=0) for cause in causes)


def told(causes: Sequence[FailureCause], *, most: int = MOST_TOLD) -> list[str]:
    """Tell causes for people, one entry each: `36 x no connection to 127.0.0.1:9999: refused`.

    What goes beyond `most` is counted in a last entry.
    """
    said = [
        f"{cause.n_attempts:,} x {ASKED[cause.purpose]}{cause.message or cause.error_class}" for cause in causes[:most]
    ]
    rest = causes[most:]
    if rest:
        kinds = "another cause" if len(rest) == 1 else f"{len(rest):,} other causes"
        said.append(f"{sum(cause.n_attempts for cause in rest):,} x {kinds}")
    return said


ASKED: Mapping[Purpose, str] = {
    "solve": "", "judge": "judge: ", "user_simulator": "simulated user: ", "tool": "model of a tool: ",
}  # fmt: skip
"""Who was asked, before what is said of it; nothing where it is the model that is measured."""


class CauseObject(TypedDict):
    """A cause as JSON values."""

    purpose: Purpose
    error_class: str
    message: str
    n_attempts: int


def cause_objects(causes: Iterable[FailureCause]) -> list[CauseObject]:
    """Write causes as JSON values."""
    return [
        {
            "purpose": cause.purpose,
            "error_class": cause.error_class,
            "message": cause.message,
            "n_attempts": cause.n_attempts,
        }
        for cause in causes
    ]
