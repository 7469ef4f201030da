"""What one attempt's tokens cost, meter by meter, remembered by everything that a price depends on.

Data flows ledger rows (the columns of `CHARGED`) + price book -> rates per meter -> lines of a bill. Exact; no sums.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from harness.costs.cost import Cost, price_request
from harness.costs.stretches import ServedSpan
from harness.ledger.columns import TOKEN_COLUMNS, token_counts
from harness.ledger.reading.sample_rows import OWN_CONTEXT
from harness.ledger.reading.sums import UsageGroup
from harness.money import multiply
from harness.pricing.book import PriceBook
from harness.reports.facts.apart import context_of
from harness.reports.facts.charger import Charger, served_group
from harness.usage.values import Meter

_GROUP = ("service_tier", "mode", "speed", "inference_geo", "thinking", "slot_us", "context_bucket")


def charged_columns(provider: str = "cells.provider", model: str = "cells.model") -> str:
    """Write the columns that `Charged.of` reads; they need `attempts` joined with `usage_groups`.

    Args:
        provider, model: SQL for the names that the cell asked for.
    """
    groups = ", ".join(f"usage_groups.{name} AS group_{name}" for name in _GROUP)
    return f"""{", ".join(f"attempts.{name}" for name in TOKEN_COLUMNS)},
        coalesce(attempts.other_provider, {provider}) AS asked_of,
        CASE WHEN attempts.purpose = 'judge' THEN attempts.model_requested ELSE {model} END AS asked_for,
        attempts.model_requested, attempts.finished_at_us, attempts.usage_kind, {OWN_CONTEXT} AS payload,
        attempts.usage_group_id, usage_groups.provider AS group_provider, usage_groups.model AS group_model, {groups}"""


@dataclass(frozen=True, slots=True)
class Charged:
    """What an attempt's charge is made from."""

    quantities: Sequence[int | None]
    provider: str
    model: str
    requested: str
    finished_at_us: int
    usage_kind: str | None
    payload: str | None
    group: UsageGroup

    @classmethod
    def of(cls, values: Sequence[Any]) -> Charged:
        """Read the columns of `charged_columns`."""
        n = len(TOKEN_COLUMNS)
        provider, model, requested, at_us, kind, payload = values[n : n + 6]
        number, asked_of, served, tier, mode, speed, geo, thinking, slot_us, bucket = values[n + 6 :]
        group = UsageGroup(
            usage_group_id=number,
            provider=asked_of,
            model=served,
            service_tier=tier,
            mode=mode,
            speed=speed,
            inference_geo=geo,
            thinking=None if thinking is None else bool(thinking),
            slot_us=slot_us,
            context_bucket=bucket,
        )
        return cls(values[:n], provider, model, requested, at_us, kind, payload, group)


Used = tuple[bool, ...]
"""Which of the disjoint quantities (`TokenCounts.quantities`) an attempt has."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Rates of one attempt: (USD per unit, price row, its start) by meter.

    Attributes:
        is_unpriced: not everything that the attempt used has a known price.
    """

    by_meter: Mapping[Meter, tuple[Decimal, str | None, int | None]]
    is_unpriced: bool


Line = tuple[str, int, Decimal | None, Decimal | None, str | None, int | None]
"""Meter, quantity, USD per unit and USD (None = unpriced), price row, its start."""
_UNPRICED = (None, None, None)


def rate_lines(quantities: Sequence[int | None], rates: Rates) -> Iterator[Line]:
    """Charge what was used."""
    for meter, quantity in token_counts(quantities).quantities():
        if quantity:
            rate, name, start = rates.by_meter.get(meter, _UNPRICED)
            usd = None if rate is None else multiply(rate, quantity)
            yield (meter.value, quantity, rate, usd, name, start)


def price_used(cost: Cost) -> tuple[str | None, int | None]:
    """Name the price row of a bill and its start in microseconds."""
    if cost.price is None:
        return None, None
    start = cost.price.effective_from
    return cost.price.name, None if start is None else int(start.timestamp()) * 1_000_000


@dataclass(slots=True)
class AttemptRates:
    """Rates remembered by group; where a price can change inside a group, by stretch of unchanged rates."""

    book: PriceBook
    charger: Charger = field(init=False)
    by_group: dict[tuple[Any, ...], Rates | None] = field(default_factory=dict)
    by_stretch: dict[tuple[Any, ...], Rates] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.charger = Charger(book=self.book)

    def of(self, values: Sequence[Any]) -> Rates:
        """Give the rates of an attempt whose charge depends on its tokens and its usage group alone."""
        n = len(TOKEN_COLUMNS)
        used = tuple(quantity != 0 for _, quantity in token_counts(values[:n]).quantities())
        key = (values[n + 6], values[n], values[n + 1], used)
        if key in self.by_group:
            return self.by_group[key] or self._of_row(key, Charged.of(values), used)
        row = Charged.of(values)
        served = served_group(row.group, row.provider, row.model)
        if self.charger.stretches.may_change_within(self.charger.span(row.group, served)):
            self.by_group[key] = None
            return self._of_row(key, row, used)
        found = self.by_group[key] = _rates(self.book, row, row.group, used)
        return found

    def _of_row(self, key: tuple[Any, ...], row: Charged, used: Used) -> Rates:
        context = context_of(row.usage_kind, row.payload, sum(count or 0 for count in row.quantities[:4]))
        group = replace(row.group, slot_us=row.finished_at_us, context_bucket=context)
        served = served_group(group, row.provider, row.model)
        stretch = (*key, self.charger.stretches.stretch(ServedSpan(served=served, least_context_tokens=context)))
        if stretch not in self.by_stretch:
            self.by_stretch[stretch] = _rates(self.book, row, group, used)
        return self.by_stretch[stretch]


def _rates(book: PriceBook, row: Charged, group: UsageGroup, used: Used) -> Rates:
    """Price one unit of every meter that is used."""
    *inputs, reasoning, answer = map(int, used)
    one_of_each = token_counts((*inputs, reasoning + answer, reasoning))
    usage = one_of_each.usage(context_tokens=group.context_bucket)
    cost = price_request(book, usage, served_group(group, row.provider, row.model))
    by_meter = {line.meter: (line.usd_per_unit, *price_used(cost)) for line in cost.lines}
    return Rates(by_meter, cost.status == "unpriced")
