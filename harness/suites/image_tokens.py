"""How many input tokens an image is, by the rule that each provider publishes: an estimate and an upper bound.

Pure. Sources, read in November 2026:
- OpenAI: developers.openai.com/api/docs/guides/images-vision (tiles of 512 pixels for GPT-4o, GPT-4.1, GPT-5 and the
  o-series; patches of 32 pixels with a factor for the small models and all newer ones).
- Anthropic: platform.claude.com/docs/en/build-with-claude/vision (patches of 28 pixels; before, width x height / 750).
- Google: ai.google.dev/gemini-api/docs/tokens and .../media-resolution (tiles of 258 tokens; Gemini 3: up to 1,120, and
  2,240 at the highest resolution that can be asked for).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from math import ceil, floor
from typing import Literal, NamedTuple, TypeVar

from harness.suites.image_sizes import Size

Detail = Literal["low", "high"]
T = TypeVar("T")

TYPICAL = 1_100
"""An image whose rule or size is not known: 765 to 1,105 tokens at high detail in OpenAI's tiles, to 1,568 patches."""
MOST = 50_000
"""No published rule gives more: gpt-4o-mini bills 2,833 + 5,667 a tile, 8 tiles at most."""
SIMULATED_IMAGE = 255
"""Of the built-in simulated models, whatever an image's size."""

_TILES: Mapping[str, tuple[int, int]] = {
    "gpt-4o-mini": (2_833, 5_667),
    "gpt-4o": (85, 170),
    "chatgpt-4o": (85, 170),
    "gpt-4.1": (85, 170),
    "gpt-4.5": (85, 170),
    "gpt-5-chat": (70, 140),
    "o1": (75, 150),
    "o3": (75, 150),
    "computer-use-preview": (65, 129),
}
"""OpenAI's models with tiles -> tokens of an image, and of each tile."""
_FACTORS: Mapping[str, float] = {
    "gpt-4.1-mini": 1.62,
    "gpt-4.1-nano": 2.46,
    "gpt-5-mini": 1.62,
    "gpt-5-nano": 2.46,
    "gpt-5.4-mini": 1.62,
    "gpt-5.4-nano": 2.46,
    "o4-mini": 1.72,
}
"""OpenAI's models with patches whose factor is published."""
_GPT_5_TILES = (70, 140)
_PATCH_BUDGET = 1_536
_LARGEST_FACTOR = max(_FACTORS.values())
_ANTHROPIC_LONGEST_SIDE = 2_576
_GEMINI_TILE = 258
_TILED_VERSIONS = re.compile(r"-(?:1\.5|2(?:\.\d)?)-")
_GEMINI_3, _GEMINI_3_MOST = 1_120, 2_240


class ImageTokens(NamedTuple):
    """Tokens of one image: what the published rule gives, and a number that the bill does not exceed."""

    estimate: int
    upper: int


UNKNOWN = ImageTokens(TYPICAL, MOST)
ImageRule = Callable[[Size, str], ImageTokens]
"""A provider's rule: size and model -> tokens of an image as it is sent, no level of detail asked for."""
CountImage = Callable[[Size | None], ImageTokens]
"""A rule for one model; the size is None where it is not known."""


def count_unknown(_size: Size | None) -> ImageTokens:
    """Count an image of which no rule is known: a typical one, and the highest bound."""
    return UNKNOWN


def openai_tiles(size: Size, base: int, per_tile: int, *, detail: Detail = "high", enlarged: bool = False) -> int:
    """Count by tiles: into a square of 2,048 pixels, then to a shorter side of 768, then squares of 512.

    Args:
        enlarged: small images are scaled up to that side, too; the page does not say so, and bills show that they are
            not, so that only bounds reckon with it.
    """
    if detail == "low":
        return base
    width, height = (float(side) for side in size)
    if max(width, height) > 2048:
        factor = 2048 / max(width, height)
        width, height = width * factor, height * factor
    if min(width, height) > 768 or enlarged:
        factor = min(768 / min(width, height), 2048 / max(width, height) if enlarged else 1.0)
        width, height = width * factor, height * factor
    return base + per_tile * _grid(width, height, 512)


def openai_patches(size: Size, factor: float, budget: int | None = _PATCH_BUDGET) -> int:
    """Count by patches of 32 pixels, at most as many as the budget, times the model's factor."""
    patches = _grid(*size, 32)
    return ceil(factor * (patches if budget is None else min(patches, budget)))


def anthropic_patches(size: Size) -> int:
    """Count patches of 28 pixels, larger images scaled down to the largest side that any model sees."""
    longest = max(size)
    factor = min(1.0, _ANTHROPIC_LONGEST_SIDE / longest)
    return _grid(size[0] * factor, size[1] * factor, 28)


def gemini_tiles(size: Size) -> int:
    """Count tiles of Gemini 1.5 to 2.5: one up to 384 pixels a side, else squares of two thirds of the shorter side."""
    width, height = size
    if width <= 384 and height <= 384:
        return 1
    side = min(768, max(256, floor(min(width, height) / 1.5)))
    return _grid(width, height, side)


def _grid(width: float, height: float, side: int) -> int:
    return max(1, ceil(round(width, 6) / side)) * max(1, ceil(round(height, 6) / side))


def openai_images(size: Size, model: str) -> ImageTokens:
    """Count an image as OpenAI does: by tiles or patches, as the model has it."""
    if (factor := _of_family(_FACTORS, model)) is not None:
        return ImageTokens(openai_patches(size, factor), openai_patches(size, factor))
    if (tiles := _of_family(_TILES, model)) is not None:
        return ImageTokens(openai_tiles(size, *tiles), openai_tiles(size, *tiles, enlarged=True))
    if model.startswith("gpt-5."):  # patches by the page, the factor is not published
        return ImageTokens(openai_patches(size, 1.0, 2_500), openai_patches(size, _LARGEST_FACTOR, None))
    if model.startswith("gpt-5"):  # tiles by the page, its Codex models patches
        bound = max(openai_tiles(size, *_GPT_5_TILES, enlarged=True), openai_patches(size, _LARGEST_FACTOR))
        return ImageTokens(openai_tiles(size, *_GPT_5_TILES), bound)
    return UNKNOWN


def _of_family(families: Mapping[str, T], model: str) -> T | None:
    """Find the longest family name that a model's name begins with, as a whole word."""
    names = sorted((name for name in families if model == name or model.startswith(f"{name}-")), key=len)
    return families[names[-1]] if names else None


def anthropic_images(size: Size, _model: str) -> ImageTokens:
    """Count an image as Anthropic does; its former rule counts somewhat more, and is the bound where it does."""
    patches = anthropic_patches(size)
    most = ceil(_ANTHROPIC_LONGEST_SIDE**2 / 750)
    return ImageTokens(patches, min(most, max(patches, ceil(size[0] * size[1] / 750))))


def gemini_images(size: Size, model: str) -> ImageTokens:
    """Count an image as Google does: tiles until version 2.5, later models a fixed number."""
    if _TILED_VERSIONS.search(model) is None:
        return ImageTokens(_GEMINI_3, _GEMINI_3_MOST)
    tiles = gemini_tiles(size)
    # recorded counts (7, 10 and 13 times 258) suit tiles with one picture of the whole besides
    most = max(tiles, _grid(*size, 768)) + 1
    return ImageTokens(tiles * _GEMINI_TILE, most * _GEMINI_TILE)


def simulated_images(_size: Size, _model: str) -> ImageTokens:
    """Count an image as the built-in simulated models do."""
    return ImageTokens(SIMULATED_IMAGE, SIMULATED_IMAGE)
