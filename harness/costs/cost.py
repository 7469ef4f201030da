"""What a request cost: usage and the price in force become charge lines with an exact total.

Pure. Data flows (`PriceBook`, `Usage`, when and how it was served) -> `Cost`: priced, unpriced or free.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import reduce
from itertools import chain
from typing import Literal

from harness.costs.charge import Bill, Charge, charge
from harness.costs.served import Served
from harness.instants import utc_text
from harness.money import EXACT, add, plain
from harness.pricing.book import SHIPPED_LAYER, Match, PriceBook
from harness.pricing.known_names import missing_price
from harness.pricing.rates import RateCard, Terms, rates_in_force
from harness.pricing.rows import TOKEN_METERS, Price
from harness.usage.values import Usage

CostStatus = Literal["priced", "unpriced", "free"]

STATED_TOLERANCE = Decimal("0.001")
"""A stated cost that differs from ours by more than this share is reported."""


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


def price_request(book: PriceBook, usage: Usage, served: Served) -> Cost:
    """Price one request at the instant of its completion.

    What the payload says (served tier, speed, region, model) wins over `served`, which says what was asked.
    An unknown model, tier or meter makes the cost `unpriced`, never zero.
    """
    match, name, warnings = find_price(
        book, served.provider, served.model, usage.served_model or served.model_served, served.at
    )
    if match is None:
        return _stated(usage, None, warnings)
    terms = served.terms(usage)
    bills = [charge(part, match.price, own, factor=match.multiply) for part, own in own_parts(usage, terms)]
    bills += _other_bills(book, usage, served.provider, terms)
    warnings += [warning for bill in bills for warning in bill.warnings]
    if _straddles(book, match, terms, served, name):
        sent, completed = utc_text(served.started_at), utc_text(served.at)
        warnings.append(f"straddles a price change: sent {sent}, priced at completion {completed}")
    return _stated(usage, _total(match, bills, warnings), warnings)


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
    """Price one request: `price_request` for callers who have the facts of `Served` one by one."""
    return price_request(
        book,
        usage,
        Served(
            provider=provider,
            model=model,
            at=at,
            started_at=started_at,
            model_served=served_model,
            service_tier=service_tier,
            mode=mode,
            speed=speed,
            inference_geo=inference_geo,
            thinking=thinking,
        ),
    )


def without_tokens(cost: Cost) -> Cost:
    """Take the tokens from a bill: an answer that was declined before any output costs nothing but its tools' fees."""
    fees = tuple(line for line in cost.lines if line.meter not in TOKEN_METERS)
    usd = add(line.usd for line in fees)
    note = "declined before any output: its tokens are not billed"
    status: CostStatus = "priced" if usd else "free"
    return replace(cost, status=status, list_usd=usd, usd=usd, lines=fees, warnings=(*cost.warnings, note))


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


def own_parts(usage: Usage, terms: Terms) -> Iterator[tuple[Usage, Terms]]:
    """Give what the answering model used, call by call where the calls may fall on both sides of a context tier."""
    if not usage.calls:
        yield usage, terms
        return
    for call in usage.calls:
        yield call, replace(terms, context_tokens=call.input_tokens or 0)
    if usage.fees:
        yield Usage(input_tokens=0, output_tokens=0, fees=usage.fees), terms


def _other_bills(book: PriceBook, usage: Usage, provider: str, terms: Terms) -> Iterator[Bill]:
    """Charge what other models inside the payload used, each at its own price."""
    for name, part in usage.other_models:
        match = book.match(provider, name, terms.at)
        if match is None:
            yield Bill(lines=(), unpriced=(missing_price(book, provider, name, terms.at),))
            continue
        yield charge(part, match.price, other_terms(part, terms), factor=match.multiply, model=name)


def other_terms(part: Usage, terms: Terms) -> Terms:
    """Say what the price of another model inside a payload depends on; `terms` are those of the payload."""
    return Terms(
        at=terms.at,
        context_tokens=part.context_tokens if part.context_tokens is not None else part.input_tokens or 0,
        tier=terms.tier,
        geo=terms.geo,
        thinking=part.thinking,
    )


