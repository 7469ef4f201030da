"""Meters are disjoint: every token of a usage is in exactly one of them."""

from __future__ import annotations

import pytest

from harness.errors import InputError
from harness.usage import READERS, Meter, Usage, meters, read_usage


def test_cached_and_written_tokens_are_taken_out_of_the_input() -> None:
    usage = Usage(input_tokens=100, output_tokens=10, cache_read_tokens=60, cache_write_5m_tokens=25)
    assert meters(usage) == {Meter.INPUT: 15, Meter.CACHE_READ: 60, Meter.CACHE_WRITE_5M: 25, Meter.OUTPUT: 10}


def test_audio_that_is_cached_is_in_one_meter_only() -> None:
    usage = Usage(
        input_tokens=100, output_tokens=0, cache_read_tokens=50, input_audio_tokens=40, cache_read_audio_tokens=30
    )
    assert meters(usage) == {
        Meter.INPUT: 40,
        Meter.CACHE_READ: 20,
        Meter.CACHE_READ_AUDIO: 30,
        Meter.INPUT_AUDIO: 10,
    }


def test_reasoning_that_is_not_itemised_is_output() -> None:
    assert meters(Usage(input_tokens=1, output_tokens=9)) == {Meter.INPUT: 1, Meter.OUTPUT: 9}
    assert meters(Usage(input_tokens=1, output_tokens=9, reasoning_tokens=9)) == {Meter.INPUT: 1, Meter.REASONING: 9}


def test_unknown_totals_have_no_meters_and_are_missing() -> None:
    usage = Usage(input_tokens=None, output_tokens=5)
    assert meters(usage) == {Meter.OUTPUT: 5}
    assert usage.is_missing


def test_a_part_above_its_total_is_a_programming_error() -> None:
    with pytest.raises(ValueError, match="parts of output_tokens sum to 6, above the total 5"):
        Usage(input_tokens=1, output_tokens=5, reasoning_tokens=6)
    with pytest.raises(ValueError, match="input_tokens is negative"):
        Usage(input_tokens=-1, output_tokens=5)


@pytest.mark.parametrize("kind", sorted(READERS))
def test_no_usage_is_missing_and_not_zero_tokens(kind: str) -> None:
    usage = read_usage(kind, None)
    assert (usage.input_tokens, usage.output_tokens, usage.is_missing) == (None, None, True)
    assert [flag.name for flag in usage.flags] == ["missing"]


def test_an_unknown_kind_names_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"no reader for usage kind 'openai\.chta'") as caught:
        read_usage("openai.chta", {})
    assert "openai.chat, openai.responses" in str(caught.value)


def test_asking_what_audio_cost_without_a_cache_leaves_it_audio() -> None:
    """Only the cache is taken away: cached audio that stayed behind would be more than the cache held, and refused."""
    cached = Usage(
        input_tokens=100,
        output_tokens=5,
        cache_read_tokens=60,
        cache_write_1h_tokens=10,
        input_audio_tokens=40,
        cache_read_audio_tokens=30,
    )
    assert meters(cached.without_cache()) == {Meter.INPUT: 60, Meter.INPUT_AUDIO: 40, Meter.OUTPUT: 5}
