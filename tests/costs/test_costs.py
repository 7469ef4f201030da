"""What requests cost, by the mistakes of other tools: three states, stated costs, names; all figures written out."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from harness.costs import cost_of
from harness.money import add, plain
from harness.pricing import Price, PriceBook
from harness.usage import Meter, Usage, read_usage
from tests.support.price_cases import NOON, book, cost, rates, row, tokens, usd, utc

MILLION = 1_000_000


def test_unpriced_does_not_become_zero() -> None:
    bill = cost("openai/o9-mini", tokens(1000, 1000))
    assert (bill.status, bill.usd, bill.list_usd) == ("unpriced", None, None)
    assert bill.warnings == (
        "no price for openai/o9-mini at 2026-11-22T12:00:00Z (listed are "
        "openai/o4-mini (input 1.1, output 4.4 USD/Mtok); openai/o3-mini (input 1.1, output 4.4 USD/Mtok); "
        "openai/o1-mini (input 1.1, output 4.4 USD/Mtok)); "
        "add a [[price]] to pricing/openai.toml or pass --pricing DIR",
    )


def test_a_known_model_before_its_price_says_so() -> None:
    assert (
        "it has prices at other dates, from 2025-04-16 on" in cost("openai/o3", tokens(1, 1), "2024-01-01").warnings[0]
    )


def test_free_is_a_state_of_its_own_and_not_zero_by_accident() -> None:
    bill = cost("ollama/qwen3:8b", tokens(26, 298))
    assert (bill.status, bill.usd) == ("free", Decimal(0))
    assert cost("google/gemini-2.0-flash-thinking-exp", tokens(10, 10)).status == "free"


def test_a_partly_priced_bill_does_not_look_complete() -> None:
    known = tokens(1000, 1000)
    bill = cost("anthropic/claude-sonnet-5", replace(known, other_models=(("claude-nobody", known),)))
    assert (bill.status, bill.usd) == ("unpriced", None)
    assert add(line.usd for line in bill.lines) == Decimal("0.012")


def test_usage_of_another_model_inside_the_payload_has_that_models_price() -> None:
    advisor = tokens(2518, 22)
    bill = cost("anthropic/claude-sonnet-5", replace(tokens(2390, 121), other_models=(("claude-opus-4-8", advisor),)))
    # 2390*2 + 121*10 + 2518*5 + 22*25 micro-USD
    assert bill.usd == Decimal("0.01913")
    assert [line.model for line in bill.lines] == [None, None, "claude-opus-4-8", "claude-opus-4-8"]


def test_gpt_4o_of_may_2024_is_not_priced_like_todays() -> None:
    assert usd("openai/gpt-4o", tokens(MILLION, MILLION), "2024-06-01") == "20"
    assert usd("openai/gpt-4o", tokens(MILLION, MILLION), "2026-06-01") == "12.5"


def test_the_price_used_is_recorded_with_its_source() -> None:
    price = cost("openai/o1", tokens(1, 1)).price
    assert price is not None
    assert price.source.startswith("litellm price-file history")
    assert price.where == "openai.toml [[price]] 9 (o1)"


def test_floats_never_touch_money() -> None:
    # 1024*15 + 2048*7.5 + 1900*60 micro-USD; as floats 0.14472000000000002
    assert usd("openai/o1", tokens(3072, 1900, cache_read_tokens=2048), "2025-01-20") == "0.14472"


def test_cache_reads_and_writes_have_their_own_rates() -> None:
    usage = tokens(
        4_000_000, 0, cache_read_tokens=MILLION, cache_write_5m_tokens=MILLION, cache_write_1h_tokens=MILLION
    )
    bill = cost("anthropic/claude-opus-4-5-20251101", usage)
    assert {line.meter.value: plain(line.usd) for line in bill.lines} == {
        "input": "5",
        "cache_read": "0.5",
        "cache_write_5m": "6.25",
        "cache_write_1h": "10",
    }


def test_a_missing_cached_rate_is_the_full_input_rate_and_not_zero() -> None:
    bill = cost("openai/gpt-4o-2024-05-13", tokens(MILLION, 0, cache_read_tokens=MILLION), "2025-02-01")
    assert bill.usd == Decimal(5)
    assert "full input rate" in bill.warnings[0]


def test_a_cached_rate_does_not_reach_back_before_caching_existed() -> None:
    cached = tokens(MILLION, 0, cache_read_tokens=MILLION)
    assert usd("openai/gpt-4o-2024-08-06", cached, "2024-09-30T23:59:59") == "2.5"
    assert usd("openai/gpt-4o-2024-08-06", cached, "2024-10-01") == "1.25"


def test_a_stated_cost_is_kept_beside_the_list_cost() -> None:
    bill = cost("xai/grok-4.20", replace(tokens(MILLION, 0), stated_cost_usd=Decimal("2.4976")))
    assert (bill.usd, bill.list_usd) == (Decimal("2.4976"), Decimal("2.5"))
    assert bill.warnings == ()


def test_a_stated_cost_that_differs_by_more_than_a_thousandth_is_reported() -> None:
    bill = cost("xai/grok-4.20", replace(tokens(MILLION, 0), stated_cost_usd=Decimal("2.4")))
    assert "the provider states 2.4 USD, the price book says 2.5" in bill.warnings[0]


def test_a_stated_cost_of_an_unlisted_model_is_charged_without_a_list_price() -> None:
    bill = cost("openrouter/somebody/model", replace(tokens(10, 10), stated_cost_usd=Decimal("0.01")))
    assert (bill.status, bill.usd, bill.list_usd) == ("priced", Decimal("0.01"), None)


def test_a_fee_for_an_own_key_is_not_taken_for_the_price_of_the_tokens() -> None:
    usage = replace(tokens(MILLION, 0), stated_cost_usd=Decimal("0.1"), stated_upstream_usd=Decimal(2), own_key=True)
    bill = cost("openrouter/openai/o3", usage)
    assert (bill.usd, bill.list_usd) == (Decimal("2.1"), Decimal(2))
    assert bill.warnings == ("own key: 0.1 USD was charged here, 2 USD by the provider behind it",)


def test_an_own_key_of_an_unlisted_model_does_not_look_free() -> None:
    own = replace(tokens(21, 4), stated_cost_usd=Decimal(0), own_key=True)
    known = cost("openrouter/z-ai/no-such-model", replace(own, stated_upstream_usd=Decimal("0.00000515")))
    assert (known.status, known.usd) == ("priced", Decimal("0.00000515"))
    unknown = cost("openrouter/z-ai/no-such-model", own)
    assert (unknown.status, unknown.usd) == ("unpriced", None)


def test_an_own_key_without_an_upstream_amount_costs_the_list_price_and_the_fee() -> None:
    bill = cost("openrouter/openai/o3", replace(tokens(MILLION, 0), stated_cost_usd=Decimal("0.1"), own_key=True))
    assert bill.usd == Decimal("2.1")
    assert "is taken from the price book, 2 USD" in bill.warnings[0]


def test_a_stated_zero_for_a_paid_model_is_not_a_charge() -> None:
    zero = replace(tokens(54, 5322), stated_cost_usd=Decimal(0))
    listed = cost("openrouter/openai/gpt-5.5-pro", zero)
    # 54*30 + 5322*180 micro-USD
    assert (listed.status, listed.usd) == ("priced", Decimal("0.95958"))
    assert "the list price is taken" in listed.warnings[0]
    unlisted = cost("openrouter/somebody/model", zero)
    assert (unlisted.status, unlisted.usd) == ("unpriced", None)
    assert cost("openrouter/nvidia/nemotron-nano-9b-v2:free", zero).status == "free"


def test_the_served_tier_prices_and_not_the_asked_one() -> None:
    served_default = replace(tokens(1000, 1000), service_tier="default")
    assert usd("openai/gpt-5", served_default, service_tier="priority") == "0.01125"
    assert usd("openai/gpt-5", replace(served_default, service_tier="priority")) == "0.0225"


def test_the_served_model_prices_and_not_the_asked_one() -> None:
    bill = cost("openai/gpt-4o", tokens(MILLION, 0), served_model="gpt-4o-mini")
    assert bill.usd == Decimal("0.15")
    assert bill.warnings == ("asked for 'gpt-4o', served and priced as 'gpt-4o-mini'",)


def test_a_dated_name_of_the_asked_model_is_no_mismatch() -> None:
    assert cost("openai/gpt-4o", tokens(1, 1), "2026-01-01", served_model="gpt-4o-2024-08-06").warnings == ()


@pytest.mark.parametrize("served", ["o3-fp8", "o3-2027-01-01", "openai/o3-2027-01-01", "my-deployment"])
def test_an_unlisted_served_name_of_the_asked_model_is_priced_as_asked_with_a_warning(served: str) -> None:
    bill = cost("openai/o3", tokens(MILLION, 0), served_model=served)
    assert bill.usd == Decimal(2)
    assert "is not in the price book" in bill.warnings[0]
    assert "an assumption" in bill.warnings[0]


@pytest.mark.parametrize("served", ["claude-opus-4-8-20260615", "claude-mythos-9"])
def test_an_unlisted_other_model_does_not_get_the_price_of_the_asked_one(served: str) -> None:
    bill = cost("anthropic/claude-fable-5", tokens(MILLION, 0), served_model=served)
    assert (bill.status, bill.usd) == ("unpriced", None)
    assert f"no price for anthropic/{served}" in bill.warnings[0]


def test_a_price_of_ones_own_holds_for_what_is_asked_whatever_the_server_calls_it() -> None:
    own = PriceBook(rows=(replace(row("gpt-5"), layer=1), row("gpt-4")))
    bill = cost_of(own, tokens(MILLION, 0), provider="p", model="gpt-5", at=NOON, served_model="gpt-4-32k")
    assert (bill.status, bill.usd) == ("priced", Decimal(1))


@pytest.mark.parametrize("model", ["deepseek-v4-pro:cloud", "gpt-oss:120b-cloud"])
def test_a_cloud_model_of_ollama_is_not_free(model: str) -> None:
    bill = cost(f"ollama/{model}", tokens(1200, 800))
    assert (bill.status, bill.usd) == ("unpriced", None)
    assert "billed by the token" in bill.warnings[0]
    served = cost("ollama/gpt-oss", tokens(1200, 800), served_model=model)
    assert (served.status, served.usd) == ("unpriced", None)


def test_fast_is_the_new_word_for_priority() -> None:
    # 1000*20 + 500*100 micro-USD
    assert usd("openai/gpt-6-astra", replace(tokens(1000, 500), service_tier="fast")) == "0.07"
    assert usd("openai/gpt-6-astra", replace(tokens(1000, 500), service_tier="priority")) == "0.07"


def test_calls_on_both_sides_of_a_context_tier_are_each_charged_at_their_own() -> None:
    compaction = {"type": "compaction", "input_tokens": 250_000, "output_tokens": 9}
    message = {"type": "message", "input_tokens": 180, "output_tokens": 8}
    raw = {"input_tokens": 180, "output_tokens": 8, "iterations": [compaction, message]}
    usage = read_usage("anthropic.messages", raw)
    # 250000*6 + 9*22.5 + 180*3 + 8*15 micro-USD, while the tier above 200,000 tokens existed
    assert usd("anthropic/claude-sonnet-4-5-20250929", usage, "2026-01-15T00:00:00") == "1.5008625"


def test_a_search_is_charged_as_the_row_sells_it() -> None:
    searched = replace(tokens(0, 0), fees={Meter.WEB_SEARCH: 3})
    lines = {
        name: cost(name, searched).lines[0] for name in ("google/gemini-2.5-flash", "google/gemini-3-flash-preview")
    }
    assert [(line.meter.value, line.quantity, plain(line.usd)) for line in lines.values()] == [
        ("grounded_prompt", 1, "0.035"),
        ("grounding", 3, "0.042"),
    ]


def test_an_alias_that_starts_later_ends_a_row_without_an_end() -> None:
    before, after = "2026-05-15T18:59:59", "2026-05-15T19:00:00"
    assert usd("xai/grok-4-fast", tokens(1000, 1000), before) == "0.0007"
    # 1000*1.25 + 1000*2.5 micro-USD, as grok-4.3
    for name in ("grok-4-fast", "grok-3", "grok-4", "grok-4-0709"):
        assert usd(f"xai/{name}", tokens(1000, 1000), after) == "0.00375"


def test_a_correction_takes_the_place_of_the_row_with_its_start() -> None:
    wrong, right = row(start="2025-01-01"), row(start="2025-01-01", input="3", output="4")
    corrected = replace(right, corrected_on=NOON.date(), effective_until=utc("2025-06-01T00:00:00"))
    shown = book(wrong, corrected)
    price = shown.at("p", "m", utc("2025-03-01T00:00:00"))
    assert price == corrected
    # what it corrects is gone for good: it does not come back where the correction ends
    assert shown.at("p", "m", utc("2025-07-01T00:00:00")) is None
    assert len(shown.history("p", "m")) == 2


def test_missing_usage_is_unpriced_and_not_free() -> None:
    bill = cost("openai/o3", read_usage("openai.chat", None))
    assert (bill.status, bill.usd) == ("unpriced", None)


def test_an_unknown_output_count_leaves_the_bill_open() -> None:
    bill = cost("openai/o3", Usage(input_tokens=MILLION, output_tokens=None))
    assert (bill.status, [plain(line.usd) for line in bill.lines]) == ("unpriced", ["2"])


def test_a_payload_of_zeros_is_no_silent_zero() -> None:
    zeros = read_usage("openai.chat", {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0})
    assert cost("openai/o3", zeros).status == "unpriced"


def test_reasoning_inside_the_output_is_billed_once() -> None:
    assert usd("openai/o1-preview", tokens(1250, 3480, reasoning_tokens=2944), "2024-10-20") == "0.22755"


def test_rates_of_huge_counts_stay_exact() -> None:
    price = PriceBook(rows=(Price(provider="p", model="m", rates=rates(input="0.003625", output="0.000001")),))
    bill = cost_of(price, tokens(10**40 + 1, 1), provider="p", model="m", at=NOON)
    assert bill.usd == Decimal("36250000000000000000000000000000.000000003626")
