"""The edge of rows that were asked in waves: reads a run's design and draws, and what came of them.

Data flows ledger -> `waves` -> `DrawnFacts` by cell.
"""

from __future__ import annotations

from harness.errors import LedgerError
from harness.ledger import Ledger, RunRecord
from harness.reports.precision.drawn_rows import DrawnFacts
from harness.waves.design_record import DESIGN
from harness.waves.designed_run import DesignedRun, read_design
from harness.waves.states import CellStates, cell_states


def drawn_cells(ledger: Ledger, run: RunRecord) -> dict[int, DrawnFacts]:
    """Read what a run's waves drew, by cell id; none of a run that was asked as a whole."""
    if run.config.get(DESIGN) is None:
        return {}
    designed, is_lost = _design(ledger, run)
    return {
        cell_id: _facts(designed, states, is_lost=is_lost)
        for cell_id, states in cell_states(ledger, designed).items()
        if not _is_whole(designed, states)
    }


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


def _facts(designed: DesignedRun, states: CellStates, *, is_lost: bool) -> DrawnFacts:
    design, cell = designed.design, states.cell
    units = {layer.stratum.key: layer.units for layer in cell.layers}
    if not cell.layers:
        units = {key: tuple(result.unit for result in results) for key, results in states.results.items()}
    bank = cell.design.bank
    return DrawnFacts(
        kind=design.kind,
        level=design.level,
        wanted=design.half_width,
        against=design.against,
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
        bank_models=() if bank is None else bank.models,
        bank_is_lost=is_lost and bank is not None,
    )
