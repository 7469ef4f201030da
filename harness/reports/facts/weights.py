"""Weights of an index' tasks, as they were when its run was made: from the ledger, not from today's suite file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from harness.errors import InputError
from harness.ledger.records import CellRecord, RunRecord, TaskRecord
from harness.reports.facts.report_facts import CellFacts


def task_weights(run: RunRecord, cell: CellRecord) -> Mapping[str, float]:
    """Weights of a suite's tasks; empty where it has none.

    Records of version 0.1 hold no weights: those of a suite file are taken where it still has the digest of the run.
    """
    tasks = next((suite.tasks for suite in run.suites if suite.sha256 == cell.suite_sha256), ())
    weights = {task.name: task.weight for task in tasks if task.weight is not None}
    if weights or not _is_old(tasks):
        return weights if len(weights) == len(tasks) else {}
    known = _weights_in_file(cell.suite)
    return known.get(cell.suite_sha256, {})


def lost_weights(runs: Sequence[RunRecord]) -> Iterator[str]:
    """Warn of old runs of an index whose file has changed since, so that their weights are not known any more."""
    for run in runs:
        for suite in run.suites:
            if _is_old(suite.tasks) and (known := _weights_in_file(suite.name)) and suite.sha256 not in known:
                yield (
                    f"run {run.run_id} recorded no task weights and {suite.name} has changed since: "
                    "its score is the plain mean over its samples"
                )


def unmeasured(runs: Sequence[RunRecord], cells: Sequence[CellFacts]) -> Iterator[str]:
    """Warn of an index of which tasks have no answer at all: what is shown then is the plain mean."""
    known = {run.run_id: run for run in runs}
    for cell in cells:
        if cell.drawn is not None or any(task.weight is not None for task in cell.tasks):
            continue
        weighed = _weighed(known[cell.run_ids[0]], cell.suite)
        if missing := sorted(weighed - {task.task for task in cell.tasks}):
            yield (
                f"{cell.suite} on {cell.name}: no answers of {', '.join(missing)}, "
                "so its score is the plain mean and not the index"
            )


def _weighed(run: RunRecord, suite_name: str) -> set[str]:
    suites = [suite for suite in run.suites if suite.name == suite_name]
    return {task.name for suite in suites for task in suite.tasks if task.weight is not None}


def rest_on_suite_files(runs: Sequence[RunRecord]) -> bool:
    """Whether the weights of some run are not in the ledger, so that a report may take them from a suite's file."""
    return any(_is_old(suite.tasks) for run in runs for suite in run.suites)


def _is_old(tasks: Sequence[TaskRecord]) -> bool:
    """Whether a version before 0.2 wrote the record: later ones state the repeats of every task."""
    return bool(tasks) and all(task.epochs is None for task in tasks)


def _weights_in_file(suite_name: str) -> Mapping[str, Mapping[str, float]]:
    """Weights of today's shipped suite of that name, by its digest; empty where it has none."""
    from harness.loaders.suite_files import load_suite

    try:
        suite = load_suite(suite_name)
    except InputError:
        return {}
    weights = {task.name: task.weight for task in suite.tasks if task.weight is not None}
    return {suite.sha256: weights} if weights and len(weights) == len(suite.tasks) else {}
