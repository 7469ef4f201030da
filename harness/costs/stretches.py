"""Charges many attempts at once from sums over groups, to the same last digit as one by one.

Pure. A charge is linear in tokens once the rates are known, so sums are charged where nothing that a price depends on
can change inside the group; other groups are asked for their rows. Data flows `UsageGroup` sums -> `GroupBill`s.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from harness.costs.cost import Charge, CostStatus, find_price, line_of
from harness.money import add
from harness.pricing.book import Match, PriceBook
from harness.pricing.rates import RateCard, rates_in_force, terms_of
from harness.pricing.rows import Adjustment, Price
from harness.usage.values import Meter

DAY_S = 86_400
DAY_US = DAY_S * 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupTerms:
    """What a price can depend on, shared by all attempts of a group.

    Attributes:
        provider, model: as asked for.
        served_model: as the response named it; None = not named.
        start_us: earliest completion, microseconds since the epoch in UTC.
        span_us: completions lie before `start_us + span_us`; 0 = all at `start_us`.
        least_context_tokens, most_context_tokens: prompt sizes lie between, both included; None = no upper bound.
    """

    provider: str
    model: str
    start_us: int
    span_us: int = 0
    served_model: str | None = None
    service_tier: str | None = None
    mode: str | None = None
    speed: str | None = None
    inference_geo: str | None = None
    thinking: bool | None = None
    least_context_tokens: int = 0
    most_context_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupUsage:
    """Summed quantities of a group.

    Attributes:
        owner: whose bill it goes on (a cell, a purpose); bills are kept apart by it.
        quantities: disjoint meters, summed over the attempts whose usage is known.
        n_attempts: how many attempts those are.
    """

    owner: Hashable
    terms: GroupTerms
    quantities: Mapping[Meter, int]
    n_attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupBill:
    """The list price of all attempts of one owner that had the same rates.

    Attributes:
        status: `unpriced` when any part of it has no rate; `lines` then hold what could be charged.
        usd: None when unpriced.
        price: the row used; None when there is none.
    """

    owner: Hashable
    status: CostStatus
    usd: Decimal | None
    lines: tuple[Charge, ...]
    price: Price | None
    n_attempts: int
    warnings: tuple[str, ...] = ()


RowsOf = Callable[[GroupUsage], Iterable[GroupUsage]]
"""Gives a group's attempts one by one: groups of one, with `span_us = 0` and their own prompt size."""


def charge_groups(book: PriceBook, groups: Iterable[GroupUsage], rows_of: RowsOf) -> list[GroupBill]:
    """Charge groups; a group inside which a price may change is charged row by row instead.

    Args:
        groups: sums; attempts that carry fees, other models or a stated cost are to be charged with `cost_of`.
        rows_of: asked for the rows of such a group.

    Returns:
        A bill per owner and set of rates, in the order in which they first occurred. Their sum equals the sum of
        `cost_of(...).list_usd` over the rows exactly.
    """
    plans: dict[tuple[Hashable, ...], _RatePlan] = {}
    # by identity: sums of many owners share one `GroupTerms`, and hashing its twelve fields is what would take time
    uniform: dict[int, tuple[GroupTerms, _Rates | None]] = {}
    tabs: dict[tuple[Hashable, _Rates], _Tab] = {}

    def take(part: GroupUsage, rates: _Rates) -> None:
        tab = tabs.get((part.owner, rates))
        if tab is None:
            tab = tabs[part.owner, rates] = _Tab()
        tab.take(part)

    for group in groups:
        terms = group.terms
        known = uniform.get(id(terms))
        if known is None:
            plan = _plan(plans, book, terms)
            known = uniform[id(terms)] = terms, plan.rates(book, terms) if plan.is_uniform(terms) else None
        rates = known[1]
        if rates is not None:
            take(group, rates)
            continue
        for part in rows_of(group):
            take(part, _plan(plans, book, part.terms).rates(book, part.terms))
    return [_bill(owner, rates, tab) for (owner, rates), tab in tabs.items()]


def total_usd(bills: Iterable[GroupBill]) -> tuple[Decimal, int]:
    """Sum the priced bills, and count the attempts of unpriced ones: with any, the sum is a lower bound."""
    kept = list(bills)
    priced = add(bill.usd for bill in kept if bill.usd is not None)
    return priced, sum(bill.n_attempts for bill in kept if bill.usd is None)


@dataclass(slots=True)
class RateStretches:
    """Tells where the rates of a book can change; asked by everything that charges sums in place of attempts."""

    book: PriceBook
    plans: dict[tuple[Hashable, ...], _RatePlan] = field(default_factory=dict)

    def may_change_within(self, terms: GroupTerms) -> bool:
        """Tell whether attempts of a group can differ in their rates: then they are charged one by one."""
        return not _plan(self.plans, self.book, terms).is_uniform(terms)

    def depend_on_thinking(self, terms: GroupTerms) -> bool:
        """Tell whether the rates of such requests depend on whether the model thought."""
        return _plan(self.plans, self.book, terms).by_thinking

    def stretch(self, terms: GroupTerms) -> Hashable:
        """Name the stretch of time and prompt sizes that an attempt falls into: those of one stretch share rates."""
        return _plan(self.plans, self.book, terms).stretch(terms)


@dataclass(slots=True)
class _Tab:
    """Quantities that share their rates."""

    quantities: dict[Meter, int] = field(default_factory=dict)
    n_attempts: int = 0

    def take(self, part: GroupUsage) -> None:
        for meter, quantity in part.quantities.items():
            self.quantities[meter] = self.quantities.get(meter, 0) + quantity
        self.n_attempts += part.n_attempts


