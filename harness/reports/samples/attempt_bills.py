"""How the cost of one attempt came about: meter by meter, with the rate, the price row and who says so.

The lines are those of the export `charges` and the dollars those of the report, to the last digit: both come from what
makes these. Data flows an attempt with all that its charge depends on + price book -> `AttemptBill`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal, NamedTuple

from harness.costs.charge import unit_of
from harness.costs.cost import Cost, find_price, other_terms, own_parts, price_request
from harness.costs.served import Served
from harness.ledger.columns import TokenCounts
from harness.ledger.encoding import read_json
from harness.ledger.reading.attempt_rows import AttemptRow
from harness.ledger.reading.charged_rows import ChargedRow
from harness.ledger.reading.sums import ToolStatement
from harness.ledger.records import InvoicedRecord
from harness.money import add, from_pico
from harness.pricing.book import PriceBook
from harness.pricing.rates import adjustments_in_force
from harness.reports.exports.attempt_rates import AttemptRates, Line, lines_of_cost
from harness.reports.facts.apart import context_of, served_group
from harness.reports.facts.charger import served_row, usage_of_row
from harness.reports.facts.report_facts import ZERO, Spend
from harness.reports.prices.explanation import Explanation, explain
from harness.reports.prices.price_tables import adjustment_sentence
from harness.reports.questions import Pricing
from harness.usage.values import Meter, Usage

BillKind = Literal["charged", "free", "stated", "invoiced", "reused", "open", "usage unknown", "unpriced", "not billed"]
QUESTIONS = {"batch": Pricing(batch=True), "no-cache": Pricing(no_cache=True)}
"""What is asked of each attempt besides, by the words of `--what-if`."""


class BillLine(NamedTuple):
    """One line of a bill; `model` = another model inside the payload was charged."""

    meter: str
    quantity: int
    unit: str
    usd_per_unit: Decimal | None
    usd: Decimal | None
    price_model: str | None
    price_from_us: int | None
    model: str | None = None

    @property
    def usd_per_mtok(self) -> Decimal | None:
        """The rate per million tokens; None for what is sold by the piece."""
        return self.usd_per_unit.scaleb(6) if self.unit == "token" and self.usd_per_unit is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceUsed:
    """A price row that decided something of a bill.

    Attributes:
        model: another model inside the payload; None = the one that answered.
        applied: adjustments that held (tier, size of the prompt, region, time), one sentence each.
    """

    explanation: Explanation
    applied: tuple[str, ...]
    model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptBill:
    """What one attempt cost, and why.

    Attributes:
        spend: as the report counts it.
        lines: as the export `charges` has them, at list price.
        charged_usd: what the provider states, or an account, else the list price; None = not known.
        list_usd: their sum; None = there is no list price for all of it.
        bound_usd: what it can have cost at most where that is not known; None = there is no bound, or none is needed.
        notes: what was assumed, and what does not agree.
        what_if: the same request asked differently, by question; None = not known.
    """

    kind: BillKind
    spend: Spend
    lines: tuple[BillLine, ...] = ()
    charged_usd: Decimal | None = None
    list_usd: Decimal | None = None
    bound_usd: Decimal | None = None
    prices: tuple[PriceUsed, ...] = ()
    notes: tuple[str, ...] = ()
    what_if: Mapping[str, Decimal | None]

    @property
    def usd(self) -> Decimal | None:
        """What the report counts for it: the list price, what is stated or invoiced without one; None = not known."""
        return None if self.kind in ("open", "usage unknown") else self.spend.known_usd


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFacts:
    """One attempt with its bill.

    Attributes:
        told: what accounts say of it, in the order recorded: the newest counts.
        tool: what the tool that wrote an imported log says that it cost.
    """

    row: AttemptRow
    bill: AttemptBill
    told: tuple[InvoicedRecord, ...]
    tool: ToolStatement | None

    @property
    def flags(self) -> tuple[tuple[str, str], ...]:
        """Why the usage does not add up, each with its detail."""
        return tuple((name, detail) for name, detail in read_json(self.row.usage_flags) or ())

    @property
    def duration_s(self) -> float | None:
        """Seconds from sending to the end; None = it was never settled, or an earlier run's answer was taken."""
        if self.row.finished_at_us is None or self.row.status == "reused":
            return None
        return (self.row.finished_at_us - self.row.started_at_us) / 1_000_000


