"""Why a model costs what it costs: aliases, layer, row and conditions that decided, and what others say.

Pure. Data flows (`PriceBook`, name, `Terms`, `PriceList`s) -> `Explanation` -> text lines or JSON values.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from harness.instants import utc_text
from harness.money import plain
from harness.pricing.book import IMPORTED_LAYER, SHIPPED_LAYER, Match, PriceBook
from harness.pricing.lists.importing import quoted_price
from harness.pricing.lists.quotes import PriceList
from harness.pricing.other_lists import current_quotes, published_rate
from harness.pricing.rates import RateCard, Terms, adjustments_in_force, rates_in_force
from harness.pricing.rows import Adjustment, Alias, Price
from harness.reports.prices.price_tables import adjustment_sentence
from harness.usage.values import Meter

LAYERS = {IMPORTED_LAYER: "imported from other projects' lists", SHIPPED_LAYER: "shipped"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What decided the price of a request.

    Attributes:
        found: the row, None when there is none; one of status `unpriced` says that the price is not known.
        aliases: the aliases followed, in order.
        card: the rates, None without a price.
        applied: adjustments that hold for the terms, in order.
        passed_over: other rows and aliases of the name, of any layer and date.
        others: what each list says today: library -> meter -> published rate.
    """

    name: str
    terms: Terms
    found: Match | None
    aliases: tuple[Alias, ...]
    card: RateCard | None
    applied: tuple[Adjustment, ...]
    passed_over: tuple[str, ...]
    others: Mapping[str, Mapping[Meter, Decimal]]


def explain(book: PriceBook, provider: str, model: str, terms: Terms, lists: Sequence[PriceList]) -> Explanation:
    """Look a name up as the cost engine does, and keep the way there."""
    found = book.listed(provider, model, terms.at)
    priced = found is not None and found.price.status != "unpriced"
    reachable = book.reachable(provider, model)
    aliases = _followed(found, reachable, terms)
    deciding = {record.where for record in aliases}
    names = {(book.provider(provider), model)}
    if found is not None:
        deciding.add(found.price.where)
        names.add((found.price.provider, found.price.model))
    return Explanation(
        name=f"{book.provider(provider)}/{model}",
        terms=terms,
        found=found,
        aliases=aliases,
        card=rates_in_force(found.price, terms, factor=found.multiply) if found is not None and priced else None,
        applied=tuple(adjustments_in_force(found.price, terms)) if found is not None else (),
        passed_over=tuple(
            f"{record.where} ({layer_name(record.layer)}, from {utc_text(record.effective_from) or 'open'})"
            for record in reachable
            if record.where not in deciding
        ),
        others=_said(lists, names),
    )


def _followed(found: Match | None, reachable: Sequence[Price | Alias], terms: Terms) -> tuple[Alias, ...]:
    """Give the aliases that led to a row, in order."""
    aliases = [record for record in reachable if isinstance(record, Alias) and record.in_force(terms.at)]
    followed = () if found is None else found.via
    return tuple(alias for name in followed for alias in aliases if f"{alias.provider}/{alias.model}" == name)


def _said(lists: Sequence[PriceList], names: Collection[tuple[str, str]]) -> dict[str, Mapping[Meter, Decimal]]:
    """What each list says today about the names."""
    quotes = ((each.label, quote) for each in lists for quote in current_quotes(each))
    return {label: dict(quoted_price(quote).rates) for label, quote in quotes if quote.name in names}


def explanation_lines(made: Explanation) -> Iterator[str]:
    """Write an explanation for people."""
    yield f"{made.name} at {utc_text(made.terms.at)}"
    for alias in made.aliases:
        yield from _alias_lines(alias)
    if made.found is None:
        yield "no row: the price is not known"
    else:
        yield from _row_lines(made.found.price)
        yield from (f"applies: {adjustment_sentence(adjustment)}" for adjustment in made.applied)
    if made.card is not None:
        yield f"rates: {_rates_text(published(made.card)) or 'free'} (USD per million tokens, fees each)"
        yield from (f"not sold: {term}" for term in made.card.unknown_terms)
    yield from (f"passed over: {where}" for where in made.passed_over)
    for library, said in made.others.items():
        yield f"{library} says: {_rates_text(said)}"


def _rates_text(rates: Mapping[Meter, Decimal]) -> str:
    return ", ".join(f"{meter.value} {plain(rate)}" for meter, rate in rates.items())


def _alias_lines(alias: Alias) -> Iterator[str]:
    factor = "" if alias.multiply is None else f" at {plain(alias.multiply)}x"
    yield f"alias: {alias.provider}/{alias.model} is {alias.to_provider}/{alias.to_model}{factor}, {alias.where}"
    yield f"  {layer_name(alias.layer)}; {alias.source}"


def _row_lines(price: Price) -> Iterator[str]:
    yield f"row: {price.name}, {price.where}"
    start = utc_text(price.effective_from) or "open"
    until = "" if price.effective_until is None else f" until {utc_text(price.effective_until)}"
    yield f"  {layer_name(price.layer)}; from {start}{until}; confidence: {price.confidence}"
    yield f"  {price.source}; checked on {price.checked_on}" + (f"; {price.note}" if price.note else "")


def explanation_facts(made: Explanation) -> dict[str, object]:
    """Write an explanation as JSON values."""
    return {
        "model": made.name,
        "at": utc_text(made.terms.at),
        "aliases": [{**alias.canonical(), "row": alias.where, "source": alias.source} for alias in made.aliases],
        "multiply": None if made.found is None else made.found.multiply,
        "price": None if made.found is None else _price_facts(made.found.price),
        "applied": [adjustment_sentence(adjustment) for adjustment in made.applied],
        "rates": {} if made.card is None else {meter.value: rate for meter, rate in published(made.card).items()},
        "unknown_terms": [] if made.card is None else list(made.card.unknown_terms),
        "passed_over": list(made.passed_over),
        "others": {
            library: {meter.value: rate for meter, rate in said.items()} for library, said in made.others.items()
        },
    }


def _price_facts(price: Price) -> dict[str, object]:
    return {
        **price.canonical(),
        "row": price.where,
        "layer": price.layer,
        "layer_name": layer_name(price.layer),
        "source": price.source,
        "checked_on": price.checked_on,
        "confidence": price.confidence,
        "note": price.note,
    }


def published(card: RateCard) -> dict[Meter, Decimal]:
    """Give the rates of a card as price lists write them: USD per million tokens, fees each."""
    rates = ((meter, published_rate(card, meter)) for meter in card.usd_per_unit)
    return {meter: rate for meter, rate in rates if rate is not None}


def layer_name(layer: int) -> str:
    """Say in words who stands behind a row."""
    return LAYERS.get(layer, "your own files")
