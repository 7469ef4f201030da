"""A run with everything that can become of a sample, and prices that are no whole picodollars."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from harness.ledger import NO_USAGE, Ledger
from harness.ledger.reading.batch_rows import select_rows
from harness.ledger.records import InvoicedRecord
from harness.pricing import Price, PriceBook
from harness.usage.values import Meter
from tests.support.report_ledgers import AT_US, Try, add_run, many, used

ODD_RATE = Decimal("0.0000007")
"""Dollars per million tokens that are no whole picodollars per token."""
BOOK = PriceBook(
    rows=(
        Price(
            provider="sim",
            model="reasoner",
            rates={Meter.INPUT: Decimal("2.1"), Meter.CACHE_READ: Decimal("0.53"), Meter.OUTPUT: Decimal("8.7")},
        ),
        Price(provider="sim", model="direct", rates={Meter.INPUT: ODD_RATE, Meter.OUTPUT: Decimal("1.6")}),
    )
)
ODD = {
    ("silent", 0): [Try(score=None, reason="no_answer")],
    ("cut", 0): [Try(score=None, reason="truncated", finish_reason="length")],
    ("unclear", 0): [Try(score=None, reason="undecided")],
    ("failed", 0): [Try(status="failed", usage=NO_USAGE, score=None, billed="no")],
    ("strange", 0): [Try(score=None, reason="grader_lost")],
    ("lost", 0): [Try(status="timed_out", usage=NO_USAGE, score=None), Try(usage=used(7, 9, 3, cached=5), score=0.0)],
    ("won", 0): [Try(score=0.25), Try(status="failed", usage=NO_USAGE, score=None)],
    ("stated", 0): [Try(usage=replace(used(10, 20), stated_cost_usd=Decimal("0.00001")), score=0.5)],
    ("judged", 0): [Try(), Try(purpose="judge", usage=used(30, 4)), Try(purpose="user_simulator", usage=used(3, 4))],
    ("reused", 0): [Try(status="reused", usage=used(50, 60))],
    ("vague", 0): [Try(usage=used(50, 60, None)), Try(usage=used(5, 6, 2))],
    ("open", 0): [Try(status=None)],
    ("billed", 0): [Try(status=None)],
    ("again", 1): [Try()],
}


async def odd_run(ledger: Ledger) -> None:
    """A run with everything that can become of a sample, beside another run."""
    cells = {
        "sim/reasoner@high": {**many(20, 0.8, 900, reasoning=80), **ODD},
        "sim/direct": {**many(20, 0.6, 90), **dict(list(ODD.items())[::2])},
        "acme/unpriced": many(5, 0.5, 10),
    }
    await add_run(ledger, "r1", cells)
    await add_run(ledger, "r2", {"sim/direct": many(5, 0.5, 10)})
    ledger.add_invoiced([invoiced(number, 1_234_567) for number in ids_of(ledger, "billed")])


def ids_of(ledger: Ledger, sample_id: str) -> list[int]:
    query = "SELECT attempt_id FROM attempts JOIN planned_samples USING (planned_id) WHERE sample_id = :sample_id"
    return [row.attempt_id for row in select_rows(ledger, query, sample_id=sample_id)]


def invoiced(attempt_id: int, pico_usd: int) -> InvoicedRecord:
    return InvoicedRecord(attempt_id=attempt_id, source="a bill", recorded_at_us=AT_US, billed_pico_usd=pico_usd)
