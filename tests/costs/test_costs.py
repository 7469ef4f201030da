"""What requests cost: tiers, windows, regions, fees, three states, exactness; every figure is written out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.costs import Cost, charge, cost_of, worst_case_usd
from harness.money import add, plain
from harness.pricing import Adjustment, DayWindow, Price, PriceBook
from harness.pricing.price_files import load_price_book
from harness.pricing.rates import Terms
from harness.usage import Meter, Usage, read_usage
from tests.support.price_cases import NOON, book, rates, row, tokens, utc

SHIPPED = load_price_book()
MILLION = 1_000_000


def cost(name: str, usage: Usage, at: str = "2026-11-22T12:00:00", **how: Any) -> Cost:
    provider, model = name.split("/", 1)
    return cost_of(SHIPPED, usage, provider=provider, model=model, at=utc(at), **how)


def usd(name: str, usage: Usage, at: str = "2026-11-22T12:00:00", **how: Any) -> str | None:
    amount = cost(name, usage, at, **how).usd
    return None if amount is None else plain(amount)


# --- mistakes of other tools ------------------------------------------------------------------------------------------


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


# --- tiers, batches, speeds -------------------------------------------------------------------------------------------


def test_a_published_rounded_rate_is_kept() -> None:
    cached = tokens(MILLION, 0, cache_read_tokens=MILLION)
    assert usd("openai/o4-mini", cached, service_tier="flex") == "0.138"
    assert usd("openai/gpt-5.4", replace(cached, context_tokens=1), mode="batch") == "0.13"
    assert usd("openai/gpt-5.4", replace(cached, context_tokens=272_001), mode="batch") == "0.25"


def test_a_batch_is_a_batch_whatever_tier_the_response_names() -> None:
    usage = replace(tokens(MILLION, MILLION), service_tier="default")
    assert usd("openai/o3", usage, mode="batch") == "5"
    assert usd("openai/o3", tokens(MILLION, MILLION), service_tier="batch") == "5"


def test_anthropic_halves_every_class_in_a_batch_but_not_the_search_fee() -> None:
    usage = tokens(3 * MILLION, MILLION, cache_read_tokens=MILLION, cache_write_5m_tokens=MILLION)
    usage = replace(usage, fees={Meter.WEB_SEARCH: 100}, service_tier="batch")
    # (3 + 0.3 + 3.75 + 15) / 2 + 100 * 0.01
    assert usd("anthropic/claude-3-7-sonnet-20250219", usage, "2025-03-15") == "12.025"


def test_a_google_batch_does_not_halve_the_cached_rate() -> None:
    usage = tokens(2 * MILLION, MILLION, cache_read_tokens=MILLION, reasoning_tokens=0)
    # 2.5/2 + 0.25 + 15/2 above 200k
    assert usd("google/gemini-2.5-pro", usage, mode="batch") == "9"


def test_groq_batch_and_cache_discounts_do_not_stack() -> None:
    usage = tokens(2 * MILLION, MILLION, cache_read_tokens=MILLION)
    # 0.15/2 + 0.075 + 0.6/2
    assert usd("groq/openai/gpt-oss-120b", usage, mode="batch") == "0.45"


def test_an_xai_batch_saves_a_fifth() -> None:
    assert usd("xai/grok-4.3", replace(tokens(MILLION, MILLION), context_tokens=10), mode="batch") == "3"


def test_a_priority_request_above_the_context_tier_pays_both() -> None:
    assert usd("openai/gpt-5.5", tokens(MILLION, 0), service_tier="priority") == "25"
    assert usd("openai/gpt-5.5", replace(tokens(MILLION, 0), context_tokens=1), service_tier="priority") == "12.5"
    assert usd("google/gemini-2.5-pro", tokens(MILLION, 0), service_tier="ON_DEMAND_PRIORITY") == "4.5"


def test_a_tier_without_a_listed_rate_is_unpriced_and_not_standard() -> None:
    bill = cost("openai/o1", tokens(10, 10), service_tier="priority")
    assert (bill.status, bill.warnings) == ("unpriced", ("no rate for tier 'priority' of openai/o1",))


@pytest.mark.parametrize("tier", ["default", "standard", "auto", "ON_DEMAND", "", None, "SERVICE_TIER_STANDARD"])
def test_all_words_for_the_standard_tier_are_the_list_price(tier: str | None) -> None:
    assert usd("google/gemini-2.5-flash", tokens(MILLION, 0), service_tier=tier) == "0.3"


def test_anthropic_priority_capacity_is_metered_at_list_rates() -> None:
    assert usd("anthropic/claude-opus-4-5", replace(tokens(MILLION, 0), service_tier="priority")) == "5"


def test_fast_speed_has_its_own_rates_where_sold_and_is_unpriced_elsewhere() -> None:
    fast = replace(tokens(2 * MILLION, MILLION, cache_read_tokens=MILLION), speed="fast")
    assert usd("anthropic/claude-opus-5-5", fast) == "48.4"
    assert usd("anthropic/claude-fable-5-2", fast) == "96.4"
    assert cost("anthropic/claude-haiku-4-5", fast).status == "unpriced"


# --- context tiers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "at", "low", "high"),
    [
        ("openai/gpt-5.4", "2026-05-01", 272_000, 272_001),
        ("anthropic/claude-sonnet-4-5-20250929", "2025-10-15", 200_000, 200_001),
        ("anthropic/claude-haiku-5-5", "2026-10-15", 100_000, 100_001),
        ("google/gemini-2.5-pro", "2026-01-15", 200_000, 200_001),
        ("google/gemini-1.5-pro", "2024-09-20", 128_000, 128_001),
        ("xai/grok-4-0709", "2025-10-15", 128_000, 128_001),
        ("xai/grok-4.20", "2026-08-18", 199_999, 200_000),
        ("xai/grok-4-fast", "2025-10-15", 127_999, 128_000),
    ],
)
def test_the_boundary_of_a_context_tier_is_where_the_provider_puts_it(name: str, at: str, low: int, high: int) -> None:
    cheap, dear = (cost(name, tokens(size, 0), at).lines[0].usd_per_unit for size in (low, high))
    assert dear >= 2 * cheap


def test_crossing_a_tier_reprices_the_whole_request() -> None:
    below = tokens(272_000, 10_000, cache_read_tokens=200_000)
    assert usd("openai/gpt-5.4", below, "2026-05-01") == "0.38"
    assert usd("openai/gpt-5.4", replace(below, input_tokens=272_001), "2026-05-01") == "0.685005"


def test_cache_reads_and_writes_count_towards_a_tier() -> None:
    usage = tokens(200_001, 1000, cache_read_tokens=199_001)
    # 1000*6 + 199001*0.6 + 1000*22.5 micro-USD
    assert usd("anthropic/claude-sonnet-4-5-20250929", usage, "2025-10-15") == "0.1479006"


def test_context_tiers_have_dates() -> None:
    usage = tokens(300_000, 2000)
    assert usd("anthropic/claude-sonnet-4-6", usage, "2026-03-12T23:59:59") == "1.845"
    assert usd("anthropic/claude-sonnet-4-6", usage, "2026-03-13T00:00:00") == "0.93"
    assert usd("anthropic/claude-sonnet-4-20250514", usage, "2025-08-11") == "0.93"
    assert usd("anthropic/claude-sonnet-4-20250514", usage, "2026-04-29") == "1.845"
    assert usd("anthropic/claude-sonnet-4-20250514", usage, "2026-04-30") == "0.93"


def test_a_sum_of_tool_calls_does_not_reach_a_tier_that_no_call_reached() -> None:
    summed = replace(tokens(401_468, 1000), context_tokens=36_498)
    assert usd("anthropic/claude-sonnet-4-5-20250929", summed, "2025-10-15") == "1.219404"


# --- hours, regions, modalities, fees ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2025-03-10T16:29:59", "0.01"),
        ("2025-03-10T16:30:00", "0.002505"),
        ("2025-03-11T00:29:59", "0.002505"),
        ("2025-03-11T00:30:00", "0.01"),
        ("2025-02-20T20:00:00", "0.01"),
        ("2025-02-26T20:00:00", "0.002505"),
        ("2025-09-05T16:29:59", "0.00791"),
        ("2025-09-05T20:00:00", "0.00791"),
    ],
)
def test_off_peak_hours_wrap_midnight_and_have_dates(at: str, expected: str) -> None:
    usage = tokens(3000, 4000, cache_read_tokens=1000, reasoning_tokens=3500)
    # standard 1000*.14 + 2000*.55 + 4000*2.19; off-peak .035/.135/.55; V3.1 .07/.56/1.68
    assert usd("deepseek/deepseek-reasoner", usage, at) == expected


@pytest.mark.parametrize(
    ("at", "factor"),
    [
        ("2026-08-16T15:59:59", None),
        ("2026-08-17T00:59:59", 1),
        ("2026-08-17T01:00:00", 2),
        ("2026-08-17T04:00:00", 1),
        ("2026-08-17T06:00:00", 2),
        ("2026-08-17T09:59:59", 2),
        ("2026-08-17T10:00:00", 1),
        ("2026-08-22T02:00:00", 2),
        ("2026-08-23T02:00:00", 1),
        ("2026-08-24T02:00:00", 2),
        ("2026-08-29T02:00:00", 1),
        ("2026-10-01T02:00:00", 1),
        ("2026-10-08T02:00:00", 2),
    ],
)
def test_peak_hours_double_the_price_on_working_days_only(at: str, factor: int | None) -> None:
    usage = tokens(60_000, 5000, cache_read_tokens=50_000)
    # flat before: 50000*.003625 + 10000*.435 + 5000*.87; since: 50000*.022 + 10000*.66 + 5000*1.98 micro-USD
    expected = "0.00888125" if factor is None else plain(Decimal("0.0176") * factor)
    assert usd("deepseek/deepseek-v4-pro", usage, at) == expected


def test_completion_decides_the_price_and_a_straddling_request_is_flagged() -> None:
    usage = tokens(3000, 4000, cache_read_tokens=1000)
    bill = cost("deepseek/deepseek-reasoner", usage, "2025-03-10T16:31:00", started_at=utc("2025-03-10T16:20:00"))
    assert bill.usd == Decimal("0.002505")
    assert bill.warnings == (
        "straddles a price change: sent 2025-03-10T16:20:00Z, priced at completion 2025-03-10T16:31:00Z",
    )
    assert cost("openai/o3", usage, started_at=NOON - timedelta(minutes=5)).warnings == ()


@pytest.mark.parametrize(
    ("name", "geo", "expected"),
    [
        ("anthropic/claude-opus-4-6", "us", "5.5"),
        ("anthropic/claude-opus-4-6", "global", "5"),
        ("anthropic/claude-opus-4-6", "not_available", "5"),
        ("anthropic/claude-opus-4-5", "us", "5"),
        ("openai/gpt-5.4-mini", "eu", "0.825"),
        ("azure/gpt-4o-2024-08-06", "eu", "2.75"),
        ("azure/us/gpt-4o-2024-08-06", None, "2.75"),
        ("mistral/mistral-large-2512", "eu", "0.55"),
        ("google/gemini-3-flash-preview", "europe-west4", "0.55"),
        ("bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0", None, "3.3"),
        ("bedrock/global.anthropic.claude-sonnet-4-5-20250929-v1:0", None, "3"),
        ("bedrock/us.anthropic.claude-3-7-sonnet-20250219-v1:0", None, "3"),
    ],
)
def test_regional_processing_costs_a_tenth_more_where_published(name: str, geo: str | None, expected: str) -> None:
    usage = replace(tokens(MILLION, 0), context_tokens=10)
    assert usd(name, usage, inference_geo=geo) == expected


def test_the_regional_factor_is_for_tokens_and_not_for_fees() -> None:
    usage = replace(tokens(10_000, 1000), inference_geo="us", fees={Meter.WEB_SEARCH: 1})
    assert usd("anthropic/claude-opus-4-6", usage) == "0.0925"


def test_the_rate_of_the_whole_output_depends_on_thinking() -> None:
    name, at = "google/gemini-2.5-flash-preview-04-17", "2025-05-01"
    assert usd(name, tokens(1000, 2500, reasoning_tokens=2000), at) == "0.0089"
    assert usd(name, tokens(1000, 2500, reasoning_tokens=0), at, thinking=False) == "0.00165"
    assert usd(name, tokens(1000, 2500), at, thinking=True) == "0.0089"
    assert cost(name, tokens(1000, 2500, reasoning_tokens=0), at).warnings == ()
    unknown = cost(name, tokens(1000, 2500), at)
    assert (unknown.usd, "depends on thinking" in unknown.warnings[0]) == (Decimal("0.00165"), True)


def test_reasoning_and_citations_of_deep_research_have_their_own_rates() -> None:
    payload = {"prompt_tokens": 33, "completion_tokens": 7163, "total_tokens": 7196, "citation_tokens": 20016,
               "reasoning_tokens": 73997, "num_search_queries": 18}  # fmt: skip
    # 33*2 + 7163*8 + 20016*2 + 73997*3 micro-USD + 18 * 0.005
    assert usd("perplexity/sonar-deep-research", read_usage("perplexity.chat", payload)) == "0.409393"


@pytest.mark.parametrize(
    ("name", "meter", "at", "expected"),
    [
        ("anthropic/claude-sonnet-5", Meter.WEB_SEARCH, "2026-11-22", "0.01"),
        ("anthropic/claude-sonnet-5", Meter.WEB_FETCH, "2026-11-22", "0"),
        ("openai/gpt-5", Meter.WEB_SEARCH, "2026-11-22", "0.01"),
        ("openai/gpt-5", Meter.FILE_SEARCH, "2026-11-22", "0.0025"),
        ("xai/grok-4.3", Meter.WEB_SEARCH, "2026-11-22", "0.005"),
        ("google/gemini-2.5-pro", Meter.GROUNDING, "2026-11-22", "0.035"),
        ("google/gemini-3-pro-preview", Meter.GROUNDING, "2026-01-04", "0"),
        ("google/gemini-3-pro-preview", Meter.GROUNDING, "2026-01-05", "0.014"),
        ("bfl/flux-kontext-max", Meter.IMAGE, "2026-11-22", "0.08"),
        ("bfl/flux-kontext-pro", Meter.IMAGE, "2026-11-22", "0.04"),
    ],
)
def test_fees_are_charged_per_call_or_image(name: str, meter: Meter, at: str, expected: str) -> None:
    assert usd(name, Usage(input_tokens=0, output_tokens=0, fees={meter: 1}), at) == expected


def test_a_fee_without_a_rate_is_unpriced() -> None:
    usage = Usage(input_tokens=10, output_tokens=10, fees={Meter.WEB_SEARCH: 1})
    assert cost("openai/gpt-4.1", usage, "2025-06-01").status == "unpriced"


def test_image_tokens_have_their_own_rate() -> None:
    usage = tokens(33, 2309, output_image_tokens=1120, reasoning_tokens=529)
    assert usd("google/gemini-3-pro-image-preview", usage, "2026-02-01") == "0.148734"


def test_image_output_without_a_rate_is_unpriced_and_not_text() -> None:
    assert cost("google/gemini-2.5-flash", tokens(10, 1000, output_image_tokens=900)).status == "unpriced"


def test_audio_input_has_its_own_rate() -> None:
    assert usd("google/gemini-2.0-flash", tokens(2 * MILLION, 0, input_audio_tokens=MILLION)) == "0.8"
    cached = tokens(MILLION, 0, input_audio_tokens=MILLION, cache_read_tokens=MILLION, cache_read_audio_tokens=MILLION)
    assert usd("google/gemini-2.5-flash", cached) == "0.1"


def test_cache_writes_are_billed_from_gpt_5_6_on() -> None:
    usage = tokens(100_000, 2000, cache_write_5m_tokens=50_000)
    assert usd("openai/gpt-5.6-luna", usage, "2026-07-29T12:00:00") == "0.1245"
    assert usd("openai/gpt-5.6-luna", usage, "2026-07-30T00:00:00") == "0.0249"
    assert usd("openai/gpt-5.5", usage) == "0.56"


def test_the_same_weights_cost_what_each_host_asks() -> None:
    usage = tokens(MILLION, MILLION)
    hosts = ("together/deepseek-ai/DeepSeek-R1", "fireworks/accounts/fireworks/models/deepseek-r1",
             "bedrock/us.deepseek.r1-v1:0", "sambanova/DeepSeek-R1")  # fmt: skip
    assert [usd(name, usage, "2025-07-18") for name in hosts] == ["10", "11", "6.75", "12"]


# --- properties -------------------------------------------------------------------------------------------------------

COUNTS = st.integers(min_value=0, max_value=3_000_000)
NAMES = st.sampled_from(sorted({(price.provider, price.model) for price in SHIPPED.rows if price.model != "*"}))
MOMENTS = st.datetimes(min_value=utc("2024-06-01").replace(tzinfo=None), max_value=NOON.replace(tzinfo=None))
TIERS = st.sampled_from([None, "default", "flex", "priority", "batch"])


@st.composite
def usages(draw: st.DrawFn, *, with_fees: bool = True) -> Usage:
    plain_input, read, write_5m, write_1h, reasoning, answer = (draw(COUNTS) for _ in range(6))
    usage = tokens(
        plain_input + read + write_5m + write_1h,
        reasoning + answer,
        cache_read_tokens=read,
        cache_write_5m_tokens=write_5m,
        cache_write_1h_tokens=write_1h,
        reasoning_tokens=reasoning,
    )
    return replace(usage, fees={Meter.WEB_SEARCH: draw(st.integers(0, 50))}) if with_fees else usage


@given(name=NAMES, usage=usages(), moment=MOMENTS, tier=TIERS)
def test_charges_sum_to_the_total(name: tuple[str, str], usage: Usage, moment: Any, tier: str | None) -> None:
    bill = cost_of(SHIPPED, usage, provider=name[0], model=name[1], at=utc(moment.isoformat()), service_tier=tier)
    assert all(line.usd == line.quantity * line.usd_per_unit for line in bill.lines)
    if bill.status != "unpriced":
        assert bill.list_usd == add(line.usd for line in bill.lines)
        assert bill.list_usd is not None
        assert bill.list_usd >= 0


@given(usage=usages(with_fees=False))
def test_each_token_is_billed_once(usage: Usage) -> None:
    price = SHIPPED.at("anthropic", "claude-opus-4-5-20251101", NOON)
    assert price is not None
    bill = charge(usage, price, Terms(at=NOON))
    assert sum(line.quantity for line in bill.lines) == (usage.input_tokens or 0) + (usage.output_tokens or 0)


def _prices(changes: Mapping[int, int]) -> list[Price]:
    return [
        row(start=(utc("2025-01-01") + timedelta(days=day)).isoformat()[:10], input=str(rate), output=str(2 * rate))
        for day, rate in changes.items()
    ]


@given(
    changes=st.dictionaries(st.integers(0, 300), st.integers(1, 99), min_size=1, max_size=6),
    day=st.integers(0, 300),
    later=st.integers(1, 300),
    rate=st.integers(1, 99),
)
def test_a_later_price_never_changes_an_earlier_bill(changes: dict[int, int], day: int, later: int, rate: int) -> None:
    at = utc("2025-01-01") + timedelta(days=day)
    before, appended = _prices(changes), _prices({**changes, day + later: rate})
    how: dict[str, Any] = {"provider": "p", "model": "m", "at": at}
    untouched = [price for price in appended if price.effective_from is not None and price.effective_from <= at]
    earlier = [price for price in before if price.effective_from is not None and price.effective_from <= at]
    assert untouched == earlier
    assert cost_of(book(*appended), tokens(7, 7), **how).usd == cost_of(book(*earlier), tokens(7, 7), **how).usd


@given(name=NAMES, usage=usages(), moment=MOMENTS)
def test_hiding_the_reasoning_split_never_changes_a_bill_whose_rates_are_equal(
    name: tuple[str, str], usage: Usage, moment: Any
) -> None:
    hidden = replace(usage, reasoning_tokens=None)
    how: dict[str, Any] = {"provider": name[0], "model": name[1], "at": utc(moment.isoformat()), "thinking": False}
    shown = cost_of(SHIPPED, replace(usage, reasoning_tokens=0, output_tokens=usage.output_tokens), **how)
    assert cost_of(SHIPPED, hidden, **how).list_usd == shown.list_usd
    if "preview-04-17" not in name[1]:
        assert cost_of(SHIPPED, usage, **how).list_usd == shown.list_usd


@given(
    name=NAMES,
    usage=usages(with_fees=False),
    moment=MOMENTS,
    tier=TIERS,
    seconds=st.integers(0, 86_400),
    geo=st.sampled_from([None, "us", "eu"]),
    speed=st.sampled_from([None, "fast"]),
    thinking=st.sampled_from([None, True, False]),
)
def test_no_usage_within_the_bounds_costs_more_than_the_worst_case(
    name: tuple[str, str],
    usage: Usage,
    moment: Any,
    tier: str | None,
    seconds: int,
    geo: str | None,
    speed: str | None,
    thinking: bool | None,
) -> None:
    sent = utc(moment.isoformat())
    bounds = [
        worst_case_usd(
            SHIPPED,
            provider=name[0],
            model=name[1],
            input_tokens=(usage.input_tokens or 0) + 10,
            max_output_tokens=usage.output_tokens or 0,
            at=sent,
            service_tier=known,
        )
        for known in (None, usage.service_tier or tier or "default")
    ]
    bill = cost_of(
        SHIPPED,
        usage,
        provider=name[0],
        model=name[1],
        at=sent + timedelta(seconds=seconds),
        service_tier=tier,
        inference_geo=geo,
        speed=speed,
        thinking=thinking,
    )
    for bound in bounds:
        if bound is not None and bill.usd is not None:
            assert bill.usd <= bound


def test_the_worst_case_foresees_a_dearer_window_and_a_rise_within_a_day() -> None:
    peak = Adjustment(multiply=Decimal(3), hours=(DayWindow(start_s=3600, end_s=7200),))
    windows = book(row(adjustments=[peak]), row(start="2026-11-23", input="5", output="5"))
    how: dict[str, Any] = {"provider": "p", "model": "m", "input_tokens": MILLION, "max_output_tokens": MILLION}
    assert worst_case_usd(windows, at=utc("2026-11-20"), **how) == Decimal(9)
    assert worst_case_usd(windows, at=NOON, **how) == Decimal(10)


def test_the_worst_case_of_an_unpriced_model_is_not_known() -> None:
    how: dict[str, Any] = {"provider": "openai", "model": "o9", "input_tokens": 1, "max_output_tokens": 1}
    assert worst_case_usd(SHIPPED, at=NOON, **how) is None


def test_a_fixed_tier_and_region_narrow_the_worst_case() -> None:
    how: dict[str, Any] = {"provider": "openai", "model": "gpt-5.4", "input_tokens": MILLION, "max_output_tokens": 0}
    wide = worst_case_usd(SHIPPED, at=NOON, **how)
    narrow = worst_case_usd(SHIPPED, at=NOON, service_tier="default", inference_geo="", **how)
    assert (wide, narrow) == (Decimal(11), Decimal(5))
    how = {**how, "model": "claude-opus-5-5", "provider": "anthropic", "max_output_tokens": MILLION}
    # fast, in the US, all written to a cache of one hour: (16 + 40) * 1.1; a standard request: 8 + 20
    assert worst_case_usd(SHIPPED, at=NOON, **how) == Decimal("61.6")
    assert worst_case_usd(SHIPPED, at=NOON, speed="standard", inference_geo="", **how) == Decimal(28)


def test_rates_of_huge_counts_stay_exact() -> None:
    price = PriceBook(rows=(Price(provider="p", model="m", rates=rates(input="0.003625", output="0.000001")),))
    bill = cost_of(price, tokens(10**40 + 1, 1), provider="p", model="m", at=NOON)
    assert bill.usd == Decimal("36250000000000000000000000000000.000000003626")


def test_the_worst_case_of_a_batch_is_half_that_of_the_list_price() -> None:
    how: dict[str, Any] = {"provider": "openai", "model": "gpt-4o", "input_tokens": 1000, "max_output_tokens": 100}
    batch = worst_case_usd(SHIPPED, at=NOON, service_tier="batch", **how)
    listed = worst_case_usd(SHIPPED, at=NOON, service_tier="default", **how)
    assert (batch, listed) == (Decimal("0.00175"), Decimal("0.0035"))


def test_fast_mode_of_opus_4_6_has_its_own_rates_while_it_was_sold() -> None:
    used = Usage(input_tokens=1000, output_tokens=500, speed="fast")
    # 1000*30 + 500*150 micro-USD
    assert usd("anthropic/claude-opus-4-6", used, "2026-03-20T12:00:00") == "0.105"
    # withdrawn: such requests are served, and named, at standard speed
    standard = Usage(input_tokens=1000, output_tokens=500, speed="standard")
    assert usd("anthropic/claude-opus-4-6", standard, "2026-08-06T12:00:00", speed="fast") == "0.0175"


@pytest.mark.parametrize(
    "name", ["grok-4-latest", "grok-4-fast-reasoning-latest", "grok-4-1-fast-non-reasoning-latest"]
)
def test_latest_names_of_retired_models_cost_what_answers_under_them(name: str) -> None:
    used = Usage(input_tokens=1000, output_tokens=1000)
    assert usd(f"xai/{name}", used, "2026-11-25T12:00:00") == "0.00375"  # 1000*1.25 + 1000*2.5 micro-USD
