"""What a tool says that its run cost, beside the list price of the same requests, and why the two may differ.

Pure. Data flows a tool's sum + `Spend`s of the cell + rates of other days -> `ToolCost`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import reduce

from harness.instants import from_us
from harness.ledger.records import CellRecord, RunRecord
from harness.pricing.book import PriceBook
from harness.reports.facts.report_facts import NOTHING, CostSums, Spend, TokenSums, ToolCost
from harness.usage.values import Meter

TOLERANCE = Decimal("0.001")
"""A tool's floating-point sum may be this far from the exact one."""
LEAST_USD = Decimal("0.0000005")
"""Many tools round each request to a millionth of a dollar."""
_PER_TOKEN = Decimal("1e-6")
Rates = Mapping[Meter, Decimal]


def tool_cost(usd: Decimal, n_attempts: int, spends: Sequence[Spend], others: Sequence[tuple[str, Rates]]) -> ToolCost:
    """Hold a tool's sum against the list price, where it is about all requests that have one.

    Args:
        usd: what the tool says.
        n_attempts: of how many requests.
        spends: of the cell, by purpose.
        others: rates of other days, USD per million tokens, each with a word for the day.
    """
    spend = reduce(Spend.plus, spends, NOTHING)
    if spend.n_unpriced_attempts or n_attempts != spend.n_priced_attempts:
        return ToolCost(usd=usd, n_attempts=n_attempts)
    reason = likely_reason(usd, n_attempts, spend, others)
    return ToolCost(usd=usd, n_attempts=n_attempts, list_usd=spend.cost.total, reason=reason)


def likely_reason(usd: Decimal, n_attempts: int, spend: Spend, others: Sequence[tuple[str, Rates]]) -> str | None:
    """Say what would make a tool's sum of the list price; None = they agree, or nothing known does."""
    slack = LEAST_USD * n_attempts
    if _agree(usd, spend.cost.total, slack):
        return None
    candidates = (*_mistakes(spend.cost, spend.tokens), *_other_days(spend.tokens, others))
    return next((why for why, amount in candidates if _agree(usd, amount, slack)), "the reason is not known")


def _agree(one: Decimal, other: Decimal, slack: Decimal) -> bool:
    return abs(one - other) <= max(slack, TOLERANCE * max(abs(one), abs(other)))


def _mistakes(cost: CostSums, tokens: TokenSums) -> Iterator[tuple[str, Decimal]]:
    total = cost.total
    if tokens.cache_read_tokens and tokens.input_tokens:
        again = cost.input / tokens.input_tokens * tokens.cache_read_tokens
        yield "cached tokens at the full rate", total - cost.cache_read + again
        yield "cached tokens charged twice", total + again
        yield "cached tokens left out", total - cost.cache_read
    if cost.cache_write:
        yield "tokens written to a cache left out", total - cost.cache_write
    if cost.reasoning:
        yield "reasoning left out", total - cost.reasoning
        yield "reasoning charged twice", total + cost.reasoning
    if cost.fees:
        yield "fees for searches and the like left out", total - cost.fees
    yield "another tier: twice the price, as without the batch discount", 2 * total
    yield "another tier: half the price, as in a batch", total / 2


def _other_days(tokens: TokenSums, others: Sequence[tuple[str, Rates]]) -> Iterator[tuple[str, Decimal]]:
    for day, rates in others:
        full, out = rates.get(Meter.INPUT, Decimal(0)), rates.get(Meter.OUTPUT, Decimal(0))
        amount = (
            tokens.input_tokens * full
            + tokens.cache_read_tokens * rates.get(Meter.CACHE_READ, full)
            + tokens.cache_write_tokens * rates.get(Meter.CACHE_WRITE_5M, full)
            + tokens.output_tokens * out
        )
        yield f"the price of another day ({day})", amount * _PER_TOKEN


def other_rates(book: PriceBook, cell: CellRecord, run: RunRecord) -> list[tuple[str, Rates]]:
    """List the rates that a cell's model had before and after its run."""
    now = book.match(cell.provider, cell.model, from_us(run.created_at_us))
    found: list[tuple[str, Rates]] = []
    for since in (None, *book.boundaries(cell.provider, cell.model)):
        match = book.match(cell.provider, cell.model, since or datetime.min.replace(tzinfo=UTC))
        if match is not None and (now is None or match.price is not now.price) and not match.price.free:
            day = "before any change" if since is None else f"from {since:%Y-%m-%d}"
            found.append((day, {meter: rate * match.multiply for meter, rate in match.price.rates.items()}))
    return found
