"""What a request cost: usage and the price in force become charge lines with an exact total.

Pure. Data flows (`PriceBook`, `Usage`, when and how it was served) -> `Cost`: priced, unpriced or free.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from harness.money import EXACT, add, multiply, plain
from harness.pricing import TOKEN_METERS, Match, Price, PriceBook, utc_text
from harness.rates import (
    RateCard,
    Terms,
    highest_rates,
    named_region,
    named_speed,
    rates_in_force,
    served_tier,
    terms_of,
)
from harness.usage import meters
from harness.usage.values import Meter, Usage

CostStatus = Literal["priced", "unpriced", "free"]

STATED_TOLERANCE = Decimal("0.001")
"""A stated cost that differs from ours by more than this share is reported."""

LONGEST_REQUEST = timedelta(hours=24)
"""How long after sending a request may still be completed: a batch is answered within 24 hours."""

_UNITS = {
    Meter.WEB_SEARCH: "call",
    Meter.WEB_FETCH: "call",
    Meter.FILE_SEARCH: "call",
    Meter.CODE_SESSION: "session",
    Meter.GROUNDING: "query",
    Meter.IMAGE: "image",
    Meter.REQUEST: "request",
}
_INPUT_SIDE = frozenset(
    {
        Meter.INPUT,
        Meter.CACHE_READ,
        Meter.CACHE_WRITE_5M,
        Meter.CACHE_WRITE_1H,
        Meter.INPUT_AUDIO,
        Meter.INPUT_IMAGE,
        Meter.CACHE_READ_AUDIO,
    }
)
_OUTPUT_SIDE = frozenset({Meter.OUTPUT, Meter.REASONING, Meter.OUTPUT_AUDIO, Meter.OUTPUT_IMAGE})


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a request cost.

    Attributes:
        status: `priced`, `unpriced` (unknown, not zero) or `free` (known to cost nothing).
        list_usd: by the price book; None when unpriced there.
        usd: charged: what the provider states, else `list_usd`; None when neither is known.
        lines: the bill by the price book; what could be charged, when not everything could.
        price: the row used; None when there is none.
        via: aliases that led to the row.
        warnings: sentences for people.
    """

    status: CostStatus
    list_usd: Decimal | None
    usd: Decimal | None
    lines: tuple[Charge, ...] = ()
    price: Price | None = None
    via: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def charge(usage: Usage, price: Price, terms: Terms, *, factor: Decimal = Decimal(1), model: str | None = None) -> Bill:
    """Charge each meter of a usage exactly once; usage of other models inside it is not part of this bill."""
    card = rates_in_force(price, terms, factor=factor)
    unpriced = [f"no rate for {term} of {price.name}" for term in card.unknown_terms]
    if usage.input_tokens is None or usage.output_tokens is None:
        unpriced.append("the payload does not say how many tokens were used")
    if any(flag.name == "zero_usage" for flag in usage.flags):
        unpriced.append("the payload states no tokens at all, which no answered request has")
    lines, warnings = [], list(card.warnings)
    for meter, quantity in meters(usage).items():
        rate = Decimal(0) if price.free else card.rate(meter)
        if rate is None:
            unpriced.append(f"no {meter.value} rate for {price.name}")
            continue
        if card.falls_back(meter) and not price.free:
            warnings.append(f"no cached rate is published for {price.name}: cached tokens at the full input rate")
        lines.append(line_of(meter, quantity, rate, model))
    return Bill(lines=tuple(lines), unpriced=tuple(unpriced), warnings=tuple(warnings))


