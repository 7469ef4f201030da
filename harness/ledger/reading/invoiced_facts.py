"""What accounts said later of attempts whose bill was not known: the newest fact of each attempt counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.ledger.connections import Readable
from harness.ledger.encoding import read_json
from harness.ledger.reading.batch_rows import rows_by_id, select_rows
from harness.ledger.records import Purpose
from harness.ledger.row_forms import StoredRow, record_of
from harness.ledger.schema.tables import BILL_UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoicedRecord:
    """A fact of an account about one attempt.

    Attributes:
        source: which account said it, and how the attempt was found there.
        billed_pico_usd: what was billed; None = billed, and the amount cannot be told.
        usage: disjoint tokens by their kind; None = not said.
    """

    attempt_id: int
    source: str
    recorded_at_us: int
    billed_pico_usd: int | None = None
    usage: Mapping[str, int] | None = None


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


NEWEST = "invoiced_id IN (SELECT max(invoiced_id) FROM invoiced GROUP BY attempt_id)"
SETTLED_BY_INVOICE = f"SELECT attempt_id FROM invoiced WHERE billed_pico_usd IS NOT NULL AND {NEWEST}"
"""Attempts whose bill is known after all."""


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
    query = f"SELECT * FROM invoiced WHERE attempt_id IN :ids AND {NEWEST}"
    return {row.attempt_id: _record(row) for row in rows_by_id(ledger, query, attempt_ids)}


def invoiced_records(ledger: Readable) -> Iterator[InvoicedRecord]:
    """Give all facts in the order recorded."""
    return map(_record, select_rows(ledger, "SELECT * FROM invoiced ORDER BY invoiced_id"))


def _record(row: StoredRow) -> InvoicedRecord:
    return record_of(InvoicedRecord, row, usage=read_json(row.usage))
