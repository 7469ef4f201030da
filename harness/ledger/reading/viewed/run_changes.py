"""Which runs have changed since they were looked at: found by what was added, without looking at what was there.

A settled attempt never changes. Data flows the newest ids -> runs with newer attempts, scores or facts of accounts;
attempts that were under way count apart, as settling is all that can become of them.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.ledger.columns import BILL_UNKNOWN
from harness.ledger.connections import Readable
from harness.ledger.reading.batch_rows import select_rows
from harness.ledger.reading.viewed.indexed_rows import Heads


def changed_runs(ledger: Readable, since: Heads) -> set[str]:
    """Name the runs to which attempts, scores or facts of accounts were added."""
    query = """
        SELECT DISTINCT run_id FROM cells WHERE cell_id IN (
            SELECT cell_id FROM attempts WHERE attempt_id > :attempt_id
            UNION SELECT cell_id FROM scores WHERE score_id > :score_id
            UNION SELECT attempts.cell_id FROM invoiced JOIN attempts USING (attempt_id)
                WHERE invoiced_id > :invoiced_id
        )
    """
    found = select_rows(ledger, query, attempt_id=since.attempts, score_id=since.scores, invoiced_id=since.invoiced)
    return {row.run_id for row in found}


def under_way_counts(ledger: Readable) -> Mapping[str, int]:
    """Count the attempts that are under way, by run; runs without any are absent."""
    query = f"""
        SELECT cells.run_id, count(*) AS n_sent FROM attempts JOIN cells USING (cell_id)
        WHERE ({BILL_UNKNOWN}) AND status = 'sent' GROUP BY cells.run_id
    """
    return {row.run_id: int(row.n_sent) for row in select_rows(ledger, query)}