def cost_of(
    book: PriceBook,
    usage: Usage,
    *,
    provider: str,
    model: str,
    at: datetime,
    started_at: datetime | None = None,
    service_tier: str | None = None,
    mode: str | None = None,
    thinking: bool | None = None,
    served_model: str | None = None,
    speed: str | None = None,
    inference_geo: str | None = None,
) -> Cost:
    """Price one request at the instant of its completion.

    What the payload says (served tier, speed, region, model) wins over the arguments, which say what was asked.
    An unknown model, tier or meter makes the cost `unpriced`, never zero.

    Args:
        at: completion; the price in force then decides.
        started_at: when it was sent; a price that changed in between is warned about.
        mode: `batch` for a batch request, whatever tier the response names.
        thinking: whether thinking was asked for, where the payload cannot say.
        served_model: the model that the response names; used when the book knows it.
    """
    match, name, warnings = find_price(book, provider, model, served_model or usage.served_model, at)
    if match is None:
        return _stated(usage, None, warnings)
    terms = _terms(usage, at, service_tier, mode, thinking, speed, inference_geo)
    bills = [charge(usage, match.price, terms, factor=match.multiply)]
    bills += _other_bills(book, usage, provider, at, terms)
    warnings += [warning for bill in bills for warning in bill.warnings]
    if started_at is not None and _straddles(book, match, terms, provider, name, started_at):
        warnings.append(f"straddles a price change: sent {utc_text(started_at)}, priced at completion {utc_text(at)}")
    return _stated(usage, _total(match, bills, warnings), warnings)


def worst_case_usd(
    book: PriceBook,
    *,
    provider: str,
    model: str,
    input_tokens: int,
    max_output_tokens: int,
    at: datetime,
    service_tier: str | None = None,
    inference_geo: str | None = None,
    speed: str | None = None,
) -> Decimal | None:
    """Bound from above what a request sent at `at` can cost, until `LONGEST_REQUEST` later.

    Counts every input token at the dearest input-side rate (cache writes included) and every output token at the
    dearest output-side rate, over all tiers, regions, windows and price changes that could apply. Tool fees, which
    no token count bounds, are not included. `service_tier` ("default" for the list price), `inference_geo` ("" for
    none) and `speed` ("standard") narrow the bound where the request fixes them; None means any.

    Returns:
        USD, 0 for a free model, None when the model is unpriced at any instant of the span.
    """
    moments = [at, *(moment for moment in book.boundaries(provider, model) if at < moment <= at + LONGEST_REQUEST)]
    worst = Decimal(0)
    for moment in moments:
        match = book.match(provider, model, moment)
        if match is None:
            return None
        if match.price.free:
            continue
        rates = highest_rates(
            match.price,
            start=at,
            span=LONGEST_REQUEST,
            context_tokens=input_tokens,
            tier=None if service_tier is None else served_tier(service_tier, None),
            geo=None if inference_geo is None else named_region(inference_geo),
            speed=None if speed is None else named_speed(speed),
            factor=match.multiply,
        )
        input_rate = max((rate for meter, rate in rates.items() if meter in _INPUT_SIDE), default=None)
        output_rate = max((rate for meter, rate in rates.items() if meter in _OUTPUT_SIDE), default=None)
        if input_rate is None or output_rate is None:
            return None
        bound = EXACT.add(multiply(input_rate, input_tokens), multiply(output_rate, max_output_tokens))
        worst = max(worst, bound)
    return worst


def line_of(meter: Meter, quantity: int, rate: Decimal, model: str | None = None) -> Charge:
    """Write one line of a bill."""
    unit = "token" if meter in TOKEN_METERS else _UNITS.get(meter, "unit")
    return Charge(
        meter=meter, quantity=quantity, unit=unit, usd_per_unit=rate, usd=multiply(rate, quantity), model=model
    )


def find_price(
    book: PriceBook, provider: str, model: str, served: str | None, at: datetime
) -> tuple[Match | None, str, list[str]]:
    """Look up what was served, else what was asked for; give the name used, and say so when they differ."""
    asked = book.match(provider, model, at)
    if served is None or served == model:
        return asked, model, [] if asked else [missing_price(book, provider, model, at)]
    match = book.match(provider, served, at)
    if match is not None:
        same = asked is not None and asked.price == match.price
        return match, served, [] if same else [f"asked for {model!r}, served and priced as {served!r}"]
    if asked is None:
        return None, served, [missing_price(book, provider, served, at)]
    return asked, model, [f"served {served!r} is not in the price book; priced as {model!r}, which was asked for"]


def missing_price(book: PriceBook, provider: str, model: str, at: datetime) -> str:
    """Say that a price is missing, for which instant, and what to do about it."""
    listed = book.provider(provider)
    why = f"no price for {provider}/{model} at {utc_text(at)}"
    if book.knows(provider, model):
        why += " (it has prices at other dates)"
    return f"{why}; add a [[price]] to pricing/{listed}.toml or pass --pricing DIR"


