"""Where the samples of a run stand: one row per cell and sample, with what decides whether it is asked again."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Select, case, func, select

from harness.ledger.records import Purpose
from harness.ledger.schema import tables


def outcomes_query(run_id: str, purpose: Purpose, planned_ids: Collection[int] | None) -> Select[tuple[object, ...]]:
    """Select, per cell and sample, how often it was asked and how the attempt that counts went.

    Args:
        planned_ids: of samples to look at; None = all.
    """
    attempts, cells, scores = tables.attempts, tables.cells, tables.scores
    chosen = attempts.c.planned_id.is_not(None) if planned_ids is None else attempts.c.planned_id.in_(planned_ids)
    succeeded = attempts.c.status.in_(("succeeded", "reused"))
    standing = (
        select(
            attempts.c.cell_id,
            attempts.c.planned_id,
            func.count().label("n_attempts"),
            func.max(attempts.c.try_number).label("last_try_number"),
            func.sum(case((attempts.c.status == "sent", 1), else_=0)).label("n_open"),
            func.sum(case((attempts.c.status == "cancelled", 1), else_=0)).label("n_cancelled"),
            func.max(case((succeeded, attempts.c.attempt_id))).label("succeeded_id"),
            func.max(attempts.c.attempt_id).label("newest_id"),
        )
        .select_from(attempts.join(cells))
        .where(cells.c.run_id == run_id, attempts.c.purpose == purpose, chosen)
        .group_by(attempts.c.cell_id, attempts.c.planned_id)
        .subquery()
    )
    deciding = attempts.alias("deciding")
    scored = select(scores.c.score_id).where(scores.c.attempt_id == standing.c.succeeded_id).exists()
    return select(
        standing,
        deciding.c.status,
        deciding.c.error_class,
        case((scored, 1), else_=0).label("scored"),
    ).join(deciding, deciding.c.attempt_id == func.coalesce(standing.c.succeeded_id, standing.c.newest_id))
