"""Sums cost the same to the last digit as their attempts one by one wherever rates are said to stay the same."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.costs import Cost, Served, price_request
from harness.costs.stretches import RateStretches, ServedSpan
from harness.instants import from_us, to_us
from harness.money import add
from harness.pricing import Adjustment, PriceBook
from harness.usage import Usage
from harness.usage.context_sizes import SLOT_US, context_bucket, last_of_bucket, slot
from tests.support.price_cases import SHIPPED, book, row, utc

MINE = Served(provider="p", model="m", at=utc("2025-03-10"), thinking=True)
KINDS = [
    replace(MINE, provider=provider, model=model, service_tier=tier, mode=mode)
    for provider, model, tier, mode in (
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
    )
]
SIZES = [300, 32_000, 100_001, 199_999, 200_000, 200_001, 272_000, 272_001]
STARTS = [utc(day) for day in ("2025-03-10", "2026-03-12", "2026-08-16", "2026-08-22", "2026-10-01")]


@dataclass(frozen=True)
class Attempt:
    """One attempt: how it was served, and its tokens."""

    served: Served
    input_tokens: int
    cache_read_tokens: int
    output_tokens: int
    reasoning_tokens: int

    def span(self) -> ServedSpan:
        """The group that the ledger sums it in: a quarter of an hour and a bucket of prompt sizes."""
        bucket = context_bucket(self.input_tokens) or 0
        start = from_us(slot(to_us(self.served.at)))
        return ServedSpan(
            served=replace(self.served, at=start),
            span_us=SLOT_US,
            least_context_tokens=bucket,
            most_context_tokens=last_of_bucket(bucket),
        )

    def cost(self, prices: PriceBook) -> Cost:
        return price_request(prices, summed([self], self.input_tokens), self.served)


def summed(attempts: Sequence[Attempt], context_tokens: int) -> Usage:
    return Usage(
        input_tokens=sum(attempt.input_tokens for attempt in attempts),
        output_tokens=sum(attempt.output_tokens for attempt in attempts),
        cache_read_tokens=sum(attempt.cache_read_tokens for attempt in attempts),
        reasoning_tokens=sum(attempt.reasoning_tokens for attempt in attempts),
        context_tokens=context_tokens,
    )


def attempts(seed: int, n: int, kinds: Iterable[Served] = KINDS) -> list[Attempt]:
    generator = random.Random(seed)
    made = []
    for _ in range(n):
        at = generator.choice(STARTS) + timedelta(microseconds=generator.randrange(2 * 86_400_000_000))
        size, output = generator.choice(SIZES), generator.randrange(1, 90_000)
        made.append(
            Attempt(
                served=replace(generator.choice(list(kinds)), at=at),
                input_tokens=size,
                cache_read_tokens=generator.randrange(size),
                output_tokens=output,
                reasoning_tokens=generator.randrange(output),
            )
        )
    return made


def total_usd(costs: Iterable[Cost]) -> Decimal:
    return add(cost.list_usd for cost in costs if cost.list_usd is not None)


def charged_in_sums(prices: PriceBook, rows: Iterable[Attempt]) -> tuple[Decimal, int]:
    """Charge groups as sums, those whose rates may change one by one; give the total and how many such groups."""
    groups: dict[ServedSpan, list[Attempt]] = {}
    for attempt in rows:
        groups.setdefault(attempt.span(), []).append(attempt)
    stretches, costs, n_split = RateStretches(prices), [], 0
    for span, members in groups.items():
        if stretches.may_change_within(span):
            n_split += 1
            costs += [attempt.cost(prices) for attempt in members]
        else:
            costs.append(price_request(prices, summed(members, span.least_context_tokens), span.served))
    return total_usd(costs), n_split


def one_by_one(prices: PriceBook, rows: Iterable[Attempt]) -> Decimal:
    return total_usd(attempt.cost(prices) for attempt in rows)


@pytest.mark.parametrize("seed", range(4))
def test_sums_cost_the_same_to_the_last_digit_as_their_attempts(seed: int) -> None:
    rows = attempts(seed, 1500)
    assert charged_in_sums(SHIPPED, rows) == (one_by_one(SHIPPED, rows), 0)


ODD_TIMES = row(start="2025-03-10T12:07:30", input="3", output="9")
ODD_SIZE = row(adjustments=[Adjustment(multiply=Decimal("1.7"), least_context_tokens=32_000)])


def _at(attempt: Attempt, at: datetime) -> Attempt:
    return replace(attempt, served=replace(attempt.served, at=at))


def test_a_price_that_changes_inside_a_group_splits_it() -> None:
    changing, attempt = book(row(), ODD_TIMES), attempts(1, 1, [MINE])[0]
    rows = [_at(attempt, utc("2025-03-10T12:01:00") + timedelta(minutes=step)) for step in range(14)]
    assert charged_in_sums(changing, rows) == (one_by_one(changing, rows), 1)


def test_a_context_tier_inside_a_bucket_splits_it() -> None:
    attempt = replace(attempts(2, 1, [MINE])[0], cache_read_tokens=0)
    rows = [replace(attempt, input_tokens=size) for size in (31_999, 32_000)]
    assert charged_in_sums(book(ODD_SIZE), rows) == (one_by_one(book(ODD_SIZE), rows), 1)


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), change=st.integers(0, 2 * 86_400))
def test_no_change_inside_a_group_is_ever_missed(seed: int, change: int) -> None:
    moment = STARTS[0] + timedelta(seconds=change)
    prices = book(ODD_SIZE, replace(ODD_TIMES, effective_from=moment))
    rows = attempts(seed, 30, [MINE])
    assert charged_in_sums(prices, rows)[0] == one_by_one(prices, rows)


def test_attempts_on_both_sides_of_a_window_lie_in_two_stretches() -> None:
    reasoner = replace(MINE, provider="deepseek", model="deepseek-reasoner")
    moments = [utc(f"2025-03-10T16:{minute}:00") for minute in (10, 29, 31)]
    stretches = RateStretches(SHIPPED)
    first, second, third = [stretches.stretch(ServedSpan(served=replace(reasoner, at=at))) for at in moments]
    assert first == second
    assert second != third
