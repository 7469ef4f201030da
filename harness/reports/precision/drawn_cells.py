"""The edge of rows that were asked in waves: reads a run's design and draws, and what came of them.

Data flows ledger -> `waves` -> `DrawnFacts` by cell.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from harness.errors import LedgerError
from harness.ledger import Ledger, RunRecord
from harness.reports.precision.drawn_rows import DrawnFacts, WantedDifference
from harness.runner.precision.goals import LadderGoal, StoredDifferenceGoal
from harness.runner.precision.stored_base import read_goals
from harness.waves.design_record import DESIGN
from harness.waves.designed_run import DesignedCell, DesignedRun, read_design
from harness.waves.states import CellStates, cell_states


def drawn_cells(ledger: Ledger, run: RunRecord) -> dict[int, DrawnFacts]:
    """Read what a run's waves drew, by cell id; none of a run that was asked as a whole."""
    if run.config.get(DESIGN) is None:
        return {}
    designed, is_lost = _design(ledger, run)
    states = cell_states(ledger, designed)
    wanted = _differences(ledger, designed, states) if designed.design.kind in ("difference", "ladder") else {}
    return {
        cell_id: _facts(designed, own, tuple(wanted.get(cell_id, ())), is_lost=is_lost)
        for cell_id, own in states.items()
        if not _is_whole(designed, own)
    }


def _differences(
    ledger: Ledger, designed: DesignedRun, states: Mapping[int, CellStates]
) -> Mapping[int, Sequence[WantedDifference]]:
    """Say by its head's cell what is known of each difference that the run was to find out."""
    found: dict[int, list[WantedDifference]] = defaultdict(list)
    for goal in read_goals(ledger, designed):
        stored = goal.against if isinstance(goal, StoredDifferenceGoal) else None
        for place, finding in enumerate(goal.findings([states[cell.cell_id] for cell in goal.cells])):
            head, base = _sides(goal.cells, place, is_ladder=isinstance(goal, LadderGoal))
            found[head.cell_id].append(
                WantedDifference(
                    against=stored or base.model,
                    estimate=finding.estimate,
                    wanted=goal.target.half_width,
                    is_stored=stored is not None,
                )
            )
    return found


def _sides(cells: Sequence[DesignedCell], place: int, *, is_ladder: bool) -> tuple[DesignedCell, DesignedCell]:
    """Head and base of a goal's difference of this number: a ladder goes up, other goals name the head first."""
    return (cells[place + 1], cells[place]) if is_ladder else (cells[0], cells[-1])


def _design(ledger: Ledger, run: RunRecord) -> tuple[DesignedRun, bool]:
    """Read the design; without its bank where the ledger does not hold the bank's answers any more."""
    try:
        designed, is_lost = read_design(ledger, run), False
    except LedgerError:
        designed, is_lost = read_design(ledger, run, with_banks=False), True
    assert designed is not None  # it is in the config
    return designed, is_lost


def _is_whole(designed: DesignedRun, states: CellStates) -> bool:
    """Whether a pilot was followed by the rest of the suite: such a row is an ordinary one."""
    return designed.design.kind == "pilot" and (states.n_beyond > 0 or len(states.draws) == len(states.cell.planned))


def _facts(
    designed: DesignedRun, states: CellStates, wanted: tuple[WantedDifference, ...], *, is_lost: bool
) -> DrawnFacts:
    design, cell = designed.design, states.cell
    units = {layer.stratum.key: layer.units for layer in cell.layers}
    if not cell.layers:
        units = {key: tuple(result.unit for result in results) for key, results in states.results.items()}
    bank = cell.design.bank
    return DrawnFacts(
        kind=design.kind,
        level=design.level,
        wanted=design.half_width,
        differences=wanted,
        is_complete=designed.run.status == "complete",
        states=states.states,
        results=states.results,
        units={
            stratum.key: tuple(cell.frames[stratum.task].units[unit] for unit in units[stratum.key])
            for stratum in cell.design.strata
        },
        n_waves=states.n_waves,
        n_drawn=len(states.draws),
        n_whole=len(cell.planned),
        n_pending=states.n_pending,
        n_given_up=sum(answer.is_open for answer in states.answers.values()),
        bank_models=() if bank is None else bank.models,
        bank_is_lost=is_lost and bank is not None,
    )
