"""Tokens of images by the published rules: the pages' own examples, bounds that hold, and recorded counts."""

from __future__ import annotations

import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.messages import Clip, ImagePart, Message
from harness.models import parse_model
from harness.providers.image_counts import image_count
from harness.suites.image_sizes import image_size
from harness.suites.image_tokens import (
    MOST,
    TYPICAL,
    UNKNOWN,
    anthropic_patches,
    gemini_tiles,
    openai_patches,
    openai_tiles,
)
from harness.suites.tokens import upper_bound_messages
from tests.support.shared_data import shared

SIZES = st.tuples(st.integers(1, 9000), st.integers(1, 9000))
COUNTED = (
    "openai/gpt-4o",
    "openai/gpt-4o-mini-2024-07-18",
    "openai/gpt-4.1-mini",
    "openai/gpt-5",
    "openai/gpt-5.4",
    "openai/o3",
    "openai/o4-mini",
    "anthropic/claude-sonnet-4-5",
    "google/gemini-2.5-flash",
    "google/gemini-3-pro-preview",
    "openrouter/openai/gpt-4o",
    "sim/direct",
)


def test_openai_tiles_give_the_counts_of_the_examples_on_their_page() -> None:
    assert openai_tiles((1024, 1024), 85, 170) == 765
    assert openai_tiles((2048, 4096), 85, 170) == 1105
    assert openai_tiles((4096, 8192), 85, 170, detail="low") == 85
    assert openai_tiles((512, 512), 85, 170) == 255
    assert openai_tiles((512, 512), 85, 170, enlarged=True) == 765


def test_openai_patches_give_the_counts_of_the_examples_on_their_page() -> None:
    assert openai_patches((1024, 1024), 1.0) == 1024
    assert openai_patches((1800, 2400), 1.0, None) == 4275
    assert 1452 <= openai_patches((1800, 2400), 1.0) <= 1536
    assert openai_patches((1024, 1024), 1.62) == 1659


def test_anthropic_counts_patches_and_its_former_rule_bounds_them() -> None:
    assert anthropic_patches((1000, 1000)) == 1296
    assert anthropic_patches((28, 29)) == 2
    counted = image_count(parse_model("anthropic/claude-sonnet-4-5"))
    assert [counted((side, side)).upper for side in (200, 1000, 1092)] == [64, 1334, 1590]


def test_gemini_counts_tiles_as_its_page_does() -> None:
    assert gemini_tiles((384, 384)) == 1
    assert gemini_tiles((960, 540)) == 6
    count = image_count(parse_model("google/gemini-2.0-flash"))
    assert count((64, 64)).estimate == 258
    assert image_count(parse_model("google/gemini-3-flash-preview"))((64, 64)).estimate == 1120


def test_recorded_gemini_counts_are_whole_tiles() -> None:
    records = json.loads((shared("data/usage") / "provider_usages_400.json").read_text())
    parts = [
        (record["model"], part["tokenCount"])
        for record in records
        for part in (record["body"].get("usageMetadata") or {}).get("promptTokensDetails", ())
        if part["modality"] == "IMAGE"
    ]
    tiled = [tokens for model, tokens in parts if model.startswith("gemini-2")]
    assert len(tiled) >= 4
    assert all(tokens % 258 == 0 for tokens in tiled), tiled
    assert all(tokens <= 1120 for model, tokens in parts if model.startswith("gemini-3"))


@given(size=SIZES)
@pytest.mark.parametrize("name", COUNTED)
def test_a_bound_is_never_below_the_estimate_nor_above_any_published_rule(name: str, size: tuple[int, int]) -> None:
    found = image_count(parse_model(name))(size)
    assert 0 < found.estimate <= found.upper
    assert found.upper <= MOST or name == "openai/gpt-5.4"


@pytest.mark.parametrize("name", ["openai-compatible/gpt-4o", "azure/gpt-4o", "mistral/pixtral-12b", "openai/davinci"])
def test_where_no_rule_is_known_the_highest_bound_holds(name: str) -> None:
    assert image_count(parse_model(name))((64, 64)) == UNKNOWN == (TYPICAL, MOST)
    assert image_count(parse_model("openai/gpt-4o"))(None) == UNKNOWN


def test_a_small_model_is_not_taken_for_its_larger_namesake() -> None:
    small, large = (image_count(parse_model(f"openai/{name}"))((512, 512)) for name in ("gpt-4o-mini", "gpt-4o"))
    assert (small.estimate, large.estimate) == (2833 + 5667, 85 + 170)


def test_the_bound_of_a_clip_counts_as_many_frames_as_it_can_give_without_decoding_one() -> None:
    def refuse() -> tuple[ImagePart, ...]:
        raise AssertionError("nothing is decoded to reserve money")

    clip = Clip(name="c.mp4", described="", n_frames=5, most_frames=8, frame_size=(512, 288), sha256=str, frames=refuse)
    asked = (Message(role="user", content=(clip, "Which?")),)
    text = upper_bound_messages((Message(role="user", content="Which?"),))
    count = image_count(parse_model("anthropic/claude-sonnet-4-5"))
    assert upper_bound_messages(asked, count_image=count) - text == 8 * count((512, 288)).upper
    assert upper_bound_messages(asked) - text == 8 * MOST


PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 640, 480)
GIF = b"GIF89a" + struct.pack("<HH", 640, 480)
JPEG = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xff\xc2\x00\x11\x08" + struct.pack(">HH", 480, 640)
WEBP = b"RIFF\0\0\0\0WEBP"
LOSSY = WEBP + b"VP8 \0\0\0\0\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 640, 480)
LOSSLESS = WEBP + b"VP8L\0\0\0\0\x2f" + struct.pack("<I", 639 | 479 << 14)
EXTENDED = WEBP + b"VP8X\x0a\0\0\0\0\0\0\0" + (639).to_bytes(3, "little") + (479).to_bytes(3, "little")


@pytest.mark.parametrize("data", [PNG, GIF, JPEG, LOSSY, LOSSLESS, EXTENDED])
def test_the_size_of_an_image_is_read_from_its_header(data: bytes) -> None:
    assert image_size(data) == (640, 480)


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", PNG[:18], b"text", WEBP + b"VP8X", b"\xff\xd8\xff\xda\x00\x02ab"])
def test_an_image_without_a_readable_size_has_none(data: bytes) -> None:
    assert image_size(data) is None


@given(st.binary(max_size=64), st.sampled_from([b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", WEBP, b"GIF8"]))
def test_any_bytes_behind_a_magic_number_are_read_without_a_crash(data: bytes, magic: bytes) -> None:
    found = image_size(magic + data)
    assert found is None or min(found) > 0
