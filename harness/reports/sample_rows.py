"""Per-sample tokens and results of a run as plain tuples: a report walks a million of them.

Data flows ledger tables -> driver rows, a batch at a time, ordered by cell -> `assembly`. The same facts as
`ledger.read.usage_sums_by_sample` and `ledger.read.sample_results`, in the few columns that a report needs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from harness.ledger import Ledger
from harness.ledger.tables import SETTLED_AND_SUMMABLE
from harness.reports.batches import batches


class SampleTokens(NamedTuple):
    """Tokens of one sample's solving attempts of one status in one usage group; reused answers are left out."""

    cell_id: int
    planned_id: int
    status: str
    usage_group_id: int
    n_attempts: int
    n_truncated: int
    input_tokens: int
    cache_read_tokens: int
    cache_write_5m_tokens: int
    cache_write_1h_tokens: int
    output_tokens: int
    reasoning_tokens: int


class SampleScore(NamedTuple):
    """One planned sample that was tried: its newest answer (else its newest attempt) and that one's newest score."""

    cell_id: int
    planned_id: int
    task: str
    sample_id: str
    inclusion_probability: float
    n_attempts: int
    status: str
    value_millionths: int | None
    reason: str | None


_SUMMED = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning")
# PostgreSQL sums whole numbers into decimals; a cast makes both databases give integers
_SUMS = ", ".join(f"CAST(coalesce(sum({name}_tokens), 0) AS BIGINT)" for name in _SUMMED)
_TOKENS = f"""
    SELECT attempts.cell_id, attempts.planned_id, attempts.status, attempts.usage_group_id, count(*),
        sum(CASE WHEN finish_reason = 'length' THEN 1 ELSE 0 END), {_SUMS}
    FROM attempts
    WHERE {SETTLED_AND_SUMMABLE} AND purpose = 'solve' AND status <> 'reused' AND planned_id IS NOT NULL
        AND cell_id IN (SELECT cell_id FROM cells WHERE run_id = :run_id)
    GROUP BY attempts.cell_id, attempts.planned_id, attempts.status, attempts.usage_group_id
    ORDER BY attempts.cell_id, attempts.planned_id, attempts.status, attempts.usage_group_id
"""

_SCORES = """
    WITH standing AS (
        SELECT cell_id, planned_id, count(*) AS n_attempts,
            coalesce(max(CASE WHEN status IN ('succeeded', 'reused') THEN attempt_id END), max(attempt_id))
            AS attempt_id
        FROM attempts
        WHERE cell_id IN (SELECT cell_id FROM cells WHERE run_id = :run_id) AND purpose = 'solve'
            AND planned_id IS NOT NULL
        GROUP BY cell_id, planned_id
    )
    SELECT standing.cell_id, standing.planned_id, planned.task, planned.sample_id, planned.inclusion_probability,
        standing.n_attempts, attempts.status, scores.value_millionths, scores.reason
    FROM standing
    JOIN planned_samples AS planned ON planned.planned_id = standing.planned_id
    JOIN attempts ON attempts.attempt_id = standing.attempt_id
    LEFT JOIN scores ON scores.score_id =
        (SELECT max(score_id) FROM scores AS newest WHERE newest.attempt_id = standing.attempt_id)
    ORDER BY standing.cell_id, planned.task, planned.draw_order, planned.epoch, standing.planned_id
"""


def sample_tokens(ledger: Ledger, run_id: str) -> Iterator[SampleTokens]:
    """Give the tokens of every sample of a run, ordered by cell."""
    return map(SampleTokens._make, _rows(ledger, _TOKENS, run_id))


def sample_scores(ledger: Ledger, run_id: str) -> Iterator[SampleScore]:
    """Give the result of every sample of a run that was tried, ordered by cell."""
    return map(SampleScore._make, _rows(ledger, _SCORES, run_id))


def _rows(ledger: Ledger, query: str, run_id: str) -> Iterator[tuple[object, ...]]:
    for rows in batches(ledger, query, values={"run_id": run_id}):
        yield from rows
