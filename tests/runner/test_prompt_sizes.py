"""Forecasts charge each prompt at the rates for its size: above a context tier the whole request costs more."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from harness.cli.app import app
from harness.costs.served import Served
from harness.costs.stretches import RateStretches
from harness.pricing.price_files import load_price_book
from harness.runner.forecast.prompt_sizes import PromptClass, prompt_classes, shares
from tests.support.stand_ins import write_jsonl

SUITE = """
name = "long"
version = "1"
title = "Long"

[[tasks]]
name = "long"
prompt = "{documents} {question}"
max_output_tokens = 100
scorer = { name = "text" }

[tasks.dataset]
path = "long"
source = "files"
local = "rows.jsonl"
fields = { question = "q", documents = "d", target = "a" }
"""
PRICES = """
provider = "sim"

[[price]]
model = "direct"
effective_from = "2025-01-01"
input = "1"
output = "0"
source = "invented"
checked_on = 2026-11-22
confidence = "declared"
when = [{ over = 1000, input = "3", output = "0" }]
"""


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    folder = tmp_path / "prices"
    folder.mkdir()
    (folder / "sim.toml").write_text(PRICES)
    return folder


def test_a_dry_run_charges_a_prompt_above_a_tier_at_the_rates_of_the_tier(tmp_path: Path, prices: Path) -> None:
    (tmp_path / "long.toml").write_text(SUITE)
    rows = [{"q": "short?", "d": "word", "a": "1"}, {"q": "long?", "d": "word " * 2_000, "a": "1"}]
    write_jsonl(tmp_path / "rows.jsonl", rows)
    (both,) = told(tmp_path, prices)
    (one,) = told(tmp_path, prices, "--limit", "1")
    drawn_first = one["input_tokens"]
    long = drawn_first if drawn_first > 1_000 else both["input_tokens"] - drawn_first
    assert long > 1_000
    assert Decimal(both["input_usd"]) * 1_000_000 == both["input_tokens"] - long + 3 * long


def told(folder: Path, prices: Path, *more: str) -> list[dict[str, Any]]:
    words = ["run", str(folder / "long.toml"), "-m", "sim/direct", "--dry-run", "--json", *more]
    ended = CliRunner().invoke(app, [*words, "--pricing", str(prices), "--db", str(folder / "ledger.db")])
    found: list[dict[str, Any]] = json.loads(ended.stdout)
    return found


def test_prompts_are_sorted_by_the_tier_that_they_fall_into(prices: Path) -> None:
    served = Served(provider="sim", model="direct", at=datetime(2026, 11, 22, tzinfo=UTC))
    found = prompt_classes([10, 1_000, 1_001, 5_000], served, RateStretches(load_price_book(prices)))
    assert found == (
        PromptClass(n_requests=2, input_tokens=1_010, context_tokens=10),
        PromptClass(n_requests=2, input_tokens=6_001, context_tokens=1_001),
    )


def test_output_is_shared_out_to_the_last_token() -> None:
    three = [PromptClass(n_requests=n, input_tokens=1, context_tokens=1) for n in (1, 1, 1)]
    assert shares(100, three) == [33, 33, 34]
    assert shares(100, []) == []
