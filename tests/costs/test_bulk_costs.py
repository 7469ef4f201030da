"""Charging sums over groups gives the same last digit as charging row by row, whatever lies inside a group."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.costs import cost_of
from harness.costs.stretches import GroupTerms, GroupUsage, charge_groups, total_usd
from harness.money import add
from harness.pricing import Adjustment, PriceBook
from harness.pricing.price_files import load_price_book
from harness.usage import Meter, meters
from harness.usage.context_sizes import CONTEXT_BOUNDS, SLOT_US, context_bucket, slot
from tests.support.price_cases import book, row, tokens, utc

SHIPPED = load_price_book()
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

KINDS = [
    ("openai", "gpt-5.4", None, None),
    ("openai", "o3", "flex", None),
    ("openai", "gpt-4o", None, "batch"),
    ("openai", "o9", None, None),
    ("anthropic", "claude-sonnet-4-6", None, None),
    ("anthropic", "claude-haiku-5-5", None, None),
    ("google", "gemini-2.5-pro", "priority", None),
    ("deepseek", "deepseek-reasoner", None, None),
    ("deepseek", "deepseek-v4-pro", None, None),
    ("xai", "grok-4.20", None, None),
    ("openrouter", "anthropic/claude-4.6-sonnet-20260217", None, None),
    ("ollama", "qwen3:8b", None, None),
]
SIZES = [300, 32_000, 100_001, 199_999, 200_000, 200_001, 272_000, 272_001]
STARTS = [utc(day) for day in ("2025-03-10", "2026-03-12", "2026-08-16", "2026-08-22", "2026-10-01")]


@dataclass(frozen=True)
class Attempt:
    """One attempt as the ledger keeps it."""

    kind: tuple[str, str, str | None, str | None]
    at: datetime
    context_tokens: int
    cache_read_tokens: int
    output_tokens: int
    reasoning_tokens: int

    def usage(self) -> GroupUsage:
        counts = meters(
            tokens(
                self.context_tokens,
                self.output_tokens,
                cache_read_tokens=self.cache_read_tokens,
                reasoning_tokens=self.reasoning_tokens,
            )
        )
        return GroupUsage(owner=self.kind[:2], terms=self.terms(), quantities=counts, n_attempts=1)

    def terms(self) -> GroupTerms:
        provider, model, tier, mode = self.kind
        return GroupTerms(
            provider=provider,
            model=model,
            service_tier=tier,
            mode=mode,
            thinking=True,
            start_us=(self.at - EPOCH) // timedelta(microseconds=1),
            least_context_tokens=self.context_tokens,
            most_context_tokens=self.context_tokens,
        )

    def list_usd(self, prices: PriceBook) -> Decimal | None:
        provider, model, tier, mode = self.kind
        usage = tokens(
            self.context_tokens,
            self.output_tokens,
            cache_read_tokens=self.cache_read_tokens,
            reasoning_tokens=self.reasoning_tokens,
        )
        return cost_of(
            prices, usage, provider=provider, model=model, at=self.at, service_tier=tier, mode=mode, thinking=True
        ).list_usd


def attempts(seed: int, n: int, kinds: Iterable[tuple[str, str, str | None, str | None]] = KINDS) -> list[Attempt]:
    generator = random.Random(seed)
    return [
        Attempt(
            kind=generator.choice(list(kinds)),
            at=generator.choice(STARTS) + timedelta(microseconds=generator.randrange(2 * 86_400_000_000)),
            context_tokens=(
                size := generator.choice([300, 32_000, 100_001, 199_999, 200_000, 200_001, 272_000, 272_001])
            ),
            cache_read_tokens=generator.randrange(size),
            output_tokens=(output := generator.randrange(1, 90_000)),
            reasoning_tokens=generator.randrange(output),
        )
        for _ in range(n)
    ]


def grouped(rows: Iterable[Attempt]) -> dict[GroupTerms, list[Attempt]]:
    """Group as the ledger does: by quarter hours and context buckets."""
    groups: dict[GroupTerms, list[Attempt]] = {}
    for attempt in rows:
        bucket = context_bucket(attempt.context_tokens) or 0
        above = [bound for bound in CONTEXT_BOUNDS if bound > bucket]
        terms = replace(
            attempt.terms(),
            start_us=slot(attempt.terms().start_us),
            span_us=SLOT_US,
            least_context_tokens=bucket,
            most_context_tokens=above[0] - 1 if above else None,
        )
        groups.setdefault(terms, []).append(attempt)
    return groups


def summed(terms: GroupTerms, rows: Iterable[Attempt]) -> GroupUsage:
    quantities: dict[Meter, int] = {}
    n_attempts = 0
    for attempt in rows:
        n_attempts += 1
        for meter, quantity in attempt.usage().quantities.items():
            quantities[meter] = quantities.get(meter, 0) + quantity
    return GroupUsage(owner=(terms.provider, terms.model), terms=terms, quantities=quantities, n_attempts=n_attempts)


class Rows:
    """Gives a group's rows, and counts how often it was asked."""

    def __init__(self, groups: dict[GroupTerms, list[Attempt]]) -> None:
        self.groups = groups
        self.n_asked = 0

    def __call__(self, group: GroupUsage) -> Iterator[GroupUsage]:
        self.n_asked += 1
        return (attempt.usage() for attempt in self.groups[group.terms])


