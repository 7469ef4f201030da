"""Why a model costs what it costs: aliases, layer, row and conditions that decided, and what others say.

Pure. Data flows (`PriceBook`, name, `Terms`, `PriceList`s) -> `Explanation` -> text lines or JSON values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from harness.instants import utc_text
from harness.money import plain
from harness.pricing.book import IMPORTED_LAYER, SHIPPED_LAYER, Match, PriceBook
from harness.pricing.lists.importing import quoted_price
from harness.pricing.lists.quotes import PriceList
from harness.pricing.other_lists import current_quotes, published_rate
from harness.pricing.rates import RateCard, Terms, adjustments_in_force, rates_in_force
from harness.pricing.rows import Adjustment, Alias
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
    followed = () if found is None else found.via
    aliases = tuple(
        record
        for name in followed
        for record in reachable
        if isinstance(record, Alias) and f"{record.provider}/{record.model}" == name and record.in_force(terms.at)
    )
    deciding = {record.where for record in aliases} | ({found.price.where} if found is not None else set())
    names = {(book.provider(provider), model)}
    if found is not None:
        names.add((found.price.provider, found.price.model))
    return Explanation(
        name=f"{book.provider(provider)}/{model}",
        terms=terms,
        found=found,
        aliases=aliases,
        card=rates_in_force(found.price, terms, factor=found.multiply) if found is not None and priced else None,
        applied=tuple(adjustments_in_force(found.price, terms)) if found is not None else (),
        passed_over=tuple(
            f"{record.where} ({_layer(record.layer)}, from {utc_text(record.effective_from) or 'open'})"
            for record in reachable
            if record.where not in deciding
        ),
        others={
            each.label: dict(quoted_price(quote).rates)
            for each in lists
            for quote in current_quotes(each)
            if quote.name in names
        },
    )


def explanation_lines(made: Explanation) -> Iterator[str]:
    """Write an explanation for people."""
    yield f"{made.name} at {utc_text(made.terms.at)}"
    for alias in made.aliases:
        factor = "" if alias.multiply is None else f" at {plain(alias.multiply)}x"
        yield f"alias: {alias.provider}/{alias.model} is {alias.to_provider}/{alias.to_model}{factor}, {alias.where}"
        yield f"  {_layer(alias.layer)}; {alias.source}"
    if made.found is None:
        yield "no row: the price is not known"
    else:
        price = made.found.price
        yield f"row: {price.name}, {price.where}"
        start = utc_text(price.effective_from) or "open"
        until = "" if price.effective_until is None else f" until {utc_text(price.effective_until)}"
        yield f"  {_layer(price.layer)}; from {start}{until}; confidence: {price.confidence}"
        yield f"  {price.source}; checked on {price.checked_on}" + (f"; {price.note}" if price.note else "")
        yield from (f"applies: {adjustment_sentence(adjustment)}" for adjustment in made.applied)
    if made.card is not None:
        rates = (f"{meter.value} {plain(rate)}" for meter, rate in _published(made.card).items())
        yield f"rates: {', '.join(rates) or 'free'} (USD per million tokens, fees each)"
        yield from (f"not sold: {term}" for term in made.card.unknown_terms)
    yield from (f"passed over: {where}" for where in made.passed_over)
    for library, said in made.others.items():
        yield f"{library} says: {', '.join(f'{meter.value} {plain(rate)}' for meter, rate in said.items())}"


def explanation_facts(made: Explanation) -> dict[str, Any]:
    """Write an explanation as JSON values."""
    price = None if made.found is None else made.found.price
    return {
        "model": made.name,
        "at": utc_text(made.terms.at),
        "aliases": [{**alias.canonical(), "row": alias.where, "source": alias.source} for alias in made.aliases],
        "multiply": None if made.found is None else made.found.multiply,
        "price": None
        if price is None
        else {
            **price.canonical(),
            "row": price.where,
            "layer": price.layer,
            "layer_name": _layer(price.layer),
            "source": price.source,
            "checked_on": price.checked_on,
            "confidence": price.confidence,
            "note": price.note,
        },
        "applied": [adjustment_sentence(adjustment) for adjustment in made.applied],
        "rates": {} if made.card is None else {meter.value: rate for meter, rate in _published(made.card).items()},
        "unknown_terms": [] if made.card is None else list(made.card.unknown_terms),
        "passed_over": list(made.passed_over),
        "others": {
            library: {meter.value: rate for meter, rate in said.items()} for library, said in made.others.items()
        },
    }


def _published(card: RateCard) -> dict[Meter, Decimal]:
    rates = ((meter, published_rate(card, meter)) for meter in card.usd_per_unit)
    return {meter: rate for meter, rate in rates if rate is not None}


def _layer(layer: int) -> str:
    return LAYERS.get(layer, "your own files")
