"""What is not known of a bill is not zero, and what a provider states is in every total."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from harness.ledger import NO_USAGE, Ledger, UsageFacts
from harness.reports.facts.assembly import spend_report
from harness.reports.facts.charge_warnings import told_once
from harness.reports.spend.report import report_object
from harness.reports.spend.spend_page import report_page
from harness.reports.spend.spend_tables import notes, spend_table, summary_table
from tests.reports.test_report_assembly import BOOK
from tests.support.report_ledgers import AT_US, Try, add_run, used

REFUSED = Try(status="failed", usage=NO_USAGE, score=None, billed="no")
TIMED_OUT = Try(status="timed_out", usage=NO_USAGE, score=None)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db") as opened:
        yield opened


def _report(ledger: Ledger) -> Any:
    return spend_report(ledger, BOOK)


def _cell(table: Any, name: str) -> Any:
    return table.rows[0][[column.name for column in table.columns].index(name)]


@pytest.mark.parametrize("failed", [REFUSED, TIMED_OUT])
async def test_one_failed_attempt_does_not_make_an_unpriced_model_cost_nothing(failed: Try, ledger: Ledger) -> None:
    """140 of 156 attempts unpriced, 16 failed: `cost >= $0.00`, cost per task and per correct answer "0"."""
    await add_run(ledger, "r", {"acme/mystery": {("a", 0): [Try()], ("b", 0): [failed]}})
    report = _report(ledger)
    (row,) = report_object(report)["rows"]
    assert (row["cost_usd"]["total"], row["charged_usd"]) == (None, None)
    assert (row["cost_per_task_usd"], row["cost_per_correct_usd"]) == (None, None)
    assert row["cost_is_lower_bound"] is True
    assert _cell(summary_table(report), "cost") == "unpriced"
    assert _cell(spend_table(report), "cost_usd") is None
    assert report_page(report).figures[0].value == "unpriced"


async def test_a_model_none_of_whose_bills_is_known_costs_an_unknown_amount(ledger: Ledger) -> None:
    await add_run(ledger, "r", {"sim/direct": {("a", 0): [TIMED_OUT]}})
    report = _report(ledger)
    assert report_object(report)["rows"][0]["cost_usd"]["total"] is None
    assert _cell(summary_table(report), "cost") == "unknown"


async def test_a_model_that_was_never_billed_costs_nothing(ledger: Ledger) -> None:
    await add_run(ledger, "r", {"acme/mystery": {("a", 0): [REFUSED]}})
    row = report_object(_report(ledger))["rows"][0]
    assert (row["cost_usd"]["total"], row["cost_is_lower_bound"]) == ("0", False)


async def test_an_unpriced_judge_does_not_cost_nothing(ledger: Ledger) -> None:
    judged = Try(purpose="judge", score=None)
    await add_run(ledger, "r", {"acme/mystery": {("a", 0): [Try(), judged]}})
    assert report_object(_report(ledger))["rows"][0]["judge_cost_usd"] is None


def _stated(usd: str) -> UsageFacts:
    raw = {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150, "cost": Decimal(usd)}
    return used(100, 50, None, raw_usage=raw, stated_cost_usd=Decimal(usd))


async def test_answers_that_state_their_cost_are_in_every_total_without_a_list_price(ledger: Ledger) -> None:
    """The row's charge was null and the table said unpriced, while the group's total contained it."""
    tries = {("a", 0): [Try(usage=_stated("0.25"))], ("b", 0): [Try(usage=_stated("0.400602"))]}
    await add_run(ledger, "r", {"openrouter/acme/mystery": tries, "sim/direct": {("a", 0): [Try()]}})
    report = _report(ledger)
    document = report_object(report)
    row = next(row for row in document["rows"] if row["provider"] == "openrouter")
    assert row["charged_usd"] == row["cost_usd"]["total"] == row["stated_only_usd"] == "0.650602"
    assert row["cost_usd"]["input"] is row["cost_usd"]["reasoning"] is row["cost_usd"]["output"] is None
    assert row["cost_is_lower_bound"] is False
    assert row["n_unpriced_attempts"] == 0
    assert row["cost_per_correct_usd"] == "0.325301"
    # the other row: 100*0.4 + 50*1.6 micro-USD
    assert document["groups"]["non_reasoning"]["cost_usd"]["total"] == "0.650722"
    assert document["groups"]["non_reasoning"]["charged_usd"] == "0.650722"
    assert _cell(summary_table(report), "cost") == "$0.651"
    assert report_page(report).figures[0].value == "$0.651"
    assert any("no list price: $0.651 of the cost is what the provider states" in note for note in notes(report))


async def test_answers_taken_from_earlier_runs_have_no_cost_per_correct_answer(ledger: Ledger) -> None:
    await add_run(ledger, "r", {"sim/direct": {("a", 0): [Try(status="reused")]}})
    row = report_object(_report(ledger))["rows"][0]
    assert (row["cost_per_task_usd"], row["cost_per_correct_usd"]) == (None, None)
    assert row["n_reused"] == 1


async def test_a_missing_price_is_told_once_a_model_and_not_once_a_quarter_hour(ledger: Ledger) -> None:
    """13,500 answers of 99 models without a price made 2,601 warnings."""
    for number in range(5):
        tries = {("a", 0): [Try()]}
        at_us = AT_US + number * 3_600_000_000
        await add_run(ledger, f"r{number}", {"acme/one": tries, "acme/two": tries}, at_us=at_us)
    warnings = [text for text in _report(ledger).warnings if text.startswith("no price for")]
    assert len(warnings) == 2
    assert "no price for acme/one at 2026-11-01T12:00:00Z to 2026-11-01T16:00:00Z" in warnings[0]
    assert warnings[0].endswith("(5 attempts)")


def test_warnings_that_differ_in_amounts_become_one() -> None:
    said = told_once({f"the provider states {n} USD, the price book says 5 USD": 2 for n in range(40)} | {"other": 1})
    assert len(said) == 2
    assert said[0].endswith("(80 attempts, amounts of one of them)")
    assert json.dumps(said[1]) == '"other"'
