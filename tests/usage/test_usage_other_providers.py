"""Bedrock, Cohere, Perplexity, Ollama, images and litellm: each payload kind by its own rule."""

from __future__ import annotations

from decimal import Decimal

from harness.usage import read_usage
from tests.support.usage_facts import flag_names, tokens


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
