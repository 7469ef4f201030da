"""The most that a request can cost, before it is sent.

Pure. Data flows (`PriceBook`, token limits, what is known of how it will be `Served`) -> dollars, or why
there is no bound.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from harness.costs.served import Served
from harness.errors import UnpricedModelError
from harness.money import add, multiply
from harness.pricing.book import Match, PriceBook
from harness.pricing.known_names import where_prices_go, why_no_price
from harness.pricing.rates import highest_rates
from harness.usage.values import Meter

LONGEST_REQUEST = timedelta(hours=24)
"""How long after sending a request may still be completed: a batch is answered within 24 hours."""

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
class NoBound:
    """Why the cost of a request has no upper bound, and what would give it one."""

    reason: str
    fix: str


def worst_case_usd(book: PriceBook, served: Served, *, input_tokens: int, max_output_tokens: int) -> Decimal | None:
    """Bound from above what a request sent at `served.at` can cost, until `LONGEST_REQUEST` later.

    Counts every input token at the dearest input-side rate (cache writes included) and every output token at the
    dearest output-side rate, over all tiers, regions, windows and price changes that could apply. Tool fees, which
    no token count bounds, are not included. `service_tier` ("default" for the list price), `inference_geo` ("" for
    none) and `speed` ("standard") narrow the bound where the request fixes them; None means any.

    Returns:
        USD, 0 for a free model, None when the model is unpriced at any instant of the span.
    """
    worst = Decimal(0)
    for _, match in _matches(book, served):
        bound = None if match is None else _bound_usd(match, served, input_tokens, max_output_tokens)
        if bound is None:
            return None
        worst = max(worst, bound)
    return worst


def no_price(book: PriceBook, served: Served) -> NoBound | None:
    """Say which price a request sent at `served.at` lacks for a worst case; None = it lacks none."""
    fix = where_prices_go(book, served.provider)
    for moment, match in _matches(book, served):
        if match is None:
            return NoBound(reason=why_no_price(book, served.provider, served.model, moment), fix=fix)
        if _bound_usd(match, served, 1, 1) is None:
            reason = f"the price of {match.price.name} has no rate for its input or for its output tokens"
            return NoBound(reason=reason, fix=fix)
    return None


def no_cap(served: Served, *, of: str) -> NoBound:
    """Say that a request without an output cap has no worst case; `of` is what the cap belongs to: `task 'add'`."""
    reason = f"{of}: no output cap, so a request to {served.provider}/{served.model} has no worst case"
    return NoBound(reason=reason, fix="add --max-output-tokens N, or max_output_tokens to the suite's task")


def cannot_hold(found: Sequence[NoBound], *, where: str) -> UnpricedModelError:
    """Make the error that refuses a budget for requests whose cost has no upper bound.

    Args:
        found: at least one reason.
        where: the budget: an option or a scope.
    """
    reasons = dict.fromkeys(each.reason for each in found)
    return UnpricedModelError(
        f"{'; '.join(reasons)}; a budget in dollars cannot hold it", where=where, fix=found[0].fix
    )


def _matches(book: PriceBook, served: Served) -> Iterator[tuple[datetime, Match | None]]:
    """Give each price that can be in force until the request is completed, and from when."""
    last = served.at + LONGEST_REQUEST
    changes = (moment for moment in book.boundaries(served.provider, served.model) if served.at < moment <= last)
    for moment in (served.at, *changes):
        yield moment, book.match(served.provider, served.model, moment)


def _bound_usd(match: Match, served: Served, input_tokens: int, max_output_tokens: int) -> Decimal | None:
    """Bound a request under one row; None when the row has no rate for its input or for its output."""
    if match.price.free:
        return Decimal(0)
    possible = served.possible_terms(input_tokens, served.at + LONGEST_REQUEST)
    rates = highest_rates(match.price, possible, factor=match.multiply)
    input_rate = max((rate for meter, rate in rates.items() if meter in _INPUT_SIDE), default=None)
    output_rate = max((rate for meter, rate in rates.items() if meter in _OUTPUT_SIDE), default=None)
    if input_rate is None or output_rate is None:
        return None
    return add((multiply(input_rate, input_tokens), multiply(output_rate, max_output_tokens)))
