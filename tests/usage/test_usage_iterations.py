"""Calls inside one answer: each is billed once, at its own model; what was declined before any output is free."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from harness.costs import Cost, cost_of
from harness.pricing.price_files import load_price_book
from harness.usage import read_usage
from tests.support.price_cases import utc
from tests.support.usage_facts import flag_names

BOOK = load_price_book()


def call(kind: str, model: str | None, plain_input: int, output: int, read: int = 0) -> dict[str, Any]:
    named = {} if model is None else {"model": model}
    return {
        "type": kind,
        **named,
        "input_tokens": plain_input,
        "output_tokens": output,
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": 0,
    }


def anthropic(*calls: dict[str, Any]) -> dict[str, Any]:
    """Make the payload whose top level is its last call."""
    top = {name: value for name, value in calls[-1].items() if name not in ("type", "model")}
    return {**top, "iterations": list(calls)}


def litellm(*calls: dict[str, Any]) -> dict[str, Any]:
    """Make litellm's sum over all calls, as litellm 1.106.2 writes it."""
    sums = {name: sum(one[name] for one in calls) for name in ("input_tokens", "output_tokens")}
    read = sum(one["cache_read_input_tokens"] for one in calls)
    prompt = sums["input_tokens"] + read
    return {
        "prompt_tokens": prompt,
        "completion_tokens": sums["output_tokens"],
        "total_tokens": prompt + sums["output_tokens"],
        "prompt_tokens_details": {"cached_tokens": read},
        "cache_read_input_tokens": read,
        "iterations": list(calls),
    }


def cost(kind: str, raw: dict[str, Any], served: str | None = None) -> Cost:
    return cost_of(
        BOOK,
        read_usage(kind, raw),
        provider="anthropic",
        model="claude-fable-5",
        at=utc("2026-09-02T12:00:00"),
        served_model=served,
    )


BEFORE_OUTPUT = (call("message", "claude-fable-5", 408, 0), call("fallback_message", "claude-opus-5", 412, 264))
MID_STREAM = (
    call("message", "claude-fable-5", 3, 200, read=50000),
    call("fallback_message", "claude-opus-4-8", 3, 1000, read=50200),
)
SHAPES = [("anthropic.messages", anthropic), ("litellm.usage", litellm)]


@pytest.mark.parametrize(("kind", "shape"), SHAPES)
@pytest.mark.parametrize("served", [None, "claude-opus-5", "claude-fable-5"])
def test_a_fallback_is_not_billed_twice(kind: str, shape: Any, served: str | None) -> None:
    bill = cost(kind, shape(*BEFORE_OUTPUT), served)
    # 412*5 + 264*25 micro-USD; the attempt that was declined before any output is free
    assert (bill.status, bill.usd) == ("priced", Decimal("0.00866"))
    assert "declined_unbilled" in flag_names(read_usage(kind, shape(*BEFORE_OUTPUT)))


@pytest.mark.parametrize(("kind", "shape"), SHAPES)
def test_an_attempt_declined_after_output_is_billed_at_its_own_model(kind: str, shape: Any) -> None:
    bill = cost(kind, shape(*MID_STREAM))
    # 3*10 + 50000*1 + 200*50 micro-USD at Fable 5, 3*5 + 50200*0.5 + 1000*25 at Opus 4.8
    assert bill.usd == Decimal("0.110145")
    assert {line.model for line in bill.lines} == {None, "claude-fable-5"}


def test_litellms_top_level_of_the_answering_call_alone_is_not_emptied() -> None:
    usage = read_usage("litellm.usage", {**litellm(*BEFORE_OUTPUT[1:]), "iterations": list(BEFORE_OUTPUT)})
    assert (usage.input_tokens, usage.output_tokens, usage.served_model) == (412, 264, "claude-opus-5")


def test_a_chain_of_fallbacks_bills_each_that_wrote_something() -> None:
    calls = (*MID_STREAM[:1], call("fallback_message", "claude-opus-5", 10, 0), *MID_STREAM[1:])
    usage = read_usage("anthropic.messages", anthropic(*calls))
    assert (usage.served_model, usage.input_tokens, usage.output_tokens) == ("claude-opus-4-8", 50203, 1000)
    assert [(model, other.output_tokens) for model, other in usage.other_models] == [("claude-fable-5", 200)]


def test_a_declined_attempt_of_no_named_model_makes_the_bill_incomplete() -> None:
    usage = read_usage("anthropic.messages", anthropic(call("message", None, 3, 200), MID_STREAM[1]))
    assert flag_names(usage) == ["declined_model_unknown"]
    assert usage.is_incomplete


def test_a_search_loop_of_any_provider_does_not_reach_a_context_tier_by_its_sum() -> None:
    sums = {"prompt_tokens": 401468, "completion_tokens": 792, "total_tokens": 402260}
    for kind, tools in (
        ("xai.chat", {"server_side_tool_usage_details": {"web_search_calls": 10}}),
        ("openrouter.chat", {"server_tool_use": {"web_search_requests": 10}}),
        ("litellm.usage", {"server_tool_use": {"web_search_requests": 10}}),
    ):
        usage = read_usage(kind, {**sums, **tools})
        assert (usage.context_tokens, flag_names(usage)) == (36498, ["context_is_a_sum"]), kind
