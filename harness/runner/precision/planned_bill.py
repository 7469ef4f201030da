"""What a run in waves will probably ask of each task, and what that costs beside the whole suite: shown beforehand.

Pure. Data flows design (and what is known so far) + expected costs -> one `PlannedTask` for each model and task.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.models import ModelSpec, parse_model
from harness.precision import Draw, Stratum, StratumState, forecast_passes
from harness.precision.points import wanted_points
from harness.runner.precision.goals import Goal, Known, merged
from harness.stats.values import known_sum
from harness.waves.design_record import CellDesign, RunDesign
from harness.waves.states import CellStates


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTask:
    """One task on one model.

    Attributes:
        n_items, n_attempts: expected to be asked, of `n_all_items` samples and `n_all_attempts` with all repeats.
        usd, whole_usd: expected, for those and for everything; None = no price is known.
    """

    suite: str
    model: ModelSpec
    task: str
    n_items: int
    n_all_items: int
    n_attempts: int
    n_all_attempts: int
    usd: float | None
    whole_usd: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WavesPlan:
    """What a run in waves will probably ask.

    Attributes:
        wanted: what it goes on for, in words.
        predicted_by: models whose stored answers to the same samples predict those of others; empty = none.
        is_begun: some answers are known, and it was made from them.
    """

    wanted: str
    tasks: tuple[PlannedTask, ...]
    predicted_by: tuple[str, ...] = ()
    is_begun: bool = False


def in_words(design: RunDesign) -> str:
    """Say what a run goes on for."""
    assert design.half_width is not None
    each = {
        "score": "each score is",
        "difference": f"the difference to {design.against} is",
        "ladder": "the difference of neighbouring settings is",
    }[design.kind]
    return f"{each} known to ±{wanted_points(design.half_width)} points ({100 * design.level:g} %)"


def plan_of(design: RunDesign, known: Known) -> WavesPlan:
    """Expect what a new run will ask."""
    return WavesPlan(
        wanted=in_words(design), tasks=tuple(planned_tasks(design, known)), predicted_by=models_of_bank(design)
    )


def models_of_bank(design: RunDesign) -> tuple[str, ...]:
    """List the models whose stored answers predict something."""
    return tuple(sorted({model for cell in design.cells if cell.bank is not None for model in cell.bank.models}))


def planned_tasks(design: RunDesign, known: Known) -> list[PlannedTask]:
    """Expect what a new run will ask, by assumption, as no answer is known.

    Args:
        known: what an attempt is expected to cost.
    """
    target = design.target
    if target is None:
        return []
    found: list[PlannedTask] = []
    for cell in design.cells:
        usd = _expected_usd(cell, known)
        states = [
            StratumState.of(stratum, usd_per_attempt=price) for stratum, price in zip(cell.strata, usd, strict=True)
        ]
        found += _by_task(cell, forecast_passes(states, target), usd)
    return found


def tasks_to_come(goals: Sequence[Goal], states: Mapping[int, CellStates], known: Known) -> list[PlannedTask]:
    """Expect what a run that has begun will have asked in the end, by what it knows so far."""
    passes = expected_passes(goals, states)
    found: list[PlannedTask] = []
    for one in states.values():
        cell = one.cell.design
        seen = [state.usd_per_attempt for state in one.states]
        usd = [own if own is not None else other for own, other in zip(seen, _expected_usd(cell, known), strict=True)]
        found += _by_task(cell, passes[one.cell.cell_id], usd)
    return found


def expected_passes(goals: Sequence[Goal], states: Mapping[int, CellStates]) -> dict[int, tuple[Draw, ...]]:
    """By cell how far each stratum will have been asked when every goal is reached."""
    found = {
        cell_id: {state.stratum.key: tuple(state.passes) for state in one.states} for cell_id, one in states.items()
    }
    for goal in goals:
        for cell, draws in zip(goal.cells, goal.expected([states[cell.cell_id] for cell in goal.cells]), strict=False):
            for draw in draws:
                passes = found[cell.cell_id]
                passes[draw.stratum] = merged(passes[draw.stratum], draw.passes)
    return {
        cell_id: tuple(Draw(stratum=key, passes=passes) for key, passes in own.items())
        for cell_id, own in found.items()
    }


def _expected_usd(cell: CellDesign, known: Known) -> list[float | None]:
    return [known.get((parse_model(cell.model), cell.suite, stratum.task)) for stratum in cell.strata]


def _by_task(cell: CellDesign, draws: Sequence[Draw], usd: Sequence[float | None]) -> Iterator[PlannedTask]:
    parts = list(zip(cell.strata, draws, usd, strict=True))
    for task in dict.fromkeys(stratum.task for stratum in cell.strata):
        own = [part for part in parts if part[0].task == task]
        yield PlannedTask(
            suite=cell.suite,
            model=parse_model(cell.model),
            task=task,
            n_items=round(sum(draw.n_units * stratum.unit_items for stratum, draw, _ in own)),
            n_all_items=sum(stratum.n_items for stratum, _, _ in own),
            n_attempts=round(sum(n_attempts(stratum, draw.passes) for stratum, draw, _ in own)),
            n_all_attempts=sum(stratum.most_attempts for stratum, _, _ in own),
            usd=known_sum(_times(price, n_attempts(stratum, draw.passes)) for stratum, draw, price in own),
            whole_usd=known_sum(_times(price, stratum.most_attempts) for stratum, _, price in own),
        )


def n_attempts(stratum: Stratum, passes: Sequence[int]) -> float:
    """Attempts in these passes; of groups of different sizes as many as they hold on average."""
    return sum(passes) * stratum.unit_items


def _times(usd: float | None, number: float) -> float | None:
    return None if usd is None else usd * number
