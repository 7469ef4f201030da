"""OpenAI's two shapes and their relatives: subsets are taken out once, and the total tells each convention."""

from __future__ import annotations

from decimal import Decimal

import pytest

from harness.usage import Meter, meters, parse_json, read_usage
from tests.support.usage_facts import OPENAI, flag_names, tokens


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


def test_a_cost_stated_as_text_is_the_charge() -> None:
    usage = read_usage("openrouter.chat", {"prompt_tokens": 21, "completion_tokens": 4, "cost": "0.00254674"})
    assert (usage.stated_cost_usd, usage.flags) == (Decimal("0.00254674"), ())


@pytest.mark.parametrize("text", ["", "free", "nan", "1_0", "\u0661", " 1", "$1", "-1", "1,5", "9" * 5000])
def test_a_text_that_is_no_amount_in_plain_digits_is_no_cost(text: str) -> None:
    usage = read_usage("openrouter.chat", {"prompt_tokens": 21, "completion_tokens": 4, "cost": text})
    assert (usage.stated_cost_usd, flag_names(usage)) == (None, ["not_an_amount"])


def test_a_stated_cost_that_was_parsed_as_float_keeps_the_provider_s_digits() -> None:
    usage = read_usage("openrouter.chat", {"prompt_tokens": 1, "completion_tokens": 1, "cost": 0.1})
    assert usage.stated_cost_usd == Decimal("0.1")


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
