"""The requests of conversations that are under way: which turns have an answer, and how often the next one was tried.

Data flows tables -> rows of one sample's requests, or of those of several, in the order they were sent.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from harness.ledger.connections import Readable
from harness.ledger.reading.batch_rows import select_rows
from harness.ledger.records import AttemptStatus
from harness.ledger.row_forms import StoredRow

ANSWERED = ("succeeded", "reused")
_COLUMNS = """
    attempt_id, cell_id, planned_id, purpose, turn, try_number, status, error_class, started_at_us, finished_at_us,
    output_tokens, finish_reason, refused
"""
_SPOKEN = "purpose IN ('solve', 'user_simulator') AND turn IS NOT NULL"


class TurnRow(NamedTuple):
    """A request to one of the parties of a conversation.

    Attributes:
        turn: place in the conversation, from 0.
        finished_at_us: None = it is open.
    """

    attempt_id: int
    cell_id: int
    planned_id: int
    purpose: str
    turn: int
    try_number: int
    status: AttemptStatus
    error_class: str | None
    started_at_us: int
    finished_at_us: int | None
    output_tokens: int | None
    finish_reason: str | None
    refused: bool

    @property
    def is_answered(self) -> bool:
        """Whether it has an answer."""
        return self.status in ANSWERED


def turns_of_sample(ledger: Readable, cell_id: int, planned_id: int) -> list[TurnRow]:
    """Give every request to a party of a sample's conversation, in the order they were sent."""
    query = f"""
        SELECT {_COLUMNS} FROM attempts WHERE cell_id = :cell_id AND planned_id = :planned_id AND {_SPOKEN}
        ORDER BY attempt_id
    """
    return [_turn_row(row) for row in select_rows(ledger, query, cell_id=cell_id, planned_id=planned_id)]


def newest_conversations(
    ledger: Readable, cell_ids: Collection[int], planned_ids: Collection[int] | None = None
) -> Iterator[list[TurnRow]]:
    """Give the conversations of cells, each as `newest_conversation` has it.

    Args:
        planned_ids: of these samples; None = of all.
    """
    if not cell_ids or (planned_ids is not None and not planned_ids):
        return
    cells = ", ".join(map(str, sorted(cell_ids)))
    chosen = "" if planned_ids is None else f"AND planned_id IN ({', '.join(map(str, sorted(planned_ids)))})"
    query = f"""
        SELECT {_COLUMNS} FROM attempts WHERE cell_id IN ({cells}) {chosen} AND {_SPOKEN}
        ORDER BY cell_id, planned_id, attempt_id
    """
    rows = map(_turn_row, select_rows(ledger, query))
    for _, own in groupby(rows, key=lambda row: (row.cell_id, row.planned_id)):
        yield newest_conversation(list(own))


def newest_conversation(rows: Sequence[TurnRow]) -> list[TurnRow]:
    """Give the requests of a sample's newest conversation: one began anew where a turn was asked that had its answer.

    Args:
        rows: all of the sample, in the order they were sent.
    """
    begins, answered = 0, -1
    for place, row in enumerate(rows):
        if row.turn <= answered:
            begins, answered = place, -1
        if row.is_answered:
            answered = row.turn
    return list(rows[begins:])


def newest_try(ledger: Readable, cell_id: int, planned_id: int, purpose: str, turn: int | None) -> int:
    """Give the highest number of a try at a turn of a sample; 0 = it was never asked."""
    query = """
        SELECT max(try_number) AS newest FROM attempts WHERE cell_id = :cell_id AND planned_id = :planned_id
            AND purpose = :purpose AND coalesce(turn, -1) = :turn
    """
    found = select_rows(
        ledger, query, cell_id=cell_id, planned_id=planned_id, purpose=purpose, turn=-1 if turn is None else turn
    )
    return next(int(row.newest or 0) for row in found)


def _turn_row(row: StoredRow) -> TurnRow:
    found = TurnRow._make(row)
    return found._replace(refused=bool(found.refused))
