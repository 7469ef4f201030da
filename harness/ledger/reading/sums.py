"""Reading the ledger for reports: token sums by everything a price depends on, unknown bills, causes of failures.

Data flows tables -> grouped queries -> records; money is not computed here. A report prices `usage_sums` by group and
the few attempts that sums cannot carry one by one (`attempt_rows(only="one_by_one")`). Of what accounts told later of
unknown bills, the newest fact of each attempt counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from harness.declared import request_value
from harness.ledger.columns import BILL_UNKNOWN, TOKEN_COLUMNS, TokenCounts
from harness.ledger.connections import Readable
from harness.ledger.encoding import read_json
from harness.ledger.reading.batch_rows import rows_by_id, select_rows
from harness.ledger.reading.causes import FailureCause, joined, one_line
from harness.ledger.records import PURPOSES, AttemptStatus, InvoicedRecord, Purpose
from harness.ledger.row_forms import StoredRow, flag, record_of
from harness.ledger.schema.tables import SETTLED_AND_SUMMABLE, SETTLED_ONE_BY_ONE
from harness.money import EXACT


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


NEWEST = "invoiced_id IN (SELECT max(invoiced_id) FROM invoiced GROUP BY attempt_id)"
SETTLED_BY_INVOICE = f"SELECT attempt_id FROM invoiced WHERE billed_pico_usd IS NOT NULL AND {NEWEST}"
"""Attempts whose bill is known after all."""

_SUMS = ", ".join(f"sum({column}) AS {column}" for column in TOKEN_COLUMNS)


def usage_sums(ledger: Readable, run_ids: Sequence[str] | None = None) -> list[UsageSum]:
    """Sum the tokens of settled attempts per cell, purpose, status and usage group, in one pass over one index.

    Left out, and to be charged one by one: attempts with other meters, other models, or a cost that the payload states.
    Rows still `sent` are in `unknown_bills`.

    Args:
        run_ids: None = every run.
    """
    query = f"""
        SELECT sums.*, cells.run_id, usage_groups.* FROM (
            SELECT cell_id, purpose, status, usage_group_id, count(*) AS n_attempts, {_SUMS} FROM attempts
            WHERE {SETTLED_AND_SUMMABLE} {_in_runs(run_ids)} GROUP BY cell_id, purpose, status, usage_group_id
        ) AS sums
        JOIN cells ON cells.cell_id = sums.cell_id
        JOIN usage_groups ON usage_groups.usage_group_id = sums.usage_group_id
        ORDER BY sums.cell_id, sums.purpose, sums.status, sums.usage_group_id
    """
    return [_usage_sum(row) for row in select_rows(ledger, query, run_ids)]


def task_sums(ledger: Readable, run_ids: Sequence[str]) -> list[tuple[str, UsageSum]]:
    """Sum the tokens of settled attempts that solve samples as `usage_sums` does, by task, whose name comes with it."""
    query = f"""
        SELECT sums.*, cells.run_id, usage_groups.* FROM (
            SELECT cell_id, task, purpose, status, usage_group_id, count(*) AS n_attempts, {_SUMS}
            FROM attempts JOIN planned_samples USING (planned_id)
            WHERE {SETTLED_AND_SUMMABLE} AND purpose = 'solve' {_in_runs(run_ids)}
            GROUP BY cell_id, task, purpose, status, usage_group_id
        ) AS sums
        JOIN cells ON cells.cell_id = sums.cell_id
        JOIN usage_groups ON usage_groups.usage_group_id = sums.usage_group_id
        ORDER BY sums.cell_id, sums.task, sums.status, sums.usage_group_id
    """
    return [(row.task, _usage_sum(row)) for row in select_rows(ledger, query, run_ids)]


def planned_tasks(ledger: Readable, run_ids: Sequence[str]) -> dict[int, str]:
    """Give the task of each planned sample of these runs."""
    query = "SELECT planned_id, task FROM planned_samples WHERE run_id IN :run_ids"
    return {row.planned_id: row.task for row in select_rows(ledger, query, run_ids)}


def _usage_sum(row: StoredRow) -> UsageSum:
    """Read a sum: what its attempts share says of how many it counts them."""
    n_attempts, output_tokens = row.n_attempts, int(row.output_tokens or 0)
    return record_of(
        UsageSum,
        row,
        group=_group(row),
        n_usage_missing=0 if row.usage_known else n_attempts,
        n_not_itemised=n_attempts if row.usage_known and not row.itemised else 0,
        not_itemised_output_tokens=0 if row.itemised else output_tokens,
        n_truncated=n_attempts if row.truncated else 0,
        n_refused=n_attempts if row.refused else 0,
        **{column: int(row._mapping[column] or 0) for column in TOKEN_COLUMNS},
    )


_SAID = ", ".join(f"count({column}) AS {column}" for column in TOKEN_COLUMNS)


def calls_saying(ledger: Readable, run_ids: Sequence[str]) -> dict[str, TokenCounts[int]]:
    """Count the calls of each of these runs that say how many tokens of each kind they used; zero is said, too."""
    query = f"""
        SELECT cells.run_id, {_SAID} FROM attempts JOIN cells USING (cell_id)
        WHERE cells.run_id IN :run_ids GROUP BY cells.run_id
    """
    return {row.run_id: record_of(TokenCounts, row) for row in select_rows(ledger, query, run_ids)}


def usage_groups(ledger: Readable, usage_group_ids: Sequence[int]) -> Iterator[UsageGroup]:
    """Read usage groups by their ids."""
    return map(_group, rows_by_id(ledger, "SELECT * FROM usage_groups WHERE usage_group_id IN :ids", usage_group_ids))


def _group(row: StoredRow) -> UsageGroup:
    return record_of(UsageGroup, row, thinking=flag(row.thinking))


_COUNTED = ("n_sent", "n_unbounded", "reserved_pico_usd", "reserved_input_tokens", "reserved_output_tokens")


def unknown_bills(ledger: Readable, run_ids: Sequence[str] | None = None) -> list[UnknownBill]:
    """Count attempts that may be billed by an amount that is not known, and sum what was reserved for them.

    Attempts whose bill an account settled later are not among them: see `invoiced_sums`.
    """
    query = f"""
        SELECT cells.run_id, cell_id, purpose, count(*) AS n_attempts,
            sum(CASE WHEN status = 'sent' THEN 1 ELSE 0 END) AS n_sent,
            sum(CASE WHEN reserved_pico_usd = 0 THEN 1 ELSE 0 END) AS n_unbounded,
            sum(reserved_pico_usd) AS reserved_pico_usd,
            sum(reserved_input_tokens) AS reserved_input_tokens,
            sum(reserved_output_tokens) AS reserved_output_tokens
        FROM attempts JOIN cells USING (cell_id)
        WHERE ({BILL_UNKNOWN}) AND attempts.attempt_id NOT IN ({SETTLED_BY_INVOICE}) {_in_runs(run_ids)}
        GROUP BY cells.run_id, cell_id, purpose ORDER BY cell_id, purpose
    """
    return [
        record_of(UnknownBill, row, **{name: int(row._mapping[name]) for name in _COUNTED})
        for row in select_rows(ledger, query, run_ids)
    ]


def _in_runs(run_ids: Sequence[str] | None) -> str:
    return "" if run_ids is None else "AND cell_id IN (SELECT cell_id FROM cells WHERE run_id IN :run_ids)"


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimatedCount:
    """Attempts of one cell and purpose whose tokens were counted from texts."""

    cell_id: int
    purpose: Purpose
    n_attempts: int


def estimated_counts(ledger: Readable, run_ids: Sequence[str]) -> list[EstimatedCount]:
    """Count the attempts whose tokens are estimates, by cell and purpose."""
    query = """
        SELECT cell_id, purpose, count(*) AS n_attempts FROM attempts
        WHERE usage_source = 'estimated' AND status <> 'reused'
            AND cell_id IN (SELECT cell_id FROM cells WHERE run_id IN :run_ids)
        GROUP BY cell_id, purpose
    """
    return [record_of(EstimatedCount, row) for row in select_rows(ledger, query, run_ids)]


def tool_costs(ledger: Readable, run_ids: Sequence[str]) -> dict[int, tuple[Decimal, int]]:
    """Sum what tools say that requests of their runs cost, by cell: exact dollars, and of how many requests."""
    query = """
        SELECT cell_id, imported_costs.stated_cost_usd AS usd, count(*) AS n_attempts
        FROM imported_costs JOIN attempts USING (attempt_id)
        WHERE status <> 'reused' AND cell_id IN (SELECT cell_id FROM cells WHERE run_id IN :run_ids)
        GROUP BY cell_id, imported_costs.stated_cost_usd
    """
    found: dict[int, tuple[Decimal, int]] = {}
    for row in select_rows(ledger, query, run_ids):
        usd, count = found.get(row.cell_id, (Decimal(0), 0))
        found[row.cell_id] = EXACT.add(usd, EXACT.multiply(Decimal(row.usd), row.n_attempts)), count + row.n_attempts
    return found


_FAILED = """
    SELECT cell_id, purpose, error_class, error_message FROM attempts
    WHERE {known} AND status IN ('failed', 'timed_out') AND purpose IN ({purposes})
        AND cell_id IN (SELECT cell_id FROM cells WHERE run_id IN :run_ids)
