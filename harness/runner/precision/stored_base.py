"""The base of a difference that is not asked anew: a stored run of that model on the same samples.

Data flows ledger -> the newest run that can serve, written into the design -> its scores by unit, the same for ever, as
the ledger only grows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from harness.errors import InputError, LedgerError
from harness.ledger import Ledger
from harness.ledger.reading.sample_rows import newest_score_id
from harness.ledger.records import CellRecord, RunRecord, SuiteRecord
from harness.models import ModelSpec
from harness.precision import UnitResult
from harness.runner.precision.goals import Goal, StoredScores, goals
from harness.waves.design_record import BaseSource
from harness.waves.designed_run import DesignedCell, DesignedRun, read_design
from harness.waves.standing import answers_of
from harness.waves.states import unit_results


def base_source(
    ledger: Ledger | None, suites: Mapping[str, SuiteRecord], against: ModelSpec, *, seed: int, but_run: str
) -> BaseSource:
    """Choose the newest complete runs of a model that hold every suite.

    Args:
        suites: by name.
        seed: of the new run: another precision run serves where it drew in the same order.

    Raises:
        InputError: a suite has none.
    """
    found: dict[str, int] = {}
    for run in [] if ledger is None else reversed(ledger.runs()):
        if ledger is not None and run.run_id != but_run and _serves(run, seed):
            found = _cells_on(suites, run, ledger.cells(run.run_id), against) | found
    lacking = [name for name in suites if name not in found]
    if ledger is None or lacking:
        raise InputError(
            f"no complete run of {against} on {', '.join(lacking)} is stored",
            where="--against",
            fix=f"add -m {against}, so that it is asked the same samples",
        )
    return BaseSource(cell_ids=found, last_score_id=newest_score_id(ledger))


def _cells_on(
    suites: Mapping[str, SuiteRecord], run: RunRecord, cells: Sequence[CellRecord], against: ModelSpec
) -> dict[str, int]:
    """By suite the cell in which a run asked a model its samples."""
    return {
        cell.suite: cell.cell_id
        for cell in cells
        if cell.suite in suites
        and cell.cell_id is not None
        and ModelSpec.of(cell) == against
        and _same(run, suites[cell.suite])
    }


def _serves(run: RunRecord, seed: int) -> bool:
    if run.status != "complete" or run.config.get("reconstructed_from"):
        return False
    return "design" not in run.config or run.sample_seed == seed


def _same(run: RunRecord, suite: SuiteRecord) -> bool:
    """Whether a run asked the samples of a suite."""
    other = next((one for one in run.suites if one.name == suite.name), None)
    return other is not None and other.data == suite.data


class RunGoals(NamedTuple):
    """What a run goes on for, and from what it draws: the same while it goes on."""

    designed: DesignedRun
    goals: list[Goal]


def run_goals(ledger: Ledger, run_id: str) -> RunGoals:
    """Read design and goals of a run that has some: all that they rest on, which may be many stored answers."""
    run = ledger.run(run_id)
    designed = None if run is None else read_design(ledger, run)
    if designed is None:
        raise LedgerError(f"run {run_id} has no design", where=ledger.database)
    return RunGoals(designed, read_goals(ledger, designed))


def read_goals(ledger: Ledger, designed: DesignedRun) -> list[Goal]:
    """List the goals of a run, with the scores of a base that is stored."""
    base = designed.design.base
    cells = {} if base is None else {cell.suite: cell for cell in designed.cells}  # all with the same strata
    stored = {} if base is None else {suite: _scores(ledger, base, cell) for suite, cell in cells.items()}
    return goals(designed, stored)


def _scores(ledger: Ledger, base: BaseSource, cell: DesignedCell) -> StoredScores:
    """By stratum the base's scores of each unit that has any."""
    cell_id = base.cell_ids[cell.suite]
    run_id = next(run.run_id for run in ledger.runs() if any(c.cell_id == cell_id for c in ledger.cells(run.run_id)))
    names = {one.planned_id: (one.task, one.sample_id) for one in ledger.planned(run_id)}
    scores: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for answer in answers_of(ledger, [cell_id], last_score_id=base.last_score_id):
        if answer.score is not None and answer.planned_id in names:
            scores[names[answer.planned_id]].append(answer.score)
    return {layer.stratum.key: _by_unit(cell, layer.stratum.task, layer.units, scores) for layer in cell.layers}


def _by_unit(
    cell: DesignedCell, task: str, units: tuple[str, ...], scores: Mapping[tuple[str, str], list[float]]
) -> tuple[UnitResult, ...]:
    own = {sample: found for (of, sample), found in scores.items() if of == task}
    return tuple(result for result in unit_results(cell, task, units, own) if any(result.scores))