def _total(match: Match, bills: list[Bill], warnings: list[str]) -> Cost:
    lines = tuple(chain.from_iterable(bill.lines for bill in bills))
    unpriced = tuple(chain.from_iterable(bill.unpriced for bill in bills))
    is_free = match.price.free and not any(line.usd for line in lines)
    found = Cost(status="unpriced", list_usd=None, usd=None, lines=lines, price=match.price, via=match.via)
    if unpriced and (len(bills) > 1 or not is_free):
        warnings += unpriced
        return found
    total = reduce(EXACT.add, (line.usd for line in lines), Decimal(0))
    return replace(found, status="free" if is_free else "priced", list_usd=total, usd=total)


def _stated(usage: Usage, cost: Cost | None, warnings: list[str]) -> Cost:
    """Put what the provider states beside what the book says; the stated amount is what was charged."""
    cost = cost or Cost(status="unpriced", list_usd=None, usd=None)
    if usage.stated_cost_usd is None:
        return replace(cost, warnings=_once(warnings), is_lower_bound=usage.is_incomplete and cost.usd is not None)
    billed, compared, notes = _billed(usage, usage.stated_cost_usd, cost.list_usd)
    if billed is None or compared is None:
        return replace(cost, warnings=_once([*warnings, *notes]))
    notes += _difference(compared, cost.list_usd)
    status: CostStatus = "priced" if billed or cost.list_usd is None else cost.status
    return replace(cost, usd=billed, status=status, warnings=_once([*warnings, *notes]))


def _billed(
    usage: Usage, stated: Decimal, list_usd: Decimal | None
) -> tuple[Decimal | None, Decimal | None, list[str]]:
    """Say what was charged where a payload states an amount, the amount to hold the list price against, and notes.

    With the user's own key the bill is what was charged here and what the provider behind it charged. Zero for a model
    that has a price is no charge that was made: trials, credits and broken gateways state it, so the list price counts.
    """
    if usage.own_key:
        upstream = usage.stated_upstream_usd or list_usd
        note = _own_key_note(stated, usage.stated_upstream_usd, upstream)
        return (None if upstream is None else add((stated, upstream))), upstream, [note]
    if stated == 0 and list_usd != 0:
        counted = "the list price is taken" if list_usd is not None else "what it cost is not known"
        note = f"the payload states 0 USD for a model that is not known to be free: {counted}"
        return list_usd, list_usd, [note]
    return stated, stated, []


def _difference(compared: Decimal, list_usd: Decimal | None) -> list[str]:
    if list_usd is None:
        return ["charged as the provider states; there is no list price to compare with"]
    if abs(compared - list_usd) <= STATED_TOLERANCE * max(abs(list_usd), abs(compared)):
        return []
    return [f"the provider states {plain(compared)} USD, the price book says {plain(list_usd)} USD"]


def _own_key_note(charged: Decimal, stated: Decimal | None, taken: Decimal | None) -> str:
    here = f"own key: {plain(charged)} USD was charged here"
    if stated:
        return f"{here}, {plain(stated)} USD by the provider behind it"
    counted = "is not known" if taken is None else f"is taken from the price book, {plain(taken)} USD"
    return f"{here}; what the provider behind it charged {counted}"


def _once(warnings: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(warnings))


def _straddles(book: PriceBook, match: Match, terms: Terms, served: Served, name: str) -> bool:
    """Tell whether the rates were others when the request was sent; `name` is the one that it is priced under."""
    if served.started_at is None:
        return False
    before = book.match(served.provider, name, served.started_at)
    return before is None or _card(before, replace(terms, at=served.started_at)) != _card(match, terms)


def _card(match: Match, terms: Terms) -> RateCard:
    return rates_in_force(match.price, terms, factor=match.multiply)
