"""What the whole suite would have cost and written, from the part that waves drew: stratum by stratum.

Pure. Floats: a projection, shown beside the exact bill of what was asked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

from harness.reports.facts.report_facts import TaskOutcomes
from harness.reports.precision.drawn_rows import DrawnFacts

_Column = Callable[[TaskOutcomes], Sequence[float | None]]


def with_totals(drawn: DrawnFacts, tasks: Sequence[TaskOutcomes]) -> DrawnFacts:
    """Add what the whole suite would have come to: `sum over strata of samples x repeats x mean of an answer`."""
    return replace(
        drawn,
        whole_usd=_whole(drawn, tasks, lambda task: task.costs_usd),
        whole_output_tokens=_whole(drawn, tasks, lambda task: task.output_tokens),
    )


def _whole(drawn: DrawnFacts, tasks: Sequence[TaskOutcomes], column: _Column) -> float | None:
    """Project a column of the drawn samples; None = of a stratum nothing is known."""
    strata = {
        (state.stratum.task, sample): state.stratum.key
        for state in drawn.states
        for unit in drawn.units[state.stratum.key]
        for sample in unit
    }
    sums: dict[str, float] = defaultdict(float)
    counts: dict[str, int] = defaultdict(int)
    for task in tasks:
        for sample, value, n_solves in zip(task.sample_ids, column(task), task.n_solves, strict=True):
            key = strata.get((task.task, sample))
            if key is not None and value is not None:
                sums[key] += value
                counts[key] += n_solves
    total = 0.0
    for state in drawn.states:
        stratum = state.stratum
        if not counts[stratum.key]:
            return None
        total += stratum.most_attempts * sums[stratum.key] / counts[stratum.key]
    return total
