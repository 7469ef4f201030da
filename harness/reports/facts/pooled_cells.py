"""The cells of runs while a report is made: what was read and charged is added up, then joined over runs.

Pure. Data flows records of cells, `Spend`, results per sample -> `RunCell` -> `CellFacts`, one per suite and setting.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import TYPE_CHECKING

from harness.instants import from_us
from harness.ledger.reading.causes import FailureCause, over_cells
from harness.ledger.records import CellRecord, RunRecord
from harness.reports.facts.report_facts import NOTHING, CellFacts, RunCost, Spend, TaskOutcomes, ToolCost
from harness.reports.facts.sample_columns import CellSamples, Samples, merged
from harness.reports.facts.samples.packed_columns import NameColumn
from harness.reports.facts.samples.sample_keys import KeyUnions
from harness.reports.facts.samples.timing import Timing
from harness.reports.facts.samples.turn_figures import TurnFigures
from harness.reports.facts.samples.verdict_counts import VerdictCounts
from harness.reports.facts.weights import task_weights
from harness.reports.indexes.index_share import index_share
from harness.reports.precision.drawn_rows import DrawnFacts
from harness.reports.precision.whole_suite import with_totals

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(slots=True)
class RunCell:
    """A cell of one run while it is read and charged."""

    record: CellRecord
    run: RunRecord
    solve: Spend = NOTHING
    judge: Spend = NOTHING
    user_simulator: Spend = NOTHING
    tool: Spend = NOTHING
    by_tool: ToolCost | None = None
    samples: Samples | None = None
    causes: list[FailureCause] = field(default_factory=list)
    timing: Timing = field(default_factory=Timing)
    turns: TurnFigures | None = None
    n_unscored: Mapping[str, int] = field(default_factory=dict)
    n_without_answer: Mapping[str, int] = field(default_factory=dict)
    drawn: DrawnFacts | None = None
    by_task: dict[str, Spend] = field(default_factory=dict)
    verdicts: Mapping[str, VerdictCounts] = field(default_factory=dict)

    def add_to_task(self, task: str, spend: Spend) -> None:
        """Add what was spent to solve samples of one task of an index; it is in the cell's sum already."""
        self.by_task[task] = self.by_task.get(task, NOTHING).plus(spend)

    def add(self, purpose: str, spend: Spend) -> None:
        """Add what was spent for a purpose, of `harness.ledger.records.PURPOSES`."""
        setattr(self, purpose, getattr(self, purpose).plus(spend))

    def take(self, found: CellSamples) -> None:
        """Take the results of its samples."""
        self.samples, self.timing, self.turns = found.samples, found.timing, found.turns
        self.n_unscored, self.n_without_answer = found.n_unscored, found.n_without_answer
        self.add("solve", Spend(n_retries=found.n_retries))
        for purpose, n_flagged in found.n_flagged.items():
            self.add(purpose, Spend(n_flagged_usage=n_flagged))

    @property
    def spends(self) -> tuple[Spend, ...]:
        """What was spent, by purpose."""
        return self.solve, self.judge, self.user_simulator, self.tool

    @property
    def mark(self) -> str | None:
        """Why its numbers are not a model's own; None = they are."""
        if self.run.config.get("reconstructed_from"):
            return "reconstructed"
        return "simulated" if self.record.simulated else None


def pooled(cells: Sequence[RunCell]) -> list[CellFacts]:
    """Join the same suite on the same model setting over runs: repeats of a sample stay one sample.

    What was asked in waves stays a row of its own: its samples count by their strata.
    """
    digests: dict[tuple[str, str], set[str]] = {}
    groups: dict[tuple[str | None, ...], list[RunCell]] = {}
    for cell in cells:
        record = cell.record
        suite = record.suite, record.suite_version
        digests.setdefault(suite, set()).add(record.suite_sha256)
        key = (*suite, record.suite_sha256, record.provider, record.model, record.setting, cell.mark,
               cell.run.run_id if cell.drawn else None)  # fmt: skip
        groups.setdefault(key, []).append(cell)
    ambiguous = {suite for suite, found in digests.items() if len(found) > 1}
    named = Counter(key[:-1] for key in groups)
    unions = KeyUnions()
    return [_facts(group, ambiguous, unions, alone=named[key[:-1]] == 1) for key, group in groups.items()]


