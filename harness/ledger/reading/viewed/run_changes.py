"""Which runs have changed since they were looked at: found by what was added, without looking at what was there.

A settled attempt never changes. Data flows the newest ids -> runs with newer attempts, scores or facts of accounts;
attempts that were under way count apart, as settling is all that can become of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.ledger.columns import BILL_UNKNOWN
from harness.ledger.connections import Readable
from harness.ledger.reading.batch_rows import select_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Newest:
    """Ids of the newest attempt, score and fact of an account; 0 = there is none."""

    attempt_id: int
    score_id: int
    invoiced_id: int


def newest(ledger: Readable) -> Newest:
    """Give the newest ids."""
    query = """
        SELECT (SELECT coalesce(max(attempt_id), 0) FROM attempts) AS attempt_id,
            (SELECT coalesce(max(score_id), 0) FROM scores) AS score_id,
            (SELECT coalesce(max(invoiced_id), 0) FROM invoiced) AS invoiced_id
    """
    (row,) = select_rows(ledger, query)
    return Newest(attempt_id=int(row.attempt_id), score_id=int(row.score_id), invoiced_id=int(row.invoiced_id))


def changed_runs(ledger: Readable, since: Newest) -> set[str]:
    """Name the runs to which attempts, scores or facts of accounts were added."""
    query = """
        SELECT DISTINCT run_id FROM cells WHERE cell_id IN (
            SELECT cell_id FROM attempts WHERE attempt_id > :attempt_id
            UNION SELECT cell_id FROM scores WHERE score_id > :score_id
            UNION SELECT attempts.cell_id FROM invoiced JOIN attempts USING (attempt_id)
                WHERE invoiced_id > :invoiced_id
        )
    """
    found = select_rows(
        ledger, query, attempt_id=since.attempt_id, score_id=since.score_id, invoiced_id=since.invoiced_id
    )
    return {row.run_id for row in found}


def under_way_counts(ledger: Readable) -> Mapping[str, int]:
    """Count the attempts that are under way, by run; runs without any are absent."""
    query = f"""
        SELECT cells.run_id, count(*) AS n_sent FROM attempts JOIN cells USING (cell_id)
        WHERE ({BILL_UNKNOWN}) AND status = 'sent' GROUP BY cells.run_id
    """
    return {row.run_id: int(row.n_sent) for row in select_rows(ledger, query)}
