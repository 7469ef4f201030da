"""Where the samples of a run stand: one row per cell and sample, with what decides whether it is asked again.

A conversation is finished when the attempt that stands for it has a score; until then its next turn decides.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Select, case, func, select

from harness.ledger.connections import Readable
from harness.ledger.reading.underway.party_requests import TurnRow, newest_conversations
from harness.ledger.records import Purpose, SampleOutcome
from harness.ledger.row_forms import sample_outcome
from harness.ledger.schema import tables

_FEW = 1_000
"""Samples that are looked up one by one; more of them are found by reading all."""


def sample_outcomes(
    ledger: Readable, run_id: str, purpose: Purpose, planned_ids: Collection[int] | None
) -> dict[tuple[int, int], SampleOutcome]:
    """Say where each sample of each cell stands, by (cell id, planned id); those without any row are absent.

    Args:
        planned_ids: of these samples only; None = of all.
    """
    with ledger.reading() as connection:
        found = connection.execute(_outcomes_query(run_id, purpose, planned_ids)).all()
    outcomes = {(row.cell_id, row.planned_id): sample_outcome(row) for row in found}
    under_way = {(row.cell_id, row.planned_id) for row in found if row.last_turn is not None and not row.scored}
    if purpose == "solve" and under_way:
        samples = {planned_id for _, planned_id in under_way}
        chosen = samples if len(samples) <= _FEW else planned_ids
        for turns in newest_conversations(ledger, {cell_id for cell_id, _ in under_way}, chosen):
            if (key := (turns[-1].cell_id, turns[-1].planned_id)) in under_way:
                outcomes[key] = _under_way(turns)
    return outcomes


def _under_way(turns: Sequence[TurnRow]) -> SampleOutcome:
    """Where a conversation stands that is not over: how often the turn was tried that it waits for."""
    newest = turns[-1]
    tried = [] if newest.is_answered else [row for row in turns if row.turn == newest.turn]
    return SampleOutcome(
        cell_id=newest.cell_id,
        planned_id=newest.planned_id,
        n_attempts=len(turns),
        last_try_number=len(tried),
        n_open=sum(row.status == "sent" for row in tried),
        n_cancelled=sum(row.status == "cancelled" for row in tried),
        attempt_id=None,
        status=newest.status,
        error_class=newest.error_class,
        scored=False,
    )


def _outcomes_query(run_id: str, purpose: Purpose, planned_ids: Collection[int] | None) -> Select[tuple[object, ...]]:
    """Select, per cell and sample, how often it was asked and how the attempt that counts went.

    Args:
        planned_ids: of samples to look at; None = all.
    """
    attempts, cells, scores = tables.attempts, tables.cells, tables.scores
    chosen = attempts.c.planned_id.is_not(None) if planned_ids is None else attempts.c.planned_id.in_(planned_ids)
    asked = ("solve", "user_simulator") if purpose == "solve" else (purpose,)
    succeeded = attempts.c.status.in_(("succeeded", "reused")) & (attempts.c.purpose == purpose)
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
            func.max(case((attempts.c.purpose == purpose, attempts.c.attempt_id))).label("newest_own_id"),
            func.max(attempts.c.turn).label("last_turn"),
        )
        .select_from(attempts.join(cells))
        .where(cells.c.run_id == run_id, attempts.c.purpose.in_(asked), chosen)
        .group_by(attempts.c.cell_id, attempts.c.planned_id)
        .subquery()
    )
    deciding = attempts.alias("deciding")
    scored_id = func.coalesce(standing.c.succeeded_id, standing.c.newest_own_id)
    scored = select(scores.c.score_id).where(scores.c.attempt_id == scored_id).exists()
    return select(
        standing,
        deciding.c.status,
        deciding.c.error_class,
        case((scored, 1), else_=0).label("scored"),
    ).join(deciding, deciding.c.attempt_id == func.coalesce(standing.c.succeeded_id, standing.c.newest_id))