def _facts(group: Sequence[RunCell], ambiguous: set[tuple[str, str]], unions: KeyUnions, *, alone: bool) -> CellFacts:
    first, record = group[0], group[0].record
    version = record.suite_version
    if (record.suite, version) in ambiguous:
        version = f"{version}+{record.suite_sha256[:8]}"
    tasks = _outcomes(_merged(group, unions), task_weights(first.run, record), first.drawn)
    return CellFacts(
        suite=record.suite,
        suite_version=version,
        provider=record.provider,
        model=record.model,
        setting=record.setting,
        reasoning=record.reasoning,
        mark=first.mark,
        run_ids=tuple(dict.fromkeys(cell.run.run_id for cell in group)),
        solve=reduce(Spend.plus, (cell.solve for cell in group)),
        judge=reduce(Spend.plus, (cell.judge for cell in group)),
        user_simulator=reduce(Spend.plus, (cell.user_simulator for cell in group)),
        tool=reduce(Spend.plus, (cell.tool for cell in group)),
        by_tool=_by_tool(group),
        n_unscored=_counted(cell.n_unscored for cell in group),
        n_without_answer=_counted(cell.n_without_answer for cell in group),
        tasks=tasks,
        index=index_share(first.run, record, tasks, in_waves=first.drawn is not None),
        verdicts=_verdicts(group),
        by_task=_by_task_spends(group),
        drawn=None if first.drawn is None else with_totals(first.drawn, tasks),
        told_apart_by="" if alone or first.drawn is None else first.run.run_id,
        run_costs=[
            RunCost(run_id=cell.run.run_id, created_at=from_us(cell.run.created_at_us), usd=cell.solve.cost.total)
            for cell in group
            if not cell.solve.is_unpriced
        ],
        causes=_causes(group),
        timing=reduce(Timing.plus, (cell.timing for cell in group)),
        turns=_turns(group),
    )


def _turns(group: Sequence[RunCell]) -> TurnFigures | None:
    found = [cell.turns for cell in group if cell.turns is not None]
    return reduce(TurnFigures.plus, found) if found else None


def _by_task_spends(group: Sequence[RunCell]) -> Mapping[str, Spend]:
    tasks = dict.fromkeys(task for cell in group for task in cell.by_task)
    return {task: reduce(Spend.plus, (cell.by_task.get(task, NOTHING) for cell in group)) for task in tasks}


def _verdicts(group: Sequence[RunCell]) -> Mapping[str, VerdictCounts]:
    total: dict[str, VerdictCounts] = {}
    for task, counts in (pair for cell in group for pair in cell.verdicts.items()):
        total[task] = total[task].plus(counts) if task in total else counts
    return total


def _by_tool(group: Sequence[RunCell]) -> ToolCost | None:
    said = [cell.by_tool for cell in group if cell.by_tool is not None]
    return reduce(ToolCost.plus, said) if said else None


def _causes(group: Sequence[RunCell]) -> Sequence[FailureCause]:
    causes = [cause for cell in group for cause in cell.causes]
    return over_cells(causes) if causes else ()


def _counted(counts: Iterable[Mapping[str, int]]) -> Mapping[str, int]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return total


def _merged(group: Sequence[RunCell], unions: KeyUnions) -> Samples | None:
    found = [cell.samples for cell in group if cell.samples is not None]
    for cell in group:  # what was merged is not needed in parts
        cell.samples = None
    return merged(found, unions) if found else None


def _outcomes(samples: Samples | None, weights: Mapping[str, float], drawn: DrawnFacts | None) -> list[TaskOutcomes]:
    if samples is None:
        return []
    places = _by_task(samples)
    if set(places) != set(weights) and drawn is None:
        weights = {}
    names = samples.names
    return [_of_task(task, samples, names, rows, weights.get(task), drawn) for task, rows in places.items()]


def _by_task(samples: Samples) -> Mapping[str, NDArray[np.int64] | slice]:
    """Where the samples of each task stand, tasks in the order in which they occur."""
    import numpy as np

    of_sample = samples.task
    numbers, first, counts = np.unique(of_sample, return_index=True, return_counts=True)
    places: dict[str, NDArray[np.int64] | slice] = {}
    for at in np.argsort(first).tolist():
        start, stop = int(first[at]), int(first[at] + counts[at])
        side_by_side = bool((of_sample[start:stop] == numbers[at]).all())
        rows = slice(start, stop) if side_by_side else np.flatnonzero(of_sample == numbers[at])
        places[samples.keys.tasks[numbers[at]]] = rows
    return places


def _of_task(
    task: str,
    samples: Samples,
    names: NameColumn,
    rows: NDArray[np.int64] | slice,
    weight: float | None,
    drawn: DrawnFacts | None,
) -> TaskOutcomes:
    return TaskOutcomes(
        task=task,
        weight=weight,
        sample_ids=names.take(rows),
        score_sums=samples.score_sums.take(rows),
        score_counts=samples.score_counts.take(rows),
        n_solves=samples.n_solves.take(rows),
        inclusion_probabilities=samples.probabilities.take(rows),
        costs_usd=samples.costs_usd.take(rows),
        output_tokens=samples.output_tokens.take(rows),
        drawn_score=None if drawn is None else drawn.task_score(task),
    )
