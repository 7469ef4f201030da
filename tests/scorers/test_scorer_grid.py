"""Grids are right only in every cell of every asked grid."""

from __future__ import annotations

import pytest

from harness.scorers import Score, score
from harness.suites import Sample, ScorerRef

ONE, TWO = "[[1,2],[3,4]]", "[[5,6,7]]"


def scored(text: str, target: str) -> Score:
    sample = Sample(task="t", sample_id="1", input="?", target=target)
    outcome = score(ScorerRef(name="grid_match"), text=text, sample=sample, finish_reason="stop")
    assert isinstance(outcome, Score)
    return outcome


@pytest.mark.parametrize(
    "text",
    [
        f"```json\n[{ONE}]\n```",
        f"```\n{ONE}\n```",
        "The rule is simple.\n```\n[[1, 2],\n [3, 4]]\n```",
        f"First I thought [[9,9],[9,9]], but it is {ONE}.",
        f"Input was [[0,0],[0,0]]\n```json\n{ONE}\n```\nas said.",
    ],
)
def test_the_last_grid_counts_with_or_without_spaces(text: str) -> None:
    assert scored(text, f"[{ONE}]").value == 1.0


@pytest.mark.parametrize("text", [f"[{ONE},{TWO}]", f"{ONE}\nand\n{TWO}", f"```json\n[{ONE},\n{TWO}]\n```"])
def test_every_test_input_needs_its_grid(text: str) -> None:
    assert scored(text, f"[{ONE},{TWO}]").value == 1.0
    assert scored(ONE, f"[{ONE},{TWO}]").value == 0.0


@pytest.mark.parametrize("grid", ["[[1,2],[3,5]]", "[[1,2]]", "[[3,4],[1,2]]", "[[1,2],[3,4],[3,4]]"])
def test_one_wrong_cell_is_wrong(grid: str) -> None:
    assert scored(grid, f"[{ONE}]").value == 0.0


@pytest.mark.parametrize("text", ["no grid", "[[1,2],[3]]", "[[1.5]]", "[[true]]", "[[", "[" * 100_000, '[["1"]]'])
def test_what_is_no_grid_is_no_answer(text: str) -> None:
    assert scored(text, f"[{ONE}]").reason == "no_answer"
