"""Reader for a saved litellm `Usage`: a normalised shape, in which a provider's own payload can no longer be told.

Data flows one payload -> `Draft` -> `Usage`; cached tokens are inside the prompt, reasoning is inside the completion.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from harness.usage.anthropic import OWN_CALLS
from harness.usage.draft import Draft
from harness.usage.payload import Fields
from harness.usage.values import Meter, Usage


def read_litellm_usage(raw: Mapping[str, Any]) -> Usage:
    """Read `litellm.usage`.

    litellm writes 0 where the provider sent no usage (`prompt_tokens or 0`), so three zeros are unknown usage. Calls of
    an advisor model are inside its sums; they are taken out again, since they have another price.
    """
    fields = Fields(raw)
    draft = Draft(
        fields=fields, input_tokens=fields.count("prompt_tokens"), output_tokens=fields.count("completion_tokens")
    )
    _read_input(draft)
    details = fields.part("completion_tokens_details")
    details.ignore("text_tokens", "accepted_prediction_tokens", "rejected_prediction_tokens", "video_tokens")
    nested, top = details.count("reasoning_tokens"), fields.count("reasoning_tokens")
    draft.reasoning_tokens = nested if nested is not None else (top or None)
    draft.output_audio_tokens, draft.output_image_tokens = details.count("audio_tokens"), details.count("image_tokens")
    total = fields.count("total_tokens")
    draft.check_total(total)
    others, context_tokens = _read_iterations(draft)
    tools = fields.part("server_tool_use")
    thinking = True if draft.reasoning_tokens else None
    return draft.usage(
        context_tokens=context_tokens,
        fees={
            Meter.WEB_SEARCH: tools.count("web_search_requests"),
            Meter.WEB_FETCH: tools.count("web_fetch_requests"),
        },
        stated_cost_usd=fields.usd("cost"),
        service_tier=fields.text("service_tier"),
        speed=fields.text("speed"),
        inference_geo=fields.text("inference_geo"),
        thinking=thinking,
        other_models=others,
    )


def _read_input(draft: Draft) -> None:
    """Cache counts stand at the top (Anthropic, DeepSeek), in the details, or in both."""
    fields = draft.fields
    details = fields.part("prompt_tokens_details")
    details.ignore("text_tokens", "video_tokens", "web_search_requests", "character_count", "tool_use_tokens")
    fields.ignore("prompt_cache_miss_tokens")
    draft.cache_read_tokens = _agreed(
        fields,
        "cache_read",
        details.count("cached_tokens"),
        fields.count("cache_read_input_tokens"),
        fields.count("prompt_cache_hit_tokens"),
    )
    written = _agreed(
        fields,
        "cache_write",
        details.count("cache_write_tokens"),
        details.count("cache_creation_tokens"),
        fields.count("cache_creation_input_tokens"),
    )
    lifetimes = details.part("cache_creation_token_details")
    lifetimes.count("ephemeral_5m_input_tokens")
    one_hour = lifetimes.count("ephemeral_1h_input_tokens")
    if written is not None and one_hour is not None:
        one_hour = min(one_hour, written)
        written -= one_hour
    draft.cache_write_5m_tokens, draft.cache_write_1h_tokens = written, one_hour
    draft.input_audio_tokens, draft.input_image_tokens = details.count("audio_tokens"), details.count("image_tokens")


def _agreed(fields: Fields, what: str, *counts: int | None) -> int | None:
    """One count from several places; zero beside a number is a default that was never filled in."""
    known = sorted({count for count in counts if count is not None})
    positive = [count for count in known if count]
    if len(positive) > 1:
        fields.flag(f"{what}_counts_disagree", f"stated as {known}; the smallest above zero is taken")
    return positive[0] if positive else (known[0] if known else None)


def _read_iterations(draft: Draft) -> tuple[tuple[tuple[str, Usage], ...], int | None]:
    """Split calls that name another model from litellm's sum over all iterations, and find the largest own prompt."""
    others: list[tuple[str, Usage]] = []
    largest: int | None = None
    for row in draft.fields.rows("iterations"):
        kind, model = row.text("type"), row.text("model")
        plain, output = row.count("input_tokens"), row.count("output_tokens")
        read, written = row.count("cache_read_input_tokens"), row.count("cache_creation_input_tokens")
        row.ignore("cache_creation", "output_tokens_details")
        prompt = None if plain is None else plain + (read or 0) + (written or 0)
        if model is None or kind in OWN_CALLS:
            largest = max(largest or 0, prompt or 0)
            continue
        usage = Draft(
            fields=row,
            input_tokens=prompt,
            output_tokens=output,
            cache_read_tokens=read,
            cache_write_5m_tokens=written,
        ).usage()
        others.append((model, replace(usage, flags=(), unknown_fields={})))
        _subtract(draft, usage)
    return tuple(others), largest or None


def _subtract(draft: Draft, usage: Usage) -> None:
    for name in ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_5m_tokens"):
        whole, part = getattr(draft, name), getattr(usage, name)
        if whole is None or not part:
            continue
        if part > whole:
            draft.fields.flag("iterations_do_not_sum", f"{name} of another model {part}, in all {whole}")
        setattr(draft, name, max(whole - part, 0))
