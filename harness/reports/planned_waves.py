"""The plan of a run in waves as a table: what each task will probably be asked, and its share of the whole bill."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.documents.table import Column, Table
from harness.reports.spend.wording import dollars, percent
from harness.runner.precision.planned_bill import PlannedTask, WavesPlan
from harness.stats.values import known_sum

_COLUMNS = (
    Column(name="suite", drops=2),
    Column(name="model"),
    Column(name="task"),
    Column(name="n_items", kind="integer", title="samples", description="Expected to be asked."),
    Column(name="n_all_items", kind="integer", title="of", drops=3),
    Column(name="n_attempts", kind="integer", title="attempts", description="Expected, repeats included."),
    Column(name="n_all_attempts", kind="integer", title="of all", drops=1),
    Column(name="usd", kind="decimal", unit="USD", title="USD", description="Expected."),
    Column(name="whole_usd", kind="decimal", unit="USD", title="all", description="Everything asked.", drops=4),
    Column(name="share", kind="percent", title="share %", description="Of the whole bill."),
)


def planned_table(plan: WavesPlan) -> Table:
    """Lay a plan out."""
    tasks = plan.tasks
    rows = [_row(task.suite, str(task.model), task.task, [task]) for task in tasks]
    for suite, model in dict.fromkeys((task.suite, task.model) for task in tasks):
        own = [task for task in tasks if (task.suite, task.model) == (suite, model)]
        if len(own) > 1:
            rows.append(_row(suite, str(model), "all", own))
    if len({task.model for task in tasks}) > 1:
        rows.append(_row("", "total", "", tasks))
    return Table(
        name="planned_waves",
        title=f"Plan: asks until {plan.wanted}",
        columns=_COLUMNS,
        rows=rows,
        notes=tuple(_notes(plan)),
    )


def _notes(plan: WavesPlan) -> Iterator[str]:
    source = "the answers so far" if plan.is_begun else "no answer yet"
    yield f"expected from {source}: waves follow what answers show, and stop when it is reached"
    if plan.predicted_by:
        yield f"stored answers of {', '.join(plan.predicted_by)} tell hard samples from easy ones (--no-bank: do not)"


def planned_objects(plan: WavesPlan, suite: str, model: str) -> list[dict[str, object]]:
    """Give the tasks of one suite on one model as JSON values; dollars as strings, rounded to a micro-dollar."""
    return [
        {
            "task": task.task,
            "n_samples": task.n_items,
            "n_all_samples": task.n_all_items,
            "n_attempts": task.n_attempts,
            "n_all_attempts": task.n_all_attempts,
            "usd": None if task.usd is None else f"{task.usd:.6f}",
            "whole_usd": None if task.whole_usd is None else f"{task.whole_usd:.6f}",
        }
        for task in plan.tasks
        if (task.suite, str(task.model)) == (suite, model)
    ]


def _row(suite: str, model: str, task: str, tasks: Sequence[PlannedTask]) -> tuple[object, ...]:
    usd, whole = known_sum(one.usd for one in tasks), known_sum(one.whole_usd for one in tasks)
    return (
        suite,
        model,
        task,
        sum(one.n_items for one in tasks),
        sum(one.n_all_items for one in tasks),
        sum(one.n_attempts for one in tasks),
        sum(one.n_all_attempts for one in tasks),
        dollars(usd),
        dollars(whole),
        percent(usd / whole if usd is not None and whole else None, 0),
    )
