"""Reader for Gemini's usageMetadata: thoughts and tool-use prompts lie outside the counts whose names suggest them.

Data flows one payload -> prompt, candidates, thoughts, tool prompt and modality lists -> `Usage`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.usage.draft import Draft
from harness.usage.payload import Fields
from harness.usage.values import Usage

TRAFFIC_TIERS = {"ON_DEMAND_PRIORITY": "priority", "ON_DEMAND_FLEX": "flex", "PROVISIONED_THROUGHPUT": "provisioned"}
"""Vertex names the tier in `trafficType`; plain ON_DEMAND says nothing that `serviceTier` does not."""

_CANDIDATES = ("candidatesTokenCount", "candidates_token_count", "responseTokenCount", "response_token_count")
_THOUGHTS = ("thoughtsTokenCount", "thoughts_token_count")
_TOOL = ("toolUsePromptTokenCount", "tool_use_prompt_token_count")


def read_gemini(raw: Mapping[str, Any]) -> Usage:
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
    _read_output(draft, fields.count("totalTokenCount", "total_token_count"))
    _read_modalities(draft, prompt)
    traffic = fields.text("trafficType", "traffic_type")
    return draft.usage(
        context_tokens=prompt if tool else None,
        service_tier=fields.text("serviceTier", "service_tier") or TRAFFIC_TIERS.get(traffic or ""),
        thinking=True if draft.reasoning_tokens else None,
    )


def _read_output(draft: Draft, total: int | None) -> None:
    """Output is candidates + thoughts; what the total holds beyond the listed counts is output that was left out."""
    fields = draft.fields
    candidates, thoughts = fields.count(*_CANDIDATES), fields.count(*_THOUGHTS)
    draft.reasoning_tokens = thoughts
    if fields.spoiled(*_CANDIDATES, *_THOUGHTS):
        draft.reasoning_tokens = None
        return
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


def _read_modalities(draft: Draft, prompt: int | None) -> None:
    """Audio and image tokens by list; a list may omit the remainder, which is text."""
    fields = draft.fields
    listed = _modalities(fields, "promptTokensDetails", "prompt_tokens_details")
    tool = _modalities(fields, "toolUsePromptTokensDetails", "tool_use_prompt_tokens_details")
    cached = _modalities(fields, "cacheTokensDetails", "cache_tokens_details")
    output = _modalities(fields, "candidatesTokensDetails", "candidates_tokens_details")
    if not output:
        output = _modalities(fields, "responseTokensDetails", "response_tokens_details")
    if prompt is not None and sum(listed.values()) > prompt:
        fields.flag("modalities_exceed_prompt", f"listed {sum(listed.values())}, promptTokenCount {prompt}")
    draft.input_audio_tokens = _sum_of("AUDIO", listed, tool)
    draft.cache_read_audio_tokens = cached.get("AUDIO")
    image = _sum_of("IMAGE", listed, tool)
    # cached image tokens cost the cached rate whatever they show, so they stay with the cache alone
    draft.input_image_tokens = None if image is None else max(image - cached.get("IMAGE", 0), 0)
    draft.output_audio_tokens, draft.output_image_tokens = output.get("AUDIO"), output.get("IMAGE")


def _modalities(fields: Fields, *names: str) -> dict[str, int]:
    """Tokens by modality; the same modality listed twice is added."""
    found: dict[str, int] = {}
    for row in fields.rows(*names):
        modality, tokens = row.text("modality"), row.count("tokenCount", "token_count")
        if modality is not None and tokens is not None:
            found[modality] = found.get(modality, 0) + tokens
    return found


def _sum_of(modality: str, *lists: Mapping[str, int]) -> int | None:
    counts = [tokens[modality] for tokens in lists if modality in tokens]
    return sum(counts) if counts else None
