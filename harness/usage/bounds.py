"""What one request can have used at most.

Pure. Data flows a reader's `Usage` -> `sensible` -> the same usage, or what of it can be true, with a flag for the
rest: a count beyond any sense must neither be billed nor keep the row of a paid answer out of the ledger.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from harness.usage.payload import shown
from harness.usage.values import Flag, Usage

MOST_TOKENS = 10**9
"""A hundred times the largest context window that was ever on offer."""
MOST_CALLS = 10**6
"""Searches, images and other fees of one request."""
MOST_USD = Decimal(100_000)
"""A hundred times the dearest request that a price list and a context window allow."""

BEYOND_SENSE = "beyond_sense"
COST_BEYOND_SENSE = "cost_beyond_sense"
COST_IN_DOUBT = frozenset({COST_BEYOND_SENSE, "amount_too_large"})
"""Flags that say: an amount was stated, and it cannot be what was charged."""


def sensible(usage: Usage) -> Usage:
    """Drop what no single request can have used; totals that cannot be true are not known, and flags say so."""
    if _is_usual(usage):
        return usage  # nearly every request
    found = _without_nonsense_counts(usage)
    stated = found.stated_cost_usd
    if stated is not None and stated > MOST_USD:
        flag = Flag(name=COST_BEYOND_SENSE, detail=f"a cost of {shown(stated)} USD is stated for one request")
        found = replace(found, stated_cost_usd=None, stated_upstream_usd=None, flags=(*found.flags, flag))
    return found


def _is_usual(usage: Usage) -> bool:
    if usage.fees or usage.other_models or usage.stated_cost_usd is not None or usage.context_tokens is not None:
        return False
    return (usage.input_tokens or 0) <= MOST_TOKENS and (usage.output_tokens or 0) <= MOST_TOKENS


def _without_nonsense_counts(usage: Usage) -> Usage:
    flags = [*_nonsense(usage)]
    for model, part in usage.other_models:
        flags += [replace(flag, detail=f"{model[:80]}: {flag.detail}") for flag in _nonsense(part)]
    if not flags:
        return usage
    return Usage(
        input_tokens=None,
        output_tokens=None,
        fees={meter: count for meter, count in usage.fees.items() if count <= MOST_CALLS},
        stated_cost_usd=usage.stated_cost_usd,
        stated_upstream_usd=usage.stated_upstream_usd,
        served_model=usage.served_model,
        service_tier=usage.service_tier,
        speed=usage.speed,
        inference_geo=usage.inference_geo,
        thinking=usage.thinking,
        flags=(*usage.flags, *flags),
        unknown_fields=usage.unknown_fields,
    )


def _nonsense(usage: Usage) -> list[Flag]:
    """Name every count that cannot be true."""
    counts = {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "context_tokens": usage.context_tokens,
    }
    found = [(name, count) for name, count in counts.items() if count is not None and count > MOST_TOKENS]
    found += [(str(meter), count) for meter, count in usage.fees.items() if count > MOST_CALLS]
    return [Flag(name=BEYOND_SENSE, detail=f"{name} of one request is {shown(count)}") for name, count in found]
