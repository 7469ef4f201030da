"""The short cut for plain usage: always equal to the general reader, and never taken when anything is unusual."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.usage import Flag
from harness.usage.families.openai_family import read_any_openai_chat, read_openai_chat
from harness.usage.families.plain import read_plain_chat
from harness.usage.payload import LARGEST_COUNT

ODD: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 3), st.floats(), st.text(max_size=3), st.just([]), st.just({}),
    st.sampled_from([LARGEST_COUNT, LARGEST_COUNT + 1, 10**30]),
)  # fmt: skip
COUNTS = st.one_of(st.integers(0, 50), st.integers(0, 50), ODD)
INPUT_NAMES = ("cached_tokens", "audio_tokens", "text_tokens", "image_tokens", "cache_write_tokens", "new_field")
OUTPUT_NAMES = ("reasoning_tokens", "audio_tokens", "text_tokens", "accepted_prediction_tokens", "image_tokens", "new")
TOP_NAMES = ("prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens", "reasoning_tokens", "cost", "extra")


def details(names: tuple[str, ...]) -> st.SearchStrategy[Any]:
    return st.one_of(ODD, st.dictionaries(st.sampled_from(names), COUNTS, max_size=4))


@st.composite
def payloads(draw: st.DrawFn) -> Any:
    """Payloads that are plain, nearly plain, or anything at all."""
    prompt, completion = draw(st.integers(0, 60)), draw(st.integers(0, 60))
    raw: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    if draw(st.booleans()):
        raw["prompt_tokens_details"] = draw(details(INPUT_NAMES))
    if draw(st.booleans()):
        raw["completion_tokens_details"] = draw(details(OUTPUT_NAMES))
    raw.update(draw(st.dictionaries(st.sampled_from(TOP_NAMES), COUNTS, max_size=draw(st.sampled_from([0, 0, 1, 3])))))
    for name in draw(st.lists(st.sampled_from(list(raw)), max_size=1)):
        del raw[name]
    return raw


@given(payloads())
def test_the_short_cut_always_equals_the_general_reader(raw: Any) -> None:
    short = read_plain_chat(raw)
    assert short is None or short == read_any_openai_chat(raw)
    assert repr(read_openai_chat(raw)) == repr(read_any_openai_chat(raw))


def test_an_ordinary_payload_takes_the_short_cut() -> None:
    raw = {
        "prompt_tokens": 900,
        "completion_tokens": 500,
        "total_tokens": 1400,
        "prompt_tokens_details": {"cached_tokens": 600, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 450, "audio_tokens": 0, "accepted_prediction_tokens": 0},
    }
    usage = read_plain_chat(raw)
    assert usage is not None
    assert (usage.input_tokens, usage.cache_read_tokens, usage.reasoning_tokens) == (900, 600, 450)


@pytest.mark.parametrize(
    "change",
    [
        {"total_tokens": 1401},
        {"total_tokens": None},
        {"prompt_tokens": True},
        {"prompt_tokens": 900.0},
        {"cost": 0.1},
        {"prompt_tokens_details": {"cached_tokens": 901}},
        {"prompt_tokens_details": {"image_tokens": 1}},
        {"completion_tokens_details": {"reasoning_tokens": -1}},
        {"completion_tokens_details": []},
        {"completion_tokens": -500, "total_tokens": 400},
    ],
)
def test_anything_unusual_goes_to_the_general_reader(change: dict[str, Any]) -> None:
    assert read_plain_chat({"prompt_tokens": 900, "completion_tokens": 500, "total_tokens": 1400, **change}) is None


def test_no_tokens_at_all_stay_unknown_usage() -> None:
    usage = read_openai_chat({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0})
    assert usage.is_missing
    assert Flag(name="missing", detail="not known: input_tokens, output_tokens") in usage.flags
