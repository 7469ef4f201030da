"""pass@k of tasks that were repeated often enough: the chance that at least one of k answers is right.

Pure. Data flows TaskOutcomes -> estimates -> tables and JSON. A k is shown where every sample has at least 2k answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from harness.reports.facts.report_facts import TaskOutcomes, joined
from harness.stats import Estimate, pass_at_k

SHOWN = (1, 2, 4, 5, 8, 10, 16, 32, 50, 64, 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class PassAtK:
    """An estimate for one task.

    Attributes:
        n_answers: the fewest answers that a sample has.
    """

    task: str
    k: int
    n_answers: int
    estimate: Estimate


def passes(tasks: Iterable[TaskOutcomes]) -> Iterator[PassAtK]:
    """Estimate pass@k for every task whose answers are right or wrong and repeated."""
    for task in tasks:
        yield from _of_task(task)


def _of_task(task: TaskOutcomes) -> Iterator[PassAtK]:
    answers, correct = joined([task], "score_counts"), joined([task], "score_sums")
    scored = answers > 0
    fewest = int(answers[scored].min()) if scored.any() else 0
    # partial credit has no right or wrong to count
    if fewest < 2 or (correct[scored] % 1).any():
        return
    counts = list(zip(correct[scored].astype(int).tolist(), answers[scored].astype(int).tolist(), strict=True))
    for k in SHOWN:
        if fewest >= 2 * k:
            yield PassAtK(task=task.task, k=k, n_answers=fewest, estimate=pass_at_k(counts, k))


def pass_objects(tasks: Iterable[TaskOutcomes]) -> list[dict[str, object]]:
    """Write pass@k as JSON objects."""
    return [
        {
            "task": found.task,
            "k": found.k,
            "value": found.estimate.value,
            "ci_low": found.estimate.ci_low,
            "ci_high": found.estimate.ci_high,
            "n_samples": found.estimate.n,
        }
        for found in passes(tasks)
    ]
