"""What is said of a name without a price: that it has none, what a person may have meant, where a price goes.

Pure, and only for messages: nothing is ever priced under a name that is not the one given. Data flows
`PriceBook`, name, instant -> sentences.
"""

from __future__ import annotations

from datetime import datetime
from difflib import get_close_matches

from harness.instants import utc_text
from harness.money import plain
from harness.pricing.book import PriceBook
from harness.pricing.rows import ANY_MODEL, Price
from harness.usage.values import Meter

_MOST = 3
_LIKENESS = 0.75


def nearest(book: PriceBook, provider: str, model: str, at: datetime) -> tuple[str, ...]:
    """List up to three names of the provider that look like this one, each with its price at an instant."""
    names = sorted(name for name in book.models(provider) if not name.startswith(ANY_MODEL) and name != model)
    return tuple(_with_price(book, provider, name, at) for name in get_close_matches(model, names, _MOST, _LIKENESS))


def priced_since(book: PriceBook, provider: str, model: str, at: datetime) -> str | None:
    """Give the first day after an instant on which a name has a price; None when it has none later."""
    starts = (
        record.effective_from
        for record in book.reachable(provider, model)
        if isinstance(record, Price) and record.status == "effective" and record.effective_from is not None
    )
    first = min((start for start in starts if start > at), default=None)
    return None if first is None else (utc_text(first) or "").removesuffix("T00:00:00Z")


def _with_price(book: PriceBook, provider: str, model: str, at: datetime) -> str:
    name = f"{provider}/{model}"
    found = book.match(provider, model, at)
    if found is None:
        return f"{name} (no price then)"
    rates = found.price.rates
    said = [f"{word} {plain(rates[meter])}" for word, meter in _SHOWN if meter in rates]
    factor = "" if found.multiply == 1 else f" x{plain(found.multiply)}"
    return f"{name} ({'free' if found.price.free else ', '.join(said)}{factor}{' USD/Mtok' if said else ''})"


_SHOWN = (("input", Meter.INPUT), ("output", Meter.OUTPUT))


def why_no_price(book: PriceBook, provider: str, model: str, at: datetime) -> str:
    """Say that a price is missing, for which instant, and which listed names are like this one."""
    why = f"no price for {provider}/{model} at {utc_text(at)}"
    row = book.listed(provider, model, at)
    if row is not None:
        why += f" ({row.price.note or 'it is charged for, and its price is not known'})"
    elif (since := priced_since(book, provider, model, at)) is not None:
        why += f" (it has prices at other dates, from {since} on)"
    elif book.knows(provider, model):
        why += " (it has prices at other dates)"
    elif near := nearest(book, provider, model, at):
        why += f" (listed are {'; '.join(near)})"
    return why


def missing_price(book: PriceBook, provider: str, model: str, at: datetime) -> str:
    """Say that a price is missing, for which instant, and what to do about it."""
    return f"{why_no_price(book, provider, model, at)}; {where_prices_go(book, provider)}"


def where_prices_go(book: PriceBook, provider: str) -> str:
    """Say how a provider's model gets a price."""
    return f"add a [[price]] to pricing/{book.provider(provider)}.toml or pass --pricing DIR"
