"""Recorded provider interactions, streams included: every one goes through the reader of its kind."""

from __future__ import annotations

from collections import Counter

import pytest

from benchmarks.recorded.replays import TOLERANCE_USD, Replay, read_replays, stated, table
from harness.pricing.price_files import load_price_book
from tests.support.shared_data import shared


@pytest.fixture(scope="module")
def replays() -> list[Replay]:
    return read_replays(shared("data/recorded/provider_replays/replay.jsonl"), load_price_book())


def test_every_answer_is_read_and_none_has_an_unknown_total(replays: list[Replay]) -> None:
    assert len(replays) == 252
    assert sum(item.is_stream for item in replays) == 75
    assert Counter(item.reading for item in replays) == {"exact": 244, "flagged": 2, "no answer": 6}


def test_calls_that_answer_nothing_are_unknown_and_not_0(replays: list[Replay]) -> None:
    silent = [item for item in replays if not item.is_answer]
    assert {item.cost.usd for item in silent} == {None}
    assert all(item.usage.is_missing for item in silent)


def test_dirty_payloads_are_kept_and_flagged(replays: list[Replay]) -> None:
    """A free model counts 11 reasoning tokens in 10; a gateway counts the same tokens as read and written."""
    flagged = {item.model: [flag.name for flag in item.usage.flags] for item in replays if item.reading == "flagged"}
    assert flagged == {
        "minimax/minimax-m2:free": ["reasoning_exceeds_output"],
        "google/gemini-2.5-flash": ["cache_counts_overlap"],
    }


def test_nothing_is_silently_free(replays: list[Replay]) -> None:
    for item in replays:
        assert item.cost.status in ("priced", "unpriced", "free")
        if item.cost.status == "unpriced":
            assert item.cost.usd is None
            assert item.cost.warnings
        elif item.cost.usd == 0:
            assert item.usage.stated_cost_usd == 0


def test_stated_costs_equal_the_list_price_where_nothing_but_tokens_and_searches_was_bought(
    replays: list[Replay],
) -> None:
    different = sorted(
        item.model for item, said, ours in stated(replays) if ours is not None and abs(said - ours) > TOLERANCE_USD
    )
    # an advisor model inside two requests, and a cache that was written and read at once
    assert different == ["google/gemini-2.5-flash", "openai/gpt-4o-mini", "openai/gpt-4o-mini"]


def test_the_table_sums_to_all_interactions(replays: list[Replay]) -> None:
    *rows, everything = table(replays).rows
    assert everything[0] == "all"
    assert [sum(row[place] for row in rows) for place in range(2, 11)] == list(everything[2:])
