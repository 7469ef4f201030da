"""Where other projects' price lists and the price book part: a check for people, never used to price anything.

Pure. Data flows (`PriceBook`, `PriceList`s, an instant) -> `Comparison`: rates that differ, models that the book lacks,
imported rows whose source no longer lists the model, prices that nobody looked up for long.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from harness.money import EXACT
from harness.pricing.book import IMPORTED_LAYER, Match, PriceBook
from harness.pricing.lists.importing import quoted_price
from harness.pricing.lists.quotes import PriceList, Quote
from harness.pricing.rates import RateCard, Terms, rates_in_force
from harness.pricing.rows import TOKEN_METERS, Price
from harness.usage.values import Meter


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """One rate on which another project differs from ours, in USD per million tokens, or per unit of a fee."""

    library: str
    provider: str
    model: str
    meter: Meter
    ours: Decimal
    theirs: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Lacking:
    """A model that a list prices and the book does not know."""

    library: str
    provider: str
    model: str
    rates: dict[Meter, Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What a look at other lists found."""

    differing: tuple[Disagreement, ...]
    lacking: tuple[Lacking, ...]
    ended: tuple[Price, ...]
    old: tuple[Price, ...]

    @property
    def is_clean(self) -> bool:
        """Whether there is nothing for anybody to do."""
        return not (self.differing or self.lacking or self.ended or self.old)


def compare(book: PriceBook, at: datetime, lists: Sequence[PriceList], *, most_days: int) -> Comparison:
    """Compare every name of the lists, aliases too, with what the book says at an instant."""
    in_force = tuple(rows_in_force(book, at))
    quotes = [(each.project, quote) for each in lists for quote in current_quotes(each)]
    return Comparison(
        differing=tuple(item for library, quote in quotes for item in _differing(book, at, library, quote)),
        lacking=tuple(
            Lacking(library=library, provider=quote.provider, model=quote.model, rates=dict(quoted_price(quote).rates))
            for library, quote in quotes
            if book.listed(quote.provider, quote.model, at) is None
        ),
        ended=tuple(_ended(in_force, lists)),
        old=tuple(row for row in in_force if row.is_old(at, most_days)),
    )


def current_quotes(listed: PriceList) -> Iterator[Quote]:
    """Give the quotes of a list that hold on its day; of two entries of one name, the first."""
    found: dict[tuple[str, str], Quote] = {}
    for quote in listed.quotes:
        kept = found.get(quote.name)
        if quote.announced or (kept is not None and kept.listed_as != quote.listed_as):
            continue
        found[quote.name] = quote
    yield from found.values()


def rows_in_force(book: PriceBook, at: datetime) -> Iterator[Price]:
    """Give every row that decides the price of its own name at an instant."""
    imported = book.imported
    rows = [] if imported is None else [row for provider in imported.providers for row in imported.rows(provider)]
    for row in (*book.rows, *rows):
        found = book.listed(row.provider, row.model, at)
        if found is not None and found.price == row and not found.via:
            yield row


def _differing(book: PriceBook, at: datetime, library: str, quote: Quote) -> Iterator[Disagreement]:
    found = book.match(quote.provider, quote.model, at)
    if found is None or found.price.free:
        return
    card = card_of(found, at)
    for meter, theirs in quoted_price(quote).rates.items():
        ours = published_rate(card, meter)
        if ours is not None and ours != theirs:
            yield Disagreement(
                library=library, provider=quote.provider, model=quote.model, meter=meter, ours=ours, theirs=theirs
            )


def card_of(found: Match, at: datetime) -> RateCard:
    """Give the rates of a standard request at an instant."""
    return rates_in_force(found.price, Terms(at=at), factor=found.multiply)


def published_rate(card: RateCard, meter: Meter) -> Decimal | None:
    """Give a rate as price lists write it: USD per million tokens, or per unit of a fee."""
    rate = card.rate(meter)
    return rate.scaleb(6, EXACT) if rate is not None and meter in TOKEN_METERS else rate


def _ended(in_force: Iterable[Price], lists: Sequence[PriceList]) -> Iterator[Price]:
    listed = {each.project: _names(each) for each in lists}
    for row in in_force:
        projects = [project for project in listed if f"{project} " in row.source]
        row_name = (row.provider, row.model)
        if row.layer == IMPORTED_LAYER and projects and not any(row_name in listed[p] for p in projects):
            yield row


def _names(each: PriceList) -> set[tuple[str, str]]:
    names = {quote.name for quote in each.quotes}
    return names | {(refusal.provider, refusal.model) for refusal in each.refusals}
