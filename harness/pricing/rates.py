"""The rates that hold for one request: a price row with its tiers, windows and multipliers applied.

Pure. Data flows (`Price`, `Terms` of the request) -> `RateCard` (USD per unit of each meter) -> harness.costs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from harness.money import EXACT, plain
from harness.pricing.rows import TOKEN_METERS, Adjustment, Price, tier_name
from harness.usage.values import Meter

STANDARD = "standard"
BATCH = "batch"
"""The tier of requests that are sent in batches."""

STANDARD_TIERS = frozenset({STANDARD, "default", "auto", "on_demand", "standard_only", "unspecified", "none", ""})
"""Words that providers use for the list price without a tier."""

STANDARD_SPEEDS = frozenset({STANDARD, "default", "normal", ""})
ANY_REGION = "*"
_PER_MTOK = -6
"""Published rates are USD per million tokens."""
NO_REGION = frozenset({"global", "not_available", "default", "unspecified", "none", ""})

FALLBACKS: Mapping[Meter, Meter] = {
    Meter.CACHE_READ: Meter.INPUT,
    Meter.CACHE_WRITE_5M: Meter.INPUT,
    Meter.CACHE_WRITE_1H: Meter.CACHE_WRITE_5M,
    Meter.INPUT_IMAGE: Meter.INPUT,
    Meter.CACHE_READ_AUDIO: Meter.INPUT_AUDIO,
    Meter.CACHE_READ_IMAGE: Meter.CACHE_READ,
    Meter.REASONING: Meter.OUTPUT,
}
"""Where no rate is published for a part, it costs what the whole costs: a cached token the full input rate, never zero.

Audio and image output have none: there the whole's rate would be far too low, so they stay unpriced.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a price may depend on besides the quantities.

    Attributes:
        at: the instant that decides the price (completion of the request).
        context_tokens: prompt size, cache reads and writes included; 0 when not known.
        tier: served tier, or `batch`; `standard` for the list price.
        speed: `fast` where a provider sells speed; `standard` otherwise.
        geo: region that the request was held to, empty for none.
        thinking: whether the model thought; None = not known.
    """

    at: datetime
    context_tokens: int = 0
    tier: str = STANDARD
    speed: str = STANDARD
    geo: str = ""
    thinking: bool | None = None

    @classmethod
    def named(
        cls,
        at: datetime,
        context_tokens: int,
        *,
        tier: str | None,
        speed: str | None,
        geo: str | None,
        thinking: bool | None = None,
    ) -> Terms:
        """Make terms of a tier, a speed and a region as providers write them; None = the standard one."""
        return cls(
            at=at,
            context_tokens=context_tokens,
            tier=named_tier(tier),
            speed=named_speed(speed),
            geo=named_region(geo),
            thinking=thinking,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PossibleTerms:
    """What is known of the terms of a request before it is answered; None = may be any.

    Attributes:
        first, last: it is completed between these instants, both included.
        context_tokens: the largest prompt that it can have.
    """

    first: datetime
    last: datetime
    context_tokens: int
    tier: str | None = None
    speed: str | None = None
    geo: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RateCard:
    """USD per unit of each meter for one request.

    Attributes:
        usd_per_unit: published rates after all adjustments; a part without its own rate is not listed.
        unknown_terms: terms of the request for which the row has no rate; such a request is unpriced.
        warnings: what was assumed.
    """

    usd_per_unit: Mapping[Meter, Decimal]
    unknown_terms: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def rate(self, meter: Meter) -> Decimal | None:
        """Give the rate of a meter, that of the whole where the part has none, or None when nothing is published."""
        wanted: Meter | None = meter
        while wanted is not None:
            if wanted in self.usd_per_unit:
                return self.usd_per_unit[wanted]
            wanted = FALLBACKS.get(wanted)
        return None

    def sold(self, used: Mapping[Meter, int]) -> Iterator[tuple[Meter, int, Decimal | None, bool]]:
        """Give what quantities are sold as: meter, quantity, rate, and whether that is for want of a cached rate.

        Where no cached rate is published, a cached token is charged like an uncached one.
        """
        for asked, n_asked in used.items():
            meter, quantity = self._as_sold(asked, n_asked)
            yield meter, quantity, self.rate(meter), self._falls_back(meter)

    def _falls_back(self, meter: Meter) -> bool:
        return meter is Meter.CACHE_READ and meter not in self.usd_per_unit and Meter.INPUT in self.usd_per_unit

    def _as_sold(self, meter: Meter, quantity: int) -> tuple[Meter, int]:
        """Give the meter and quantity under which a row sells a search: per call, per query, or per grounded prompt.

        Payloads that pass through a converter do not say which of them it was, and a provider sells one kind only.
        """
        if meter not in (Meter.WEB_SEARCH, Meter.GROUNDING) or meter in self.usd_per_unit:
            return meter, quantity
        if Meter.GROUNDED_PROMPT in self.usd_per_unit:
            return Meter.GROUNDED_PROMPT, 1
        other = Meter.GROUNDING if meter is Meter.WEB_SEARCH else Meter.WEB_SEARCH
        return (other if other in self.usd_per_unit else meter), quantity


def named_tier(text: str | None) -> str:
    """Give the tier that a request was served at; `standard` for none and for words that mean none."""
    tier = (text or "").strip().lower().removeprefix("on_demand_").removeprefix("service_tier_")
    return STANDARD if tier in STANDARD_TIERS else tier_name(tier)


def named_speed(text: str | None) -> str:
    """Give the speed that a request was sold at; `standard` for none and for words that mean none."""
    speed = (text or STANDARD).strip().lower()
    return STANDARD if speed in STANDARD_SPEEDS else speed


def named_region(text: str | None) -> str:
    """Give the region that a request was held to; empty for none and for words that mean none."""
    region = (text or "").strip().lower()
    return "" if region in NO_REGION else region


def rates_in_force(price: Price, terms: Terms, *, factor: Decimal = Decimal(1)) -> RateCard:
    """Apply a row's adjustments, in their order, to one request; `factor` multiplies every token rate at the end."""
    rates = dict(price.rates)
    for adjustment in adjustments_in_force(price, terms):
        _apply(adjustment, rates)
    return RateCard(
        usd_per_unit=_units(rates, factor),
        unknown_terms=_unknown_terms(price, terms),
        warnings=_assumptions(price, terms),
    )


