"""Stored rows that hold something other than one sample each, unfolded into plain rows. Pure.

Data flows one stored row -> one or several rows with columns that a suite's field mapping can name.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from harness.loaders.row_answers import BadRowError
from harness.loaders.scicode_steps import scicode
from harness.suites.suite import RowShape

Row = Mapping[str, Any]


def plain(row: Row) -> Iterator[Row]:
    """One row is one sample."""
    yield row


def livecodebench(row: Row) -> Iterator[Row]:
    """Add `entry_point` (null for programs that read standard input) and `answer_form`, the last part of the prompt."""
    try:
        entry_point = json.loads(row["metadata"] or "{}").get("func_name")
    except (KeyError, TypeError, ValueError, AttributeError):
        raise BadRowError([("metadata", "is not a JSON object")]) from None
    starter = row.get("starter_code") or ""
    if entry_point and starter:
        form = f"Complete this starter code; keep its names and signature.\n\n```python\n{starter}\n```"
    else:
        form = "Write a whole program that reads from standard input and prints the answer to standard output."
    yield {**row, "entry_point": entry_point or "", "answer_form": form}


def big_bench_hard(row: Row) -> Iterator[Row]:
    """Add `asked`: the question with its options, which the hub's copy keeps in a column of their own."""
    asked = row.get("input") or row.get("question")
    if not isinstance(asked, str):
        raise BadRowError([("question", "the row has neither an input nor a question")])
    choices = row.get("choices") or {}
    if "Options:" not in asked and choices.get("text"):
        labels = [str(label).strip("()") for label in choices["label"]]
        listed = [f"({label}) {text}" for label, text in zip(labels, choices["text"], strict=True)]
        asked = "\n".join([asked, "Options:", *listed])
    yield {**row, "asked": asked}


def arc(row: Row) -> Iterator[Row]:
    """Write a task's example and test grids as text, and its test outputs as one list of grids."""
    try:
        shown = [
            f"Example {number}\nInput:\n{_grid(pair['input'])}\nOutput:\n{_grid(pair['output'])}"
            for number, pair in enumerate(row["train"], start=1)
        ]
        asked = [f"Test input {number}:\n{_grid(pair['input'])}" for number, pair in enumerate(row["test"], start=1)]
        outputs = [pair["output"] for pair in row["test"]]
    except (KeyError, TypeError) as error:
        raise BadRowError(
            [(str(error.args[0]), "an ARC task needs train and test pairs of input and output")]
        ) from None
    yield {**row, "examples": "\n\n".join(shown), "tests": "\n\n".join(asked), "outputs": outputs}


def _grid(grid: object) -> str:
    return json.dumps(grid, separators=(",", ":")).replace("],[", "],\n[")


SHAPES: dict[RowShape, Callable[[Row], Iterator[Row]]] = {
    "plain": plain,
    "livecodebench": livecodebench,
    "big_bench_hard": big_bench_hard,
    "scicode": scicode,
    "arc": arc,
}
