"""The most that a request can cost, before it is sent.

Pure. Data flows (`PriceBook`, token limits, what is known of how it will be `Served`) -> dollars.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from harness.costs.served import Served
from harness.money import add, multiply
from harness.pricing.book import Match, PriceBook
from harness.pricing.rates import PossibleTerms, highest_rates
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


def worst_case_usd(book: PriceBook, served: Served, *, input_tokens: int, max_output_tokens: int) -> Decimal | None:
    """Bound from above what a request sent at `served.at` can cost, until `LONGEST_REQUEST` later.

    Counts every input token at the dearest input-side rate (cache writes included) and every output token at the
    dearest output-side rate, over all tiers, regions, windows and price changes that could apply. Tool fees, which
    no token count bounds, are not included. `service_tier` ("default" for the list price), `inference_geo` ("" for
    none) and `speed` ("standard") narrow the bound where the request fixes them; None means any.

    Returns:
        USD, 0 for a free model, None when the model is unpriced at any instant of the span.
    """
    last = served.at + LONGEST_REQUEST
    possible = served.possible_terms(input_tokens, last)
    moments = [moment for moment in book.boundaries(served.provider, served.model) if served.at < moment <= last]
    worst = Decimal(0)
    for moment in (served.at, *moments):
        match = book.match(served.provider, served.model, moment)
        bound = None if match is None else _bound_usd(match, possible, max_output_tokens)
        if bound is None:
            return None
        worst = max(worst, bound)
    return worst


def _bound_usd(match: Match, possible: PossibleTerms, max_output_tokens: int) -> Decimal | None:
    """Bound a request under one row; None when the row has no rate for its input or for its output."""
    if match.price.free:
        return Decimal(0)
    rates = highest_rates(match.price, possible, factor=match.multiply)
    input_rate = max((rate for meter, rate in rates.items() if meter in _INPUT_SIDE), default=None)
    output_rate = max((rate for meter, rate in rates.items() if meter in _OUTPUT_SIDE), default=None)
    if input_rate is None or output_rate is None:
        return None
    return add((multiply(input_rate, possible.context_tokens), multiply(output_rate, max_output_tokens)))
