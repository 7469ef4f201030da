"""Usage objects with Inspect's names: the total says where cached and reasoning tokens lie, in every version."""

from __future__ import annotations

import pytest

from harness.imports.harnesses.inspect_ai.inspect_calls import meaning_of, version_of
from harness.imports.harnesses.model_usage import NOT_KNOWN, Meaning, read_model_usage, with_details
from harness.imports.log_records import ImportedUsage
from tests.support.inspect_logs import Log, usage


def _read(raw: Log, meaning: Meaning = NOT_KNOWN) -> ImportedUsage:
    found = read_model_usage("inspect", raw, where="log.json", meaning=meaning)
    assert found is not None
    return found


def _counts(raw: Log, meaning: Meaning = NOT_KNOWN) -> tuple[int | None, ...]:
    found = _read(raw, meaning).usage
    return found.input_tokens, found.cache_read_tokens, found.output_tokens, found.reasoning_tokens


def test_cached_tokens_are_counted_once_whether_the_input_includes_them_or_not() -> None:
    inside, beside = usage(4611, 6079, 10690, cache_read=2816), usage(1795, 6079, 10690, cache_read=2816)
    assert _counts(inside) == _counts(beside) == (4611, 2816, 6079, None)


def test_thoughts_beside_the_output_are_added_and_those_inside_are_not() -> None:
    assert _counts(usage(100, 20, 420, reasoning=300)) == (100, None, 320, 300)
    assert _counts(usage(100, 320, 420, reasoning=300)) == (100, None, 320, 300)
    assert _counts(usage(60, 20, 420, reasoning=300, cache_read=40)) == (100, 40, 320, 300)


def test_a_total_that_two_rules_give_is_read_by_the_version() -> None:
    raw = usage(100, 80, 230, cache_read=50, reasoning=50)  # 100 + 80 + 50: of which fifty?
    assert _counts(raw, meaning_of((0, 3, 285), "openai/o3")) == (150, 50, 80, 50)
    assert _counts(raw, meaning_of((0, 3, 100), "google/gemini-2.5-pro")) == (100, 50, 130, 50)


@pytest.mark.parametrize(
    ("version", "model", "inside", "reasoning_inside"),
    [
        ("0.3.183", "openai/gpt-5", True, True),
        ("0.3.184", "openai-api/sim/m", False, True),
        ("0.3.95.dev16+g6527d0861", "grok/grok-4", True, False),
        ("0.3.10", "anthropic/claude-sonnet-4-0", False, True),
        ("0.3.207", "google/gemini-2.5-pro", True, False),
        ("0.3.244", "google/gemini-2.5-pro", False, False),
        ("0.3.245", "google/gemini-2.5-pro", False, True),
    ],
)
def test_each_version_counts_as_its_changes_say(version: str, model: str, inside: bool, reasoning_inside: bool) -> None:
    meaning = meaning_of(version_of(version), model)
    assert meaning == Meaning(cached_inside=inside, reasoning_inside=reasoning_inside)


def test_a_total_that_fits_no_rule_leaves_tokens_unknown_where_some_were_cached() -> None:
    found = _read(usage(176, 76, 7, cache_read=50))
    assert found.usage.is_missing
    assert [flag.name for flag in found.usage.flags] == ["total_mismatch"]
    assert found.raw == usage(176, 76, 7, cache_read=50)


def test_a_total_that_is_too_large_without_a_cache_keeps_the_counts_and_is_flagged_as_partial() -> None:
    found = _read(usage(100, 20, 150))
    assert (found.usage.input_tokens, found.usage.output_tokens) == (100, 20)
    assert found.usage.is_incomplete


def test_cached_tokens_without_a_total_are_read_by_the_version_alone() -> None:
    raw = usage(1000, 20, 0, cache_read=300)
    assert _read(raw).usage.is_missing
    assert _counts(raw, Meaning(cached_inside=False)) == (1300, 300, 20, None)
    assert _counts(raw, Meaning(cached_inside=True)) == (1000, 300, 20, None)


def test_counts_that_cannot_be_are_no_usage() -> None:
    assert [flag.name for flag in _read(usage(-5, 20, 15)).usage.flags] == ["negative_count"]
    assert [flag.name for flag in _read(usage(0, 0, 0)).usage.flags] == ["zero_usage"]
    assert _read(usage(-5, 20, 15)).usage.is_missing
    assert _read(usage(0, 0, 0)).usage.is_missing


def test_reasoning_that_is_more_than_the_output_is_dropped_and_said() -> None:
    found = _read(usage(10, 20, 30, reasoning=25)).usage
    assert (found.output_tokens, found.reasoning_tokens) == (20, None)
    assert [flag.name for flag in found.flags] == ["reasoning_exceeds_output"]


def test_a_count_of_a_later_version_makes_the_bill_partial() -> None:
    found = _read({**usage(100, 20, 120), "input_audio_tokens": 30}).usage
    assert found.is_incomplete


def test_the_providers_own_object_tells_lifetimes_and_fees_apart() -> None:
    raw = usage(10, 20, 530, cache_write=500)
    theirs = {
        "input_tokens": 10,
        "output_tokens": 20,
        "cache_creation_input_tokens": 500,
        "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 400},
        "server_tool_use": {"web_search_requests": 2},
        "service_tier": "priority",
    }
    found = with_details(_read(raw), "anthropic", {"usage": theirs})
    assert found is not None
    assert (found.usage.cache_write_5m_tokens, found.usage.cache_write_1h_tokens) == (100, 400)
    assert dict(found.usage.fees) == {"web_search": 2}
    assert found.usage.service_tier == "priority"
    other = with_details(_read(raw), "anthropic", {"usage": {**theirs, "output_tokens": 21}})
    assert other is not None
    assert other.usage == _read(raw).usage