def _terms(
    usage: Usage,
    at: datetime,
    service_tier: str | None,
    mode: str | None,
    thinking: bool | None,
    speed: str | None,
    inference_geo: str | None,
) -> Terms:
    if mode is None and service_tier is not None and service_tier.lower() == "batch":
        mode = "batch"
    return terms_of(
        at=at,
        context_tokens=usage.context_tokens if usage.context_tokens is not None else usage.input_tokens,
        service_tier=usage.service_tier or service_tier,
        mode=mode,
        speed=usage.speed or speed,
        inference_geo=usage.inference_geo or inference_geo,
        thinking=_thought(usage, thinking),
    )


def _thought(usage: Usage, asked: bool | None) -> bool | None:
    """Itemised reasoning proves thinking; else what was asked for; else what the payload suggests."""
    if usage.reasoning_tokens:
        return True
    if asked is not None:
        return asked
    return False if usage.thinking is None and usage.reasoning_tokens == 0 else usage.thinking


def _other_bills(book: PriceBook, usage: Usage, provider: str, at: datetime, terms: Terms) -> Iterator[Bill]:
    """Charge what other models inside the payload used, each at its own price."""
    for name, part in usage.other_models:
        match = book.match(provider, name, at)
        if match is None:
            yield Bill(lines=(), unpriced=(missing_price(book, provider, name, at),))
            continue
        own = Terms(
            at=at,
            context_tokens=part.context_tokens if part.context_tokens is not None else part.input_tokens or 0,
            tier=terms.tier,
            geo=terms.geo,
            thinking=part.thinking,
        )
        yield charge(part, match.price, own, factor=match.multiply, model=name)


def _total(match: Match, bills: list[Bill], warnings: list[str]) -> Cost:
    lines = tuple(line for bill in bills for line in bill.lines)
    unpriced = [why for bill in bills for why in bill.unpriced]
    free = match.price.free and all(line.usd == 0 for line in lines)
    if unpriced and not (free and len(bills) == 1):
        warnings += unpriced
        return Cost(status="unpriced", list_usd=None, usd=None, lines=lines, price=match.price, via=match.via)
    total = add(line.usd for line in lines)
    status: CostStatus = "free" if free else "priced"
    return Cost(status=status, list_usd=total, usd=total, lines=lines, price=match.price, via=match.via)


def _stated(usage: Usage, cost: Cost | None, warnings: list[str]) -> Cost:
    """Put what the provider states beside what the book says; the stated amount is what was charged."""
    cost = cost or Cost(status="unpriced", list_usd=None, usd=None)
    charged = usage.stated_cost_usd
    if charged is None:
        return _with(cost, usd=cost.usd, status=cost.status, warnings=warnings)
    if cost.list_usd is None:
        note = "charged as the provider states; there is no list price to compare with"
        return _with(cost, usd=charged, status="priced", warnings=[*warnings, note])
    billed = charged
    if usage.stated_upstream_usd is not None:
        billed = usage.stated_upstream_usd
        note = f"own key: {plain(charged)} USD was charged here, {plain(billed)} USD by the provider behind it"
        warnings = [*warnings, note]
    if abs(billed - cost.list_usd) > STATED_TOLERANCE * max(abs(cost.list_usd), abs(billed)):
        note = f"the provider states {plain(billed)} USD, the price book says {plain(cost.list_usd)} USD"
        warnings = [*warnings, note]
    status: CostStatus = "priced" if charged else cost.status
    return _with(cost, usd=charged, status=status, warnings=warnings)


def _with(cost: Cost, *, usd: Decimal | None, status: CostStatus, warnings: list[str]) -> Cost:
    return Cost(
        status=status,
        list_usd=cost.list_usd,
        usd=usd,
        lines=cost.lines,
        price=cost.price,
        via=cost.via,
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _straddles(book: PriceBook, match: Match, terms: Terms, provider: str, model: str, started_at: datetime) -> bool:
    before = book.match(provider, model, started_at)
    if before is None:
        return True
    then = Terms(
        at=started_at,
        context_tokens=terms.context_tokens,
        tier=terms.tier,
        speed=terms.speed,
        geo=terms.geo,
        thinking=terms.thinking,
    )
    return _card(before, then) != _card(match, terms)


def _card(match: Match, terms: Terms) -> RateCard:
    return rates_in_force(match.price, terms, factor=match.multiply)
