"""How many answers of a task with a scale of its own were right, wrong, and neither.

Data flows ledger -> newest score of each answer -> `VerdictCounts` by cell and task. Only tasks with a scale are read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.ledger import Ledger, RunRecord
from harness.ledger.reading.attempt_rows import ScoreRow, score_rows
from harness.replies.unscored import COUNTED_WRONG

Scale = tuple[float, float]
_RIGHT = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictCounts:
    """Answers by verdict; those without one, or whose request failed, are in none.

    Attributes:
        scale: what a score of 0 and of 1 is shown as.
        right, wrong: with the highest and the lowest score; replies without an answer that count as wrong are wrong.
        neither: with a score between: answers that abstain.
    """

    scale: Scale
    right: int = 0
    wrong: int = 0
    neither: int = 0

    @property
    def n(self) -> int:
        """All answers with a verdict."""
        return self.right + self.wrong + self.neither

    @property
    def accuracy(self) -> float | None:
        """Share of the answers that are right; None without answers."""
        return self.right / self.n if self.n else None

    @property
    def hallucination_rate(self) -> float | None:
        """Of the answers that are not right, the share that is wrong where it could have abstained; None without any.

        Source: Jackson et al. 2025, AA-Omniscience, arXiv:2511.13029.
        """
        not_right = self.wrong + self.neither
        return self.wrong / not_right if not_right else None

    def plus(self, other: VerdictCounts) -> VerdictCounts:
        """Add the answers of another run."""
        return VerdictCounts(
            scale=self.scale,
            right=self.right + other.right,
            wrong=self.wrong + other.wrong,
            neither=self.neither + other.neither,
        )


def scales_of(run: RunRecord) -> Mapping[tuple[str, str], Scale]:
    """Scales of a run's tasks, by suite and task; those without one are left out."""
    return {
        (suite.name, task.name): (task.scale[0], task.scale[1])
        for suite in run.suites
        for task in suite.tasks
        if task.scale is not None
    }


def verdict_counts(ledger: Ledger, runs: Sequence[RunRecord]) -> Mapping[int, Mapping[str, VerdictCounts]]:
    """Count the verdicts of tasks with a scale, by cell and task."""
    found: dict[int, dict[str, VerdictCounts]] = {}
    for run in runs:
        scales = scales_of(run)
        for row in score_rows(ledger, [run.run_id]) if scales else ():
            scale = scales.get((row.suite, row.task))
            if scale is not None:
                tasks = found.setdefault(row.cell_id, {})
                tasks[row.task] = tasks.get(row.task, VerdictCounts(scale=scale)).plus(_one(row, scale))
    return found


def _one(row: ScoreRow, scale: Scale) -> VerdictCounts:
    value = row.value_millionths
    if value is None:
        return VerdictCounts(scale=scale, wrong=int(row.reason in COUNTED_WRONG))
    right, wrong = value == _RIGHT, value == 0
    return VerdictCounts(scale=scale, right=int(right), wrong=int(wrong), neither=int(not right and not wrong))
