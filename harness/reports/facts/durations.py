"""How long requests took: from the ledger's instants, by cell, beside what they cost.

Data flows attempts -> `Timing` per cell -> rows of a report. Batch answers are left out: they say nothing of a model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.ledger import Ledger
from harness.ledger.reading.sums import select_rows
from harness.reports.facts.report_facts import Timing

_DURATIONS = """
    SELECT attempts.cell_id AS cell_id, count(*) AS n_answers,
        sum(attempts.finished_at_us - attempts.started_at_us) AS answered_us,
        count(attempts.first_byte_us) AS n_first_bytes, sum(attempts.first_byte_us) AS first_byte_us
    FROM attempts JOIN cells USING (cell_id)
    WHERE cells.run_id IN :run_ids AND attempts.status = 'succeeded' AND attempts.purpose = 'solve'
        AND coalesce(attempts.mode, '') <> 'batch'
    GROUP BY attempts.cell_id
"""


def timings(ledger: Ledger, run_ids: Sequence[str]) -> Mapping[int, Timing]:
    """Add up the durations of answered solving requests, by cell."""
    return {
        row.cell_id: Timing(
            n_answers=row.n_answers,
            answered_s=int(row.answered_us) / 1e6,
            n_first_bytes=row.n_first_bytes,
            first_byte_s=int(row.first_byte_us or 0) / 1e6,
        )
        for row in select_rows(ledger, _DURATIONS, run_ids)
    }