def attempt_bill(
    rates: AttemptRates, row: ChargedRow, whole: AttemptRow, spend: Spend, told: Sequence[InvoicedRecord]
) -> AttemptBill:
    """Explain what one attempt cost.

    Args:
        rates: remembered over attempts.
        row, whole: the same attempt.
        spend: what the report counts for it.
        told: what accounts say of it, the newest last.
    """
    book = rates.book
    if row.status == "reused":
        return _reused(book, row, whole, spend)
    unknown = _unknown_bill(row, whole, told)
    if unknown is not None:
        reserved = from_pico(whole.reserved_pico_usd) if whole.reserved_pico_usd else None
        bound = None if unknown in ("invoiced", "not billed") else reserved
        # as reports have it: what was invoiced stays what it is
        same = dict.fromkeys(QUESTIONS if unknown == "invoiced" else (), spend.known_usd)
        charged = spend.known_usd if unknown in ("invoiced", "not billed") else None
        return AttemptBill(kind=unknown, spend=spend, charged_usd=charged, bound_usd=bound, what_if=same)
    usage, served = priced_as(row, whole)
    cost = price_request(book, usage, served)
    lines = rates.lines(row) if row.summable else lines_of_cost(cost)
    kind = _kind(cost, spend)
    return AttemptBill(
        kind=kind,
        spend=spend,
        lines=tuple(_lines(lines, cost)),
        charged_usd=cost.usd,
        list_usd=cost.list_usd,
        bound_usd=from_pico(whole.reserved_pico_usd) if kind == "unpriced" and whole.reserved_pico_usd else None,
        prices=tuple(_prices(book, usage, served)),
        notes=cost.warnings,
        what_if={
            name: price_request(book, asked.usage(usage, served), asked.served(served)).usd
            for name, asked in QUESTIONS.items()
        },
    )


def _reused(book: PriceBook, row: ChargedRow, whole: AttemptRow, spend: Spend) -> AttemptBill:
    """Charge nothing for an answer that an earlier run was billed for, and say what it costs at list price."""
    known = row.tokens.input_tokens is not None
    usd = price_request(book, *priced_as(row, whole)).usd if known and row.finished_at_us is not None else None
    return AttemptBill(kind="reused", spend=spend, charged_usd=ZERO, list_usd=usd, what_if={})


def _unknown_bill(row: ChargedRow, whole: AttemptRow, told: Sequence[InvoicedRecord]) -> BillKind | None:
    """Say what stands in place of a bill where usage and prices do not make one; None = they do."""
    if whole.is_bill_unknown and told and told[-1].billed_pico_usd is not None:
        return "invoiced"
    if row.status == "sent":
        return "open"
    if row.tokens.input_tokens is None and row.summable:
        return "not billed" if whole.billed == "no" else "usage unknown"
    return None


def _kind(cost: Cost, spend: Spend) -> BillKind:
    if spend.n_unpriced_attempts:
        return "unpriced"
    if cost.usd is not None and cost.usd != cost.list_usd:
        return "stated"
    return "free" if cost.status == "free" else "charged"


def priced_as(row: ChargedRow, whole: AttemptRow) -> tuple[Usage, Served]:
    """Say as what an attempt is priced: by its stored tokens and group, else by its payload."""
    if not row.summable:
        return usage_of_row(whole), served_row(whole)
    assert row.group is not None  # it is settled
    assert row.finished_at_us is not None
    tokens: TokenCounts[int | None] = row.tokens
    context = context_of(row.usage_kind, row.payload, tokens.all_input_tokens)
    group = replace(row.group, slot_us=row.finished_at_us, context_bucket=context)
    return tokens.usage(context_tokens=context), served_group(group, row.provider, row.model)


def _lines(lines: Iterable[Line], cost: Cost) -> Iterator[BillLine]:
    others = [line for line in cost.lines if line.model is not None]
    for meter, quantity, rate, usd, name, start in lines:
        unit = "request" if meter == "stated" else unit_of(Meter(meter))
        same = (each.model for each in others if (each.meter, each.quantity, each.usd) == (meter, quantity, usd))
        yield BillLine(meter, quantity, unit, rate, usd, name, start, next(same, None))


def _prices(book: PriceBook, usage: Usage, served: Served) -> Iterator[PriceUsed]:
    match, name, _ = find_price(
        book, served.provider, served.model, usage.served_model or served.model_served, served.at
    )
    terms = served.terms(usage)
    if match is not None:
        held = [
            adjustment_sentence(each) for _, own in own_parts(usage, terms)
            for each in adjustments_in_force(match.price, own)
        ]  # fmt: skip
        why = explain(book, served.provider, name, terms, ())
        yield PriceUsed(explanation=why, applied=tuple(dict.fromkeys(held)))
    for other, part in usage.other_models:
        why = explain(book, served.provider, other, other_terms(part, terms), ())
        yield PriceUsed(explanation=why, applied=tuple(map(adjustment_sentence, why.applied)), model=other)


def what_if_usd(bills: Sequence[AttemptBill], question: str) -> Decimal | None:
    """Add up what attempts would have cost; None = of one that was charged it is not known, or none was."""
    asked = [bill.what_if[question] for bill in bills if question in bill.what_if]
    known = [usd for usd in asked if usd is not None]
    return add(known) if known and len(known) == len(asked) else None
