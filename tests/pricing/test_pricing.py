"""The price book: exact names, dated rows, dated aliases, layers, digests."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.pricing import Alias, Price
from harness.pricing.price_files import load_price_book
from harness.usage import Meter
from tests.support.price_cases import NOON, book, row, utc

SHIPPED = load_price_book()


def input_rate(provider: str, model: str, at: str) -> Decimal | None:
    price = SHIPPED.at(provider, model, utc(at))
    return None if price is None else price.rates.get(Meter.INPUT)


def test_the_last_row_that_started_on_or_before_the_instant_holds() -> None:
    cut = book(row(start="2025-01-01", input="10", output="40"), row(start="2025-06-10", input="2", output="8"))
    found = [cut.at("p", "m", utc(at)) for at in ("2025-06-09T23:59:59", "2025-06-10T00:00:00")]
    assert [price.rates[Meter.INPUT] for price in found if price] == [Decimal(10), Decimal(2)]


def test_todays_price_is_not_applied_to_an_old_run() -> None:
    assert input_rate("openai", "o3", "2025-06-09T23:59:59") == Decimal(10)
    assert input_rate("openai", "o3", "2025-06-10T00:00:00") == Decimal(2)
    assert input_rate("openai", "gpt-4o", "2024-06-01") == Decimal(5)


def test_a_name_before_its_first_row_has_no_price() -> None:
    assert SHIPPED.at("openai", "o3", utc("2025-04-01")) is None


def test_names_are_never_matched_by_substring() -> None:
    assert SHIPPED.at("anthropic", "claude-opus-4-8", NOON) is not None
    assert SHIPPED.at("anthropic", "claude-opus-4-88", NOON) is None
    assert SHIPPED.at("anthropic", "claude-opus", NOON) is None


def test_a_moving_alias_follows_its_dates() -> None:
    assert input_rate("openai", "gpt-4o", "2024-10-01T23:59:59") == Decimal(5)
    assert input_rate("openai", "gpt-4o", "2024-10-02T00:00:00") == Decimal("2.5")
    assert [
        input_rate("mistral", "mistral-large-latest", day) for day in ("2024-05-31", "2024-06-01", "2024-07-24")
    ] == [
        Decimal(8),
        Decimal(4),
        Decimal(3),
    ]


def test_a_retired_alias_has_no_price_any_more() -> None:
    assert input_rate("deepseek", "deepseek-chat", "2026-07-23T23:59:59") == Decimal("0.14")
    assert input_rate("deepseek", "deepseek-chat", "2026-07-24T00:00:00") is None


def test_snapshots_keep_their_own_price() -> None:
    assert input_rate("openai", "gpt-4o-2024-05-13", "2026-01-01") == Decimal(5)
    assert input_rate("openai", "gpt-5-2025-08-07", "2026-01-01") == Decimal("1.25")


def test_other_names_of_a_provider_are_data() -> None:
    assert input_rate("gemini", "gemini-2.5-pro", "2026-01-01") == input_rate("google", "gemini-2.5-pro", "2026-01-01")
    assert SHIPPED.provider("x-ai") == "xai"
    assert SHIPPED.provider("never-heard-of") == "never-heard-of"


def test_a_gateway_name_leads_to_the_first_party_row() -> None:
    found = SHIPPED.match("openrouter", "anthropic/claude-4.6-sonnet-20260217", utc("2026-04-01"))
    assert found is not None
    assert (found.price.name, found.via) == (
        "anthropic/claude-sonnet-4-6",
        ("openrouter/anthropic/claude-4.6-sonnet-20260217",),
    )


def test_an_announced_price_is_never_used() -> None:
    assert input_rate("anthropic", "claude-sonnet-5", "2026-08-31") == Decimal(2)
    assert input_rate("anthropic", "claude-sonnet-5", "2026-10-01") == Decimal(2)


def test_an_unknown_launch_day_is_an_open_start() -> None:
    price = SHIPPED.at("openai", "gpt-6-sol", utc("2026-08-01"))
    assert price is not None
    assert price.effective_from is None
    assert "not known" in price.note


def test_a_local_server_is_free_for_every_model() -> None:
    price = SHIPPED.at("ollama", "qwen3:8b", NOON)
    assert price is not None
    assert price.free


def test_the_rows_of_a_higher_layer_win_where_they_are_in_force() -> None:
    negotiated = replace(row(start="2026-01-01", input="0.5", output="1"), layer=1, effective_until=utc("2026-06-01"))
    layered = book(row(start="2025-01-01"), row(start="2026-03-01", input="3", output="3"), negotiated)
    found = [layered.at("p", "m", utc(at)) for at in ("2025-12-31", "2026-04-01", "2026-06-01")]
    assert [price.rates[Meter.INPUT] for price in found if price] == [Decimal(1), Decimal("0.5"), Decimal(3)]


def test_an_alias_of_a_higher_layer_wins_over_a_shipped_row() -> None:
    renamed = Alias(provider="p", model="m", to_provider="p", to_model="other", layer=1)
    layered = book(row(), row("other", input="7", output="7"), aliases=[renamed])
    assert layered.at("p", "m", NOON) == layered.rows[1]


def test_aliases_in_a_circle_end_without_a_price() -> None:
    circle = [
        Alias(provider="p", model="a", to_provider="p", to_model="b"),
        Alias(provider="p", model="b", to_provider="p", to_model="a"),
    ]
    assert book(aliases=circle).at("p", "a", NOON) is None


def test_a_naive_instant_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        Price(provider="p", model="m", effective_from=datetime(2025, 1, 1))  # noqa: DTZ001  # what is refused


def test_boundaries_list_every_instant_at_which_a_price_may_change() -> None:
    moments = SHIPPED.boundaries("openai", "gpt-4o")
    assert utc("2024-10-02") in moments
    assert utc("2024-10-01") in moments
    assert list(moments) == sorted(moments)


def test_every_seed_model_has_a_source_and_a_check_day() -> None:
    assert all(price.source and price.checked_on and price.confidence for price in SHIPPED.rows)


@settings(max_examples=12)
@given(st.permutations(SHIPPED.rows), st.permutations(SHIPPED.aliases))
def test_the_order_of_rows_never_matters(rows: list[Price], aliases: list[Alias]) -> None:
    shuffled = replace(SHIPPED, rows=tuple(rows), aliases=tuple(aliases))
    assert shuffled.sha256 == SHIPPED.sha256
    for model, at in (("o3", "2025-06-09"), ("gpt-4o", "2024-09-15"), ("gpt-5.6-luna", "2026-07-30")):
        assert shuffled.match("openai", model, utc(at)) == SHIPPED.match("openai", model, utc(at))
