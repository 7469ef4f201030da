"""From a provider's usage to the ledger's columns: `Usage` and its disjoint meters -> `UsageFacts`."""

from __future__ import annotations

from collections.abc import Mapping

from harness.ledger.columns import INPUT_METERS, TOKEN_COLUMNS
from harness.ledger.encoding import storable
from harness.ledger.records import UsageFacts, UsageSource
from harness.usage.meters import meters
from harness.usage.values import Meter, Usage

COLUMN_METERS = frozenset({*INPUT_METERS, Meter.OUTPUT, Meter.REASONING})
"""Meters with a column of their own; every other meter goes to `other_meters`."""


def usage_facts(
    usage: Usage,
    quantities: Mapping[Meter, int],
    *,
    raw_usage: Mapping[str, object] | None,
    usage_kind: str,
    thinking_asked: bool | None = None,
    counted_by: UsageSource = "provider",
) -> UsageFacts:
    """Spread a usage over the ledger's columns.

    Args:
        usage: as read by `harness.usage.read_usage`.
        quantities: `harness.usage.meters(usage)`.
        raw_usage: the payload as received; None = the provider sent none.
        usage_kind: the reader's name.
        thinking_asked: whether the request switched thinking on; counts where the payload cannot say.
        counted_by: who counted, where tokens are known at all.
    """
    return UsageFacts(
        **_counts(usage, quantities),
        other_meters=_own_bill(usage, quantities),
        raw_usage=raw_usage,
        usage_kind=usage_kind,
        usage_source="missing" if usage.input_tokens is None and usage.output_tokens is None else counted_by,
        flags=tuple([(flag.name, flag.detail) for flag in usage.flags]),
        stated_cost_usd=usage.stated_cost_usd,
        context_tokens=usage.context_tokens if usage.context_tokens is not None else usage.input_tokens,
        speed=usage.speed,
        inference_geo=usage.inference_geo,
        thinking=usage.thinking if usage.thinking is not None else thinking_asked,
    )


def _counts(usage: Usage, quantities: Mapping[Meter, int]) -> dict[str, int | None]:
    if usage.is_missing:
        # one total without the other is no usage that can be charged: half of it would look like the whole bill
        return {}
    reasoning = quantities.get(Meter.REASONING, 0)
    counts = (
        *[quantities.get(meter, 0) for meter in INPUT_METERS],
        quantities.get(Meter.OUTPUT, 0) + reasoning,
        reasoning,
    )
    return {
        column: None if getattr(usage, column) is None else count
        for column, count in zip(TOKEN_COLUMNS, counts, strict=True)
    }


def _own_bill(usage: Usage, quantities: Mapping[Meter, int]) -> dict[str, object] | None:
    """Give what sums cannot carry, so that it is charged by itself: other meters, other models, several tiers, an
    incomplete bill; None for all other usages."""
    others = _named(quantities, besides=COLUMN_METERS)
    models = [{"model": storable(model, 200), "meters": _named(meters(part))} for model, part in usage.other_models]
    if others or models or usage.calls or (usage.flags and usage.is_incomplete):
        return {"meters": others, "other_models": models}
    return None


def _named(quantities: Mapping[Meter, int], besides: frozenset[Meter] = frozenset()) -> dict[str, int]:
    if quantities.keys() <= besides:
        return {}
    return {str(meter): count for meter, count in quantities.items() if count and meter not in besides}
