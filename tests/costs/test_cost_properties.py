"""What holds for every cost: lines sum to the total, each token is billed once, later prices change no earlier bill."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from harness.costs import charge, cost_of
from harness.money import add
from harness.pricing import Price
from harness.pricing.rates import Terms
from harness.usage import Usage
from tests.support.any_usage import MOMENTS, NAMES, TIERS, usages
from tests.support.price_cases import NOON, SHIPPED, book, row, tokens, utc


@given(name=NAMES, usage=usages(), moment=MOMENTS, tier=TIERS)
def test_charges_sum_to_the_total(name: tuple[str, str], usage: Usage, moment: Any, tier: str | None) -> None:
    bill = cost_of(SHIPPED, usage, provider=name[0], model=name[1], at=utc(moment.isoformat()), service_tier=tier)
    assert all(line.usd == line.quantity * line.usd_per_unit for line in bill.lines)
    if bill.status != "unpriced":
        assert bill.list_usd == add(line.usd for line in bill.lines)
        assert bill.list_usd is not None
        assert bill.list_usd >= 0


@given(usage=usages(with_fees=False))
def test_each_token_is_billed_once(usage: Usage) -> None:
    price = SHIPPED.at("anthropic", "claude-opus-4-5-20251101", NOON)
    assert price is not None
    bill = charge(usage, price, Terms(at=NOON))
    assert sum(line.quantity for line in bill.lines) == (usage.input_tokens or 0) + (usage.output_tokens or 0)


def _prices(changes: Mapping[int, int]) -> list[Price]:
    return [
        row(start=(utc("2025-01-01") + timedelta(days=day)).isoformat()[:10], input=str(rate), output=str(2 * rate))
        for day, rate in changes.items()
    ]


@given(
    changes=st.dictionaries(st.integers(0, 300), st.integers(1, 99), min_size=1, max_size=6),
    day=st.integers(0, 300),
    later=st.integers(1, 300),
    rate=st.integers(1, 99),
)
def test_a_later_price_never_changes_an_earlier_bill(changes: dict[int, int], day: int, later: int, rate: int) -> None:
    at = utc("2025-01-01") + timedelta(days=day)
    before, appended = _prices(changes), _prices({**changes, day + later: rate})
    how: dict[str, Any] = {"provider": "p", "model": "m", "at": at}
    untouched = [price for price in appended if price.effective_from is not None and price.effective_from <= at]
    earlier = [price for price in before if price.effective_from is not None and price.effective_from <= at]
    assert untouched == earlier
    assert cost_of(book(*appended), tokens(7, 7), **how).usd == cost_of(book(*earlier), tokens(7, 7), **how).usd


@given(name=NAMES, usage=usages(), moment=MOMENTS)
def test_hiding_the_reasoning_split_never_changes_a_bill_whose_rates_are_equal(
    name: tuple[str, str], usage: Usage, moment: Any
) -> None:
    hidden = replace(usage, reasoning_tokens=None)
    how: dict[str, Any] = {"provider": name[0], "model": name[1], "at": utc(moment.isoformat()), "thinking": False}
    shown = cost_of(SHIPPED, replace(usage, reasoning_tokens=0, output_tokens=usage.output_tokens), **how)
    assert cost_of(SHIPPED, hidden, **how).list_usd == shown.list_usd
    if "preview-04-17" not in name[1]:
        assert cost_of(SHIPPED, usage, **how).list_usd == shown.list_usd
