"""Grids of small integers (ARC): every cell of every asked grid must be right.

The target is JSON: a list of grids, one per test input, in order.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from itertools import chain

from harness.replies.code_blocks import code_block
from harness.scorers.values import Score
from harness.suites.sample import Sample
from harness.typed_files import Strict

Grid = list[list[int]]
_MOST_CANDIDATES = 200
_LONGEST_GRIDS = 50_000
"""Characters without spaces: ARC's largest grids have 30 x 30 cells."""
_START = re.compile(r"\[(?=\[)")


class GridOptions(Strict):
    """`grid_match` has no options."""


def _as_grid(value: object) -> Grid | None:
    """A rectangle of integers, or None."""
    if not isinstance(value, list) or not all(isinstance(row, list) and row for row in value):
        return None
    whole = all(type(cell) is int for cell in chain.from_iterable(value))
    return value if len(set(map(len, value))) == 1 and whole else None


def _grids_of(value: object) -> list[Grid] | None:
    """A grid, a list of grids, or None."""
    if (grid := _as_grid(value)) is not None:
        return [grid]
    grids = [_as_grid(one) for one in value] if isinstance(value, list) and value else [None]
    return None if None in grids else [grid for grid in grids if grid is not None]


def find_grids(text: str, wanted: int) -> list[Grid] | None:
    """The last grids of a reply: one JSON list of them, or the last `wanted` separate ones."""
    found = list(_lists_of_grids(text))
    if not found:
        return None
    if len(found[-1]) == wanted:
        return found[-1]
    single = [grids[0] for grids in found if len(grids) == 1]
    return single[-wanted:] if len(single) >= wanted else found[-1]


def _lists_of_grids(text: str) -> Iterator[list[Grid]]:
    """Every JSON value that is a grid or a list of them, the last ones of a reply."""
    decoder = json.JSONDecoder()
    end = 0
    starts = [match.start() for match in _START.finditer(text)]
    for start in starts[-_MOST_CANDIDATES:]:
        if start < end:
            continue
        try:
            value, length = decoder.raw_decode(text[start : start + _LONGEST_GRIDS])
        except (ValueError, RecursionError):
            continue
        end = start + length
        if (grids := _grids_of(value)) is not None:
            yield grids


def score_grid(options: Mapping[str, object], *, text: str, sample: Sample) -> Score | None:
    """Score grids; None when the reply holds none."""
    GridOptions.model_validate(options)
    target: list[Grid] = json.loads(sample.target)
    block = code_block(text)
    spaced = [("code_block", block)] if block else []
    for rule, part in [*spaced, ("whole", text)]:
        grids = find_grids("".join(part.split()), len(target))
        if grids is not None:
            answer = json.dumps(grids, separators=(",", ":"))
            return Score(value=float(grids == target), answer=answer, rule=rule)
    return None


def check_grid_target(sample: Sample) -> str | None:
    """Say what is wrong with a reference; None when it is a list of grids."""
    try:
        value = json.loads(sample.target)
    except ValueError:
        return "the reference is not JSON"
    good = isinstance(value, list) and value and all(_as_grid(one) is not None for one in value)
    return None if good else "the reference is not a list of rectangular grids of integers"
