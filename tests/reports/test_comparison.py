"""The gate closes for real regressions, stays open for noise, and tells prices from usage."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from harness.cli import compare as command
from harness.errors import InputError
from harness.ledger import Ledger
from harness.pricing import Price, PriceBook
from harness.reports.compare.comparison import Comparison, Thresholds, compare
from harness.reports.compare.gate_rules import parse_share
from harness.reports.compare.run_comparison import compare_runs
from harness.reports.facts.report_facts import CellFacts
from harness.usage.values import Meter
from tests.support.report_ledgers import AT_US, Try, add_run, many, open_ledger, used
from tests.support.spend_cases import outcomes, reasoner, report

GATE = Thresholds(cost_increase=0.10, score_drop=0.05)
RATES = {Meter.INPUT: Decimal(2), Meter.OUTPUT: Decimal(8)}
BOOK = PriceBook(
    rows=(
        Price(provider="sim", model="reasoner", rates=RATES),
        Price(
            provider="sim",
            model="reasoner",
            rates={meter: 2 * rate for meter, rate in RATES.items()},
            effective_from=datetime(2026, 11, 15, tzinfo=UTC),
        ),
    )
)
LATER = AT_US + 20 * 86_400 * 1_000_000


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with open_ledger(tmp_path) as opened:
        yield opened


async def compared(
    ledger: Ledger, base: Any, head: Any, *, head_at_us: int = AT_US, thresholds: Thresholds = GATE
) -> Comparison:
    await add_run(ledger, "base", {"sim/reasoner": base})
    await add_run(ledger, "head", {"sim/reasoner": head}, at_us=head_at_us)
    return compare_runs(ledger, BOOK, "base", "head", thresholds)


async def test_the_same_answers_at_the_same_prices_pass(ledger: Ledger) -> None:
    tries = many(400, 0.8, 1000)
    made = await compared(ledger, tries, tries)
    assert made.verdict == "pass"
    assert made.rows[0].cost_ratio.value == 1.0
    assert made.rows[0].cause == "none"


async def test_twice_the_tokens_are_a_cost_regression_by_usage(ledger: Ledger) -> None:
    base = many(200, 0.8, 1000)
    head = {key: [replace(t, usage=used(200, 2 * (t.usage.output_tokens or 0))) for t in tries]
            for key, tries in base.items()}  # fmt: skip
    made = await compared(ledger, base, head)
    row = made.rows[0]
    assert (made.verdict, row.cost_verdict, row.cause) == ("regression", "regression", "usage")
    assert row.price_ratio == 1.0
    assert row.usage_ratio == pytest.approx(row.cost_ratio.value)


async def test_a_price_change_is_told_from_a_usage_change(ledger: Ledger) -> None:
    tries = many(200, 0.8, 1000)
    made = await compared(ledger, tries, tries, head_at_us=LATER)
    row = made.rows[0]
    assert (row.cost_verdict, row.cause) == ("regression", "price")
    assert row.price_ratio == 2.0
    assert row.usage_ratio == 1.0


async def test_a_fall_in_score_is_a_regression(ledger: Ledger) -> None:
    base = many(300, 0.9, 1000)
    head = {key: [replace(tries[0], score=0.0)] if number % 4 == 0 else tries
            for number, (key, tries) in enumerate(base.items())}  # fmt: skip
    made = await compared(ledger, base, head)
    assert (made.rows[0].score_verdict, made.rows[0].cost_verdict) == ("regression", "pass")


async def test_few_samples_are_inconclusive_and_say_how_many_would_do(ledger: Ledger) -> None:
    base = {(f"q{n}", 0): [Try(score=1.0)] for n in range(20)}
    head = {key: [Try(score=0.0)] if key[0] == "q3" else tries for key, tries in base.items()}
    made = await compared(ledger, base, head)
    assert made.rows[0].score_verdict == "inconclusive"
    assert made.verdict == "inconclusive"


async def test_without_thresholds_nothing_is_judged(ledger: Ledger) -> None:
    made = await compared(ledger, many(20, 0.8, 100), many(20, 0.1, 9000, seed=3), thresholds=Thresholds())
    assert made.verdict == "not asked"


async def test_an_incomplete_bill_never_passes_the_cost_gate(ledger: Ledger) -> None:
    base = many(100, 0.8, 1000)
    head = {**base, ("extra", 0): [Try(status=None)]}
    made = await compared(ledger, base, head)
    assert made.rows[0].cost_verdict == "inconclusive"
    assert "lower bound" in made.rows[0].reasons[0]


def noisy(seed: int) -> CellFacts:
    """A cell whose score and costs are drawn anew around the same truth."""
    import random

    rng = random.Random(seed)
    correct = [int(rng.random() < 0.3 + 0.6 * (n % 10) / 10) for n in range(150)]
    return replace(reasoner(), tasks=(outcomes(correct, cost_usd=650 * rng.lognormvariate(0, 0.02), seed=seed),))


def test_noise_alone_closes_the_gate_in_at_most_five_percent_of_runs() -> None:
    """200 repeats at zero tolerance, where a false alarm is likeliest."""
    strict = Thresholds(cost_increase=0.0, score_drop=0.0)
    alarms = 0
    for seed in range(200):
        base, head = report(noisy(2 * seed)), report(noisy(2 * seed + 1))
        alarms += compare(base, head, head, strict).verdict == "regression"
    assert alarms <= 10


def test_rows_without_a_partner_are_named() -> None:
    base, head = report(reasoner()), report(replace(reasoner(), model="o9"))
    made = compare(base, head, head, GATE)
    assert (made.verdict, made.only_in_base, made.only_in_head) == (
        "inconclusive",
        ("openai/o1@high",),
        ("openai/o9@high",),
    )


def test_more_tests_need_wider_intervals() -> None:
    two = report(reasoner(), replace(reasoner(), model="o9"))
    assert compare(two, two, two, GATE).level == pytest.approx(0.9875)  # 1 - 2 * 0.025 / 4


def test_thresholds_are_read_with_their_units() -> None:
    assert parse_share("10%", "%", "--x") == 0.1
    assert parse_share("1pt", "pt", "--x") == 0.01
    assert parse_share("2.5", "pt", "--x") == 0.025
    assert parse_share(None, "%", "--x") is None
    with pytest.raises(InputError, match="not a threshold: 'much'"):
        parse_share("much", "%", "--x")


@pytest.mark.parametrize(("scale", "code"), [(1, 0), (2, 4)])
async def test_the_command_ends_with_the_gates_code(ledger: Ledger, tmp_path: Path, scale: int, code: int) -> None:
    base = many(300, 0.8, 1000)
    head = {key: [replace(t, usage=used(200, scale * (t.usage.output_tokens or 0))) for t in tries]
            for key, tries in base.items()}  # fmt: skip
    await add_run(ledger, "base", {"sim/reasoner": base})
    await add_run(ledger, "head", {"sim/reasoner": head})
    app = typer.Typer()
    app.callback()(lambda: None)
    command.register(app)
    options = ["compare", "base", "head", "--db", str(tmp_path / "ledger.db"), "--max-cost-increase", "10%", "--json"]
    result = CliRunner().invoke(app, options)
    assert result.exit_code == code
    document = json.loads(result.stdout)
    assert document["exit_code"] == code
    assert document["rows"][0]["mark"] == "simulated"
