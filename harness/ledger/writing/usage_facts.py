"""From a provider's usage to the ledger's columns: `Usage` and its disjoint meters -> `UsageFacts`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.ledger.encoding import storable
from harness.ledger.records import UsageFacts, UsageSource
from harness.usage.values import Meter, Usage

COLUMN_METERS = frozenset(
    {Meter.INPUT, Meter.CACHE_READ, Meter.CACHE_WRITE_5M, Meter.CACHE_WRITE_1H, Meter.OUTPUT, Meter.REASONING}
)
"""Meters with a column of their own; every other meter goes to `other_meters`."""


def usage_facts(
    usage: Usage,
    meters: Mapping[Meter, int],
    *,
    raw_usage: Mapping[str, Any] | None,
    usage_kind: str,
    source: UsageSource | None = None,
    other_model_meters: Mapping[str, Mapping[Meter, int]] | None = None,
    thinking_asked: bool | None = None,
) -> UsageFacts:
    """Spread a usage over the ledger's columns.

    Args:
        usage: as read by `harness.usage.read_usage`.
        meters: `harness.usage.meters(usage)`.
        raw_usage: the payload as received; None = the provider sent none.
        usage_kind: the reader's name.
        source: None = `provider` when there is a payload, else `missing`.
        other_model_meters: meters of `usage.other_models`, by model.
        thinking_asked: whether the request switched thinking on; counts where the payload cannot say.
    """
    missing = usage.input_tokens is None and usage.output_tokens is None
    others = (
        {}
        if meters.keys() <= COLUMN_METERS
        else {str(meter): count for meter, count in meters.items() if meter not in COLUMN_METERS and count}
    )
    models = [
        {"model": storable(model, 200), "meters": {str(meter): count for meter, count in found.items()}}
        for model, found in (other_model_meters or {}).items()
    ]
    # what sums cannot carry is charged by itself: other meters, other models, several tiers, an incomplete bill
    own_bill = others or models or usage.calls or (usage.flags and usage.is_incomplete)

    def counted(stated: int | None, meter: Meter) -> int | None:
        # one total without the other is no usage that can be charged: half of it would look like the whole bill
        return None if stated is None or usage.is_missing else meters.get(meter, 0)

    return UsageFacts(
        input_tokens=counted(usage.input_tokens, Meter.INPUT),
        cache_read_tokens=counted(usage.cache_read_tokens, Meter.CACHE_READ),
        cache_write_5m_tokens=counted(usage.cache_write_5m_tokens, Meter.CACHE_WRITE_5M),
        cache_write_1h_tokens=counted(usage.cache_write_1h_tokens, Meter.CACHE_WRITE_1H),
        output_tokens=(None if usage.is_missing else meters.get(Meter.OUTPUT, 0) + meters.get(Meter.REASONING, 0)),
        reasoning_tokens=counted(usage.reasoning_tokens, Meter.REASONING),
        other_meters={"meters": others, "other_models": models} if own_bill else None,
        raw_usage=raw_usage,
        usage_kind=usage_kind,
        usage_source=source or ("missing" if missing else "provider"),
        flags=tuple([(flag.name, flag.detail) for flag in usage.flags]),
        stated_cost_usd=usage.stated_cost_usd,
        context_tokens=usage.context_tokens if usage.context_tokens is not None else usage.input_tokens,
        speed=usage.speed,
        inference_geo=usage.inference_geo,
        thinking=usage.thinking if usage.thinking is not None else thinking_asked,
    )
