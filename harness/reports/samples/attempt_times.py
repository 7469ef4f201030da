"""When the attempts of a sample were sent, began to answer and ended, as places on one line of time. Pure.

Data flows `AttemptRow`s -> `TimeLine`, whose places are shares of its span from 0 to 100.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.instants import from_us
from harness.ledger.reading.attempt_rows import AttemptRow

LEAST_SHARE = 0.4
"""Percent that any bar has, so that it is seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One attempt on the line.

    Attributes:
        start, width: of the whole attempt, in percent of the line.
        waited: percent of the line until the first byte; None = not known.
        words: all of it as a sentence.
    """

    attempt_id: int
    label: str
    status: str
    start: float
    width: float
    waited: float | None
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLine:
    """Attempts on one line of time, from the first sent to the last settled."""

    bars: tuple[Bar, ...]
    first: str
    span: str


def time_line(rows: Sequence[AttemptRow]) -> TimeLine | None:
    """Lay attempts on a line of time; None = there is none that this run sent."""
    sent = [row for row in rows if row.status != "reused"]
    if not sent:
        return None
    first_us = min(row.started_at_us for row in sent)
    last_us = max(row.finished_at_us or row.started_at_us for row in sent)
    span_us = max(last_us - first_us, 1)
    bars = tuple(_bar(row, first_us, span_us) for row in sent)
    first = f"{from_us(first_us):%Y-%m-%d %H:%M:%S} UTC"
    return TimeLine(bars=bars, first=first, span=f"{seconds(span_us)} later")


def _bar(row: AttemptRow, first_us: int, span_us: int) -> Bar:
    end_us = first_us + span_us if row.finished_at_us is None else row.finished_at_us
    start = min(100 * (row.started_at_us - first_us) / span_us, 100 - LEAST_SHARE)
    width = max(100 * (end_us - row.started_at_us) / span_us, LEAST_SHARE)
    waited = None if row.first_byte_us is None else min(100 * row.first_byte_us / span_us, width)
    return Bar(
        attempt_id=row.attempt_id,
        label=f"{row.purpose} {row.try_number}",
        status=row.status,
        start=round(start, 3),
        width=round(min(width, 100 - start), 3),
        waited=None if waited is None else round(waited, 3),
        words="; ".join(_words(row, first_us)),
    )


def _words(row: AttemptRow, first_us: int) -> list[str]:
    said = [f"attempt {row.attempt_id} ({row.purpose}, try {row.try_number}): sent after"
            f" {seconds(row.started_at_us - first_us)}"]  # fmt: skip
    if row.first_byte_us is not None:
        said.append(f"first byte {seconds(row.first_byte_us)} later")
    if row.finished_at_us is None:
        said.append("never settled")
    else:
        said.append(f"{row.status} {seconds(row.finished_at_us - row.started_at_us)} after sending")
    if row.error_class is not None:
        said.append(row.error_class)
    return said


def seconds(duration_us: int) -> str:
    """Write a duration as people say it: `0.52 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = duration_us / 1_000_000
    if whole < 120:
        return f"{whole:.2f} s"
    minutes, rest = divmod(round(whole), 60)
    if minutes < 120:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
