"""400 recorded payloads: all are read, and every count that differs from the recorded one has a reviewed reason."""

from __future__ import annotations

from collections import Counter

import pytest

from benchmarks.recorded.payloads import REVIEWED, Comparison, compare, table
from tests.support.shared_data import shared


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return compare(shared("data/usage/provider_usages_400.json"))


def test_all_400_are_read_and_none_has_an_unknown_total_or_field(comparison: Comparison) -> None:
    assert sum(comparison.kinds.values()) == 400
    assert comparison.missing == 0
    assert comparison.unknown_fields == frozenset()
    assert comparison.flagged == {"context_is_a_sum": 2}


def test_378_equal_the_recorded_counts_and_22_differ_as_reviewed(comparison: Comparison) -> None:
    assert comparison.equal == 378
    found = Counter((difference.kind, difference.count) for difference in comparison.differences)
    assert found == {
        ("anthropic.messages", "cache_write_tokens"): 1,
        ("anthropic.messages", "input_tokens"): 2,
        ("anthropic.messages", "output_tokens"): 2,
        ("anthropic.messages", "other_models"): 3,
        ("gemini.usageMetadata", "input_image_tokens"): 4,
        ("mistral.chat", "cache_read_tokens"): 13,
    }
    assert set(found) == set(REVIEWED)


def test_the_table_lists_each_kind_of_difference_with_who_is_right(comparison: Comparison) -> None:
    assert [(row[0], row[1], row[4]) for row in table(comparison).rows] == [
        ("anthropic.messages", "cache_write_tokens", "ours"),
        ("anthropic.messages", "input_tokens", "ours"),
        ("anthropic.messages", "other_models", "ours"),
        ("anthropic.messages", "output_tokens", "ours"),
        ("gemini.usageMetadata", "input_image_tokens", "both"),
        ("mistral.chat", "cache_read_tokens", "ours"),
    ]
