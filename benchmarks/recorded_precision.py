"""Item-level results of real models, replayed through the planner: how often its intervals hold, and what it asks.

    python -m benchmarks.recorded_precision --data DIR [--format results|zeroeval] [--precision 1 2 4] [--orders 200]

DIR holds JSON Lines (also .gz) of {model, task, item, score, output_tokens}; several lines of one item are its repeats.
Each model is asked in many random orders, once per precision. Its recorded answers are all that there is: the truth is
their mean, and cost is counted in output tokens where they are recorded, else in attempts. `--format zeroeval` reads
GSM8K answers as that project stores them ({id, output, answer, generator}; the last number in the output counts).

Where an item has one answer, nothing tells repeat noise from difficulty: the planner then assumes some, while the
replay has none, so that intervals are wider than this truth needs.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.precision.population import Answers, Items
from benchmarks.precision.procedure import bill, run
from harness.precision import Stratum, Target

COVERAGE = 0.936
NUMBER = re.compile(r"-?[\d,]*\.?\d+")


@dataclass(frozen=True, slots=True)
class Result:
    """One recorded answer; `output_tokens` 0 = not recorded."""

    model: str
    task: str
    item: str
    score: float
    output_tokens: float


def read(folder: Path, kind: str) -> Iterator[Result]:
    """Read every file of a folder."""
    for path in sorted(folder.iterdir()):
        if ".jsonl" not in path.suffixes:
            continue
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    yield FORMATS[kind](json.loads(line))
                except (KeyError, TypeError, ValueError) as error:
                    raise SystemExit(f"{path}:{number}: not a result in the form {kind!r}: {error!r}") from error


def _result(row: dict[str, Any]) -> Result:
    tokens = float(row.get("output_tokens") or 0)
    score = float(row["score"])
    if not 0 <= score <= 1:
        raise ValueError(f"score {score}, wanted 0 to 1")
    return Result(str(row["model"]), str(row["task"]), str(row["item"]), score, tokens)


def _zeroeval(row: dict[str, Any]) -> Result:
    given, wanted = (_last_number(text) for text in (row["output"][0], row["answer"]))
    return Result(str(row["generator"]), "gsm8k", str(row["id"]), float(given is not None and given == wanted), 0)


FORMATS = {"results": _result, "zeroeval": _zeroeval}


def _last_number(text: str) -> float | None:
    answers = re.findall(r'"answer"\s*:\s*(.*)', text)
    found = NUMBER.findall(answers[-1] if answers else text)
    return float(found[-1].replace(",", "")) if found else None


@dataclass
class Recorded:
    """All answers of a model: per task and item its scores and tokens."""

    tasks: dict[str, dict[str, list[tuple[float, float]]]] = field(default_factory=lambda: defaultdict(dict))

    def add(self, result: Result) -> None:
        """Take in an answer."""
        self.tasks[result.task].setdefault(result.item, []).append((result.score, result.output_tokens))

    def strata(self) -> list[Stratum]:
        """Tasks that weigh alike; an item has as many repeats as every item of its task has."""
        return [
            Stratum(
                task=task,
                n_units=len(items),
                n_items=len(items),
                repeats=min(len(answers) for answers in items.values()),
                weight=1 / len(self.tasks),
            )
            for task, items in self.tasks.items()
        ]

    def shuffled(self, rng: np.random.Generator, strata: Sequence[Stratum]) -> list[Answers]:
        """The same answers in a random order."""
        found = []
        for stratum in strata:
            items = [answers[: stratum.repeats] for answers in self.tasks[stratum.task].values()]
            table = np.array(items, dtype=float)[rng.permutation(len(items))]
            scores, tokens = table[:, :, 0].T.copy(), table[:, :, 1].T.copy()
            usd = tokens if tokens.any() else np.ones_like(tokens)
            n = len(items)
            found.append(Answers(Items(np.arange(n), np.zeros(n)), scores.mean(axis=0), scores, tokens, usd))
        return found


def main() -> int:
    """Replay and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--format", choices=sorted(FORMATS), default="results")
    parser.add_argument("--precision", type=float, nargs="+", default=[1.0, 2.0, 4.0], help="points")
    parser.add_argument("--orders", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    models: dict[str, Recorded] = defaultdict(Recorded)
    for result in read(options.data, options.format):
        models[result.model].add(result)
    if not models:
        raise SystemExit(f"{options.data} holds no .jsonl or .jsonl.gz")
    held = True
    print(f"{'model':32} {'score':>7} {'+-':>5} {'covered':>8} {'share of bill':>14} {'90th':>7} {'reached':>8}")
    for model, recorded in sorted(models.items()):
        strata = recorded.strata()
        for points in options.precision:
            rng = np.random.default_rng(options.seed)
            covered, shares, reached, truth = [], [], [], 0.0
            for _ in range(options.orders):
                tasks = recorded.shuffled(rng, strata)
                truth = sum(stratum.weight * task.truth for stratum, task in zip(strata, tasks, strict=True))
                outcome = run(strata, tasks, Target(half_width=points / 100))
                covered.append(outcome.final.this_suite.low <= truth <= outcome.final.this_suite.high)
                shares.append(outcome.usd / bill(tasks))
                reached.append(outcome.final.half_width <= points / 100)
            held = held and float(np.mean(covered)) >= COVERAGE
            print(
                f"{model:32} {truth:7.2%} {points:5.1f} {np.mean(covered):8.1%} {np.median(shares):14.1%} "
                f"{np.quantile(shares, 0.9):7.1%} {np.mean(reached):8.1%}"
            )
    print(f"coverage wanted in every row: {COVERAGE:.1%}: {'met' if held else 'MISSED'}")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
