"""What a request cost: usage and the price in force become charge lines with an exact total.

Pure. Data flows (`PriceBook`, `Usage`, when and how it was served) -> `Cost`: priced, unpriced or free.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from harness.money import EXACT, add, multiply, plain
from harness.pricing.book import SHIPPED_LAYER, Match, PriceBook
from harness.pricing.known_names import nearest, priced_since
from harness.pricing.rates import (
    RateCard,
    Terms,
    highest_rates,
    named_region,
    named_speed,
    rates_in_force,
    served_tier,
    terms_of,
)
from harness.pricing.rows import TOKEN_METERS, Price, utc_text
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
    Meter.GROUNDED_PROMPT: "prompt",
    Meter.MAPS_GROUNDING: "call",
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
        Meter.CACHE_READ_IMAGE,
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
        is_lower_bound: the payload shows that more was used than is charged here: counts that no reader knows, a total
            above its parts, a fee without a count.
    """

    status: CostStatus
    list_usd: Decimal | None
    usd: Decimal | None
    lines: tuple[Charge, ...] = ()
    price: Price | None = None
    via: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    is_lower_bound: bool = False


def charge(usage: Usage, price: Price, terms: Terms, *, factor: Decimal = Decimal(1), model: str | None = None) -> Bill:
    """Charge each meter of a usage exactly once; usage of other models inside it is not part of this bill."""
    card = rates_in_force(price, terms, factor=factor)
    unpriced = [f"no rate for {term} of {price.name}" for term in card.unknown_terms]
    if usage.input_tokens is None or usage.output_tokens is None:
        unpriced.append("the payload does not say how many tokens were used")
    if any(flag.name == "zero_usage" for flag in usage.flags):
        unpriced.append("the payload states no tokens at all, which no answered request has")
    lines, warnings = [], list(card.warnings)
    for used, n_used in meters(usage).items():
        meter, quantity = card.as_sold(used, n_used)
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
        served_model: the model that the response names; `find_price` says when its price counts.
    """
    match, name, warnings = find_price(book, provider, model, usage.served_model or served_model, at)
    if match is None:
        return _stated(usage, None, warnings)
    terms = _terms(usage, at, service_tier, mode, thinking, speed, inference_geo)
    bills = [charge(part, match.price, own, factor=match.multiply) for part, own in _own_parts(usage, terms)]
    bills += _other_bills(book, usage, provider, at, terms)
    warnings += [warning for bill in bills for warning in bill.warnings]
    if started_at is not None and _straddles(book, match, terms, provider, name, started_at):
        warnings.append(f"straddles a price change: sent {utc_text(started_at)}, priced at completion {utc_text(at)}")
    return _stated(usage, _total(match, bills, warnings), warnings)


def without_tokens(cost: Cost) -> Cost:
    """Take the tokens from a bill: an answer that was declined before any output costs nothing but its tools' fees."""
    fees = tuple(line for line in cost.lines if line.meter not in TOKEN_METERS)
    usd = add(line.usd for line in fees)
    note = "declined before any output: its tokens are not billed"
    status: CostStatus = "priced" if usd else "free"
    return replace(cost, status=status, list_usd=usd, usd=usd, lines=fees, warnings=(*cost.warnings, note))


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
    """Look up what was served, else what was asked for; give the name used, and say so when they differ.

    A served name that is not listed keeps the price of the asked one, flagged, only where nothing says that it is
    another model: see `may_be_asked`. Otherwise nobody knows what it costs, and it is unpriced.
    """
    asked = book.match(provider, model, at)
    if served is None or served == model:
        return asked, model, [] if asked else [missing_price(book, provider, model, at)]
    match = book.match(provider, served, at)
    if match is not None:
        same = asked is not None and asked.price == match.price
        return match, served, [] if same else [f"asked for {model!r}, served and priced as {served!r}"]
    if asked is None or not may_be_asked(book, provider, asked, served, at):
        return None, served, [missing_price(book, provider, served, at)]
    note = f"served {served!r} is not in the price book; priced as {model!r}, which was asked for: an assumption"
    return asked, model, [note]


