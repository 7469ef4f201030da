"""Readers for Gemini's usageMetadata and for its Interactions API, which counts the same things under other names.

Thoughts and tool-use prompts lie outside the counts whose names suggest them. Data flows one payload -> prompt,
candidates, thoughts, tool prompt and modality lists -> `Usage`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.usage.draft import Draft
from harness.usage.payload import Fields
from harness.usage.values import Meter, Usage

TRAFFIC_TIERS = {"ON_DEMAND_PRIORITY": "priority", "ON_DEMAND_FLEX": "flex", "PROVISIONED_THROUGHPUT": "provisioned"}
"""Vertex names the tier in `trafficType`; plain ON_DEMAND says nothing that `serviceTier` does not."""

_CANDIDATES = ("candidatesTokenCount", "candidates_token_count", "responseTokenCount", "response_token_count")
_THOUGHTS = ("thoughtsTokenCount", "thoughts_token_count")
_TOOL = ("toolUsePromptTokenCount", "tool_use_prompt_token_count")
_INTERACTION_THOUGHTS = ("total_thought_tokens", "total_reasoning_tokens")
_GROUNDING_TOOLS = {"google_search": Meter.GROUNDING, "google_maps": Meter.MAPS_GROUNDING}


def read_gemini(raw: Mapping[str, object]) -> Usage:
    """Read `gemini.usageMetadata`, in REST spelling, in the Python SDK's, and of the Live API.

    total = prompt + candidates + thoughts + tool-use prompt. Protocol buffers leave zeros out, so an absent count is 0
    exactly where the total proves it, and not known elsewhere.
    """
    fields = Fields(raw)
    prompt = fields.count("promptTokenCount", "prompt_token_count")
    tool = fields.count(*_TOOL)
    cached = fields.count("cachedContentTokenCount", "cached_content_token_count")
    draft = Draft(fields=fields, cache_read_tokens=cached)
    if prompt is not None and not fields.spoiled(*_TOOL):
        draft.input_tokens = prompt + (tool or 0)
    candidates, thoughts = fields.count(*_CANDIDATES), fields.count(*_THOUGHTS)
    if not fields.spoiled(*_CANDIDATES, *_THOUGHTS):
        _read_output(draft, candidates, thoughts, fields.count("totalTokenCount", "total_token_count"))
    lists = _Lists(
        prompt=_modalities(fields, "promptTokensDetails", "prompt_tokens_details"),
        tool=_modalities(fields, "toolUsePromptTokensDetails", "tool_use_prompt_tokens_details"),
        cached=_modalities(fields, "cacheTokensDetails", "cache_tokens_details"),
        output=_modalities(fields, "candidatesTokensDetails", "candidates_tokens_details")
        or _modalities(fields, "responseTokensDetails", "response_tokens_details"),
    )
    _read_modalities(draft, prompt, lists)
    traffic = fields.text("trafficType", "traffic_type")
    return draft.usage(
        context_tokens=prompt if tool else None,
        service_tier=fields.text("serviceTier", "service_tier") or TRAFFIC_TIERS.get(traffic or ""),
        thinking=True if draft.reasoning_tokens else None,
    )


def read_gemini_interactions(raw: Mapping[str, object]) -> Usage:
    """Read `gemini.interactions`: total = input + output + thoughts + tool use; cached tokens are inside the input.

    Grounding is counted here, tool by tool: ai.google.dev/gemini-api/docs/interactions (2026-08).
    """
    fields = Fields(raw)
    prompt, tool = fields.count("total_input_tokens"), fields.count("total_tool_use_tokens")
    draft = Draft(fields=fields, cache_read_tokens=fields.count("total_cached_tokens"))
    if prompt is not None and not fields.spoiled("total_tool_use_tokens"):
        draft.input_tokens = prompt + (tool or 0)
    output, thoughts = fields.count("total_output_tokens"), fields.count(*_INTERACTION_THOUGHTS)
    if not fields.spoiled("total_output_tokens", *_INTERACTION_THOUGHTS):
        _read_output(draft, output, thoughts, fields.count("total_tokens"))
    lists = _Lists(
        prompt=_modalities(fields, "input_tokens_by_modality"),
        tool=_modalities(fields, "tool_use_tokens_by_modality"),
        cached=_modalities(fields, "cached_tokens_by_modality"),
        output=_modalities(fields, "output_tokens_by_modality"),
    )
    _read_modalities(draft, prompt, lists)
    return draft.usage(
        fees=_grounding(fields),
        context_tokens=prompt if tool else None,
        service_tier=fields.text("service_tier"),
        thinking=True if draft.reasoning_tokens else None,
    )


def _grounding(fields: Fields) -> dict[Meter, int | None]:
    """Count grounding by tool; a tool without a meter is flagged like any count that nobody reads."""
    fees: dict[Meter, int | None] = {}
    for row in fields.rows("grounding_tool_count"):
        tool, count = row.text("type"), row.count("count")
        meter = _GROUNDING_TOOLS.get(tool or "")
        if meter is not None:
            fees[meter] = (fees.get(meter) or 0) + (count or 0)
        elif count:
            fields.flag("unread_counts", f"no reader knows the tool {tool!r} of {row.path}, called {count} times")
    return fees


def _read_output(draft: Draft, candidates: int | None, thoughts: int | None, total: int | None) -> None:
    """Output is candidates + thoughts; what the total holds beyond the listed counts is output that was left out."""
    fields = draft.fields
    draft.reasoning_tokens = thoughts
    if total is None or draft.input_tokens is None:
        draft.output_tokens = None if candidates is None else candidates + (thoughts or 0)
        return
    surplus = total - draft.input_tokens - (candidates or 0) - (thoughts or 0)
    sums = f"input {draft.input_tokens} + candidates {candidates} + thoughts {thoughts}, total {total}"
    if surplus == 0:
        draft.output_tokens = (candidates or 0) + (thoughts or 0)
        draft.reasoning_tokens = thoughts or 0
    elif surplus > 0 and (thoughts is None or candidates is None):
        draft.output_tokens = (candidates or 0) + (thoughts or 0) + surplus
        # with neither count listed nobody can say how much of the rest was thinking
        draft.reasoning_tokens = surplus if thoughts is None and candidates is not None else thoughts
        fields.flag("hidden_output", f"{sums}: the surplus was left out of the output")
    else:
        draft.output_tokens = None if candidates is None else candidates + (thoughts or 0)
        fields.flag("total_mismatch", sums)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lists:
    """Tokens by modality, as listed."""

    prompt: Mapping[str, int]
    tool: Mapping[str, int]
    cached: Mapping[str, int]
    output: Mapping[str, int]


def _read_modalities(draft: Draft, prompt: int | None, lists: _Lists) -> None:
    """Audio and image tokens by list; a list may omit the remainder, which is text."""
    fields, cached = draft.fields, lists.cached
    if prompt is not None and sum(lists.prompt.values()) > prompt:
        fields.flag("modalities_exceed_prompt", f"listed {sum(lists.prompt.values())}, prompt {prompt}")
    n_cached = sum(cached.values())
    if n_cached and not draft.cache_read_tokens:
        # Vertex has sent the list without the count (googleapis/python-genai 795, 2025-05)
        draft.cache_read_tokens = n_cached
        fields.flag("cache_count_from_list", f"no count of cached tokens; its list sums to {n_cached}")
    draft.input_audio_tokens = _sum_of("AUDIO", lists.prompt, lists.tool)
    draft.cache_read_audio_tokens = cached.get("AUDIO")
    image = _sum_of("IMAGE", lists.prompt, lists.tool)
    # cached image tokens cost the cached rate whatever they show, so they stay with the cache alone
    draft.input_image_tokens = None if image is None else max(image - cached.get("IMAGE", 0), 0)
    draft.output_audio_tokens, draft.output_image_tokens = lists.output.get("AUDIO"), lists.output.get("IMAGE")


def _modalities(fields: Fields, *names: str) -> dict[str, int]:
    """Tokens by modality; the same modality listed twice is added."""
    found: dict[str, int] = {}
    for row in fields.rows(*names):
        modality, tokens = row.text("modality"), row.count("tokenCount", "token_count", "tokens")
        if modality is not None and tokens is not None:
            name = modality.upper()
            found[name] = found.get(name, 0) + tokens
    return found


def _sum_of(modality: str, *lists: Mapping[str, int]) -> int | None:
    counts = [tokens[modality] for tokens in lists if modality in tokens]
    return sum(counts) if counts else None
