"""Payloads that no provider should send: readers never crash, never count below zero, never lose a token in silence."""

from __future__ import annotations

import hashlib
import random
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.fuzz_usage import AT, SEEDS, mutate, run, violations
from harness.costs import Cost, cost_of
from harness.pricing import PriceBook
from harness.pricing.price_files import load_price_book
from harness.usage import NORMALISER_VERSION, READERS, Meter, Usage, meters, read_usage

FIELD_NAMES = sorted(
    {name for _, payload in SEEDS.values() for name in payload} | {"type", "model", "modality", "cost"}
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=0, max_value=10**7)
    | st.floats()
    | st.decimals()
    | st.text(max_size=5)
)
PAYLOADS = st.recursive(
    st.dictionaries(st.sampled_from(FIELD_NAMES), SCALARS, max_size=8),
    lambda inner: st.dictionaries(
        st.sampled_from(FIELD_NAMES), SCALARS | inner | st.lists(inner, max_size=3), max_size=8
    ),
    max_leaves=12,
)
COUNTS = st.integers(min_value=0, max_value=10**9)


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return load_price_book()


@pytest.mark.parametrize("kind", sorted(READERS))
@settings(max_examples=25, deadline=None)
@given(raw=PAYLOADS | SCALARS)
def test_no_payload_crashes_a_reader_or_loses_a_token(kind: str, raw: Any) -> None:
    usage = read_usage(kind, raw)
    quantities = meters(usage)
    assert all(quantity > 0 for quantity in quantities.values())
    if usage.is_missing:
        assert usage.flags
    elif not usage.fees:
        assert sum(quantities.values()) == (usage.input_tokens or 0) + (usage.output_tokens or 0)


@settings(max_examples=100, deadline=None)
@given(prompt=COUNTS, completion=COUNTS, cached=COUNTS, written=COUNTS, reasoning=COUNTS)
def test_each_stated_token_is_in_one_meter(
    prompt: int, completion: int, cached: int, written: int, reasoning: int
) -> None:
    raw = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }
    usage = read_usage("openai.chat", raw)
    outside = (usage.input_tokens or 0) - prompt if usage.input_tokens is not None else 0
    assert sum(meters(usage).values()) in (0, prompt + completion + outside)
    # cache counts lie outside exactly where the prompt has no room for them
    fits = cached + written <= prompt or cached == written <= prompt
    assert outside in ({0} if fits else {written, cached + written})
    contradicts = cached + written > prompt or reasoning > completion
    assert {flag.name for flag in usage.flags} - {"zero_usage", "missing"} == set() or contradicts


@settings(max_examples=100, deadline=None)
@given(plain=COUNTS, read=COUNTS, write_5m=COUNTS, write_1h=COUNTS, output=COUNTS)
def test_anthropic_and_litellm_shapes_of_one_answer_have_the_same_meters(
    plain: int, read: int, write_5m: int, write_1h: int, output: int
) -> None:
    lifetimes = {"ephemeral_5m_input_tokens": write_5m, "ephemeral_1h_input_tokens": write_1h}
    anthropic = {
        "input_tokens": plain,
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": write_5m + write_1h,
        "cache_creation": lifetimes,
        "output_tokens": output + 1,
    }
    prompt = plain + read + write_5m + write_1h
    litellm = {
        "prompt_tokens": prompt,
        "completion_tokens": output + 1,
        "total_tokens": prompt + output + 1,
        "prompt_tokens_details": {
            "cached_tokens": read,
            "cache_creation_tokens": write_5m + write_1h,
            "cache_creation_token_details": lifetimes,
        },
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": write_5m + write_1h,
    }
    assert meters(read_usage("anthropic.messages", anthropic)) == meters(read_usage("litellm.usage", litellm))


def test_3000_mutated_payloads_violate_nothing(book: PriceBook) -> None:
    tally = run(3000, seed=20261122, book=book)
    assert tally.violations == []
    assert sum(tally.outcomes.values()) == 3000
    # the mutations bite: most payloads are flagged or unknown, and some stay clean
    assert 300 < sum(count for outcome, count in tally.outcomes.items() if outcome.startswith("clean")) < 1500


def test_every_kind_has_a_seed_that_reads_clean_and_is_priced(book: PriceBook) -> None:
    assert set(SEEDS) == set(READERS)
    for kind, ((provider, model), payload) in SEEDS.items():
        usage = read_usage(kind, payload)
        cost = cost_of(book, usage, provider=provider, model=model, at=AT)
        assert usage.flags == (), kind
        assert (cost.status, cost.warnings) == ("priced", ()), kind


READINGS_BY_VERSION = {1: "3326c9ec81d3b67f", 2: "7e799a0aafa2acb3"}
"""Digest of what each version of the readers made of the seeds."""


def reading(usage: Usage) -> str:
    """What of a usage money and reports depend on, in words that new fields do not change."""
    quantities = {meter.value: quantity for meter, quantity in meters(usage).items()}
    others = [(model, reading(other)) for model, other in usage.other_models]
    return f"{quantities} {usage.reasoning_tokens} {usage.context_tokens} {usage.stated_cost_usd} {others}"


def test_a_changed_reading_needs_a_new_normaliser_version() -> None:
    """Columns that change their meaning between versions cannot be told apart later: add an entry, never edit one."""
    readings = [reading(read_usage(kind, payload)) for kind, (_, payload) in sorted(SEEDS.items())]
    digest = hashlib.sha256("\n".join(readings).encode()).hexdigest()
    assert READINGS_BY_VERSION[NORMALISER_VERSION] == digest[:16], "raise NORMALISER_VERSION in harness/usage/values.py"


def test_the_same_seed_gives_the_same_mutations() -> None:
    payload = SEEDS["openai.chat"][1]
    first, second = (
        [mutate(generator, payload) for _ in range(20)] for generator in (random.Random(5), random.Random(5))
    )
    assert repr(first) == repr(second)


def test_the_check_finds_a_silent_zero_and_a_lost_token() -> None:
    free = Cost(status="free", list_usd=Decimal(0), usd=Decimal(0))
    assert list(violations({"x": 1}, Usage(input_tokens=0, output_tokens=0), free)) == [
        "a zero without a flag",
        "a zero that nobody stated",
    ]
    unpriced = Cost(status="unpriced", list_usd=None, usd=None)
    assert list(violations({}, Usage(input_tokens=None, output_tokens=None), unpriced)) == [
        "unknown totals without a flag"
    ]
    fee_inside = Usage(input_tokens=5, output_tokens=5, fees={Meter.INPUT: 5})
    assert any("meters hold" in text for text in violations({}, fee_inside, unpriced))
