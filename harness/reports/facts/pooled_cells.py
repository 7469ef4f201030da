"""The cells of runs while a report is made: what was read and charged is added up, then joined over runs.

Pure. Data flows records of cells, `Spend`, results per sample -> `RunCell` -> `CellFacts`, one per suite and setting.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import TypeVar

from harness.instants import from_us
from harness.ledger.reading.causes import FailureCause, over_cells
from harness.ledger.records import CellRecord, RunRecord, Timing
from harness.reports.facts.report_facts import NOTHING, CellFacts, RunCost, Spend, TaskOutcomes, ToolCost
from harness.reports.facts.sample_columns import CellSamples, Samples
from harness.reports.facts.weights import task_weights
from harness.reports.precision.drawn_rows import DrawnFacts
from harness.reports.precision.whole_suite import with_totals

T = TypeVar("T")


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
    samples: Samples = field(default_factory=Samples)
    causes: list[FailureCause] = field(default_factory=list)
    timing: Timing = field(default_factory=Timing)
    n_unscored: Mapping[str, int] = field(default_factory=dict)
    n_without_answer: Mapping[str, int] = field(default_factory=dict)
    drawn: DrawnFacts | None = None

    def add(self, purpose: str, spend: Spend) -> None:
        """Add what was spent for a purpose, of `harness.ledger.records.PURPOSES`."""
        setattr(self, purpose, getattr(self, purpose).plus(spend))

    def take(self, found: CellSamples) -> None:
        """Take the results of its samples."""
        self.samples = found.samples
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
    return [_facts(group, ambiguous, alone=named[key[:-1]] == 1) for key, group in groups.items()]


def _facts(group: Sequence[RunCell], ambiguous: set[tuple[str, str]], *, alone: bool) -> CellFacts:
    first, record = group[0], group[0].record
    version = record.suite_version
    if (record.suite, version) in ambiguous:
        version = f"{version}+{record.suite_sha256[:8]}"
    tasks = _outcomes(_merged(group), task_weights(first.run, record), first.drawn)
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
        drawn=None if first.drawn is None else with_totals(first.drawn, tasks),
        told_apart_by="" if alone or first.drawn is None else first.run.run_id,
        run_costs=[
            RunCost(run_id=cell.run.run_id, created_at=from_us(cell.run.created_at_us), usd=cell.solve.cost.total)
            for cell in group
            if not cell.solve.is_unpriced
        ],
        causes=_causes(group),
        timing=reduce(Timing.plus, (cell.timing for cell in group)),
    )


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


def _merged(group: Sequence[RunCell]) -> Samples:
    merged = group[0].samples
    for cell in group[1:]:
        merged.add(cell.samples)
    return merged


def _outcomes(samples: Samples, weights: Mapping[str, float], drawn: DrawnFacts | None) -> list[TaskOutcomes]:
    places: dict[str, list[int]] = {}
    for place, (task, _) in enumerate(samples.keys):
        places.setdefault(task, []).append(place)
    if set(places) != set(weights) and drawn is None:
        weights = {}
    return [_of_task(task, samples, rows, weights.get(task), drawn) for task, rows in places.items()]


def _of_task(
    task: str, samples: Samples, rows: Sequence[int], weight: float | None, drawn: DrawnFacts | None
) -> TaskOutcomes:
    def own(column: Sequence[T]) -> list[T]:
        return [column[place] for place in rows]

    return TaskOutcomes(
        task=task,
        weight=weight,
        sample_ids=[sample_id for _, sample_id in own(samples.keys)],
        score_sums=own(samples.score_sums),
        score_counts=own(samples.score_counts),
        n_solves=own(samples.n_solves),
        inclusion_probabilities=own(samples.probabilities),
        costs_usd=own(samples.costs_usd),
        output_tokens=own(samples.output_tokens),
        drawn_score=None if drawn is None else drawn.task_score(task),
    )
