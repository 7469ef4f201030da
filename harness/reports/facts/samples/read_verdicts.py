"""The verdicts of tasks that have a scale of their own, read from a ledger; nothing is read for other tasks.

Data flows ledger -> newest score of each answer -> `VerdictCounts` by cell and task.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.ledger import Ledger, RunRecord
from harness.ledger.reading.attempt_rows import ScoreRow, score_rows
from harness.replies.unscored import COUNTED_WRONG
from harness.reports.facts.samples.verdict_counts import Scale, VerdictCounts

_RIGHT = 1_000_000


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
