"""Tasks within suites that have several: one long table for files and pages, score tables for a terminal.

Pure. Data flows SpendReport -> tables; suites with a single task are left out, their row says it all.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial

from harness.documents.table import Column, Table
from harness.reports.facts.report_facts import TaskOutcomes
from harness.reports.spend import wording
from harness.reports.spend.report import SpendReport, SpendRow, task_score
from harness.reports.spend.spend_tables import label

Write = Callable[[TaskOutcomes], str]
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
    even = _are_even(by_task)
    chosen: list[tuple[Column, Write]] = [
        *_task_columns(tasks.values(), even=even),
        *(
            (
                Column(name=f"score_{number}", kind="decimal", title=label(row)),
                partial(_score, found, counted=not even),
            )
            for number, (row, found) in enumerate(zip(rows, by_task, strict=True))
        ),
    ]
    return Table(
        name="task_scores",
        title=title,
        columns=tuple(column for column, _ in chosen),
        rows=[tuple(write(task) for _, write in chosen) for task in tasks.values()],
        notes=tuple(_score_notes(rows, even=even)),
    )


def _are_even(by_task: Sequence[Mapping[str, TaskOutcomes]]) -> bool:
    """Whether every model was asked as many samples of a task, of each task."""
    sizes = {(name, len(task.sample_ids)) for found in by_task for name, task in found.items()}
    return len(sizes) == len({name for name, _ in sizes})


def _task_columns(tasks: Collection[TaskOutcomes], *, even: bool) -> Iterator[tuple[Column, Write]]:
    """What stands before the scores of a task."""
    yield _TASK
    if any(task.weight is not None for task in tasks):
        yield _WEIGHT
    if even:
        yield _SAMPLES


def _score_notes(rows: Sequence[SpendRow], *, even: bool) -> Iterator[str]:
    if not even:
        yield "after / stands how many samples of the task a model was asked"
    if any(row.facts.drawn for row in rows):
        yield "asked in waves: intervals of those scores are for this suite"


def _n_samples(task: TaskOutcomes) -> str:
    return f"{len(task.sample_ids):,}"


_TASK: tuple[Column, Write] = (Column(name="task", title="task"), lambda task: task.task)
_WEIGHT: tuple[Column, Write] = (Column(name="weight", kind="decimal", title="weight", drops=1), _weight)
_SAMPLES: tuple[Column, Write] = (Column(name="n_samples", kind="integer", title="samples", drops=2), _n_samples)


def _score(found: Mapping[str, TaskOutcomes], task: TaskOutcomes, *, counted: bool) -> str:
    """Write a model's score; `counted` adds the number of its samples, where models were asked different numbers."""
    own = found.get(task.task)
    if own is None:
        return wording.NOT_KNOWN
    return wording.score(task_score(own)) + (f" /{_n_samples(own)}" if counted else "")
