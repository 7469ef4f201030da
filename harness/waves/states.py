"""What a run that is asked in waves knows so far, from the ledger alone, and what a wave adds to it as rows.

Data flows draws + attempts + scores -> `CellStates` -> `harness.precision` -> draws of the next wave as ledger rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.errors import LedgerError
from harness.ledger import Ledger
from harness.ledger.records import DrawRecord
from harness.precision import Draw, Stratum, StratumState, UnitResult
from harness.waves.designed_run import DesignedCell, DesignedRun
from harness.waves.standing import Answer, answers_of


@dataclass(frozen=True, slots=True, kw_only=True)
class CellStates:
    """One cell: its strata in the order of the design, and the rows that they rest on.

    Attributes:
        states: for `precision.estimate` and `precision.next_wave`.
        results: by stratum what came of its drawn units, in draw order.
        draws: what was drawn, in the order stored.
        answers: by planned sample what stands, of what was drawn.
        n_pending: drawn and not asked to the end: no attempt at all, or one that was never settled or given up.
        n_beyond: answers to samples that no wave drew: a whole run has them after its pilot.
    """

    cell: DesignedCell
    states: tuple[StratumState, ...]
    results: Mapping[str, tuple[UnitResult, ...]]
    draws: tuple[DrawRecord, ...]
    answers: Mapping[int, Answer]
    n_pending: int
    n_beyond: int = 0

    @property
    def n_waves(self) -> int:
        """Waves so far, the pilot included."""
        return max((draw.wave for draw in self.draws), default=-1) + 1


def cell_states(ledger: Ledger, designed: DesignedRun) -> dict[int, CellStates]:
    """Say where each cell of a run stands, by cell id."""
    drawn: dict[int, list[DrawRecord]] = defaultdict(list)
    for draw in ledger.draws(designed.run.run_id):
        drawn[draw.cell_id].append(draw)
    stands: dict[int, dict[int, Answer]] = defaultdict(dict)
    for answer in answers_of(ledger, [cell.cell_id for cell in designed.cells]):
        stands[answer.cell_id][answer.planned_id] = answer
    return {cell.cell_id: _states(cell, drawn[cell.cell_id], stands[cell.cell_id]) for cell in designed.cells}


def _states(cell: DesignedCell, draws: Sequence[DrawRecord], stands: Mapping[int, Answer]) -> CellStates:
    by_stratum: dict[str, list[DrawRecord]] = defaultdict(list)
    for draw in draws:
        by_stratum[draw.stratum].append(draw)
    answers = {draw.planned_id: stands[draw.planned_id] for draw in draws if draw.planned_id in stands}
    results = {
        stratum.key: _results(cell, stratum.task, by_stratum[stratum.key], answers) for stratum in cell.design.strata
    }
    return CellStates(
        cell=cell,
        states=tuple(
            _state(cell, stratum, by_stratum[stratum.key], results[stratum.key], answers)
            for stratum in cell.design.strata
        ),
        results=results,
        draws=tuple(draws),
        answers=answers,
        n_pending=sum(draw.planned_id not in answers or answers[draw.planned_id].is_open for draw in draws),
        n_beyond=sum(answer.is_answered for answer in stands.values()) - sum(a.is_answered for a in answers.values()),
    )


def _state(
    cell: DesignedCell,
    stratum: Stratum,
    draws: Sequence[DrawRecord],
    results: Sequence[UnitResult],
    answers: Mapping[int, Answer],
) -> StratumState:
    """Say where one stratum stands: without the prediction of its design where the bank is lost."""
    return StratumState.of(
        stratum if cell.banks or cell.design.bank is None else replace(stratum, prediction=None),
        results,
        passes=_passes(cell, draws, stratum.repeats),
        usd_per_attempt=_usd(draws, answers),
        n_pilot=len({draw.draw_order for draw in draws if draw.wave == 0}),
    )


def _results(
    cell: DesignedCell, task: str, draws: Sequence[DrawRecord], answers: Mapping[int, Answer]
) -> tuple[UnitResult, ...]:
    """Collect the scores of each drawn unit, in draw order."""
    units: dict[int, str] = {}
    scores: dict[str, list[float]] = defaultdict(list)
    for draw in sorted(draws, key=lambda draw: (draw.draw_order, draw.planned_id)):
        _, sample, _ = cell.names[draw.planned_id]
        units[draw.draw_order] = cell.frames[task].unit_of[sample]
        answer = answers.get(draw.planned_id)
        if answer is not None and answer.score is not None:
            scores[sample].append(answer.score)
    return unit_results(cell, task, units.values(), scores)


def unit_results(
    cell: DesignedCell, task: str, units: Iterable[str], scores: Mapping[str, Sequence[float]]
) -> tuple[UnitResult, ...]:
    """Lay the scores of samples out by unit, with the bank's predictions.

    Args:
        units: names of units of the task, in draw order.
        scores: by sample id, the scores of its attempts; a sample without any may be absent.
    """
    bank, frame = cell.banks.get(task), cell.frames[task]
    return tuple(
        UnitResult(
            unit=unit,
            scores=tuple(tuple(scores.get(sample, ())) for sample in frame.units[unit]),
            predictions=None if bank is None else bank.of(frame.units[unit]),
        )
        for unit in units
    )


def _passes(cell: DesignedCell, draws: Sequence[DrawRecord], repeats: int) -> tuple[int, ...]:
    """Count the units that were drawn for each pass."""
    units: list[set[int]] = [set() for _ in range(repeats)]
    for draw in draws:
        units[cell.names[draw.planned_id][2]].add(draw.draw_order)
    return tuple(map(len, units))


def _usd(draws: Sequence[DrawRecord], answers: Mapping[int, Answer]) -> float | None:
    """Give the mean cost of a drawn sample, retries and judges included; None = no bill is known."""
    known = [answer.usd for draw in draws if (answer := answers.get(draw.planned_id)) and answer.usd is not None]
    return sum(known) / len(known) if known else None


def wave_draws(states: CellStates, wanted: Sequence[Draw], *, wave: int) -> list[DrawRecord]:
    """Say what a wave adds to what was drawn, as rows of the ledger.

    Args:
        wanted: passes from the beginning, by stratum, as `precision` plans them.
    """
    cell = states.cell
    layers = {layer.stratum.key: layer for layer in cell.layers}
    before = {state.stratum.key: state.passes for state in states.states}
    found = []
    for draw in wanted:
        layer = layers[draw.stratum]
        task, n_units = layer.stratum.task, layer.stratum.n_units
        for epoch, (old, new) in enumerate(zip(before[draw.stratum], draw.passes, strict=False)):
            if new < old:
                raise LedgerError(f"a wave cannot take back what was drawn: {draw.stratum}, {old} and then {new} units")
            found += [
                DrawRecord(
                    cell_id=cell.cell_id,
                    planned_id=cell.planned[task, sample, epoch],
                    wave=wave,
                    stratum=draw.stratum,
                    draw_order=place,
                    inclusion_probability=new / n_units,
                )
                for place in range(old, new)
                for sample in cell.frames[task].units[layer.units[place]]
            ]
    return found
