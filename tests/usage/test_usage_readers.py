"""What holds for every reader: unknown is never zero, dirty data is flagged and kept, nothing crashes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from harness.usage import parse_json, read_usage
from tests.support.usage_facts import OPENAI, flag_names, tokens


def test_reasoning_that_is_not_itemised_is_null_and_not_0() -> None:
    for kind, raw in (
        ("openai.chat", {"prompt_tokens": 43, "completion_tokens": 9, "total_tokens": 52}),
        ("openai.chat", {**OPENAI, "completion_tokens_details": None}),
        ("mistral.chat", {"prompt_tokens": 64, "completion_tokens": 6, "total_tokens": 70, "num_cached_tokens": 32}),
        ("together.chat", {"prompt_tokens": 10, "completion_tokens": 995, "total_tokens": 1005, "cached_tokens": 0}),
        ("anthropic.messages", {"input_tokens": 200, "output_tokens": 12000}),
        ("bedrock.converse", {"inputTokens": 92, "outputTokens": 253, "totalTokens": 345}),
        ("ollama.native", {"prompt_eval_count": 26, "eval_count": 298}),
    ):
        usage = read_usage(kind, raw)
        assert usage.reasoning_tokens is None, kind
        assert usage.flags == (), kind


@pytest.mark.parametrize("kind", ["litellm.usage", "openai.chat", "openrouter.chat"])
def test_zeros_stand_for_missing_usage_and_are_not_0_dollars(kind: str) -> None:
    """litellm and other gateways write `prompt_tokens or 0` where the provider sent no usage."""
    usage = read_usage(kind, {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0})
    assert (usage.is_missing, flag_names(usage)) == (True, ["zero_usage", "missing"])


@pytest.mark.parametrize(
    ("bad", "flag"),
    [
        (-5, "negative_count"),
        (10**15 + 1, "count_too_large"),
        (10**5000, "count_too_large"),
        (True, "not_a_count"),
        ("1900", "not_a_count"),
        (1900.0, "not_a_count"),
        (Decimal("1900.5"), "not_a_count"),
        ([1900], "not_a_count"),
        ({"tokens": 1900}, "not_a_count"),
    ],
    ids=["negative", "huge", "monstrous", "bool", "text", "float", "fraction", "list", "object"],
)
def test_a_total_that_is_no_count_is_unknown_and_never_0(bad: object, flag: str) -> None:
    usage = read_usage("openai.chat", {**OPENAI, "completion_tokens": bad})
    assert (usage.output_tokens, usage.is_missing) == (None, True)
    assert flag_names(usage) == [flag, "missing"]


def test_an_output_count_that_is_left_out_is_0_only_where_the_total_proves_it() -> None:
    usage = read_usage("openai.chat", {"prompt_tokens": 8, "total_tokens": 8})
    assert (usage.output_tokens, flag_names(usage)) == (0, ["output_not_stated"])
    assert read_usage("openai.chat", {"prompt_tokens": 8, "total_tokens": 9}).is_missing
    assert read_usage("openai.chat", {"prompt_tokens": 8, "total_tokens": 8, "completion_tokens": "1"}).is_missing


def test_reasoning_above_the_output_is_flagged_and_the_output_stands() -> None:
    raw = {"prompt_tokens": 10, "completion_tokens": 5, "completion_tokens_details": {"reasoning_tokens": 9}}
    usage = read_usage("openai.chat", raw)
    assert (usage.output_tokens, usage.reasoning_tokens) == (5, None)
    assert flag_names(usage) == ["reasoning_exceeds_output"]


def test_a_cache_above_its_share_of_a_sum_is_flagged_and_the_input_stands() -> None:
    raw = {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15, "cachedContentTokenCount": 11}
    usage = read_usage("gemini.usageMetadata", raw)
    assert (usage.input_tokens, usage.cache_read_tokens) == (10, None)
    assert flag_names(usage) == ["cache_exceeds_input"]


def test_parts_below_the_total_are_flagged_and_left_as_stated() -> None:
    usage = read_usage("openai.chat", {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 14})
    assert (usage.input_tokens, usage.output_tokens, flag_names(usage)) == (10, 5, ["total_mismatch"])


def test_tokens_that_must_be_cached_and_audio_are_billed_once() -> None:
    """Made up: 600 tokens, of which 400 cached and 500 audio, without a list of what was cached."""
    raw = {
        "prompt_tokens": 600,
        "completion_tokens": 1,
        "total_tokens": 601,
        "prompt_tokens_details": {"cached_tokens": 400, "audio_tokens": 500},
    }
    usage = read_usage("openai.chat", raw)
    assert tokens("openai.chat", raw) == {"cache_read": 100, "cache_read_audio": 300, "input_audio": 200, "output": 1}
    assert flag_names(usage) == ["cache_overlaps_modality"]


@pytest.mark.parametrize("raw", [[], "usage", 7, {"prompt_tokens_details": 5}, {"prompt_tokens": None}])
def test_payloads_that_are_no_usage_are_missing_and_do_not_crash(raw: Any) -> None:
    assert read_usage("openai.chat", raw).is_missing


def test_unknown_fields_are_kept_with_their_place() -> None:
    raw = {**OPENAI, "prompt_tokens_details": {"cached_tokens": 0, "hologram_tokens": 3}, "carbon_mg": Decimal("1.5")}
    usage = read_usage("openai.chat", raw)
    assert usage.unknown_fields == {"prompt_tokens_details.hologram_tokens": 3, "carbon_mg": Decimal("1.5")}


def test_a_monstrous_number_does_not_make_the_message_monstrous() -> None:
    usage = read_usage("openai.chat", {**OPENAI, "completion_tokens": 10**100000})
    assert all(len(flag.detail) < 200 for flag in usage.flags)


def test_json_fractions_stay_exact() -> None:
    assert parse_json(b'{"cost": 0.10000000000000000000000001}') == {"cost": Decimal("0.10000000000000000000000001")}
