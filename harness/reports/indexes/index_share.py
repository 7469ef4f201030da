"""How much of a published index a score rests on: the weight of what was measured, and what was not and why.

Pure. Data flows run and cell records + outcomes of tasks -> `IndexShare`, which every report of a score carries.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from harness.ledger.records import CellRecord, MissingRecord, RunRecord
from harness.reports.facts.report_facts import TaskOutcomes
from harness.reports.facts.weights import task_weights
from harness.reports.indexes.measured_share import IndexShare

_DIGITS = 12


def index_share(
    run: RunRecord, cell: CellRecord, tasks: Sequence[TaskOutcomes], *, in_waves: bool
) -> IndexShare | None:
    """Tell how much of its index a cell has measured; None where the suite has no weights.

    Args:
        in_waves: the score is an estimate by design, which covers tasks that no wave has asked yet.
    """
    weights = task_weights(run, cell)
    if not weights:
        return None
    missing = next((suite.missing for suite in run.suites if suite.sha256 == cell.suite_sha256), ())
    whole = sum(weights.values()) + sum(one.weight for one in missing)
    asked = {task.task for task in tasks}
    scored = {task.task for task in tasks if sum(task.score_counts)}
    return IndexShare(
        measured=round(sum(weight for task, weight in weights.items() if task in scored) / whole, _DIGITS),
        missing=missing,
        unanswered=() if in_waves else tuple(sorted(weights.keys() - asked)),
    )


def missing_words(missing: Iterable[MissingRecord]) -> Iterator[str]:
    """Say each evaluation that is not measured, with its weight and the reason."""
    for one in missing:
        yield f"{one.name} ({100 * one.weight:.4g} %: {one.why})"
