"""An attempt's columns: each value is written under its own name, and counts of tokens are charged once."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from harness.ledger import AttemptOutcome, AttemptStart, UsageFacts
from harness.ledger.columns import ATTEMPT_COLUMNS, TOKEN_COLUMNS, TokenCounts, token_counts
from harness.ledger.writing.statements import SENT_COLUMNS, SETTLED_COLUMNS, sent_row, settled_row
from harness.usage import Meter, meters

COUNT = st.integers(0, 10**6)


def test_what_is_sent_stands_under_its_column() -> None:
    start = AttemptStart(request_id="r", cell_id=5, planned_id=6, model_requested="m", started_at_us=7, retry_of=8,
                         provider="judge's", reserved_pico_usd=9, reserved_input_tokens=10)  # fmt: skip
    row = dict(zip(SENT_COLUMNS, sent_row(start, 1, 2, None), strict=True))
    assert (row["attempt_id"], row["parameter_set_id"], row["budget_set_id"], row["cell_id"]) == (1, 2, None, 5)
    assert (row["request_id"], row["other_provider"], row["purpose"], row["try_number"]) == ("r", "judge's", "solve", 1)
    assert (row["retry_of"], row["reserved_pico_usd"], row["reserved_input_tokens"]) == (8, 9, 10)


def test_how_it_ended_stands_under_its_column_in_the_form_that_is_stored() -> None:
    numbered: dict[str, Any] = {name: number for number, name in enumerate(TOKEN_COLUMNS)}
    usage = UsageFacts(**numbered, raw_usage={"b": 1, "a": 2},
                       stated_cost_usd=Decimal("1E-7"))  # fmt: skip
    outcome = AttemptOutcome(attempt_id=1, status="failed", finished_at_us=3, usage=usage, refused=True,
                             error_message="key sk-" + "a" * 40, provider_request_id="x" * 300)  # fmt: skip
    row = dict(zip(SETTLED_COLUMNS, settled_row(outcome, "served", "flex", 4), strict=True))
    assert tuple(row[name] for name in TOKEN_COLUMNS) == (0, 1, 2, 3, 4, 5)
    assert (row["model_served"], row["service_tier"], row["usage_group_id"]) == ("served", "flex", 4)
    assert (row["raw_usage"], row["stated_cost_usd"], row["other_meters"]) == ('{"a":2,"b":1}', "0.0000001", None)
    assert (row["usage_flags"], row["refused"], row["error_class"]) == (None, 1, None)
    assert "a" * 40 not in str(row["error_message"])
    assert len(str(row["provider_request_id"])) == 200


def test_what_is_never_null_is_known_when_a_row_is_inserted() -> None:
    inserted = {*SENT_COLUMNS, "status", "refused"}  # these two are written as `sent` and 0
    assert {column.name for column in ATTEMPT_COLUMNS if column.required} <= inserted


@given(st.lists(COUNT, min_size=4, max_size=4), COUNT, COUNT)
def test_counts_are_charged_as_the_usage_that_they_are(inputs: list[int], answer: int, reasoning: int) -> None:
    counts = token_counts((*inputs, answer + reasoning, reasoning))
    charged = {meter: quantity for meter, quantity in counts.quantities() if quantity}
    assert charged == meters(counts.usage())
    assert sum(charged.values()) == sum(inputs) + answer + reasoning
    assert counts.all_input_tokens == sum(inputs)


def test_counts_that_are_not_known_are_not_charged() -> None:
    lost: TokenCounts[int | None] = TokenCounts()
    assert {quantity for _, quantity in lost.quantities()} == {0}
    half: TokenCounts[int | None] = TokenCounts(input_tokens=3, output_tokens=2)
    assert {meter: quantity for meter, quantity in half.quantities() if quantity} == {Meter.INPUT: 3, Meter.OUTPUT: 2}
    assert half.usage().reasoning_tokens is None
