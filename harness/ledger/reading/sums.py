"""Reading the ledger for reports: token sums by everything a price depends on, unknown bills, and results per sample.

Data flows tables -> grouped queries -> records; money is not computed here. A report prices `usage_sums` by group and
the few attempts that sums cannot carry one by one (`stream.attempt_rows(only="one_by_one")`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, text

from harness.declared import request_value
from harness.ledger.columns import TOKEN_COLUMNS, TokenCounts
from harness.ledger.ledger import Ledger
from harness.ledger.records import AttemptStatus, Purpose
from harness.ledger.schema.tables import BILL_UNKNOWN, SETTLED_AND_SUMMABLE

ROWS_AT_A_TIME = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageGroup:
    """What a price can depend on.

    Attributes:
        model: as served, else as requested.
        service_tier: as served, else as requested; None = not stated.
        slot_us: start of the quarter hour in which the attempts completed.
        context_bucket: lower bound of the prompt's size (`buckets.CONTEXT_BOUNDS`); None = not known.
    """

    usage_group_id: int
    provider: str
    model: str
    service_tier: str | None
    mode: str | None
    speed: str | None
    inference_geo: str | None
    thinking: bool | None
    slot_us: int
    context_bucket: int | None


@request_value
class UsageSum(TokenCounts[int]):
    """Sums over attempts of one cell, purpose, status and usage group.

    Groups also keep apart attempts with and without known usage, itemised reasoning, truncation and refusal: several
    sums can have the same price dimensions.

    Attributes:
        n_usage_missing: attempts without token counts; the sums leave them out.
        n_not_itemised: attempts with output whose reasoning part is not stated.
        not_itemised_output_tokens: output of those.
        n_truncated: cut at the output cap.
        planned_id: the sample, in sums by sample; None in sums over samples.
    """

    run_id: str
    cell_id: int
    purpose: Purpose
    status: AttemptStatus
    group: UsageGroup
    n_attempts: int
    n_usage_missing: int
    n_not_itemised: int
    not_itemised_output_tokens: int
    n_truncated: int
    n_refused: int
    planned_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownBill:
    """Attempts of one cell and purpose that may be billed, with what was reserved for them as the upper bound.

    Attributes:
        n_sent: of which no answer ever arrived (the process died, or they are in flight now).
        n_unbounded: of which nothing was reserved, so that there is no bound in dollars.
    """

    run_id: str
    cell_id: int
    purpose: Purpose
    n_attempts: int
    n_sent: int
    n_unbounded: int
    reserved_pico_usd: int
    reserved_input_tokens: int
    reserved_output_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleResult:
    """One planned sample on one cell, whether it was tried or not.

    Attributes:
        attempt_id: the newest succeeded or reused attempt, else the newest one; None = never tried.
        status: of that attempt; None = never tried.
        value_millionths: newest score of that attempt, times 1,000,000; None = unscored.
        reason: why it is unscored; None when it is scored, never tried, or has no score yet.
        n_attempts: solve attempts of any status.
    """

    cell_id: int
    planned_id: int
    suite: str
    task: str
    sample_id: str
    epoch: int
    draw_order: int
    inclusion_probability: float
    attempt_id: int | None
    status: AttemptStatus | None
    error_class: str | None
    finish_reason: str | None
    refused: bool
    n_attempts: int
    value_millionths: int | None
    reason: str | None
    answer: str | None


_SUMS = ", ".join(f"sum({column}) AS {column}" for column in TOKEN_COLUMNS)


def usage_sums(ledger: Ledger, run_ids: Sequence[str] | None = None) -> list[UsageSum]:
    """Sum the tokens of settled attempts per cell, purpose, status and usage group, in one pass over one index.

    Left out, and to be charged one by one: attempts with other meters, other models, or a cost that the payload states.
    Rows still `sent` are in `unknown_bills`.

    Args:
        run_ids: None = every run.
    """
    return list(_usage_sums(ledger, run_ids, by_sample=False))


def usage_sums_by_sample(ledger: Ledger, run_ids: Sequence[str] | None = None) -> Iterator[UsageSum]:
    """Sum likewise per planned sample, streamed; attempts without a sample are left out."""
    return _usage_sums(ledger, run_ids, by_sample=True)


def _usage_sums(ledger: Ledger, run_ids: Sequence[str] | None, *, by_sample: bool) -> Iterator[UsageSum]:
    sample, with_sample = (", planned_id", " AND planned_id IS NOT NULL") if by_sample else ("", "")
    keys = f"cell_id{sample}, purpose, status, usage_group_id"
    query = f"""
        SELECT sums.*, cells.run_id, usage_groups.* FROM (
            SELECT {keys}, count(*) AS n_attempts, {_SUMS} FROM attempts
            WHERE {SETTLED_AND_SUMMABLE}{with_sample} {_in_runs(run_ids)} GROUP BY {keys}
        ) AS sums
        JOIN cells ON cells.cell_id = sums.cell_id
        JOIN usage_groups ON usage_groups.usage_group_id = sums.usage_group_id
        ORDER BY {", ".join(f"sums.{key.strip()}" for key in keys.split(","))}
    """
    for row in select_rows(ledger, query, run_ids):
        stored = row._mapping
        yield UsageSum(
            run_id=row.run_id,
            cell_id=row.cell_id,
            purpose=row.purpose,
            status=row.status,
            group=_group(row),
            n_attempts=row.n_attempts,
            n_usage_missing=0 if row.usage_known else row.n_attempts,
            **{column: int(stored[column] or 0) for column in TOKEN_COLUMNS},
            n_not_itemised=row.n_attempts if row.usage_known and not row.itemised else 0,
            not_itemised_output_tokens=0 if row.itemised else int(row.output_tokens or 0),
            n_truncated=row.n_attempts if row.truncated else 0,
            n_refused=row.n_attempts if row.refused else 0,
            planned_id=row.planned_id if by_sample else None,
        )


def _group(row: Any) -> UsageGroup:
    return UsageGroup(
        usage_group_id=row.usage_group_id,
        provider=row.provider,
        model=row.model,
        service_tier=row.service_tier,
        mode=row.mode,
        speed=row.speed,
        inference_geo=row.inference_geo,
        thinking=None if row.thinking is None else bool(row.thinking),
        slot_us=row.slot_us,
        context_bucket=row.context_bucket,
    )


def unknown_bills(ledger: Ledger, run_ids: Sequence[str] | None = None) -> list[UnknownBill]:
    """Count attempts that may be billed by an amount that is not known, and sum what was reserved for them."""
    query = f"""
        SELECT cells.run_id, cell_id, purpose, count(*) AS n_attempts,
            sum(CASE WHEN status = 'sent' THEN 1 ELSE 0 END) AS n_sent,
            sum(CASE WHEN reserved_pico_usd = 0 THEN 1 ELSE 0 END) AS n_unbounded,
            sum(reserved_pico_usd) AS reserved_pico_usd,
            sum(reserved_input_tokens) AS reserved_input_tokens,
            sum(reserved_output_tokens) AS reserved_output_tokens
        FROM attempts JOIN cells USING (cell_id)
        WHERE ({BILL_UNKNOWN}) {_in_runs(run_ids)}
        GROUP BY cells.run_id, cell_id, purpose ORDER BY cell_id, purpose
    """
    return [
        UnknownBill(
            run_id=row.run_id,
            cell_id=row.cell_id,
            purpose=row.purpose,
            n_attempts=row.n_attempts,
            n_sent=int(row.n_sent),
            n_unbounded=int(row.n_unbounded),
            reserved_pico_usd=int(row.reserved_pico_usd),
            reserved_input_tokens=int(row.reserved_input_tokens),
            reserved_output_tokens=int(row.reserved_output_tokens),
        )
        for row in select_rows(ledger, query, run_ids)
    ]


_RESULTS = """
    WITH standing AS (
        SELECT cell_id, planned_id, count(*) AS n_attempts,
            coalesce(max(CASE WHEN attempts.status IN ('succeeded', 'reused') THEN attempt_id END), max(attempt_id))
                AS attempt_id
        FROM attempts JOIN cells USING (cell_id)
        WHERE cells.run_id IN :run_ids AND purpose = 'solve' AND planned_id IS NOT NULL
        GROUP BY cell_id, planned_id
    )
    SELECT cells.cell_id, planned.planned_id, planned.suite, planned.task, planned.sample_id, planned.epoch,
        planned.draw_order, planned.inclusion_probability, standing.attempt_id, coalesce(standing.n_attempts, 0)
        AS n_attempts, attempts.status, attempts.error_class, attempts.finish_reason, attempts.refused,
        scores.value_millionths, scores.reason, scores.answer
    FROM cells
    JOIN planned_samples AS planned ON planned.run_id = cells.run_id AND planned.suite = cells.suite
    LEFT JOIN standing ON standing.cell_id = cells.cell_id AND standing.planned_id = planned.planned_id
    LEFT JOIN attempts ON attempts.attempt_id = standing.attempt_id
    LEFT JOIN scores ON scores.score_id =
        (SELECT max(score_id) FROM scores AS newest WHERE newest.attempt_id = standing.attempt_id)
    WHERE cells.run_id IN :run_ids
    ORDER BY cells.cell_id, planned.task, planned.draw_order, planned.epoch, planned.planned_id
