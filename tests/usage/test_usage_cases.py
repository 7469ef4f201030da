"""Payloads of public bug reports, worked by hand: their dollars to the last digit."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from harness.costs.usage_lines import price_record
from harness.pricing.price_files import load_price_book
from harness.usage import parse_json
from tests.support.shared_data import shared

BOOK = load_price_book()


def cases(name: str) -> list[dict[str, Any]]:
    lines = shared(f"cases/{name}").read_text("utf-8").splitlines()
    return [parse_json(line) for line in lines]


def test_every_reported_payload_costs_what_was_worked_out() -> None:
    wrong = {}
    for case in cases("usage_cases.jsonl"):
        expected = case["expected_usd"]
        for served in ({}, {"served_model": case["served_model"]} if "served_model" in case else {}):
            record = {name: value for name, value in case.items() if name != "served_model"}
            result = price_record(BOOK, {**record, **served})
            usd = None if result["usd"] is None else Decimal(result["usd"])
            right = usd == Decimal(expected) if expected is not None else result["status"] == "unpriced"
            if not right:
                wrong[case["id"]] = (expected, result["usd"], result["warnings"])
    assert wrong == {}


EXPECTED_LIST_USD = {
    "h-price-unknown-field-cached": "0.00072345",
    "h-price-unknown-field-anthropic-inspect": "0.0093",
    "h-price-openrouter-35-sonnet-6-30": "0.002634",
    "h-price-byok": "0.0003253",
    "h-price-zero-cost-paid-model": "0.95958",
    "h-price-openrouter-responses-shape": "0.002196",
    "h-price-naive-time": "0.000028",
    "h-price-azureai-alias": "0.000035",
    "h-price-azure-gpt-4o-2024-11-20": "0.000035",
    "h-price-openrouter-dated-name": "0.0000021",
    "h-price-openrouter-free-variant": "0",
}


def test_every_payload_found_in_real_logs_has_its_list_price() -> None:
    rows = {row["id"]: row["input"] for row in cases("found_in_real_logs.jsonl") if row["id"].startswith("h-price")}
    found = {name: price_record(BOOK, record, assume_utc=True)["list_usd"] for name, record in rows.items()}
    assert found == EXPECTED_LIST_USD