@dataclass(frozen=True, slots=True, eq=False)
class _Rates:
    """The rates of one stretch of time and prompt size; compared by identity."""

    match: Match | None
    card: RateCard | None
    warnings: tuple[str, ...]


@dataclass(slots=True)
class _RatePlan:
    """Where the rates of one kind of request can change, and the rates of each stretch between, once they are known."""

    moments_us: list[int]
    day_edges_s: list[int]
    by_date: bool
    context_edges: list[int]
    by_thinking: bool = False
    known: dict[tuple[int, int, int, int], _Rates] = field(default_factory=dict)

    def is_uniform(self, terms: GroupTerms) -> bool:
        """Tell whether all attempts of a group have the same rates."""
        last_us = terms.start_us + max(terms.span_us - 1, 0)
        if bisect_right(self.moments_us, terms.start_us) != bisect_right(self.moments_us, last_us):
            return False
        if bisect_right(self.context_edges, terms.least_context_tokens) != self._context_place(terms):
            return False
        if not (self.day_edges_s or self.by_date):
            return True
        same_day = terms.start_us // DAY_US == last_us // DAY_US
        return same_day and self._time_of_day(terms.start_us) == self._time_of_day(last_us)

    def rates(self, book: PriceBook, terms: GroupTerms) -> _Rates:
        """Give the rates at a group's first instant and smallest prompt."""
        stretch = self.stretch(terms)
        found = self.known.get(stretch)
        if found is None:
            found = self.known[stretch] = _find_rates(book, terms)
        return found

    def stretch(self, terms: GroupTerms) -> tuple[int, int, int, int]:
        """Name the stretch of a group's first instant and smallest prompt."""
        return (
            bisect_right(self.moments_us, terms.start_us),
            *self._time_of_day(terms.start_us),
            bisect_right(self.context_edges, terms.least_context_tokens),
        )

    def _context_place(self, terms: GroupTerms) -> int:
        if terms.most_context_tokens is None:
            return len(self.context_edges)
        return bisect_right(self.context_edges, terms.most_context_tokens)

    def _time_of_day(self, moment_us: int) -> tuple[int, int]:
        """Place an instant between the edges of daily windows, and on its date where dates or weekdays matter."""
        day, second = divmod(moment_us // 1_000_000, DAY_S)
        return (day if self.by_date else 0), bisect_right(self.day_edges_s, second)


def _plan(plans: dict[tuple[Hashable, ...], _RatePlan], book: PriceBook, terms: GroupTerms) -> _RatePlan:
    kind = (
        terms.provider,
        terms.model,
        terms.served_model,
        terms.service_tier,
        terms.mode,
        terms.speed,
        terms.inference_geo,
        terms.thinking,
    )
    if kind not in plans:
        plans[kind] = _new_plan(book, terms)
    return plans[kind]


def _new_plan(book: PriceBook, terms: GroupTerms) -> _RatePlan:
    names = dict.fromkeys((terms.model, terms.served_model or terms.model))
    moments = {moment for name in names for moment in book.boundaries(terms.provider, name)}
    adjustments: list[Adjustment] = [
        adjustment
        for name in names
        for record in book.reachable(terms.provider, name)
        if isinstance(record, Price)
        for adjustment in record.adjustments
    ]
    sizes = {adjustment.least_context_tokens for adjustment in adjustments}
    sizes |= {
        adjustment.most_context_tokens + 1 for adjustment in adjustments if adjustment.most_context_tokens is not None
    }
    windows = [window for adjustment in adjustments for window in adjustment.hours]
    return _RatePlan(
        moments_us=sorted((moment - _EPOCH) // _US for moment in moments),
        day_edges_s=sorted({edge for window in windows for edge in (window.start_s, window.end_s % DAY_S)}),
        by_date=any(adjustment.weekdays or adjustment.except_dates for adjustment in adjustments),
        context_edges=sorted(sizes - {0}),
        by_thinking=any(adjustment.thinking is not None for adjustment in adjustments),
    )


def _find_rates(book: PriceBook, terms: GroupTerms) -> _Rates:
    at = _EPOCH + terms.start_us * _US
    match, _, warnings = find_price(book, terms.provider, terms.model, terms.served_model, at)
    if match is None:
        return _Rates(None, None, tuple(warnings))
    asked = terms_of(
        at=at,
        context_tokens=terms.least_context_tokens,
        service_tier=terms.service_tier,
        mode=terms.mode,
        speed=terms.speed,
        inference_geo=terms.inference_geo,
        thinking=terms.thinking,
    )
    card = rates_in_force(match.price, asked, factor=match.multiply)
    return _Rates(match, card, (*warnings, *card.warnings))


def _bill(owner: Hashable, rates: _Rates, tab: _Tab) -> GroupBill:
    nothing = GroupBill(
        owner=owner,
        status="unpriced",
        usd=None,
        lines=(),
        price=None,
        n_attempts=tab.n_attempts,
        warnings=rates.warnings,
    )
    if rates.match is None or rates.card is None:
        return nothing
    price = rates.match.price
    missing = [f"no rate for {term} of {price.name}" for term in rates.card.unknown_terms]
    lines = []
    for meter, quantity in tab.quantities.items():
        rate = Decimal(0) if price.free else rates.card.rate(meter)
        if rate is not None:
            lines.append(line_of(meter, quantity, rate))
        elif quantity:
            missing.append(f"no {meter.value} rate for {price.name}")
    found = replace(nothing, lines=tuple(lines), price=price, warnings=(*rates.warnings, *missing))
    if missing:
        return found
    return replace(found, status="free" if price.free else "priced", usd=add(line.usd for line in lines))
