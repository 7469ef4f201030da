"""What stands of each planned sample: its score as a report counts it, its bill, and whether anything is still open.

Data flows attempts and scores of cells -> one `Answer` a planned sample.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from harness.ledger.connections import Readable
from harness.ledger.reading.sample_rows import NEWEST_SCORE, REUSED, SENT, UNANSWERED, AnswerRow, answer_rows
from harness.replies.unscored import COUNTED_WRONG


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One planned sample on one cell, with all that was asked for it.

    Attributes:
        score: 0 to 1, replies without an answer as wrong; None = it has none and is left out.
        usd: what all its attempts were charged, judges' too; None = nothing of its bill is known, or the answer was
            taken from an earlier run, which tells nothing of what the next one costs.
        output_tokens: of the attempt that stands; None = not known.
        is_answered: whether any attempt has an answer.
        is_open: whether the attempt that stands was never settled, or was given up while it was in flight.
    """

    cell_id: int
    planned_id: int
    score: float | None
    usd: float | None
    output_tokens: int | None
    is_answered: bool
    is_open: bool


def answers_of(ledger: Readable, cell_ids: Sequence[int], *, last_score_id: int = NEWEST_SCORE) -> Iterator[Answer]:
    """Give what stands of each sample that was asked; `last_score_id` = later scores do not exist."""
    if not cell_ids:
        return
    rows = answer_rows(ledger, cell_ids, last_score_id=last_score_id)
    for (cell_id, planned_id), found in groupby(rows, attrgetter("cell_id", "planned_id")):
        if (answer := _answer(cell_id, planned_id, list(found))) is not None:
            yield answer


def _answer(cell_id: int, planned_id: int, rows: Sequence[AnswerRow]) -> Answer | None:
    """Find what stands: the newest answered attempt, else the newest, with its newest score."""
    solves = [row for row in rows if row.is_solve]
    if not solves:
        return None
    stands = max(enumerate(solves), key=lambda place: (place[1].status < UNANSWERED, place[0]))[1]
    charged = {row.attempt_id: row.charged_pico_usd for row in rows if row.charged_pico_usd is not None}
    return Answer(
        cell_id=cell_id,
        planned_id=planned_id,
        score=_score(stands),
        usd=sum(charged.values()) / 1e12 if charged and stands.status != REUSED else None,
        output_tokens=stands.output_tokens,
        is_answered=stands.status < UNANSWERED,
        is_open=stands.status == SENT or stands.is_cancelled == 1,
    )


def _score(row: AnswerRow) -> float | None:
    if row.value_millionths is not None:
        return row.value_millionths / 1_000_000
    return 0.0 if row.reason in COUNTED_WRONG else None
