"""A run's mark: two equal ones, and its attempts, their scores and its plan are the same rows.

Data flows one moment of a ledger -> ids and counts, from indexes alone -> one text. Rows are only ever added, and an
attempt changes once, when it is settled: a run with an attempt under way has no mark.
"""

from __future__ import annotations

from harness.ledger.connections import Readable
from harness.ledger.encoding import canonical_json
from harness.ledger.reading.batch_rows import OF_RUN, batches

_ATTEMPTS = f"""
    SELECT count(*), min(attempt_id), max(attempt_id),
        (SELECT count(*) FROM attempts WHERE status = 'sent' AND {OF_RUN})
    FROM attempts WHERE {OF_RUN}
"""
# numbers are given again in a copy that went its own way: names of requests are not
_REST = """
    SELECT (SELECT request_id FROM attempts WHERE attempt_id = :first),
        (SELECT request_id FROM attempts WHERE attempt_id = :last),
        (SELECT count(*) FROM scores WHERE attempt_id BETWEEN :first AND :last),
        (SELECT max(score_id) FROM scores WHERE attempt_id BETWEEN :first AND :last),
        (SELECT scored_at_us FROM scores
            WHERE score_id = (SELECT max(score_id) FROM scores WHERE attempt_id BETWEEN :first AND :last)),
        (SELECT count(*) FROM planned_samples WHERE run_id = :run_id),
        (SELECT count(*) FROM cells WHERE run_id = :run_id), (SELECT max(cell_id) FROM cells WHERE run_id = :run_id),
        (SELECT created_at_us FROM runs WHERE run_id = :run_id), (SELECT plan_sha256 FROM runs WHERE run_id = :run_id)
"""


def run_mark(ledger: Readable, run_id: str, *, fewest: int) -> str | None:
    """Give the mark of a run.

    Args:
        ledger: as it stands at one moment.
        fewest: attempts below which a run has none: it is read as quickly.
    """
    ((n_attempts, first, last, n_open),) = next(batches(ledger, _ATTEMPTS, values={"run_id": run_id}))
    if n_open or n_attempts < fewest:
        return None
    (rest,) = next(batches(ledger, _REST, values={"run_id": run_id, "first": first, "last": last}))
    return canonical_json([run_id, n_attempts, first, last, *rest])
