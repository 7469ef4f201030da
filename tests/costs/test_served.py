"""How a request was served decides its rates: tiers, batches, speeds, hours, regions, kinds of tokens, fees."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from harness.money import plain
from harness.usage import Meter, Usage, read_usage
from tests.support.price_cases import NOON, cost, tokens, usd, utc

MILLION = 1_000_000


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
