"""The most that a request can cost is above all that it does cost, and no more than what is known allows."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from harness.costs import Served, cost_of, worst_case_usd
from harness.costs.worst_case import cannot_hold, no_price
from harness.pricing import Adjustment, DayWindow, PriceBook
from harness.usage import Usage
from tests.support.any_usage import MOMENTS, NAMES, TIERS, usages
from tests.support.price_cases import NOON, SHIPPED, book, row, utc

MILLION = 1_000_000


def worst(
    name: str, n_input: int, n_output: int, *, at: datetime = NOON, prices: PriceBook = SHIPPED, **how: str
) -> Decimal | None:
    provider, model = name.split("/")
    served = Served(provider=provider, model=model, at=at, **how)  # type: ignore[arg-type]  # tiers, regions, speeds
    return worst_case_usd(prices, served, input_tokens=n_input, max_output_tokens=n_output)


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
            Served(provider=name[0], model=name[1], at=sent, service_tier=known),
            input_tokens=(usage.input_tokens or 0) + 10,
            max_output_tokens=usage.output_tokens or 0,
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
    assert worst("p/m", MILLION, MILLION, at=utc("2026-11-20"), prices=windows) == Decimal(9)
    assert worst("p/m", MILLION, MILLION, prices=windows) == Decimal(10)


def test_the_worst_case_of_an_unpriced_model_is_not_known() -> None:
    assert worst("openai/o9", 1, 1) is None


def test_a_fixed_tier_and_region_narrow_the_worst_case() -> None:
    assert worst("openai/gpt-5.4", MILLION, 0) == Decimal(11)
    assert worst("openai/gpt-5.4", MILLION, 0, service_tier="default", inference_geo="") == Decimal(5)
    # fast, in the US, all written to a cache of one hour: (16 + 40) * 1.1; a standard request: 8 + 20
    opus = "anthropic/claude-opus-5-5"
    assert worst(opus, MILLION, MILLION) == Decimal("61.6")
    assert worst(opus, MILLION, MILLION, speed="standard", inference_geo="") == Decimal(28)


def test_the_worst_case_of_a_batch_is_half_that_of_the_list_price() -> None:
    batch = Decimal("0.00175")
    assert worst("openai/gpt-4o", 1000, 100, service_tier="batch") == batch
    assert worst("openai/gpt-4o", 1000, 100, mode="batch", service_tier="priority") == batch
    assert worst("openai/gpt-4o", 1000, 100, service_tier="default") == 2 * batch


def test_a_price_that_ends_before_an_answer_must_come_is_no_bound() -> None:
    """A run under a budget began with such a model, and stopped at its first request."""
    ending = replace(row(), effective_until=utc("2026-11-23"))
    asked = Served(provider="p", model="m", at=NOON)
    found = no_price(book(ending), asked)
    assert found is not None
    assert found.reason.startswith("no price for p/m at 2026-11-23T00:00:00Z")
    assert worst("p/m", 1, 1, prices=book(ending)) is None
    assert no_price(book(row()), asked) is None


def test_a_price_of_images_only_is_no_bound() -> None:
    found = no_price(book(row(image="0.02")), Served(provider="p", model="m", at=NOON))
    assert found is not None
    assert found.reason == "the price of p/m has no rate for its input or for its output tokens"
    refused = cannot_hold([found, found], where="--budget-usd")
    assert refused.message == f"{found.reason}; a budget in dollars cannot hold it"