"""


def sample_results(ledger: Ledger, run_id: str) -> Iterator[SampleResult]:
    """Give the result of every planned sample on every cell of a run, in draw order; untried ones included."""
    for row in select_rows(ledger, _RESULTS, [run_id]):
        yield SampleResult(
            cell_id=row.cell_id,
            planned_id=row.planned_id,
            suite=row.suite,
            task=row.task,
            sample_id=row.sample_id,
            epoch=row.epoch,
            draw_order=row.draw_order,
            inclusion_probability=row.inclusion_probability,
            attempt_id=row.attempt_id,
            status=row.status,
            error_class=row.error_class,
            finish_reason=row.finish_reason,
            refused=bool(row.refused),
            n_attempts=row.n_attempts,
            value_millionths=row.value_millionths,
            reason=row.reason,
            answer=row.answer,
        )


def _in_runs(run_ids: Sequence[str] | None) -> str:
    return "" if run_ids is None else "AND cell_id IN (SELECT cell_id FROM cells WHERE run_id IN :run_ids)"


def select_rows(ledger: Ledger, query: str, run_ids: Sequence[str] | None, **values: Any) -> Iterator[Any]:
    """Run a query and stream its rows; `:run_ids` stands for the list."""
    statement = text(query)
    if run_ids is not None:
        statement = statement.bindparams(bindparam("run_ids", expanding=True))
        values["run_ids"] = list(run_ids)
    with ledger.reading() as connection:
        yield from connection.execution_options(yield_per=ROWS_AT_A_TIME).execute(statement, values)
