"""Every input and output rate that a model had up to a date: the prices that a published figure may rest on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from harness.errors import InputError
from harness.instants import utc_text
from harness.money import TOKENS_PER_MTOK, multiply
from harness.pricing.book import PriceBook
from harness.pricing.rates import Terms, rates_in_force
from harness.usage.values import Meter


@dataclass(frozen=True, slots=True, kw_only=True)
class Vintage:
    """A pair of list prices with the first name and instant that had it.

    Attributes:
        provider, model: price row that has these rates.
        effective_from: start of that row; None = open.
        at: an instant at which it was in force, the latest up to the table's date.
        source: who says so.
    """

    provider: str
    model: str
    effective_from: datetime | None
    at: datetime
    input_usd_per_mtok: Decimal
    output_usd_per_mtok: Decimal
    source: str


def vintages(book: PriceBook, names: Sequence[str], until: datetime) -> tuple[Vintage, ...]:
    """List the different input/output rates that names had up to a date, newest first.

    Raises:
        InputError: the price book has no price for any of the names by then.
    """
    found: dict[tuple[Decimal, Decimal], Vintage] = {}
    for name in names:
        provider, _, model = name.partition("/")
        moments = [until, *(moment for moment in reversed(book.boundaries(provider, model)) if moment < until)]
        for moment in moments:
            vintage = _vintage(book, provider, model, moment)
            if vintage is not None:
                found.setdefault((vintage.input_usd_per_mtok, vintage.output_usd_per_mtok), vintage)
    if not found:
        raise InputError(
            f"no price for {', '.join(names)} up to {utc_text(until)}",
            where="prices of a published row",
            fix="name models of the price book (benchtab prices list), or pass --pricing DIR",
        )
    return tuple(found.values())


def _vintage(book: PriceBook, provider: str, model: str, moment: datetime) -> Vintage | None:
    match = book.match(provider, model, moment)
    if match is None or match.price.free:
        return None
    card = rates_in_force(match.price, Terms(at=moment), factor=match.multiply)
    rates = (card.rate(Meter.INPUT), card.rate(Meter.OUTPUT))
    if rates[0] is None or rates[1] is None:
        return None
    return Vintage(
        provider=match.price.provider,
        model=match.price.model,
        effective_from=match.price.effective_from,
        at=moment,
        input_usd_per_mtok=multiply(rates[0], TOKENS_PER_MTOK),
        output_usd_per_mtok=multiply(rates[1], TOKENS_PER_MTOK),
        source=match.price.source,
    )