def both_ways(prices: PriceBook, rows: list[Attempt]) -> tuple[Decimal, Decimal, int]:
    groups = grouped(rows)
    source = Rows(groups)
    bills = charge_groups(prices, (summed(terms, found) for terms, found in groups.items()), source)
    one_by_one = [attempt.list_usd(prices) for attempt in rows]
    total, n_unpriced = total_usd(bills)
    assert n_unpriced == one_by_one.count(None)
    assert sum(bill.n_attempts for bill in bills) == len(rows)
    return total, add(usd for usd in one_by_one if usd is not None), source.n_asked


@pytest.mark.parametrize("seed", range(4))
def test_sums_cost_the_same_to_the_last_digit_as_their_rows(seed: int) -> None:
    total, expected, n_asked = both_ways(SHIPPED, attempts(seed, 1500))
    assert total == expected
    assert n_asked == 0


MINE = ("p", "m", None, None)
ODD_TIMES = row(start="2025-03-10T12:07:30", input="3", output="9")
ODD_SIZE = row(adjustments=[Adjustment(multiply=Decimal("1.7"), least_context_tokens=32_000)])


def test_a_price_that_changes_inside_a_group_is_charged_row_by_row() -> None:
    changing = book(row(), ODD_TIMES)
    minute = timedelta(minutes=1)
    rows = [replace(attempts(1, 1, [MINE])[0], at=utc("2025-03-10T12:01:00") + step * minute) for step in range(14)]
    total, expected, n_asked = both_ways(changing, rows)
    assert (total, n_asked) == (expected, 1)


def test_a_context_tier_inside_a_bucket_is_charged_row_by_row() -> None:
    sized = [replace(attempts(2, 1, [MINE])[0], context_tokens=size, cache_read_tokens=0) for size in (31_999, 32_000)]
    total, expected, n_asked = both_ways(book(ODD_SIZE), sized)
    assert (total, n_asked) == (expected, 1)


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), change=st.integers(0, 2 * 86_400))
def test_no_change_inside_a_group_is_ever_missed(seed: int, change: int) -> None:
    moment = STARTS[0] + timedelta(seconds=change)
    prices = book(replace(ODD_SIZE, model="m"), replace(ODD_TIMES, effective_from=moment))
    total, expected, _ = both_ways(prices, attempts(seed, 30, [MINE]))
    assert total == expected


def test_bills_are_kept_apart_by_owner_and_rates() -> None:
    rows = [replace(attempts(3, 1, [("deepseek", "deepseek-reasoner", None, None)])[0], at=at)
            for at in (utc("2025-03-10T16:29:00"), utc("2025-03-10T16:31:00"))]  # fmt: skip
    bills = charge_groups(SHIPPED, [attempt.usage() for attempt in rows], Rows({}))
    assert [bill.n_attempts for bill in bills] == [1, 1]
    assert bills[0].usd != bills[1].usd
    assert all(bill.price is not None and bill.price.name == "deepseek/deepseek-reasoner" for bill in bills)
