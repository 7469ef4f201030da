"""Fees of built-in tools: billed from whatever counts the calls, and named as missing where nothing does."""

from __future__ import annotations

import json
from typing import Any

import pytest

from harness.costs.usage_lines import PricedLine, price_line
from harness.pricing.price_files import load_price_book
from harness.usage import Meter
from harness.usage.tool_calls import calls_in_output, offered_tools

BOOK = load_price_book()
RESPONSES = {
    "provider": "openai",
    "model": "gpt-5-mini",
    "at": "2026-06-25T12:00:00Z",
    "usage_kind": "openai.responses",
    "usage": {"input_tokens": 1000, "output_tokens": 100, "total_tokens": 1100},
}
TOKENS_USD = "0.00045"  # 1000*0.25 + 100*2 micro-USD


def priced(**record: Any) -> PricedLine:
    return price_line(BOOK, json.dumps({**RESPONSES, **record}), line_number=1)


SEARCH: dict[str, Any] = {"type": "web_search_call", "action": {"type": "search"}}
OPEN_PAGE: dict[str, Any] = {"type": "web_search_call", "action": {"type": "open_page"}}


def test_a_bill_without_the_fee_of_an_offered_tool_does_not_look_complete() -> None:
    result = priced(request={"tools": [{"type": "web_search"}]})
    assert (result["usd"], result["cost_is_lower_bound"]) == (TOKENS_USD, True)
    assert any("web_search" in warning for warning in result["warnings"])


@pytest.mark.parametrize(
    ("record", "usd"),
    [
        ({"request": {"tools": [{"type": "web_search"}], "tool_calls": {"web_search": 4}}}, "0.04045"),
        ({"request": {"tools": [{"type": "web_search"}], "tool_calls": {"web_search": 0}}}, TOKENS_USD),
        ({"request": {"tools": [{"type": "web_search"}]}, "output": [SEARCH, OPEN_PAGE, SEARCH]}, "0.02045"),
        ({"request": {"tools": [{"type": "file_search"}]}, "output": [{"type": "file_search_call"}]}, "0.00295"),
        ({"tool_calls": {"code_interpreter": 1, "get_weather": 9}}, "0.03045"),
        ({"request": {"tools": [{"type": "function", "name": "f"}, {"type": "computer_use_preview"}]}}, TOKENS_USD),
    ],
)
def test_calls_that_are_known_are_billed(record: dict[str, Any], usd: str) -> None:
    result = priced(**record)
    assert (result["usd"], result["cost_is_lower_bound"], result["warnings"]) == (usd, False, [])


def test_a_container_is_one_session_however_often_code_runs_in_it() -> None:
    runs = [{"type": "code_interpreter_call", "container_id": name} for name in ("a", "a", "b")]
    assert calls_in_output(runs) == {Meter.CODE_SESSION: 2}


def test_what_the_usage_counts_stands_and_a_difference_is_named() -> None:
    anthropic = {
        "provider": "anthropic",
        "model": "claude-sonnet-4-6",
        "usage_kind": "anthropic.messages",
        "usage": {"input_tokens": 10, "output_tokens": 10, "server_tool_use": {"web_search_requests": 1}},
    }
    result = priced(**anthropic, tool_calls={"web_search": 2})
    assert [line["quantity"] for line in result["lines"] if line["meter"] == "web_search"] == [1]
    assert any("tool_calls_disagree" in warning for warning in result["warnings"])
    silent = {**anthropic, "usage": {"input_tokens": 10, "output_tokens": 10}}
    # Claude's usage counts every search, so no count is none
    assert priced(**silent, request={"tools": [{"type": "web_search_20250305"}]})["warnings"] == []


def test_a_prompt_summed_over_tool_calls_does_not_take_the_long_context_rate() -> None:
    usage = {"input_tokens": 600_000, "output_tokens": 100, "total_tokens": 600_100}
    result = priced(model="gpt-5.4", usage=usage, tool_calls={"web_search": 4})
    # 600000*2.5 + 100*15 micro-USD and four searches: no call need have exceeded 272,000
    assert result["usd"] == "1.5415"
    assert any("context_is_a_sum" in warning for warning in result["warnings"])
    assert priced(model="gpt-5.4", usage=usage)["usd"] == "3.00225"


def test_a_stated_cost_holds_the_fees_already() -> None:
    usage = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100, "cost": 0.02}
    result = priced(usage_kind="openai.chat", usage=usage, request={"tools": [{"type": "web_search"}]})
    assert (result["usd"], result["cost_is_lower_bound"]) == ("0.02", False)


@pytest.mark.parametrize(
    ("request_", "meters"),
    [
        ({"tools": [{"googleSearch": {}}, {"google_maps": {}}]}, {Meter.GROUNDING, Meter.MAPS_GROUNDING}),
        ({"tools": [{"type": "web_search_preview_2025_03_11"}]}, {Meter.WEB_SEARCH}),
        ({"tools": [{"type": "openrouter:web_search"}]}, {Meter.WEB_SEARCH}),
        ({"plugins": [{"id": "web"}]}, {Meter.WEB_SEARCH}),
        ({"web_search_options": {}}, {Meter.WEB_SEARCH}),
        ({"tools": [{"urlContext": {}}, {"code_execution": {}}, {"type": "custom"}]}, set()),
        ({"tools": "all of them"}, set()),
    ],
)
def test_tools_with_a_fee_are_known_in_every_spelling(request_: dict[str, Any], meters: set[Meter]) -> None:
    assert set(offered_tools(request_).values()) == meters


@pytest.mark.parametrize("calls", [{"web_search": -1}, {"web_search": 1.5}, {"web_search": True}, {"web_search": "1"}])
def test_a_number_of_calls_that_is_none_is_refused(calls: dict[str, Any]) -> None:
    result = priced(tool_calls=calls)
    assert (result["status"], result["usd"]) == ("error", None)


def test_searches_of_a_gemini_behind_litellm_are_billed() -> None:
    usage = {
        "prompt_tokens": 40,
        "completion_tokens": 600,
        "total_tokens": 640,
        "prompt_tokens_details": {"text_tokens": 40, "web_search_requests": 2},
    }
    searched = {"provider": "google", "usage_kind": "litellm.usage", "usage": usage}
    # 40*0.5 + 600*3 micro-USD, and two queries at 14 USD per thousand
    assert priced(**searched, model="gemini-3-flash-preview")["usd"] == "0.02982"
    # 40*0.3 + 600*2.5 micro-USD, and one grounded prompt at 35 USD per thousand
    assert priced(**searched, model="gemini-2.5-flash")["usd"] == "0.036512"


def test_a_refusal_before_any_output_is_not_billed_although_it_carries_usage() -> None:
    refused = {
        "provider": "bedrock",
        "model": "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "usage_kind": "bedrock.converse",
        "stop_reason": "refusal",
    }
    empty = priced(**refused, usage={"inputTokens": 106, "outputTokens": 1, "totalTokens": 107})
    assert (empty["status"], empty["usd"]) == ("free", "0")
    begun = priced(**refused, usage={"inputTokens": 106, "outputTokens": 40, "totalTokens": 146})
    assert (begun["status"], begun["usd"] != "0") == ("priced", True)


def test_a_refusal_of_another_provider_is_billed() -> None:
    assert priced(stop_reason="refusal")["usd"] == TOKENS_USD
