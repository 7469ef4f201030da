"""Perplexity's models that search cost a fee on every request, which their usage only hints at."""

from __future__ import annotations

import json

import pytest

from harness.costs.usage_lines import PricedLine, price_line
from harness.pricing.price_files import load_price_book

BOOK = load_price_book()


def priced(model: str, **usage: object) -> PricedLine:
    line = {"id": "1", "provider": "perplexity", "model": model, "at": "2026-11-27T12:00:00Z"}
    counts = {"prompt_tokens": 100, "completion_tokens": 200, "total_tokens": 300}
    payload = {**line, "usage_kind": "perplexity.chat", "usage": {**counts, **usage}}
    return price_line(BOOK, json.dumps(payload).encode(), line_number=1)


def test_a_search_fee_on_the_request_does_not_vanish() -> None:
    assert priced("sonar-pro", search_context_size="low")["usd"] == "0.0093"  # 100*3 + 200*15 per Mtok, and 0.006


@pytest.mark.parametrize("size", ["medium", "high"])
def test_a_dearer_search_context_is_flagged(size: str) -> None:
    found = priced("sonar-pro", search_context_size=size)
    assert f"search context '{size}'" in str(found["warnings"])


def test_what_perplexity_states_as_charged_wins() -> None:
    cost = {"input_tokens_cost": 0.0003, "output_tokens_cost": 0.003, "request_cost": 0.014, "total_cost": 0.0173}
    assert priced("sonar-pro", search_context_size="high", cost=cost)["usd"] == "0.0173"
