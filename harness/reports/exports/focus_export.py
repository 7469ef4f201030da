"""Cost rows of the FinOps Open Cost and Usage Specification (FOCUS 1.2): what each model's meter cost on each day.

Data flows charged attempts -> sums by run, suite, model, tier, rate and day -> `RowStream`. Memory grows with those
groups, not with attempts; equal ledgers give equal rows. `ListCost` is by the price book; `BilledCost` is what the
provider states that it charged where it does, else the list price: this is our own count, and no invoice.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import NamedTuple

from harness.costs.charge import unit_of
from harness.costs.cost import Cost, price_request
from harness.documents.stream import RowStream
from harness.instants import DAY_US, from_us, utc_text
from harness.ledger import CellRecord, Ledger
from harness.ledger.reading.attempt_rows import AttemptRow, attempts_by_id
from harness.ledger.reading.charged_rows import ChargedRow, charged_rows
from harness.ledger.reading.sums import InvoicedSum, invoiced_sums, unknown_bills
from harness.money import EXACT, add, from_pico, multiply, plain
from harness.pricing.book import PriceBook
from harness.reports.exports.attempt_rates import AttemptRates, price_used
from harness.reports.exports.focus_columns import FOCUS
from harness.reports.exports.whole_samples import cells_of
from harness.reports.facts.charger import served_row, usage_of_row
from harness.usage.values import Meter

_PICO = Decimal("1e-12")
_UNITS = {"query": "Queries"}


class _Key(NamedTuple):
    """What the attempts of a row share."""

    day_us: int
    cell_id: int
    provider: str
    model_asked: str
    model: str
    purpose: str
    tier: str | None
    meter: str
    unit: str
    usd_per_unit: Decimal | None
    price: str | None
    since_us: int | None


@dataclass(slots=True)
class _Sum:
    quantity: int = 0
    list_usd: Decimal = Decimal(0)
    billed_usd: Decimal = Decimal(0)
    n_attempts: int = 0


@dataclass(slots=True)
class _Charges:
    """Sums of charge lines, and what could not be charged."""

    book: PriceBook
    sums: dict[_Key, _Sum] = field(default_factory=dict)
    n_unpriced: int = 0

    def add(self, key: _Key, quantity: int, list_usd: Decimal, billed_usd: Decimal) -> None:
        found = self.sums.setdefault(key, _Sum())
        found.quantity += quantity
        found.list_usd = EXACT.add(found.list_usd, list_usd)
        found.billed_usd = EXACT.add(found.billed_usd, billed_usd)
        found.n_attempts += 1

    def summable(self, row: ChargedRow, rates: AttemptRates) -> None:
        """Charge an attempt at list price."""
        is_unpriced = False
        for meter, quantity, rate, usd, price, since in rates.lines(row):
            if rate is None or usd is None:
                is_unpriced = True
                continue
            self.add(_key(row, Meter(meter), rate, price, since), quantity, usd, usd)
        self.n_unpriced += is_unpriced

    def alone(self, row: ChargedRow, one: AttemptRow) -> None:
        """Charge an attempt with fees, other models or a cost that its provider states."""
        cost = price_request(self.book, usage_of_row(one), served_row(one))
        if cost.list_usd is None:
            if cost.usd is None:
                self.n_unpriced += one.input_tokens is not None
                return
            self.add(_key(row, None, None, None, None), 1, cost.usd, cost.usd)
            return
        price, since = price_used(cost)
        for line, billed_usd in zip(cost.lines, _billed(cost), strict=True):
            key = _key(row, line.meter, line.usd_per_unit, price, since)
            key = key if line.model is None else key._replace(model=line.model)
            self.add(key, line.quantity, line.usd, billed_usd)
        if not cost.lines and cost.usd:
            self.add(_key(row, None, None, price, since), 1, Decimal(0), cost.usd)


def _key(row: ChargedRow, meter: Meter | None, rate: Decimal | None, price: str | None, since_us: int | None) -> _Key:
    assert row.finished_at_us is not None  # it is settled
    group = row.group
    return _Key(
        day_us=row.finished_at_us - row.finished_at_us % DAY_US,
        cell_id=row.cell_id,
        provider=row.provider,
        model_asked=row.model,
        model=row.model if group is None else group.model,
        purpose=row.purpose,
        tier=None if group is None else group.mode or group.service_tier,
        meter="stated" if meter is None else meter.value,
        unit="request" if meter is None else unit_of(meter),
        usd_per_unit=rate,
        price=price,
        since_us=since_us,
    )


def _billed(cost: Cost) -> list[Decimal]:
    """Share what the provider states among the lines, by their list price; the last takes the remainder, exactly."""
    listed = [line.usd for line in cost.lines]
    if cost.usd is None or cost.list_usd is None or cost.usd == cost.list_usd:
        return listed
    total = cost.list_usd
    shares = [
        (cost.usd * (usd / total if total else Decimal(1) / len(listed))).quantize(_PICO, rounding=ROUND_DOWN)
        for usd in listed[:-1]
    ]
    return [*shares, EXACT.subtract(cost.usd, add(shares))] if listed else []


def focus_stream(ledger: Ledger, book: PriceBook, run_ids: Sequence[str] | None = None) -> RowStream:
    """Open the table for reading; `run_ids` None = every run."""
    left_out: list[str] = []
    return RowStream(name="focus", columns=FOCUS, batches=_batches(ledger, book, run_ids, left_out), left_out=left_out)


def _batches(
    ledger: Ledger, book: PriceBook, run_ids: Sequence[str] | None, left_out: list[str]
) -> Iterator[Sequence[Sequence[object]]]:
    charges = _charged(ledger, book, run_ids)
    left_out += _left_out(charges, sum(bill.n_attempts for bill in unknown_bills(ledger, run_ids)))
    left_out += _settled_elsewhere(invoiced_sums(ledger, run_ids))
    cells = {cell.cell_id: cell for _, cell in cells_of(ledger, run_ids)}
    rows_of = [_row(key, found, cells[key.cell_id]) for key, found in sorted(charges.sums.items(), key=_order)]
    if rows_of:
        yield list(zip(*rows_of, strict=True))


def _charged(ledger: Ledger, book: PriceBook, run_ids: Sequence[str] | None) -> _Charges:
    charges, rates = _Charges(book), AttemptRates(book)
    for rows in charged_rows(ledger, run_ids):
        apart = [row.attempt_id for row in rows if not row.summable]
        alone = {one.attempt_id: one for one in attempts_by_id(ledger, apart)}
        for row in rows:
            if row.summable:
                charges.summable(row, rates)
            else:
                charges.alone(row, alone[row.attempt_id])
    return charges


def _order(item: tuple[_Key, _Sum]) -> tuple[object, ...]:
    return tuple("" if value is None else str(value).rjust(20) if isinstance(value, int) else str(value)
                 for value in item[0])  # fmt: skip


def _left_out(charges: _Charges, n_unknown: int) -> Iterable[str]:
    if charges.n_unpriced:
        yield f"{charges.n_unpriced:,} attempts are not, or not wholly, in these rows: no price is known for them"
    if n_unknown:
        yield f"{n_unknown:,} attempts may be billed by an amount that is not known: they are in no row"


def _settled_elsewhere(settled: Sequence[InvoicedSum]) -> Iterator[str]:
    if settled:
        usd = plain(from_pico(sum(each.billed_pico_usd for each in settled)))
        n_attempts = sum(each.n_attempts for each in settled)
        yield f"{n_attempts:,} attempts that an account settled for {usd} USD are in no row"


def _row(key: _Key, found: _Sum, cell: CellRecord) -> tuple[object, ...]:
    values = {**_always(key), **_when(key), **_priced(key, found)}
    tags = {"run": cell.run_id, "suite": cell.suite, "setting": cell.setting, "purpose": key.purpose}
    values |= {
        "Tags": _json({name: value for name, value in tags.items() if value is not None}),
        "x_Model": key.model_asked,
        "x_ServiceTier": key.tier,
        "x_AttemptCount": found.n_attempts,
    }
    return tuple(values.get(column.name) for column in FOCUS)


def _always(key: _Key) -> Mapping[str, object]:
    sold_by = ("BillingAccountId", "BillingAccountName", "InvoiceIssuerName", "ProviderName", "PublisherName")
    return {
        **dict.fromkeys(sold_by, key.provider),
        "BillingAccountType": "Provider",
        "BillingCurrency": "USD",
        "PricingCurrency": "USD",
        "ChargeDescription": f"{key.model} {key.meter.replace('_', ' ')}",
        "ChargeFrequency": "Usage-Based",
        "ServiceCategory": "AI and Machine Learning",
        "ServiceName": f"{key.provider} API",
        "ServiceSubcategory": "Generative AI",
        "SkuId": f"{key.provider}/{key.model}",
        "SkuMeter": key.meter,
    }


def _when(key: _Key) -> Mapping[str, object]:
    start = from_us(key.day_us)
    month = start.replace(day=1)
    return {
        "BillingPeriodStart": utc_text(month),
        "BillingPeriodEnd": utc_text(_next_month(month)),
        "ChargePeriodStart": utc_text(start),
        "ChargePeriodEnd": utc_text(start + timedelta(days=1)),
    }


def _priced(key: _Key, found: _Sum) -> Mapping[str, object]:
    rate = key.usd_per_unit
    billed = dict.fromkeys(("BilledCost", "EffectiveCost", "PricingCurrencyEffectiveCost"), found.billed_usd)
    if rate is None:
        listed = dict.fromkeys(("ListCost", "ContractedCost"), found.list_usd)
        return {**billed, **listed, "ChargeCategory": "Adjustment"}
    rates = ("ListUnitPrice", "ContractedUnitPrice", "PricingCurrencyListUnitPrice",
             "PricingCurrencyContractedUnitPrice")  # fmt: skip
    unit = _UNITS.get(key.unit, f"{key.unit.capitalize()}s")
    return {
        **billed,
        **dict.fromkeys(("ListCost", "ContractedCost"), multiply(rate, found.quantity)),
        **dict.fromkeys(rates, rate),
        **dict.fromkeys(("ConsumedQuantity", "PricingQuantity"), Decimal(found.quantity)),
        **dict.fromkeys(("ConsumedUnit", "PricingUnit"), unit),
        "ChargeCategory": "Usage",
        "PricingCategory": "Standard",
        "SkuPriceDetails": _json({"x_ServiceTier": key.tier or "standard"}),
        "SkuPriceId": _price_id(key),
    }


def _json(value: Mapping[str, object]) -> str:
    return json.dumps(value, sort_keys=True)


def _price_id(key: _Key) -> str:
    since = "" if key.since_us is None else f"@{from_us(key.since_us):%Y-%m-%d}"
    return f"{key.price or key.provider}{since}/{key.tier or 'standard'}/{key.meter}"


def _next_month(month: datetime) -> datetime:
    return month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)
