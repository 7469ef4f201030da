"""Reader for a saved litellm `Usage`: a normalised shape, in which a provider's own payload can no longer be told.

Data flows one payload -> `Draft` -> `Usage`; cached tokens are inside the prompt, reasoning is inside the completion.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.usage.draft import Draft
from harness.usage.families.cache_counts import agreed, read_cache_counts
from harness.usage.families.context import largest_unlisted
from harness.usage.families.iterations import Calls, read_calls, sum_calls
from harness.usage.families.stated_costs import read_stated_cost
from harness.usage.families.totals import check_total
from harness.usage.payload import Fields
from harness.usage.values import CACHE_PARTS, Meter, Usage


def read_litellm_usage(raw: Mapping[str, object]) -> Usage:
    """Read `litellm.usage`.

    litellm writes 0 where the provider sent no usage (`prompt_tokens or 0`), so three zeros are unknown usage. It sums
    over all calls of an Anthropic answer; calls of other models and unbilled attempts are taken out again.
    """
    fields = Fields(raw)
    draft = Draft(
        fields=fields, input_tokens=fields.count("prompt_tokens"), output_tokens=fields.count("completion_tokens")
    )
    inputs, details = fields.part("prompt_tokens_details"), fields.part("completion_tokens_details")
    inputs.ignore("text_tokens", "video_tokens", "character_count", "tool_use_tokens")
    read_cache_counts(draft, inputs)
    draft.input_audio_tokens, draft.input_image_tokens = inputs.count("audio_tokens"), inputs.count("image_tokens")
    details.ignore("text_tokens", "accepted_prediction_tokens", "rejected_prediction_tokens", "video_tokens")
    nested, top = details.count("reasoning_tokens"), fields.count("reasoning_tokens")
    draft.reasoning_tokens = nested if nested is not None else (top or None)
    draft.output_audio_tokens, draft.output_image_tokens = details.count("audio_tokens"), details.count("image_tokens")
    check_total(draft, fields.count("total_tokens"))
    calls = read_calls(fields, fields.rows("iterations"))
    _take_calls(draft, calls)
    fees = _read_fees(fields, inputs)
    n_tool_calls = sum(count or 0 for count in fees.values())
    return draft.usage(
        context_tokens=(
            max(call.input_tokens or 0 for call in calls.own)
            if calls.own
            else largest_unlisted(fields.flags, draft.input_tokens, n_tool_calls)
        ),
        calls=calls.by_tier(draft),
        served_model=calls.served_model,
        fees=fees,
        service_tier=fields.text("service_tier"),
        speed=fields.text("speed"),
        inference_geo=fields.text("inference_geo"),
        thinking=True if draft.reasoning_tokens else None,
        other_models=calls.other_usages(),
        **read_stated_cost(fields),
    )


def _read_fees(fields: Fields, inputs: Fields) -> dict[Meter, int | None]:
    """Count searches: Anthropic's under `server_tool_use`, Gemini's, xAI's and Perplexity's in the prompt's details."""
    tools = fields.part("server_tool_use")
    tools.ignore("tool_search_requests")  # finds tools, and has no fee
    searches = [tools.count("web_search_requests"), inputs.count("web_search_requests")]
    maps = [inputs.count("google_maps_grounding_requests"), fields.count("google_maps_grounding_requests")]
    return {
        Meter.WEB_SEARCH: agreed(fields, "search", searches),
        Meter.WEB_FETCH: tools.count("web_fetch_requests"),
        Meter.MAPS_GROUNDING: agreed(fields, "maps_grounding", maps),
    }


_COUNTS = ("input_tokens", "output_tokens", *CACHE_PARTS)


def _take_calls(draft: Draft, calls: Calls) -> None:
    """Replace litellm's sum over all calls by that of the answering model's own."""
    if not calls.own:
        return
    own, everything = sum_calls(draft.fields, calls.own), sum_calls(draft.fields, calls.all)
    stated = (draft.input_tokens, draft.output_tokens)
    if stated not in (_totals(own), _totals(everything)):
        draft.fields.flag(
            "iterations_do_not_sum",
            f"calls sum to input {everything.input_tokens}, output {everything.output_tokens}; the sum says {stated}",
        )
        if (draft.input_tokens or 0) >= (own.input_tokens or 0):
            return
    for name in _COUNTS:
        setattr(draft, name, getattr(own, name))


def _totals(call: Draft) -> tuple[int | None, int | None]:
    return call.input_tokens, call.output_tokens