def adjustments_in_force(price: Price, terms: Terms) -> Iterator[Adjustment]:
    """Give the adjustments that hold for one request, in their order."""
    return (adjustment for adjustment in price.adjustments if _holds(adjustment, terms))


def highest_rates(price: Price, possible: PossibleTerms, *, factor: Decimal = Decimal(1)) -> dict[Meter, Decimal]:
    """Bound each meter's rate from above, over every adjustment that could hold for a request.

    Adjustments are followed in order and the highest value that each meter can have had is kept; every step of
    `rates_in_force` either keeps, replaces or multiplies a rate, so the result is never below it. One that holds in
    the whole span for the named tier (the batch price) simply applies.
    """
    bounds = dict(price.rates)
    for adjustment in price.adjustments:
        if not _could_hold(adjustment, possible):
            continue
        raised = dict(bounds)
        _apply(adjustment, raised)
        if not _surely_holds(adjustment, possible):
            raised = {meter: max(rate, bounds.get(meter, rate)) for meter, rate in raised.items()}
        bounds = raised
    return _units(bounds, factor)


def _units(rates: Mapping[Meter, Decimal], factor: Decimal) -> dict[Meter, Decimal]:
    """Turn published rates into USD per unit; the factor of an alias is for tokens, never for fees."""
    return {
        meter: EXACT.multiply(EXACT.scaleb(rate, _PER_MTOK), factor) if meter in TOKEN_METERS else rate
        for meter, rate in rates.items()
    }


def _apply(adjustment: Adjustment, rates: dict[Meter, Decimal]) -> None:
    if adjustment.multiply is not None:
        for meter in rates.keys() & TOKEN_METERS:
            if meter not in adjustment.spared:
                rates[meter] = EXACT.multiply(rates[meter], adjustment.multiply)
    rates.update(adjustment.rates)


def _holds(adjustment: Adjustment, terms: Terms) -> bool:
    return (
        _fits(adjustment, terms.context_tokens)
        and (not adjustment.tiers or terms.tier in adjustment.tiers)
        and (not adjustment.speeds or terms.speed in adjustment.speeds)
        and (not adjustment.geos or _regional(adjustment, terms.geo))
        and (adjustment.thinking is None or bool(terms.thinking) is adjustment.thinking)
        and adjustment.in_force(terms.at)
    )


def _fits(adjustment: Adjustment, context_tokens: int) -> bool:
    if context_tokens < adjustment.least_context_tokens:
        return False
    return adjustment.most_context_tokens is None or context_tokens <= adjustment.most_context_tokens


def _regional(adjustment: Adjustment, geo: str) -> bool:
    return geo in adjustment.geos or (bool(geo) and ANY_REGION in adjustment.geos)


def _could_hold(adjustment: Adjustment, possible: PossibleTerms) -> bool:
    """Judge by dates, size, tier, region and speed: hours, weekdays and thinking count as possible."""
    start, end = adjustment.effective_from, adjustment.effective_until
    return (
        (start is None or start <= possible.last)
        and (end is None or end > possible.first)
        and possible.context_tokens >= adjustment.least_context_tokens
        and _may_be(possible.tier, adjustment.tiers)
        and _may_be(possible.speed, adjustment.speeds)
        and (not adjustment.geos or possible.geo is None or _regional(adjustment, possible.geo))
    )


def _may_be(known: str | None, named: frozenset[str]) -> bool:
    return not named or known is None or known in named


def _surely_holds(adjustment: Adjustment, possible: PossibleTerms) -> bool:
    """Whether an adjustment that can hold depends on the tier alone, which is known, all through the span."""
    start, end = adjustment.effective_from, adjustment.effective_until
    throughout = (start is None or start <= possible.first) and (end is None or end > possible.last)
    return possible.tier is not None and throughout and not adjustment.by_more_than_tier


def _unknown_terms(price: Price, terms: Terms) -> tuple[str, ...]:
    """Name what the request was sold at and the row has no rate for; silence would be the standard price."""
    if price.free:
        return ()
    unknown = []
    if terms.tier != STANDARD and not _sold(price, terms.at, tier=terms.tier):
        unknown.append(f"tier {terms.tier!r}")
    if terms.speed != STANDARD and not _sold(price, terms.at, speed=terms.speed):
        unknown.append(f"speed {terms.speed!r}")
    return tuple(unknown)


def _sold(price: Price, at: datetime, *, tier: str | None = None, speed: str | None = None) -> bool:
    return any(
        (tier in adjustment.tiers or speed in adjustment.speeds) and adjustment.in_force(at)
        for adjustment in price.adjustments
    )


def _assumptions(price: Price, terms: Terms) -> tuple[str, ...]:
    if price.usd_per_hour is not None:
        rate = f"{plain(price.usd_per_hour)} USD an hour of its hardware, as declared"
        return (f"{price.name} costs {rate}: a report shares busy time over the requests; no request alone shows it",)
    if terms.thinking is None and any(adjustment.thinking is not None for adjustment in price.adjustments):
        return (f"the price of {price.name} depends on thinking, and nothing says whether it was on; taken as off",)
    return ()
