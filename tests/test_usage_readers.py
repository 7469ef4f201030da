"""Each payload kind is read by its own rules; shapes and numbers are recorded ones unless a test says otherwise."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from harness.usage import Meter, Usage, meters, parse_json, read_usage


def flag_names(usage: Usage) -> list[str]:
    return [flag.name for flag in usage.flags]


def tokens(kind: str, raw: dict[str, Any]) -> dict[str, int]:
    return {meter.value: quantity for meter, quantity in meters(read_usage(kind, raw)).items()}


OPENAI = {
    "prompt_tokens": 3072,
    "completion_tokens": 1900,
    "total_tokens": 4972,
    "prompt_tokens_details": {"cached_tokens": 2048},
    "completion_tokens_details": {"reasoning_tokens": 1600},
}


def test_openai_reasoning_is_not_counted_twice() -> None:
    assert tokens("openai.chat", OPENAI) == {"input": 1024, "cache_read": 2048, "reasoning": 1600, "output": 300}


def test_openai_cached_tokens_are_not_billed_twice() -> None:
    usage = read_usage("openai.chat", OPENAI)
    assert (usage.input_tokens, usage.cache_read_tokens) == (3072, 2048)
    assert sum(meters(usage).values()) == 4972


def test_openai_responses_has_the_same_subsets_under_other_names() -> None:
    raw = {
        "input_tokens": 9703,
        "input_tokens_details": {"cached_tokens": 8576},
        "output_tokens": 638,
        "output_tokens_details": {"reasoning_tokens": 576},
        "total_tokens": 10341,
    }
    assert tokens("openai.responses", raw) == {"input": 1127, "cache_read": 8576, "reasoning": 576, "output": 62}


def test_openai_cache_writes_are_inside_the_input() -> None:
    raw = {
        "input_tokens": 4020,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 4012},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 4025,
        "cost": Decimal("0.025265"),
        "cost_details": {"upstream_inference_cost": Decimal("0.025265")},
        "is_byok": False,
    }
    usage = read_usage("openai.responses", raw)
    assert tokens("openai.responses", raw) == {"input": 8, "cache_write_5m": 4012, "output": 5}
    assert (usage.stated_cost_usd, usage.stated_upstream_usd) == (Decimal("0.025265"), None)


def test_reasoning_that_is_not_itemised_is_null_and_not_0() -> None:
    for kind, raw in (
        ("openai.chat", {"prompt_tokens": 43, "completion_tokens": 9, "total_tokens": 52}),
        ("openai.chat", {**OPENAI, "completion_tokens_details": None}),
        ("mistral.chat", {"prompt_tokens": 64, "completion_tokens": 6, "total_tokens": 70, "num_cached_tokens": 32}),
        ("together.chat", {"prompt_tokens": 10, "completion_tokens": 995, "total_tokens": 1005, "cached_tokens": 0}),
        ("anthropic.messages", {"input_tokens": 200, "output_tokens": 12000}),
        ("bedrock.converse", {"inputTokens": 92, "outputTokens": 253, "totalTokens": 345}),
        ("ollama.native", {"prompt_eval_count": 26, "eval_count": 298}),
    ):
        usage = read_usage(kind, raw)
        assert usage.reasoning_tokens is None, kind
        assert usage.flags == (), kind


def test_a_stated_zero_of_reasoning_is_zero() -> None:
    usage = read_usage("openai.chat", {**OPENAI, "completion_tokens_details": {"reasoning_tokens": 0}})
    assert usage.reasoning_tokens == 0


def test_sglang_zero_at_the_top_is_no_evidence_of_no_reasoning() -> None:
    raw = {"prompt_tokens": 20, "completion_tokens": 900, "total_tokens": 920, "reasoning_tokens": 0}
    assert read_usage("openai.chat", raw).reasoning_tokens is None
    assert read_usage("openai.chat", {**raw, "reasoning_tokens": 700}).reasoning_tokens == 700


def test_mistral_and_groq_cached_tokens_are_inside_the_prompt() -> None:
    mistral = {"completion_tokens": 6, "num_cached_tokens": 32, "prompt_tokens": 64, "total_tokens": 70}
    assert tokens("mistral.chat", mistral) == {"input": 32, "cache_read": 32, "output": 6}
    groq = {
        "prompt_tokens": 336,
        "completion_tokens": 96,
        "total_tokens": 432,
        "prompt_tokens_details": {"cached_tokens": 256},
        "completion_tokens_details": {"reasoning_tokens": 59},
        "queue_time": Decimal("0.005"),
    }
    assert tokens("groq.chat", groq) == {"input": 80, "cache_read": 256, "reasoning": 59, "output": 37}
    assert read_usage("groq.chat", groq).unknown_fields == {}


def test_deepseek_hit_and_miss_make_the_prompt() -> None:
    raw = {
        "prompt_tokens": 3000,
        "prompt_cache_hit_tokens": 1000,
        "prompt_cache_miss_tokens": 2000,
        "completion_tokens": 4000,
        "completion_tokens_details": {"reasoning_tokens": 3500},
    }
    assert tokens("deepseek.chat", raw) == {"input": 2000, "cache_read": 1000, "reasoning": 3500, "output": 500}
    assert flag_names(read_usage("deepseek.chat", {**raw, "prompt_cache_miss_tokens": 1999})) == [
        "cache_parts_do_not_sum"
    ]


XAI = {
    "prompt_tokens": 10120,
    "completion_tokens": 1499,
    "total_tokens": 14428,
    "prompt_tokens_details": {"cached_tokens": 128},
    "completion_tokens_details": {"reasoning_tokens": 2809},
    "cost_in_usd_ticks": 232856000,
}


def test_xai_reasoning_beside_the_completion_is_not_lost() -> None:
    usage = read_usage("xai.chat", XAI)
    assert (usage.output_tokens, usage.reasoning_tokens, usage.flags) == (4308, 2809, ())
    assert usage.stated_cost_usd == Decimal("0.0232856")


def test_xai_reasoning_inside_the_completion_is_told_by_the_total() -> None:
    usage = read_usage("xai.chat", {**XAI, "completion_tokens": 4308, "total_tokens": 14428})
    assert (usage.output_tokens, usage.reasoning_tokens, usage.flags) == (4308, 2809, ())


def test_xai_without_a_total_takes_the_usual_way_and_says_so() -> None:
    raw = {name: value for name, value in XAI.items() if name != "total_tokens"}
    usage = read_usage("xai.chat", raw)
    assert (usage.output_tokens, flag_names(usage)) == (4308, ["reasoning_place_unknown"])


def test_xai_tool_calls_are_fees() -> None:
    raw = {**XAI, "server_side_tool_usage_details": {"web_search_calls": 2, "x_search_calls": 1, "mcp_calls": 0}}
    assert read_usage("xai.chat", raw).fees == {Meter.WEB_SEARCH: 3}


def test_converter_that_drops_thoughts_is_caught_by_the_total() -> None:
    """any-llm 1290: Gemini behind an OpenAI-shaped converter, 20 + 198 tokens, total 623."""
    usage = read_usage("openai.chat", {"prompt_tokens": 20, "completion_tokens": 198, "total_tokens": 623})
    assert (usage.output_tokens, usage.reasoning_tokens) == (603, 405)
    assert flag_names(usage) == ["hidden_output"]


def test_openai_shape_with_reasoning_outside_is_billed_and_flagged() -> None:
    raw = {**OPENAI, "completion_tokens": 300}
    usage = read_usage("openai.chat", raw)
    assert (usage.output_tokens, usage.reasoning_tokens) == (1900, 1600)
    assert flag_names(usage) == ["reasoning_outside_output"]


def test_openai_shape_with_the_cache_outside_is_billed_and_flagged() -> None:
    raw = {
        "prompt_tokens": 100,
        "completion_tokens": 10,
        "total_tokens": 1110,
        "prompt_tokens_details": {"cached_tokens": 1000},
    }
    usage = read_usage("openai.chat", raw)
    assert (usage.input_tokens, usage.cache_read_tokens, flag_names(usage)) == (1100, 1000, ["cache_outside_input"])


def test_openrouter_states_the_cost_and_includes_the_cache() -> None:
    raw = parse_json(
        """{"prompt_tokens": 3329, "completion_tokens": 53, "total_tokens": 3382,
        "prompt_tokens_details": {"audio_tokens": 0, "cache_write_tokens": 115, "cached_tokens": 3211},
        "completion_tokens_details": {"audio_tokens": 0, "image_tokens": 0, "reasoning_tokens": 0},
        "cost": 0.00219855, "cost_details": {"upstream_inference_cost": 0.00219855}, "is_byok": false}"""
    )
    usage = read_usage("openrouter.chat", raw)
    assert tokens("openrouter.chat", raw) == {"input": 3, "cache_read": 3211, "cache_write_5m": 115, "output": 53}
    assert (usage.stated_cost_usd, usage.unknown_fields) == (Decimal("0.00219855"), {})


def test_openrouter_web_search_is_a_fee_beside_the_tokens() -> None:
    raw = {
        "prompt_tokens": 100,
        "completion_tokens": 5,
        "total_tokens": 105,
        "server_tool_use_details": {"web_search_requests": 1, "tool_calls_requested": 1, "tool_calls_executed": 1},
    }
    assert read_usage("openrouter.chat", raw).fees == {Meter.WEB_SEARCH: 1}
    assert read_usage("openrouter.chat", raw).unknown_fields == {}


def test_openrouter_own_key_cost_is_only_the_fee() -> None:
    raw = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "total_tokens": 15,
        "cost": Decimal("0.0000095"),
        "is_byok": True,
        "cost_details": {"upstream_inference_cost": Decimal("0.00019")},
    }
    usage = read_usage("openrouter.chat", raw)
    assert (usage.stated_cost_usd, usage.stated_upstream_usd) == (Decimal("0.0000095"), Decimal("0.00019"))


def test_a_stated_cost_that_was_parsed_as_float_keeps_the_provider_s_digits() -> None:
    usage = read_usage("openrouter.chat", {"prompt_tokens": 1, "completion_tokens": 1, "cost": 0.1})
    assert usage.stated_cost_usd == Decimal("0.1")


def test_anthropic_input_excludes_the_cache() -> None:
    raw = {
        "input_tokens": 3,
        "output_tokens": 1944,
        "cache_read_input_tokens": 9511,
        "cache_creation_input_tokens": 100,
        "cache_creation": {"ephemeral_5m_input_tokens": 60, "ephemeral_1h_input_tokens": 40},
        "service_tier": "standard",
        "inference_geo": "us",
        "speed": "fast",
    }
    usage = read_usage("anthropic.messages", raw)
    assert usage.input_tokens == 9614
    assert tokens("anthropic.messages", raw) == {
        "input": 3,
        "cache_read": 9511,
        "cache_write_5m": 60,
        "cache_write_1h": 40,
        "output": 1944,
    }
    assert (usage.service_tier, usage.inference_geo, usage.speed) == ("standard", "us", "fast")


def test_anthropic_thinking_is_itemised_where_the_payload_does() -> None:
    usage = read_usage(
        "anthropic.messages",
        {"input_tokens": 13, "output_tokens": 44, "output_tokens_details": {"thinking_tokens": 33}},
    )
    assert (usage.reasoning_tokens, usage.thinking) == (33, True)


def test_anthropic_cache_writes_of_2024_have_no_lifetimes_and_are_of_five_minutes() -> None:
    raw = {"input_tokens": 50, "output_tokens": 500, "cache_creation_input_tokens": 10000, "cache_read_input_tokens": 0}
    assert tokens("anthropic.messages", raw) == {"input": 50, "cache_write_5m": 10000, "output": 500}


def test_anthropic_compaction_is_billed_although_the_top_level_leaves_it_out() -> None:
    raw = {
        "input_tokens": 180,
        "output_tokens": 8,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "iterations": [
            {
                "type": "compaction",
                "input_tokens": 100,
                "output_tokens": 82,
                "cache_creation_input_tokens": 55096,
                "cache_creation": {"ephemeral_5m_input_tokens": 55096, "ephemeral_1h_input_tokens": 0},
            },
            {"type": "message", "input_tokens": 180, "output_tokens": 8},
        ],
    }
    usage = read_usage("anthropic.messages", raw)
    assert tokens("anthropic.messages", raw) == {"input": 280, "cache_write_5m": 55096, "output": 90}
    assert (usage.context_tokens, usage.flags) == (55196, ())


def test_anthropic_advisor_is_another_model_with_its_own_usage() -> None:
    raw = {
        "input_tokens": 2390,
        "output_tokens": 121,
        "output_tokens_details": {"thinking_tokens": 28},
        "iterations": [
            {"type": "message", "input_tokens": 1128, "output_tokens": 110},
            {"type": "advisor_message", "model": "claude-opus-4-8", "input_tokens": 2518, "output_tokens": 22},
            {"type": "message", "input_tokens": 1262, "output_tokens": 11},
        ],
    }
    usage = read_usage("anthropic.messages", raw)
    assert (usage.input_tokens, usage.output_tokens, usage.flags) == (2390, 121, ())
    [(model, other)] = usage.other_models
    assert (model, other.input_tokens, other.output_tokens) == ("claude-opus-4-8", 2518, 22)


def test_anthropic_iterations_that_do_not_sum_are_flagged() -> None:
    raw = {
        "input_tokens": 10,
        "output_tokens": 9,
        "iterations": [{"type": "message", "input_tokens": 10, "output_tokens": 8}],
    }
    assert flag_names(read_usage("anthropic.messages", raw)) == ["iterations_do_not_sum"]


def test_anthropic_search_loop_does_not_reach_a_context_tier_by_its_sum() -> None:
    """A recorded Sonnet 4.5 answer: ten searches sum to 401,468 input tokens, no call exceeded 200,000."""
    raw = {"input_tokens": 401468, "output_tokens": 792, "server_tool_use": {"web_search_requests": 10}}
    usage = read_usage("anthropic.messages", raw)
    assert (usage.input_tokens, usage.context_tokens) == (401468, 36498)
    assert usage.fees == {Meter.WEB_SEARCH: 10}
    assert flag_names(usage) == ["context_is_a_sum"]


def test_anthropic_calls_on_both_sides_of_a_context_tier_are_flagged() -> None:
    calls = [
        {"type": "compaction", "input_tokens": 250_000, "output_tokens": 9},
        {"type": "message", "input_tokens": 180, "output_tokens": 8},
    ]
    usage = read_usage("anthropic.messages", {"input_tokens": 180, "output_tokens": 8, "iterations": calls})
    assert (usage.context_tokens, flag_names(usage)) == (250_000, ["context_differs_by_call"])


def test_anthropic_web_fetch_is_counted() -> None:
    raw = {
        "input_tokens": 26447,
        "output_tokens": 528,
        "server_tool_use": {"web_fetch_requests": 1, "web_search_requests": 0},
    }
    assert read_usage("anthropic.messages", raw).fees == {Meter.WEB_FETCH: 1}


def test_anthropic_unreadable_cache_count_makes_the_input_unknown() -> None:
    usage = read_usage("anthropic.messages", {"input_tokens": 5, "output_tokens": 5, "cache_read_input_tokens": "9511"})
    assert (usage.input_tokens, usage.is_missing, flag_names(usage)) == (None, True, ["not_a_count", "missing"])


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


def test_bedrock_input_excludes_the_cache() -> None:
    raw = {
        "inputTokens": 3,
        "outputTokens": 61,
        "totalTokens": 2435,
        "cacheReadInputTokens": 2074,
        "cacheWriteInputTokens": 297,
        "cacheDetails": [{"inputTokens": 297, "ttl": "1h"}],
    }
    usage = read_usage("bedrock.converse", raw)
    assert (usage.input_tokens, usage.flags) == (2374, ())
    assert tokens("bedrock.converse", raw) == {"input": 3, "cache_read": 2074, "cache_write_1h": 297, "output": 61}
    assert flag_names(read_usage("bedrock.converse", {**raw, "totalTokens": 64})) == ["total_mismatch"]


def test_cohere_bills_billed_units_and_not_tokens() -> None:
    raw = {
        "billed_units": {"input_tokens": 431, "output_tokens": 661},
        "tokens": {"input_tokens": 2190, "output_tokens": 1257},
        "cached_tokens": 2928,
    }
    assert tokens("cohere.v2", raw) == {"input": 431, "output": 661}


def test_cohere_whole_fractions_are_counts_because_its_schema_says_so() -> None:
    raw = {"billed_units": {"input_tokens": Decimal("431.0"), "output_tokens": 661.0}}
    assert tokens("cohere.v2", raw) == {"input": 431, "output": 661}
    assert read_usage("cohere.v2", {"billed_units": {"input_tokens": 431.5, "output_tokens": 1}}).is_missing


def test_perplexity_reasoning_and_citations_lie_outside_the_completion() -> None:
    raw = {
        "prompt_tokens": 33,
        "completion_tokens": 7163,
        "total_tokens": 7196,
        "citation_tokens": 20016,
        "reasoning_tokens": 73997,
        "num_search_queries": 18,
        "cost": {"total_cost": Decimal("0.4"), "request_cost": Decimal("0.09")},
    }
    assert tokens("perplexity.chat", raw) == {
        "input": 33,
        "output": 7163,
        "citation": 20016,
        "search_reasoning": 73997,
        "web_search": 18,
    }
    usage = read_usage("perplexity.chat", raw)
    assert (usage.stated_cost_usd, usage.flags, usage.unknown_fields) == (Decimal("0.4"), (), {})
    assert read_usage("perplexity.chat", {**raw, "cost": Decimal("0.5")}).stated_cost_usd == Decimal("0.5")


def test_perplexity_deep_research_without_one_of_its_parts_is_flagged() -> None:
    raw = {"prompt_tokens": 33, "completion_tokens": 7163, "citation_tokens": 20016, "num_search_queries": 18}
    assert flag_names(read_usage("perplexity.chat", raw)) == ["parts_incomplete"]
    for plain in ({}, {"num_search_queries": 1}):
        assert read_usage("perplexity.chat", {"prompt_tokens": 33, "completion_tokens": 7163, **plain}).flags == ()


def test_perplexity_unreadable_reasoning_makes_the_bill_unknown() -> None:
    raw = {"prompt_tokens": 33, "completion_tokens": 7163, "reasoning_tokens": "73997"}
    assert read_usage("perplexity.chat", raw).is_missing


def test_ollama_prompt_from_its_cache_is_not_counted_and_therefore_unknown() -> None:
    usage = read_usage("ollama.native", {"eval_count": 298, "total_duration": 10706818083})
    assert (usage.input_tokens, usage.output_tokens, usage.is_missing) == (None, 298, True)


def test_images_are_counted_and_have_no_tokens() -> None:
    assert tokens("image.count", {"images": 3}) == {"image": 3}
    assert read_usage("image.count", {"images": "3"}).is_missing


LITELLM = {
    "prompt_tokens": 9614,
    "completion_tokens": 1944,
    "total_tokens": 11558,
    "prompt_tokens_details": {
        "cached_tokens": 9511,
        "cache_creation_tokens": 100,
        "cache_creation_token_details": {"ephemeral_5m_input_tokens": 60, "ephemeral_1h_input_tokens": 40},
        "text_tokens": 3,
    },
    "completion_tokens_details": {"reasoning_tokens": None, "text_tokens": None},
    "cache_creation_input_tokens": 100,
    "cache_read_input_tokens": 9511,
}


def test_litellm_usage_includes_the_cache_in_the_prompt() -> None:
    assert tokens("litellm.usage", LITELLM) == {
        "input": 3,
        "cache_read": 9511,
        "cache_write_5m": 60,
        "cache_write_1h": 40,
        "output": 1944,
    }
    assert read_usage("litellm.usage", LITELLM).flags == ()


@pytest.mark.parametrize("kind", ["litellm.usage", "openai.chat", "openrouter.chat"])
def test_zeros_stand_for_missing_usage_and_are_not_0_dollars(kind: str) -> None:
    """litellm and other gateways write `prompt_tokens or 0` where the provider sent no usage."""
    usage = read_usage(kind, {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0})
    assert (usage.is_missing, flag_names(usage)) == (True, ["zero_usage", "missing"])


def test_litellm_sum_over_an_advisor_is_split_by_model() -> None:
    raw = {
        "prompt_tokens": 4908,
        "completion_tokens": 143,
        "total_tokens": 5051,
        "iterations": [
            {"type": "message", "input_tokens": 1128, "output_tokens": 110},
            {"type": "advisor_message", "model": "claude-opus-4-8", "input_tokens": 2518, "output_tokens": 22},
            {"type": "message", "input_tokens": 1262, "output_tokens": 11},
        ],
    }
    usage = read_usage("litellm.usage", raw)
    assert (usage.input_tokens, usage.output_tokens, usage.context_tokens) == (2390, 121, 1262)
    assert [(model, other.input_tokens) for model, other in usage.other_models] == [("claude-opus-4-8", 2518)]


@pytest.mark.parametrize(
    ("bad", "flag"),
    [
        (-5, "negative_count"),
        (10**15 + 1, "count_too_large"),
        (10**5000, "count_too_large"),
        (True, "not_a_count"),
        ("1900", "not_a_count"),
        (1900.0, "not_a_count"),
        (Decimal("1900.5"), "not_a_count"),
        ([1900], "not_a_count"),
        ({"tokens": 1900}, "not_a_count"),
    ],
    ids=["negative", "huge", "monstrous", "bool", "text", "float", "fraction", "list", "object"],
)
def test_a_total_that_is_no_count_is_unknown_and_never_0(bad: object, flag: str) -> None:
    usage = read_usage("openai.chat", {**OPENAI, "completion_tokens": bad})
    assert (usage.output_tokens, usage.is_missing) == (None, True)
    assert flag_names(usage) == [flag, "missing"]


def test_an_output_count_that_is_left_out_is_0_only_where_the_total_proves_it() -> None:
    usage = read_usage("openai.chat", {"prompt_tokens": 8, "total_tokens": 8})
    assert (usage.output_tokens, flag_names(usage)) == (0, ["output_not_stated"])
    assert read_usage("openai.chat", {"prompt_tokens": 8, "total_tokens": 9}).is_missing
    assert read_usage("openai.chat", {"prompt_tokens": 8, "total_tokens": 8, "completion_tokens": "1"}).is_missing


def test_reasoning_above_the_output_is_flagged_and_the_output_stands() -> None:
    raw = {"prompt_tokens": 10, "completion_tokens": 5, "completion_tokens_details": {"reasoning_tokens": 9}}
    usage = read_usage("openai.chat", raw)
    assert (usage.output_tokens, usage.reasoning_tokens) == (5, None)
    assert flag_names(usage) == ["reasoning_exceeds_output"]


def test_a_cache_above_the_input_is_flagged_and_the_input_stands() -> None:
    raw = {"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 11}}
    usage = read_usage("openai.chat", raw)
    assert (usage.input_tokens, usage.cache_read_tokens) == (10, None)
    assert flag_names(usage) == ["cache_exceeds_input"]


def test_parts_below_the_total_are_flagged_and_left_as_stated() -> None:
    usage = read_usage("openai.chat", {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 14})
    assert (usage.input_tokens, usage.output_tokens, flag_names(usage)) == (10, 5, ["total_mismatch"])


def test_tokens_that_must_be_cached_and_audio_are_billed_once() -> None:
    """Made up: 600 tokens, of which 400 cached and 500 audio, without a list of what was cached."""
    raw = {
        "prompt_tokens": 600,
        "completion_tokens": 1,
        "total_tokens": 601,
        "prompt_tokens_details": {"cached_tokens": 400, "audio_tokens": 500},
    }
    usage = read_usage("openai.chat", raw)
    assert tokens("openai.chat", raw) == {"cache_read": 100, "cache_read_audio": 300, "input_audio": 200, "output": 1}
    assert flag_names(usage) == ["cache_overlaps_modality"]


def test_openai_audio_and_its_cache_are_read() -> None:
    raw = {
        "prompt_tokens": 600,
        "completion_tokens": 40,
        "total_tokens": 640,
        "prompt_tokens_details": {
            "cached_tokens": 128,
            "audio_tokens": 500,
            "cached_tokens_details": {"audio_tokens": 100},
        },
        "completion_tokens_details": {"audio_tokens": 30, "reasoning_tokens": 0},
    }
    assert tokens("openai.chat", raw) == {
        "input": 72,
        "cache_read": 28,
        "cache_read_audio": 100,
        "input_audio": 400,
        "output": 10,
        "output_audio": 30,
    }


@pytest.mark.parametrize("raw", [[], "usage", 7, {"prompt_tokens_details": 5}, {"prompt_tokens": None}])
def test_payloads_that_are_no_usage_are_missing_and_do_not_crash(raw: Any) -> None:
    assert read_usage("openai.chat", raw).is_missing


def test_unknown_fields_are_kept_with_their_place() -> None:
    raw = {**OPENAI, "prompt_tokens_details": {"cached_tokens": 0, "hologram_tokens": 3}, "carbon_mg": Decimal("1.5")}
    usage = read_usage("openai.chat", raw)
    assert usage.unknown_fields == {"prompt_tokens_details.hologram_tokens": 3, "carbon_mg": Decimal("1.5")}


def test_a_monstrous_number_does_not_make_the_message_monstrous() -> None:
    usage = read_usage("openai.chat", {**OPENAI, "completion_tokens": 10**100000})
    assert all(len(flag.detail) < 200 for flag in usage.flags)


def test_json_fractions_stay_exact() -> None:
    assert parse_json(b'{"cost": 0.10000000000000000000000001}') == {"cost": Decimal("0.10000000000000000000000001")}
