"""Tasks within suites that have several: one long table for files and pages, score tables for a terminal.

Pure. Data flows SpendReport -> tables; suites with a single task are left out, their row says it all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.documents.table import Column, Table
from harness.reports.facts.report_facts import TaskOutcomes
from harness.reports.spend import wording
from harness.reports.spend.report import SpendReport, SpendRow, task_score
from harness.reports.spend.spend_tables import label

_FIXED_WIDTH = 36
_SCORE_WIDTH = 22
"""Characters that task, weight and samples take in a terminal, and one model's scores."""


def tasks_table(report: SpendReport) -> Table:
    """Make the list of tasks, one row per task and model setting."""
    columns = (
        Column(name="model", title="model"),
        Column(name="suite", title="suite"),
        Column(name="task", title="task"),
        Column(name="weight", kind="decimal", title="weight"),
        Column(name="n_samples", kind="integer", title="samples"),
        Column(name="score", kind="decimal", title="score %"),
        Column(name="cost", kind="usd", title="cost"),
    )
    rows = [
        (label(row), row.facts.suite, task.task, _weight(task), len(task.sample_ids), wording.score(task_score(task)),
         _cost(task))
        for row in report.rows
        if len(row.facts.tasks) > 1
        for task in row.facts.tasks
    ]  # fmt: skip
    return Table(name="tasks", title="Tasks", columns=columns, rows=rows)


def _weight(task: TaskOutcomes) -> str:
    return wording.NOT_KNOWN if task.weight is None else f"{task.weight:.4g}"


def _cost(task: TaskOutcomes) -> str:
    costs = [cost for cost in task.costs_usd if cost is not None]
    return wording.dollars(sum(costs)) if len(costs) == len(task.costs_usd) else wording.NOT_KNOWN


def task_score_tables(report: SpendReport, *, width: int | None = None) -> Iterator[Table]:
    """Make one table per suite with several tasks: a line per task, its score on each model side by side.

    Models that do not fit beside each other in `width` characters go into further tables; None = any width.
    """
    per_table = max(1, len(report.rows) if width is None else (width - _FIXED_WIDTH) // _SCORE_WIDTH)
    suites: dict[tuple[str, str], list[SpendRow]] = {}
    for row in report.rows:
        if len(row.facts.tasks) > 1:
            suites.setdefault((row.facts.suite, row.facts.suite_version), []).append(row)
    for (suite, version), rows in suites.items():
        for start in range(0, len(rows), per_table):
            yield _score_table(f"{suite} {version} by task", rows[start : start + per_table])


def _score_table(title: str, rows: Sequence[SpendRow]) -> Table:
    by_task = [{task.task: task for task in row.facts.tasks} for row in rows]
    tasks = {name: task for found in by_task for name, task in found.items()}
    weighted = any(task.weight is not None for task in tasks.values())
    counts = {name: {len(found[name].sample_ids) for found in by_task if name in found} for name in tasks}
    even = all(len(found) == 1 for found in counts.values())
    columns = (
        Column(name="task", title="task"),
        *((Column(name="weight", kind="decimal", title="weight", drops=1),) if weighted else ()),
        *((Column(name="n_samples", kind="integer", title="samples", drops=2),) if even else ()),
        *(Column(name=f"score_{number}", kind="decimal", title=label(row)) for number, row in enumerate(rows)),
    )
    lines = [
        (
            name,
            *((_weight(task),) if weighted else ()),
            *((f"{len(task.sample_ids):,}",) if even else ()),
            *(_score(found.get(name), counted=not even) for found in by_task),
        )
        for name, task in tasks.items()
    ]
    notes = () if even else ("after / stands how many samples of the task a model was asked",)
    return Table(name="task_scores", title=title, columns=columns, rows=lines, notes=notes)


def _score(task: TaskOutcomes | None, *, counted: bool) -> str:
    """Write a task's score; `counted` adds the number of its samples, where models were asked different numbers."""
    if task is None:
        return wording.NOT_KNOWN
    return wording.score(task_score(task)) + (f" /{len(task.sample_ids):,}" if counted else "")
