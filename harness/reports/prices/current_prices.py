"""What every model costs now: the row in force of each name in the book, searched, sorted and laid out as a table.

Pure. Data flows `PriceBook` + an instant -> `CurrentPrice` values -> `Table`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from harness.documents.table import Column, Table
from harness.pricing.book import IMPORTED_LAYER, SHIPPED_LAYER, Match, PriceBook
from harness.pricing.rates import Terms, rates_in_force
from harness.reports.prices.explanation import published
from harness.usage.values import Meter

_WORDS = {IMPORTED_LAYER: "imported", SHIPPED_LAYER: "shipped"}
METERS = (Meter.INPUT, Meter.CACHE_READ, Meter.CACHE_WRITE_5M, Meter.OUTPUT)
_PER_MTOK = "USD/Mtok"
_COLUMNS = (
    Column(name="provider"),
    Column(name="model", whole=True),
    Column(name="input_usd_per_mtok", kind="amount", unit=_PER_MTOK, title="input"),
    Column(name="cache_read_usd_per_mtok", kind="amount", unit=_PER_MTOK, title="cached"),
    Column(name="cache_write_usd_per_mtok", kind="amount", unit=_PER_MTOK, title="cache write"),
    Column(name="output_usd_per_mtok", kind="amount", unit=_PER_MTOK, title="output"),
    Column(name="since", description="Day from which the row holds; not known = open start."),
    Column(name="standing", description="Whether there is a price, and what for."),
    Column(name="says", title="whose word", description="Shipped, imported from other projects' lists, or yours."),
    Column(name="source", description="Where the figure was read."),
    Column(name="checked_on", title="looked up", description="Day on which it was looked up."),
)
_NOTES = (
    "USD per million tokens, standard tier, a short prompt, at this moment; tiers and conditions are on a model's page",
    "a part without a rate of its own costs what the whole costs: a cached token the full input rate, never zero",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentPrice:
    """What one listed name costs at an instant.

    Attributes:
        found: the row that decides; None = none is in force.
        rates: as published, with the factors of aliases and of what holds at the instant; empty where not known.
    """

    provider: str
    model: str
    found: Match | None
    rates: Mapping[Meter, Decimal]

    @property
    def standing(self) -> str:
        """Say whether there is a price."""
        if self.found is None:
            return "no row in force"
        price = self.found.price
        if price.status == "unpriced":
            return "price not known"
        if price.usd_per_hour is not None:
            return "by the hour"
        if self.found.via:
            return f"as {price.name}"
        return "free" if price.free else "priced"


def providers(book: PriceBook) -> tuple[str, ...]:
    """List every provider of the book, by name."""
    imported = () if book.imported is None else book.imported.providers
    named = {row.provider for row in book.rows} | {alias.provider for alias in book.aliases}
    return tuple(sorted(named.union(imported)))


def current_prices(
    book: PriceBook, at: datetime, *, provider: str = "", containing: str = ""
) -> Iterator[CurrentPrice]:
    """Look up every name of the book as the cost engine does, by provider and model.

    Args:
        provider: only this one's; empty = all.
        containing: words that `provider/model` must all contain, whatever their case.
    """
    words = containing.casefold().split()
    terms = Terms(at=at)
    for owner in [book.provider(provider)] if provider else providers(book):
        for model in sorted(book.models(owner)):
            name = f"{owner}/{model}".casefold()
            if all(word in name for word in words):
                yield _current(book, owner, model, terms)


def _current(book: PriceBook, provider: str, model: str, terms: Terms) -> CurrentPrice:
    found = book.listed(provider, model, terms.at)
    rates: Mapping[Meter, Decimal] = {}
    if found is not None and found.price.status != "unpriced":
        rates = published(rates_in_force(found.price, terms, factor=found.multiply))
    return CurrentPrice(provider=provider, model=model, found=found, rates=rates)


_FIRST = datetime.min.replace(tzinfo=UTC)


def _rate(meter: Meter) -> Callable[[CurrentPrice], object]:
    return lambda one: one.rates.get(meter)


SORTS: Mapping[str, Callable[[CurrentPrice], object]] = {
    "provider": lambda one: (one.provider, one.model),
    "model": lambda one: (one.model, one.provider),
    _COLUMNS[2].name: _rate(METERS[0]),
    _COLUMNS[3].name: _rate(METERS[1]),
    _COLUMNS[4].name: _rate(METERS[2]),
    _COLUMNS[5].name: _rate(METERS[3]),
    "since": lambda one: None if one.found is None else one.found.price.effective_from or _FIRST,
    "standing": lambda one: one.standing,
}
"""What prices are sorted by, by the name of the column; what is not known comes last either way."""


def sort_prices(prices: Iterable[CurrentPrice], by: str, *, descending: bool) -> list[CurrentPrice]:
    """Sort by one of `SORTS`."""
    key: Callable[[CurrentPrice], Any] = SORTS[by]
    known: list[CurrentPrice] = []
    unknown: list[CurrentPrice] = []
    for one in prices:
        (unknown if key(one) is None else known).append(one)
    return sorted(known, key=key, reverse=descending) + unknown


def current_table(prices: Sequence[CurrentPrice]) -> Table:
    """Lay prices out, one row a name."""
    return Table(name="prices", title="Prices", columns=_COLUMNS, rows=list(map(_row, prices)), notes=_NOTES)


def _row(one: CurrentPrice) -> tuple[object, ...]:
    price = None if one.found is None else one.found.price
    start = None if price is None else price.effective_from
    return (
        one.provider,
        one.model,
        *(one.rates.get(meter) for meter in METERS),
        None if start is None else f"{start:%Y-%m-%d}",
        one.standing,
        None if price is None else _WORDS.get(price.layer, "yours"),
        None if price is None else price.source,
        None if price is None or price.checked_on is None else price.checked_on.isoformat(),
    )
