"""Cache and reasoning counts beside OpenAI's totals: inside or outside, as the totals of each gateway show."""

from __future__ import annotations

from typing import Any

import pytest

from harness.usage import read_usage
from tests.support.usage_facts import flag_names, tokens

ANTHROPIC_NAMES = {"cache_creation_input_tokens": 2000, "cache_read_input_tokens": 30000}


def chat(prompt: int, completion: int, total: int | None = None, **more: Any) -> dict[str, Any]:
    stated = {} if total is None else {"total_tokens": total}
    return {"prompt_tokens": prompt, "completion_tokens": completion, **stated, **more}


def test_a_surplus_that_is_the_cache_does_not_become_reasoning() -> None:
    """Portkey streams Claude's usage with both cache counters at the top, in the total and not in the prompt."""
    raw = chat(12, 100, 32112, **ANTHROPIC_NAMES)
    assert tokens("openai.chat", raw) == {"input": 12, "cache_read": 30000, "cache_write_5m": 2000, "output": 100}
    usage = read_usage("openai.chat", raw)
    assert (usage.reasoning_tokens, flag_names(usage)) == (None, ["cache_outside_input"])


def test_cache_counters_at_the_top_that_the_prompt_includes_are_taken_out_of_it() -> None:
    raw = chat(32012, 100, 32112, **ANTHROPIC_NAMES)
    assert tokens("openai.chat", raw) == {"input": 12, "cache_read": 30000, "cache_write_5m": 2000, "output": 100}
    assert read_usage("openai.chat", raw).flags == ()


@pytest.mark.parametrize("total", [60, None])
def test_more_cached_tokens_than_prompt_are_not_dropped(total: int | None) -> None:
    """Helicone: the prompt is what was not cached, and the total may leave the cache out too."""
    raw = chat(50, 10, total, prompt_tokens_details={"cached_tokens": 4000})
    assert tokens("openai.chat", raw) == {"input": 50, "cache_read": 4000, "output": 10}


def test_writes_beside_a_prompt_that_holds_the_reads_do_not_drop_both() -> None:
    """litellm in 2025 added Claude's cache reads to the prompt and left its writes out."""
    raw = chat(50_000, 10, 50_010, cache_read_input_tokens=49_000, cache_creation_input_tokens=2_000)
    for kind in ("litellm.usage", "openai.chat"):
        assert tokens(kind, raw) == {"input": 1000, "cache_read": 49_000, "cache_write_5m": 2000, "output": 10}


def test_writes_alone_outside_are_told_by_the_total() -> None:
    raw = chat(50_000, 10, 52_010, cache_read_input_tokens=40_000, cache_creation_input_tokens=2_000)
    assert tokens("openai.chat", raw) == {"input": 10_000, "cache_read": 40_000, "cache_write_5m": 2000, "output": 10}


def test_reasoning_and_cache_outside_at_once_are_both_placed() -> None:
    raw = chat(
        10,
        20,
        1330,
        prompt_tokens_details={"cached_tokens": 1000},
        completion_tokens_details={"reasoning_tokens": 300},
    )
    assert tokens("openai.chat", raw) == {"input": 10, "cache_read": 1000, "reasoning": 300, "output": 20}


def test_anthropics_own_shape_keeps_its_convention_under_openais_kind() -> None:
    raw = {"input_tokens": 3000, "output_tokens": 100, **ANTHROPIC_NAMES, "cache_read_input_tokens": 500}
    assert tokens("openai.responses", raw) == {"input": 3000, "cache_read": 500, "cache_write_5m": 2000, "output": 100}


def test_dropped_thoughts_are_still_found_behind_a_cache_inside_the_prompt() -> None:
    raw = chat(100, 20, 325, prompt_tokens_details={"cached_tokens": 60})
    assert tokens("openai.chat", raw) == {"input": 40, "cache_read": 60, "reasoning": 205, "output": 20}


def test_a_surplus_that_an_unread_count_explains_is_not_billed_as_reasoning() -> None:
    usage = read_usage("openai.chat", chat(100, 20, 1120, warm_prefix_tokens=1000))
    assert (usage.output_tokens, usage.reasoning_tokens) == (20, None)
    assert flag_names(usage) == ["total_mismatch", "unread_counts"]
    assert usage.is_incomplete


def test_the_same_tokens_counted_as_read_and_as_written_are_billed_once() -> None:
    raw = chat(2168, 100, 2268, prompt_tokens_details={"cache_write_tokens": 2161, "cached_tokens": 2161})
    assert tokens("openrouter.chat", raw) == {"input": 7, "cache_read": 2161, "output": 100}
    assert flag_names(read_usage("openrouter.chat", raw)) == ["cache_counts_overlap"]


