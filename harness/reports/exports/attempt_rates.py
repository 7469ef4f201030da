"""What one attempt's tokens cost, meter by meter, remembered by everything that a price depends on.

Data flows `ChargedRow` + price book -> rates per meter -> lines of a bill. Exact; no sums.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from harness.costs.cost import Cost, price_request
from harness.costs.stretches import ServedSpan
from harness.ledger.columns import token_counts
from harness.ledger.reading.charged_rows import ChargedRow
from harness.ledger.reading.sums import UsageGroup
from harness.money import multiply
from harness.pricing.book import PriceBook
from harness.reports.facts.apart import context_of, served_group
from harness.reports.facts.charger import Charger
from harness.usage.values import Meter

Used = tuple[bool, ...]
"""Which of the disjoint quantities an attempt has."""
Key = tuple[int | None, str, str, Used]
"""Usage group, provider and model as asked for, and what was used."""


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


MOST_KNOWN = 5_000

Quantities = tuple[tuple[Meter, int], ...]
"""Disjoint quantities of an attempt (`TokenCounts.quantities`)."""


def rate_lines(quantities: Quantities, rates: Rates) -> Iterator[Line]:
    """Charge what was used."""
    for meter, quantity in quantities:
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


def lines_of_cost(cost: Cost) -> Iterator[Line]:
    """Give the lines of a bill: by the price book, else the one amount that the provider states."""
    if cost.list_usd is None and cost.usd is not None:
        yield ("stated", 1, cost.usd, cost.usd, None, None)
        return
    for line in cost.lines:
        yield (line.meter.value, line.quantity, line.usd_per_unit, line.usd, *price_used(cost))


@dataclass(slots=True)
class AttemptRates:
    """Rates remembered by group; where a price can change inside a group, by stretch of unchanged rates."""

    book: PriceBook
    charger: Charger = field(init=False)
    by_group: dict[Key, Rates | None] = field(default_factory=dict)
    by_stretch: dict[Hashable, Rates] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.charger = Charger(book=self.book)

    def lines(self, row: ChargedRow) -> Iterator[Line]:
        """Charge an attempt whose charge depends on its tokens and its usage group alone."""
        quantities = row.tokens.quantities()
        return rate_lines(quantities, self.of(row, quantities))

    def of(self, row: ChargedRow, quantities: Quantities) -> Rates:
        """Give the rates of an attempt whose charge depends on its tokens and its usage group alone."""
        return self.shared(row, quantities) or self._of_row(row, quantities)

    def shared(self, row: ChargedRow, quantities: Quantities) -> Rates | None:
        """Give the rates of all attempts of the row's group that were asked as it was and used what it used.

        None: a price can change inside the group, so that each attempt is asked for on its own (`of`).
        """
        assert row.group is not None  # it is settled
        used = tuple(quantity != 0 for _, quantity in quantities)
        key = (row.usage_group_id, row.provider, row.model, used)
        if key not in self.by_group:
            if len(self.by_group) > MOST_KNOWN:  # groups are of a quarter of an hour: the older ones are done with
                self.by_group.clear()
            served = served_group(row.group, row.provider, row.model)
            may_change = self.charger.stretches.may_change_within(self.charger.span(row.group, served))
            self.by_group[key] = None if may_change else _rates(self.book, row, row.group, used)
        return self.by_group[key]

    def _of_row(self, row: ChargedRow, quantities: Quantities) -> Rates:
        assert row.group is not None
        assert row.finished_at_us is not None
        used = tuple(quantity != 0 for _, quantity in quantities)
        key = (row.usage_group_id, row.provider, row.model, used)
        context = context_of(row.usage_kind, row.payload, row.tokens.all_input_tokens)
        group = replace(row.group, slot_us=row.finished_at_us, context_bucket=context)
        served = served_group(group, row.provider, row.model)
        stretch = (*key, self.charger.stretches.stretch(ServedSpan(served=served, least_context_tokens=context)))
        if stretch not in self.by_stretch:
            self.by_stretch[stretch] = _rates(self.book, row, group, used)
        return self.by_stretch[stretch]


def _rates(book: PriceBook, row: ChargedRow, group: UsageGroup, used: Used) -> Rates:
    """Price one unit of every meter that is used."""
    *inputs, reasoning, answer = map(int, used)
    one_of_each = token_counts((*inputs, reasoning + answer, reasoning))
    usage = one_of_each.usage(context_tokens=group.context_bucket)
    cost = price_request(book, usage, served_group(group, row.provider, row.model))
    by_meter = {line.meter: (line.usd_per_unit, *price_used(cost)) for line in cost.lines}
    return Rates(by_meter, cost.status == "unpriced")
