"""What a payload itself says was charged: OpenRouter's and other gateways' `cost`, xAI's ticks, the bill of an own key.

Data flows the top level of a payload -> the fields of `Usage` that state money.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TypedDict

from harness.usage.payload import Fields

USD_PER_TICK = Decimal("1e-10")
"""xAI states its charge in ticks of 1e-10 USD."""
_MONEY = frozenset({"cost_details", "is_byok", "cost", "cost_in_usd_ticks"})


class StatedCost(TypedDict):
    """The fields of `Usage` that state money."""

    stated_cost_usd: Decimal | None
    stated_upstream_usd: Decimal | None
    own_key: bool


def read_stated_cost(fields: Fields) -> StatedCost:
    """Read the charge that a gateway states, and what its upstream billed to the user's own key.

    Without an own key the upstream amount is the gateway's own cost and no second bill. Where a saved payload has lost
    `is_byok`, an upstream bill beside a charge of zero can only be the user's.
    """
    if fields.lacks(_MONEY):
        return StatedCost(stated_cost_usd=None, stated_upstream_usd=None, own_key=False)
    details = fields.part("cost_details")
    details.ignore(
        "upstream_inference_prompt_cost",
        "upstream_inference_completions_cost",
        "upstream_inference_input_cost",
        "upstream_inference_output_cost",
    )
    is_byok, upstream = fields.truth("is_byok"), details.usd("upstream_inference_cost")
    stated, ticks = fields.usd("cost"), fields.count("cost_in_usd_ticks")
    if stated is None and ticks is not None:
        stated = ticks * USD_PER_TICK
    own_key = is_byok is True or (is_byok is None and stated == 0 and bool(upstream))
    return StatedCost(stated_cost_usd=stated, stated_upstream_usd=upstream if own_key else None, own_key=own_key)
