"""Reading the ledger: sums that keep unknown apart from zero, results per sample, streams in stable order."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.ledger import Ledger, UsageFacts
from harness.ledger.encoding import canonical_json, read_json
from harness.ledger.reading.attempt_rows import attempt_rows
from harness.ledger.reading.sums import unknown_bills, usage_sums
from harness.ledger.writing.usage_facts import usage_facts
from harness.usage.context_sizes import CONTEXT_THRESHOLDS, context_bucket, slot
from harness.usage.values import Meter, Usage
from tests.support.ledger_rows import NOON_US, Filled, fill, outcome, start


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    with Ledger.open(ledger_url) as opened:
        yield opened


@pytest.fixture
def filled(ledger: Ledger) -> Filled:
    return fill(ledger)


async def settle_all(ledger: Ledger, filled: Filled, endings: list[dict[str, Any]]) -> list[int]:
    """Send and settle one attempt per ending; `sent` keys go to the start."""
    ids = []
    async with ledger.writer() as writer:
        for number, ending in enumerate(endings):
            changes = dict(ending)
            attempt_id = await writer.send(start(filled, number, **changes.pop("sent", {})))
            await writer.settle(outcome(attempt_id, **changes))
            ids.append(attempt_id)
    return ids


def known(**tokens: Any) -> UsageFacts:
    """A usage that the provider stated."""
    return UsageFacts(**{"input_tokens": 10, "output_tokens": 20, "usage_source": "provider", **tokens})


async def test_missing_usage_is_counted_and_not_taken_as_zero(ledger: Ledger, filled: Filled) -> None:
    await settle_all(
        ledger, filled, [{"usage": known()}, {"usage": known(input_tokens=5)}, {"usage": UsageFacts(), "billed": "yes"}]
    )
    sums = usage_sums(ledger, ["run-1"])
    assert sum(each.n_attempts for each in sums) == 3
    assert sum(each.n_usage_missing for each in sums) == 1
    assert sum(each.input_tokens for each in sums) == 15
    [bill] = unknown_bills(ledger)
    assert (bill.n_attempts, bill.n_unbounded) == (1, 1)


async def test_reasoning_that_is_not_itemised_is_not_zero(ledger: Ledger, filled: Filled) -> None:
    await settle_all(ledger, filled, [{"usage": known(reasoning_tokens=0)}, {"usage": known(output_tokens=7)}])
    sums = usage_sums(ledger)
    assert sum(each.n_not_itemised for each in sums) == 1
    assert sum(each.not_itemised_output_tokens for each in sums) == 7
    assert sum(each.output_tokens for each in sums) == 27
    assert sum(each.reasoning_tokens for each in sums) == 0


async def test_truncated_and_refused_answers_are_counted(ledger: Ledger, filled: Filled) -> None:
    await settle_all(ledger, filled, [{"finish_reason": "length"}, {"refused": True}, {}])
    sums = usage_sums(ledger)
    assert (sum(each.n_truncated for each in sums), sum(each.n_refused for each in sums)) == (1, 1)


async def test_what_sums_cannot_carry_is_charged_one_by_one(ledger: Ledger, filled: Filled) -> None:
    ids = await settle_all(
        ledger,
        filled,
        [
            {"usage": known()},
            {"usage": known(stated_cost_usd=Decimal("0.25"))},
            {"usage": known(other_meters={"meters": {"input_audio": 3}, "other_models": []})},
        ],
    )
    assert sum(each.n_attempts for each in usage_sums(ledger)) == 1
    assert [row.attempt_id for row in attempt_rows(ledger, only="one_by_one")] == ids[1:]
    assert [row.attempt_id for row in attempt_rows(ledger)] == ids


async def test_prices_can_change_between_groups(ledger: Ledger, filled: Filled) -> None:
    """Each dimension that a price depends on makes its own sum."""
    later = NOON_US + 15 * 60 * 1_000_000
    endings: list[dict[str, Any]] = [
        {"usage": known(context_tokens=10)},
        {"usage": known(context_tokens=200_001)},
        {"usage": known(context_tokens=10), "finished_at_us": later},
        {"usage": known(context_tokens=10), "service_tier": "priority"},
        {"usage": known(context_tokens=10), "sent": {"mode": "batch"}},
        {"usage": known(context_tokens=10, thinking=True)},
        {"usage": known(context_tokens=10), "model_served": "reasoner-2"},
        {"usage": known(context_tokens=10)},
    ]
    await settle_all(ledger, filled, endings)
    sums = usage_sums(ledger)
    assert sorted(each.n_attempts for each in sums) == [1, 1, 1, 1, 1, 1, 2]
    assert {each.group.context_bucket for each in sums} == {0, 200_001}
    assert {each.group.slot_us for each in sums} == {NOON_US, later}
    assert {each.group.model for each in sums} == {"reasoner", "reasoner-2"}


async def test_sums_are_of_the_runs_that_are_asked_for(ledger: Ledger, filled: Filled) -> None:
    other = fill(ledger, run_id="run-2")
    await settle_all(ledger, filled, [{"usage": known(output_tokens=number)} for number in range(8)])
    await settle_all(ledger, other, [{"usage": known(output_tokens=1000)}])
    assert [each.output_tokens for each in usage_sums(ledger, ["run-1"])] == [28]
    assert sum(each.output_tokens for each in usage_sums(ledger)) == 1028


async def test_the_sums_read_an_index_and_no_row(ledger: Ledger, filled: Filled) -> None:
    if ledger.engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL decides by its statistics")
    from harness.ledger.schema.tables import SETTLED_AND_SUMMABLE

    keys = "cell_id, purpose, status, usage_group_id"
    query = f"SELECT {keys}, sum(reasoning_tokens) FROM attempts WHERE {SETTLED_AND_SUMMABLE} GROUP BY {keys}"
    with ledger.reading() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}").all()
    assert [row[3] for row in plan] == ["SCAN attempts USING COVERING INDEX ix_attempts_sums"]


@pytest.mark.parametrize("threshold", CONTEXT_THRESHOLDS)
def test_both_sides_of_a_context_threshold_are_apart(threshold: int) -> None:
    """ "Above 200k" and "from 200k" are both in use: the threshold itself is a bucket of its own."""
    assert context_bucket(threshold - 1) != context_bucket(threshold)
    assert context_bucket(threshold) == threshold
    assert context_bucket(threshold + 1) == threshold + 1
    assert context_bucket(None) is None


def test_a_window_that_begins_at_half_past_begins_a_slot() -> None:
    half_past_four = NOON_US + (4 * 60 + 30) * 60 * 1_000_000
    assert slot(half_past_four) == half_past_four
    assert slot(half_past_four - 1) == half_past_four - 15 * 60 * 1_000_000


def test_usage_is_spread_over_disjoint_columns() -> None:
    usage = Usage(input_tokens=1000, output_tokens=500, cache_read_tokens=300, reasoning_tokens=400)
    meters = {Meter.INPUT: 690, Meter.CACHE_READ: 300, Meter.INPUT_AUDIO: 10, Meter.OUTPUT: 100, Meter.REASONING: 400}
    facts = usage_facts(usage, meters, raw_usage={}, usage_kind="openai.chat")
    assert (facts.input_tokens, facts.cache_read_tokens, facts.cache_write_5m_tokens) == (690, 300, None)
    assert (facts.output_tokens, facts.reasoning_tokens, facts.context_tokens) == (500, 400, 1000)
    assert facts.other_meters == {"meters": {"input_audio": 10}, "other_models": []}
    assert facts.usage_source == "provider"
    missing = usage_facts(Usage(input_tokens=None, output_tokens=None), {}, raw_usage=None, usage_kind="openai.chat")
    assert (missing.input_tokens, missing.output_tokens, missing.usage_source) == (None, None, "missing")


decimals = st.decimals(allow_nan=False, allow_infinity=False, places=9)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | decimals,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(json_values)
def test_any_payload_is_read_back_exactly(value: Any) -> None:
    assert read_json(canonical_json(value)) == value
    assert canonical_json(read_json(canonical_json(value))) == canonical_json(value)


def test_a_payload_with_lone_surrogates_and_huge_numbers_is_kept() -> None:
    odd = {"text": "\ud83d", "n": 2**80, "cost": Decimal("0.10"), "more": [True, None, 0.5, (1, 2)]}
    assert canonical_json(odd) == (
        '{"cost":0.10,"more":[true,null,0.5,[1,2]],"n":1208925819614629174706176,"text":"\\ud83d"}'
    )
