"""Anthropic messages: the cache lies outside the input, and the bill can be larger than the top level says."""

from __future__ import annotations

from harness.usage import Meter, read_usage
from tests.support.usage_facts import flag_names, tokens


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


def test_anthropic_calls_on_both_sides_of_a_context_tier_are_kept_apart() -> None:
    calls = [
        {"type": "compaction", "input_tokens": 250_000, "output_tokens": 9},
        {"type": "message", "input_tokens": 180, "output_tokens": 8},
    ]
    usage = read_usage("anthropic.messages", {"input_tokens": 180, "output_tokens": 8, "iterations": calls})
    assert (usage.context_tokens, usage.input_tokens, flag_names(usage)) == (250_000, 250_180, [])
    assert [(call.input_tokens, call.output_tokens) for call in usage.calls] == [(180, 8), (250_000, 9)]


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


def test_anthropic_list_that_holds_less_than_the_top_level_does_not_shrink_the_bill() -> None:
    raw = {
        "input_tokens": 500,
        "output_tokens": 90,
        "iterations": [
            {"type": "compaction", "input_tokens": 1000, "output_tokens": 20},
            {"type": "message", "input_tokens": 10, "output_tokens": 8},
        ],
    }
    usage = read_usage("anthropic.messages", raw)
    assert (usage.input_tokens, usage.output_tokens, flag_names(usage)) == (1500, 110, ["iterations_do_not_sum"])