SPELLINGS: list[tuple[str, dict[str, Any], dict[str, int]]] = [
    (
        "Codex logs",
        {
            "input_tokens": 23318,
            "cached_input_tokens": 20000,
            "cache_write_input_tokens": 3000,
            "output_tokens": 251,
            "reasoning_output_tokens": 53,
            "total_tokens": 23569,
        },
        {"input": 318, "cache_read": 20000, "cache_write_5m": 3000, "reasoning": 53, "output": 198},
    ),
    (
        "Inspect logs",
        {"input_tokens": 5915, "output_tokens": 207, "total_tokens": 6122, "input_tokens_cache_read": 3840},
        {"input": 2075, "cache_read": 3840, "output": 207},
    ),
    (
        "Realtime API",
        {
            "total_tokens": 1855,
            "input_tokens": 1459,
            "output_tokens": 396,
            "input_token_details": {
                "text_tokens": 1349,
                "audio_tokens": 110,
                "cached_tokens": 1408,
                "cached_tokens_details": {"text_tokens": 1344, "audio_tokens": 64},
            },
            "output_token_details": {"text_tokens": 97, "audio_tokens": 299},
        },
        {
            "input": 5,
            "cache_read": 1344,
            "cache_read_audio": 64,
            "input_audio": 46,
            "output": 97,
            "output_audio": 299,
        },
    ),
    (
        "cached images",
        {
            "input_tokens": 1000,
            "input_tokens_details": {
                "text_tokens": 200,
                "image_tokens": 800,
                "cached_tokens": 700,
                "cached_tokens_details": {"text_tokens": 100, "image_tokens": 600},
            },
            "output_tokens": 50,
            "output_tokens_details": {"image_tokens": 50},
            "total_tokens": 1050,
        },
        {"input": 100, "cache_read": 100, "cache_read_image": 600, "input_image": 200, "output_image": 50},
    ),
    (
        "DashScope",
        {
            "prompt_tokens": 1905,
            "completion_tokens": 120,
            "total_tokens": 2025,
            "prompt_tokens_details": {
                "cached_tokens": 0,
                "cache_creation_input_tokens": 1889,
                "cache_creation": {"ephemeral_5m_input_tokens": 1889},
                "cache_type": "ephemeral",
            },
        },
        {"input": 16, "cache_write_5m": 1889, "output": 120},
    ),
    (
        "LangChain",
        {
            "input_tokens": 300,
            "output_tokens": 40,
            "total_tokens": 340,
            "input_token_details": {"cache_read": 100, "cache_creation": 150},
            "output_token_details": {"reasoning": 30},
        },
        {"input": 50, "cache_read": 100, "cache_write_5m": 150, "reasoning": 30, "output": 10},
    ),
]


@pytest.mark.parametrize(("raw", "expected"), [row[1:] for row in SPELLINGS], ids=[row[0] for row in SPELLINGS])
@pytest.mark.parametrize("kind", ["openai.responses", "openai.chat", "openrouter.chat"])
def test_no_spelling_of_a_cache_count_is_lost(kind: str, raw: dict[str, Any], expected: dict[str, int]) -> None:
    assert tokens(kind, raw) == expected
    assert read_usage(kind, raw).flags == ()


def test_both_names_of_a_total_are_one_total() -> None:
    raw = {"prompt_tokens": 0, "input_tokens": 371, "completion_tokens": 0, "output_tokens": 9, "total_tokens": 380}
    assert tokens("openai.chat", raw) == {"input": 371, "output": 9}
    usage = read_usage("openai.chat", {**raw, "prompt_tokens": 300})
    assert (usage.input_tokens, "totals_disagree" in flag_names(usage)) == (371, True)


# --- counts that nobody reads -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "field",
    [
        {"mystery_cached": 700},
        {"prompt_tokens_details": {"frozen_tokens": 700}},
        {"extra": {"sub_calls": [{"promptTokens": 700}]}},
        {"num_sources_used": 25},
    ],
)
@pytest.mark.parametrize("kind", ["openai.chat", "xai.chat", "litellm.usage", "anthropic.messages"])
def test_a_count_that_nobody_reads_is_named_and_makes_the_bill_incomplete(kind: str, field: dict[str, Any]) -> None:
    plain = {"input_tokens": 1000, "output_tokens": 1} if kind == "anthropic.messages" else chat(1000, 1, 1001)
    usage = read_usage(kind, {**plain, **field})
    assert flag_names(usage) == ["unread_counts"]
    assert usage.is_incomplete
    (detail,) = [flag.detail for flag in usage.flags]
    assert next(iter(field)) in detail


@pytest.mark.parametrize(
    "field",
    [{"latency_ms": 1200}, {"tokens_per_second": 80}, {"cached_until": "tomorrow"}, {"spare_tokens": 0}, {"seed": 7},
     {"num_input_tokens": 1000}, {"time_to_first_token": 3}, {"request_id": 12}],
)  # fmt: skip
def test_what_counts_nothing_new_is_not_named(field: dict[str, Any]) -> None:
    assert read_usage("openai.chat", {**chat(1000, 1, 1001), **field}).flags == ()


def test_a_total_that_does_not_fit_anthropics_counts_is_flagged() -> None:
    raw = {"input_tokens": 100, "output_tokens": 200}
    assert flag_names(read_usage("anthropic.messages", {**raw, "total_tokens": 20300})) == ["total_mismatch"]
    cached = {**raw, "cache_read_input_tokens": 20000}
    assert read_usage("anthropic.messages", {**cached, "total_tokens": 20300}).flags == ()
    assert flag_names(read_usage("anthropic.messages", {**cached, "total_tokens": 300})) == ["total_leaves_cache_out"]