_SEPARATORS = "-_:@."
_FAMILY = re.compile(r"[a-z]+")


def may_be_asked(book: PriceBook, provider: str, asked: Match, served: str, at: datetime) -> bool:
    """Tell whether an unlisted served name may be the asked model under another name.

    It may where the user's own files price what was asked, where the name begins with a listed name of the same price
    (a new snapshot), and where it is like no name of the provider (a label of a deployment). A name that begins with
    another listed model's, or that only looks like the provider's others, is another model.
    """
    if book.listed(provider, served, at) is not None:
        return False  # listed as charged for at a price that is not known
    if asked.price.layer > SHIPPED_LAYER:
        return True
    name = served.strip().rpartition("/")[2]
    for end in range(len(name) - 1, 0, -1):
        if name[end] in _SEPARATORS and (nearest := book.match(provider, name[:end], at)) is not None:
            return nearest.price == asked.price
    family = _FAMILY.match(name.lower())
    return family is None or family[0] not in book.families(provider)


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


def _own_parts(usage: Usage, terms: Terms) -> Iterator[tuple[Usage, Terms]]:
    """Give what the answering model used, call by call where the calls may fall on both sides of a context tier."""
    if not usage.calls:
        yield usage, terms
        return
    for call in usage.calls:
        yield call, replace(terms, context_tokens=call.input_tokens or 0)
    if usage.fees:
        yield Usage(input_tokens=0, output_tokens=0, fees=usage.fees), terms


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
    """Put what the provider states beside what the book says; the stated amount is what was charged.

    With the user's own key the bill is what was charged here and what the provider behind it charged. Zero for a model
    that has a price is no charge that was made: trials, credits and broken gateways state it, so the list price counts.
    """
    cost = cost or Cost(status="unpriced", list_usd=None, usd=None)
    charged = usage.stated_cost_usd
    if charged is None:
        return replace(cost, warnings=_once(warnings), is_lower_bound=usage.is_incomplete and cost.usd is not None)
    if usage.own_key:
        upstream = usage.stated_upstream_usd or cost.list_usd
        warnings = [*warnings, _own_key_note(charged, usage.stated_upstream_usd, upstream)]
        billed, compared = (None, None) if upstream is None else (add((charged, upstream)), upstream)
    elif charged == 0 and cost.list_usd != 0:
        counted = "the list price is taken" if cost.list_usd is not None else "what it cost is not known"
        warnings = [*warnings, f"the payload states 0 USD for a model that is not known to be free: {counted}"]
        billed = compared = cost.list_usd
    else:
        billed = compared = charged
    if billed is None or compared is None:
        return replace(cost, warnings=_once(warnings))
    if cost.list_usd is None:
        warnings = [*warnings, "charged as the provider states; there is no list price to compare with"]
    elif abs(compared - cost.list_usd) > STATED_TOLERANCE * max(abs(cost.list_usd), abs(compared)):
        note = f"the provider states {plain(compared)} USD, the price book says {plain(cost.list_usd)} USD"
        warnings = [*warnings, note]
    status: CostStatus = "priced" if billed or cost.list_usd is None else cost.status
    return replace(cost, usd=billed, status=status, warnings=_once(warnings))


def _own_key_note(charged: Decimal, stated: Decimal | None, taken: Decimal | None) -> str:
    here = f"own key: {plain(charged)} USD was charged here"
    if stated:
        return f"{here}, {plain(stated)} USD by the provider behind it"
    counted = "is not known" if taken is None else f"is taken from the price book, {plain(taken)} USD"
    return f"{here}; what the provider behind it charged {counted}"


def _once(warnings: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(warnings))


def _straddles(book: PriceBook, match: Match, terms: Terms, provider: str, model: str, started_at: datetime) -> bool:
    before = book.match(provider, model, started_at)
    if before is None:
        return True
    return _card(before, replace(terms, at=started_at)) != _card(match, terms)


def _card(match: Match, terms: Terms) -> RateCard:
    return rates_in_force(match.price, terms, factor=match.multiply)