"""
_PURPOSES = ", ".join(f"'{purpose}'" for purpose in PURPOSES)
# in two parts, each of which finds its few rows by an index
_CAUSES = f"""
    SELECT cell_id, purpose, coalesce(error_class, 'not stated') AS error_class,
        coalesce(error_message, '') AS message, count(*) AS n_attempts
    FROM ({_FAILED.format(known=SETTLED_AND_SUMMABLE, purposes=_PURPOSES)}
        UNION ALL {_FAILED.format(known=SETTLED_ONE_BY_ONE, purposes=_PURPOSES)}) AS failed
    GROUP BY cell_id, purpose, coalesce(error_class, 'not stated'), coalesce(error_message, '')
"""


def failure_causes(ledger: Readable, run_ids: Sequence[str]) -> list[FailureCause]:
    """Count the causes of failed attempts by cell and purpose, the most frequent first."""
    found = (
        record_of(FailureCause, row, message=one_line(row.message)) for row in select_rows(ledger, _CAUSES, run_ids)
    )
    return joined(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoicedSum:
    """Attempts of a cell and purpose whose bill an account settled.

    Attributes:
        n_sent: of which no answer ever arrived.
        billed_pico_usd: what they were billed.
    """

    cell_id: int
    purpose: Purpose
    n_attempts: int
    n_sent: int
    billed_pico_usd: int


def invoiced_sums(ledger: Readable, run_ids: Sequence[str] | None = None) -> list[InvoicedSum]:
    """Sum what accounts settled, by cell and purpose; `run_ids` None = every run."""
    in_runs = "" if run_ids is None else "AND cells.run_id IN :run_ids"
    query = f"""
        SELECT cell_id, purpose, count(*) AS n_attempts,
            sum(CASE WHEN status = 'sent' THEN 1 ELSE 0 END) AS n_sent, sum(billed_pico_usd) AS billed_pico_usd
        FROM invoiced JOIN attempts USING (attempt_id) JOIN cells USING (cell_id)
        WHERE billed_pico_usd IS NOT NULL AND {NEWEST} AND ({BILL_UNKNOWN}) {in_runs}
        GROUP BY cell_id, purpose ORDER BY cell_id, purpose
    """
    return [
        record_of(InvoicedSum, row, n_sent=int(row.n_sent), billed_pico_usd=int(row.billed_pico_usd))
        for row in select_rows(ledger, query, run_ids)
    ]


def invoiced_of(ledger: Readable, attempt_ids: Sequence[int]) -> dict[int, InvoicedRecord]:
    """Give the newest fact of each of these attempts that has one."""
    return {told.attempt_id: told for told in all_invoiced_of(ledger, attempt_ids)}


def all_invoiced_of(ledger: Readable, attempt_ids: Sequence[int]) -> list[InvoicedRecord]:
    """Give every fact of these attempts, in the order recorded."""
    query = "SELECT * FROM invoiced WHERE attempt_id IN :ids ORDER BY invoiced_id"
    return [_invoiced(row) for row in rows_by_id(ledger, query, attempt_ids)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolStatement:
    """What the tool that wrote a log says that a request cost; `note` is its own word on it."""

    attempt_id: int
    stated_cost_usd: Decimal
    note: str | None


def tool_costs_of(ledger: Readable, attempt_ids: Sequence[int]) -> dict[int, ToolStatement]:
    """Give what tools say of these attempts, by attempt."""
    query = "SELECT * FROM imported_costs WHERE attempt_id IN :ids"
    return {
        row.attempt_id: record_of(ToolStatement, row, stated_cost_usd=Decimal(row.stated_cost_usd))
        for row in rows_by_id(ledger, query, attempt_ids)
    }


def invoiced_records(ledger: Readable) -> Iterator[InvoicedRecord]:
    """Give all facts in the order recorded."""
    return map(_invoiced, select_rows(ledger, "SELECT * FROM invoiced ORDER BY invoiced_id"))


def _invoiced(row: StoredRow) -> InvoicedRecord:
    return record_of(InvoicedRecord, row, usage=read_json(row.usage))
