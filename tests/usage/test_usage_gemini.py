"""Gemini usageMetadata: thoughts and tool prompts lie outside the counts whose names suggest them."""

from __future__ import annotations

from harness.usage import read_usage
from tests.support.usage_facts import flag_names, tokens


def test_gemini_thoughts_outside_the_candidates_are_not_dropped() -> None:
    raw = {"promptTokenCount": 9, "candidatesTokenCount": 1, "thoughtsTokenCount": 21, "totalTokenCount": 31}
    assert tokens("gemini.usageMetadata", raw) == {"input": 9, "reasoning": 21, "output": 1}


def test_gemini_tool_use_prompt_outside_the_prompt_is_input() -> None:
    raw = {
        "promptTokenCount": 294,
        "candidatesTokenCount": 230,
        "thoughtsTokenCount": 158,
        "toolUsePromptTokenCount": 605,
        "totalTokenCount": 1287,
        "serviceTier": "standard",
    }
    usage = read_usage("gemini.usageMetadata", raw)
    assert tokens("gemini.usageMetadata", raw) == {"input": 899, "reasoning": 158, "output": 230}
    assert (usage.service_tier, usage.context_tokens, usage.flags) == ("standard", 294, ())


def test_gemini_modality_list_that_omits_the_text_remainder() -> None:
    raw = {
        "promptTokenCount": 33,
        "candidatesTokenCount": 1780,
        "thoughtsTokenCount": 529,
        "totalTokenCount": 2342,
        "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1120}],
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 33}],
    }
    assert tokens("gemini.usageMetadata", raw) == {
        "input": 33,
        "output_image": 1120,
        "reasoning": 529,
        "output": 660,
    }


def test_gemini_audio_input_is_a_meter_of_its_own_cached_or_not() -> None:
    raw = {
        "promptTokenCount": 229,
        "candidatesTokenCount": 17,
        "totalTokenCount": 246,
        "cachedContentTokenCount": 100,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 85}, {"modality": "AUDIO", "tokenCount": 144}],
        "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 90}, {"modality": "TEXT", "tokenCount": 10}],
    }
    assert tokens("gemini.usageMetadata", raw) == {
        "input": 75,
        "cache_read": 10,
        "cache_read_audio": 90,
        "input_audio": 54,
        "output": 17,
    }


def test_gemini_leaves_zeros_out_and_the_total_proves_them() -> None:
    blocked = read_usage("gemini.usageMetadata", {"promptTokenCount": 14, "totalTokenCount": 14})
    assert (blocked.output_tokens, blocked.reasoning_tokens, blocked.flags) == (0, 0, ())
    thinking_only = {"promptTokenCount": 15, "thoughtsTokenCount": 2, "totalTokenCount": 17}
    assert tokens("gemini.usageMetadata", thinking_only) == {"input": 15, "reasoning": 2}


def test_gemini_absent_counts_without_a_total_are_unknown() -> None:
    assert read_usage("gemini.usageMetadata", {"promptTokenCount": 14}).is_missing
    usage = read_usage("gemini.usageMetadata", {"promptTokenCount": 14, "candidatesTokenCount": 2})
    assert (usage.output_tokens, usage.reasoning_tokens) == (2, None)


def test_gemini_total_above_the_counts_is_output_that_was_left_out() -> None:
    usage = read_usage(
        "gemini.usageMetadata", {"promptTokenCount": 20, "candidatesTokenCount": 198, "totalTokenCount": 623}
    )
    assert (usage.output_tokens, usage.reasoning_tokens, flag_names(usage)) == (603, 405, ["hidden_output"])


def test_gemini_rest_of_unknown_nature_is_output_and_not_called_reasoning() -> None:
    usage = read_usage("gemini.usageMetadata", {"promptTokenCount": 20, "totalTokenCount": 623})
    assert (usage.output_tokens, usage.reasoning_tokens, flag_names(usage)) == (603, None, ["hidden_output"])


def test_gemini_traffic_type_names_the_served_tier() -> None:
    raw = {"promptTokenCount": 5, "candidatesTokenCount": 1, "totalTokenCount": 6, "trafficType": "ON_DEMAND_FLEX"}
    assert read_usage("gemini.usageMetadata", raw).service_tier == "flex"
    assert read_usage("gemini.usageMetadata", {**raw, "trafficType": "ON_DEMAND"}).service_tier is None
