"""Our list prices beside recorded costs: OpenRouter responses, litellm runs, the Aider leaderboard."""

from __future__ import annotations

from decimal import Decimal

import pytest

from benchmarks.recorded import aider, openrouter, trajectories
from harness.pricing import PriceBook
from harness.pricing.price_files import load_price_book
from harness.usage import Meter, Usage
from tests.support.shared_data import shared


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return load_price_book()


@pytest.fixture(scope="module")
def responses(book: PriceBook) -> list[openrouter.Priced]:
    return openrouter.price_responses(shared("data/recorded/openrouter_responses/responses.jsonl"), book)


def test_163_openrouter_responses_equal_the_stated_cost_halves_too(responses: list[openrouter.Priced]) -> None:
    assert len(responses) == 165
    assert [item.sample_id for item in responses if item.has_usage and not item.agrees] == []
    assert sum(item.agrees for item in responses) == 163


def test_openrouter_responses_without_usage_are_unknown_and_not_0_dollars(responses: list[openrouter.Priced]) -> None:
    unknown = [item for item in responses if not item.has_usage]
    assert len(unknown) == 2
    assert [(item.cost.status, item.cost.usd, item.cost.list_usd) for item in unknown] == [("unpriced", None, None)] * 2


@pytest.fixture(scope="module")
def runs(book: PriceBook) -> dict[str, trajectories.Trajectory]:
    found = trajectories.price_trajectories(shared("data/recorded/litellm_trajectories"), book)
    return {run.name: run for run in found}


@pytest.mark.parametrize(
    ("name", "n_calls", "usd"), [("sqlfluff-2419", 48, "0.019431048"), ("pvlib-python-1072", 15, "0.006691356")]
)
def test_two_litellm_runs_equal_the_recorded_cost_to_the_last_digit(
    runs: dict[str, trajectories.Trajectory], name: str, n_calls: int, usd: str
) -> None:
    run = runs[name]
    assert (run.n_calls, run.recorded_usd, run.served_usd) == (n_calls, Decimal(usd), Decimal(usd))


def test_a_run_served_by_another_model_is_priced_as_served(runs: dict[str, trajectories.Trajectory]) -> None:
    run = runs["astropy-12907"]
    assert (run.asked, run.served) == ("deepseek-chat", ("deepseek-v4-flash",))
    assert run.recorded_usd == Decimal("0.04282166")
    assert run.asked_usd == Decimal("0.04282166")
    assert run.served_usd == Decimal("0.010360028")
    assert run.difference_usd == Decimal("0.032461632")


@pytest.fixture(scope="module")
def leaderboard(book: PriceBook) -> list[aider.Row]:
    return aider.price_leaderboard(shared("data/recorded/aider_leaderboard/polyglot_leaderboard.yml"), book)


def test_aider_rows_that_are_exact_are_these_nine(leaderboard: list[aider.Row]) -> None:
    assert len(leaderboard) == 22
    assert [row.model for row in leaderboard if row.verdict == "exact"] == [
        "claude-opus-4-20250514 (no think)",
        "claude-opus-4-20250514 (32k thinking)",
        "gemini-2.5-flash-preview-05-20 (no think)",
        "gemini-2.5-pro-preview-06-05 (32k think)",
        "o3-pro (high)",
        "grok-4 (high)",
        "Kimi K2",
        "gpt-oss-120b (high)",
        "DeepSeek-V3.2-Exp (Chat)",
    ]


def test_every_other_aider_row_has_its_reason(leaderboard: list[aider.Row]) -> None:
    others = {row.model: (row.verdict, row.reason) for row in leaderboard if row.verdict != "exact"}
    assert all(reason for _, reason in others.values())
    assert [model for model, (verdict, _) in others.items() if verdict != "explained"] == [
        "Qwen3 32B",
        "claude-sonnet-4-20250514 (no thinking)",
        "claude-sonnet-4-20250514 (32k thinking)",
        "gemini-2.5-pro-preview-06-05 (default think)",
    ]
    assert others["o3 (high)"][1].startswith("cached input is not itemised: 968,589 cached tokens (30.8%)")
    assert "2,203,650 thoughts (81.5%)" in others["gemini-2.5-flash-preview-05-20 (24k think)"][1]
    assert "gpt-4.1" in others["o3 (high) + gpt-4.1"][1]


def test_a_reason_that_the_numbers_do_not_allow_is_not_given() -> None:
    usage = Usage(input_tokens=1_000_000, output_tokens=0)
    rates = {Meter.INPUT: Decimal(2), Meter.CACHE_READ: Decimal("0.5")}
    verdict, _ = aider.explain(Decimal("0.4"), Decimal(2), usage, rates, model="o3", second_model=None)
    assert verdict == "not determined"
    verdict, reason = aider.explain(Decimal("0.5"), Decimal(2), usage, rates, model="o3", second_model=None)
    assert verdict == "explained"
    assert "1,000,000 cached tokens (100.0%)" in reason
