"""A bill: each meter of a usage at its rate under one price, exactly.

Pure. Data flows (`Usage`, `Price`, `Terms`) -> `RateCard` -> `Charge` lines -> `Bill`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from harness.money import EXACT
from harness.pricing.rates import Terms, rates_in_force
from harness.pricing.rows import TOKEN_METERS, Price
from harness.usage.meters import meters
from harness.usage.values import Meter, Usage

_UNITS = {
    Meter.WEB_SEARCH: "call",
    Meter.WEB_FETCH: "call",
    Meter.FILE_SEARCH: "call",
    Meter.CODE_SESSION: "session",
    Meter.GROUNDING: "query",
    Meter.GROUNDED_PROMPT: "prompt",
    Meter.MAPS_GROUNDING: "call",
    Meter.IMAGE: "image",
    Meter.REQUEST: "request",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """One line of a bill: a quantity of one meter at one rate.

    Attributes:
        meter: what was used.
        quantity: how much, in `unit`.
        unit: `token`, `call`, `query`, `session`, `image` or `request`.
        usd_per_unit: exact rate after all adjustments.
        usd: quantity times rate, exactly.
        model: set when another model inside the same payload was charged.
    """

    meter: Meter
    quantity: int
    unit: str
    usd_per_unit: Decimal
    usd: Decimal
    model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """The charge lines of one usage under one price.

    Attributes:
        lines: one per meter with a known rate.
        unpriced: why something could not be charged, one sentence each; empty when everything was.
        warnings: what was assumed.
    """

    lines: tuple[Charge, ...]
    unpriced: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def charge(usage: Usage, price: Price, terms: Terms, *, factor: Decimal = Decimal(1), model: str | None = None) -> Bill:
    """Charge each meter of a usage exactly once; usage of other models inside it is not part of this bill."""
    card = rates_in_force(price, terms, factor=factor)
    unpriced = [f"no rate for {term} of {price.name}" for term in card.unknown_terms]
    unpriced += _not_told(usage)
    lines, warnings = [], list(card.warnings)
    for meter, quantity, published, wants_cached in card.sold(meters(usage)):
        rate = Decimal(0) if price.free else published
        if rate is None:
            unpriced.append(f"no {meter.value} rate for {price.name}")
            continue
        if wants_cached and not price.free:
            warnings.append(f"no cached rate is published for {price.name}: cached tokens at the full input rate")
        lines.append(line_of(meter, quantity, rate, model))
    return Bill(lines=tuple(lines), unpriced=tuple(unpriced), warnings=tuple(warnings))


def _not_told(usage: Usage) -> Iterator[str]:
    if usage.input_tokens is None or usage.output_tokens is None:
        yield "the payload does not say how many tokens were used"
    if any(flag.name == "zero_usage" for flag in usage.flags):
        yield "the payload states no tokens at all, which no answered request has"


def line_of(meter: Meter, quantity: int, rate: Decimal, model: str | None = None) -> Charge:
    """Write one line of a bill."""
    return Charge(
        meter=meter,
        quantity=quantity,
        unit=unit_of(meter),
        usd_per_unit=rate,
        usd=EXACT.multiply(rate, quantity),
        model=model,
    )


def unit_of(meter: Meter) -> str:
    """Name what a meter counts: `token`, `call`, `query`, ..."""
    return "token" if meter in TOKEN_METERS else _UNITS.get(meter, "unit")
