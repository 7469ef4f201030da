"""Cells with known sums, for the tests of reports and renderers."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

from harness.ledger.reading.causes import FailureCause
from harness.pricing.rows import Price
from harness.reports.facts.report_facts import CellFacts, CostSums, Spend, TaskOutcomes, TokenSums
from harness.reports.prices.price_standing import Charged
from harness.reports.spend.report import SpendReport, with_rows
from harness.usage.values import Meter


def outcomes(correct: list[int], *, cost_usd: float, repeats: int = 1, seed: int = 1) -> TaskOutcomes:
    """One task whose samples were right `correct[i]` of `repeats` times, with heavy-tailed costs of a given sum."""
    rng = random.Random(seed)
    shares = [rng.lognormvariate(0, 1) for _ in correct]
    costs = [cost_usd * share / sum(shares) for share in shares]
    return TaskOutcomes(
        task="questions",
        weight=None,
        sample_ids=[f"q{number}" for number in range(len(correct))],
        score_sums=[float(count) for count in correct],
        score_counts=[repeats] * len(correct),
        n_solves=[repeats] * len(correct),
        inclusion_probabilities=[1.0] * len(correct),
        costs_usd=list(costs),
        output_tokens=[int(1e5 * cost) for cost in costs],
    )


def reasoner() -> CellFacts:
    """A reasoning model, everything known: 3 M in at 15, 1 M cached at 7.5, 10 M out (9 M reasoning) at 60."""
    cost = CostSums(
        input=Decimal("45"),
        cache_read=Decimal("7.5"),
        output=Decimal("600"),
        reasoning=Decimal("540"),
        charged=Decimal("652.5"),
    )
    tokens = TokenSums(
        input_tokens=3_000_000, cache_read_tokens=1_000_000, output_tokens=10_000_000, reasoning_tokens=9_000_000
    )
    return CellFacts(
        suite="starter",
        suite_version="1",
        provider="openai",
        model="o1",
        setting="high",
        reasoning=True,
        mark=None,
        run_ids=("r1",),
        solve=Spend(n_attempts=200, tokens=tokens, cost=cost),
        tasks=(outcomes([1] * 160 + [0] * 40, cost_usd=652.5),),
    )


def direct() -> CellFacts:
    """A simulated model without itemised reasoning, with failures, truncation and unknown usage."""
    cost = CostSums(input=Decimal("0.5"), output=Decimal("0.000125"), reasoning=None, charged=Decimal("0.500125"))
    return CellFacts(
        suite="starter",
        suite_version="1",
        provider="sim",
        model="direct",
        setting=None,
        reasoning=False,
        mark="simulated",
        run_ids=("r1",),
        solve=Spend(
            n_attempts=205,
            n_failed_attempts=5,
            n_open_attempts=1,
            n_retries=5,
            n_truncated=2,
            n_unknown_usage=3,
            tokens=TokenSums(input_tokens=1_000_000, output_tokens=250, reasoning_tokens=None),
            cost=cost,
            possibly_billed_usd=Decimal("0.0123"),
            wasted_usd=Decimal("0.01"),
        ),
        judge=Spend(n_attempts=10, cost=CostSums(output=Decimal("0.2"), charged=Decimal("0.2"))),
        n_unscored={"failed": 3},
        causes=(
            FailureCause(cell_id=1, purpose="solve", error_class="overloaded", message="overloaded", n_attempts=5),
        ),
        n_without_answer={"truncated": 2},
        tasks=(outcomes([1] * 100 + [0] * 100, cost_usd=0.500125, seed=2),),
    )


def unpriced() -> CellFacts:
    """A model that the price book does not know."""
    return replace(
        direct(),
        provider="acme",
        model="mystery-9",
        mark=None,
        judge=Spend(),
        n_unscored={},
        n_without_answer={},
        solve=Spend(n_attempts=200, n_unpriced_attempts=200, tokens=TokenSums(input_tokens=5, output_tokens=7)),
    )


def report(*cells: CellFacts) -> SpendReport:
    """A report over the given cells, or over all three."""
    price = Price(
        provider="openai",
        model="o1",
        effective_from=datetime(2024, 12, 17, tzinfo=UTC),
        rates={Meter.INPUT: Decimal(15), Meter.OUTPUT: Decimal(60)},
        source="https://openai.com/api/pricing",
        checked_on=date(2025, 3, 1),
    )
    used = Charged(price=price, n_attempts=200, last_at=datetime(2025, 3, 2, tzinfo=UTC))
    return with_rows(
        SpendReport(price_book_sha256="ab" * 32, prices=(used,)), cells or (reasoner(), direct(), unpriced())
    )
