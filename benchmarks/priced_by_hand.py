"""Dollars of stored attempts by plain arithmetic, beside those of a report: an independent way to the same digits.

Data flows a ledger's rows + the price book's rows -> Decimal sums, or None where a price depends on more than this
module knows (hours, speeds, regions, a prompt beyond a context tier, fees).
"""

from __future__ import annotations

from decimal import Decimal, localcontext

from harness.instants import from_us
from harness.ledger import Ledger
from harness.ledger.reading.attempt_rows import AttemptRow, attempt_rows
from harness.pricing.book import PriceBook
from harness.pricing.rows import TOKEN_METERS, Adjustment, Price
from harness.usage.values import Meter

_PER_TOKEN = Decimal("1e-6")


def by_hand_usd(ledger: Ledger, book: PriceBook) -> Decimal | None:
    """Sum list prices over all attempts that were charged; None where one of them is beyond plain arithmetic."""
    total = Decimal(0)
    with localcontext() as context:
        context.prec = 60
        for row in attempt_rows(ledger):
            if row.status == "reused" or row.input_tokens is None or row.output_tokens is None:
                continue
            usd = _of_row(row, book)
            if usd is None:
                return None
            total += usd
    return total


def _of_row(row: AttemptRow, book: PriceBook) -> Decimal | None:
    at = from_us(row.finished_at_us or row.started_at_us)
    served = row.model_served and book.match(row.provider_asked, row.model_served, at)
    match = served or book.match(row.provider_asked, row.model_requested, at)
    if match is None:
        return Decimal(0)
    rates = _rates(row, match.price)
    if rates is None or row.other_meters is not None:
        return None
    full, out = rates.get(Meter.INPUT, Decimal(0)), rates.get(Meter.OUTPUT, Decimal(0))
    reasoning = row.reasoning_tokens or 0
    amounts = (
        (row.input_tokens or 0, full),
        (row.cache_read_tokens or 0, rates.get(Meter.CACHE_READ)),
        (row.cache_write_5m_tokens or 0, rates.get(Meter.CACHE_WRITE_5M)),
        (row.cache_write_1h_tokens or 0, rates.get(Meter.CACHE_WRITE_1H)),
        (reasoning, rates.get(Meter.REASONING, out)),
        ((row.output_tokens or 0) - reasoning, out),
    )
    if any(count and rate is None for count, rate in amounts):
        return None
    return sum((count * (rate or 0) for count, rate in amounts), Decimal(0)) * match.multiply * _PER_TOKEN


def _rates(row: AttemptRow, price: Price) -> dict[Meter, Decimal] | None:
    rates = {} if price.free else dict(price.rates)
    for one in price.adjustments:
        holds = _holds(row, one)
        if holds is None:
            return None
        if holds:
            rates.update(one.rates)
            if one.multiply is not None:
                spared = one.spared
                rates = {
                    meter: rate * one.multiply if meter in TOKEN_METERS and meter not in spared else rate
                    for meter, rate in rates.items()
                }
    return rates


def _holds(row: AttemptRow, one: Adjustment) -> bool | None:
    """Tell whether an adjustment holds; None = that depends on what is not looked at here."""
    tier = "batch" if row.mode == "batch" else row.service_tier
    if one.tiers and tier not in one.tiers:
        return False
    if one.least_context_tokens and row.all_input_tokens < one.least_context_tokens:
        return False
    if one.by_more_than_tier or one.effective_from is not None or one.effective_until is not None:
        return None
    return True
