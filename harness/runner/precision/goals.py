"""What a run in waves goes on for: the score of one cell, a difference of two, or every step of a ladder.

Pure. Data flows design -> goals; states of a goal's cells -> what each of them is asked next, and how much is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from typing import Protocol

from harness.models import ModelSpec, parse_model
from harness.precision import (
    Best,
    Draw,
    PairState,
    PrecisionEstimate,
    StratumState,
    Target,
    UnitResult,
    best_possible,
    difference,
    estimate,
    forecast_passes,
    next_difference_wave,
    next_ladder_wave,
    next_wave,
    pilot,
)
from harness.precision.differences import difference_curves
from harness.stats.values import known_sum, normal_quantile
from harness.waves.designed_run import DesignedCell, DesignedRun
from harness.waves.states import CellStates

Draws = Sequence[Sequence[Draw]]
"""For each cell of a goal how far its strata are to be asked."""
Known = Mapping[tuple[ModelSpec, str, str], float]
"""By model, suite and task what an attempt is expected to cost, where that is known."""


StoredScores = Mapping[str, Sequence[UnitResult]]
"""By stratum the scores of each unit that has any."""
ALL_THE_WAY = 3
"""The first wave that goes all of the way to what is expected to be enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What is known of one goal so far.

    Attributes:
        name: of what, for people.
        estimate: with its two intervals.
        best: what all there is would give.
    """

    name: str
    estimate: PrecisionEstimate
    best: Best


class Goal(Protocol):
    """A target and the cells that are asked for it.

    Attributes:
        cells: all with the same strata.
        target: what is wanted of each finding.
    """

    @property
    def cells(self) -> tuple[DesignedCell, ...]: ...

    @property
    def target(self) -> Target: ...

    def next_wave(self, states: Sequence[CellStates], *, wave: int) -> Draws | None:
        """Say what the cells are asked next; None = enough is known, or nothing is left to ask."""

    def findings(self, states: Sequence[CellStates]) -> list[Finding]:
        """Say what is known."""

    def expected(self, states: Sequence[CellStates]) -> Draws:
        """Say how far the cells will probably have been asked in the end; empty = they have been."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreGoal:
    """The score of one cell."""

    cells: tuple[DesignedCell, ...]
    target: Target

    def next_wave(self, states: Sequence[CellStates], *, wave: int) -> Draws | None:
        """See `Goal`."""
        draws = next_wave(states[0].states, self.target, wave=wave)
        return None if draws is None else (draws,)

    def findings(self, states: Sequence[CellStates]) -> list[Finding]:
        """See `Goal`."""
        (own,) = states
        return [
            Finding(
                name=f"{own.cell.model} on {own.cell.suite}",
                estimate=estimate(own.states, level=self.target.level),
                best=best_possible(own.states, level=self.target.level),
            )
        ]

    def expected(self, states: Sequence[CellStates]) -> Draws:
        """See `Goal`."""
        if estimate(states[0].states, level=self.target.level).half_width <= self.target.half_width:
            return ()
        return (forecast_passes(states[0].states, self.target),)


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferenceGoal:
    """The difference of the first cell's score to the second's, both asked the same."""

    cells: tuple[DesignedCell, ...]
    target: Target

    def next_wave(self, states: Sequence[CellStates], *, wave: int) -> Draws | None:
        """See `Goal`."""
        draws = next_difference_wave(_pairs(*states), self.target, wave=wave, asks_base=True)
        return None if draws is None else tuple(_at_least(one, draws) for one in states)

    def findings(self, states: Sequence[CellStates]) -> list[Finding]:
        """See `Goal`."""
        head, base = states
        return [_difference(head, base, self.target)]

    def expected(self, states: Sequence[CellStates]) -> Draws:
        """See `Goal`."""
        return self.next_wave(states, wave=ALL_THE_WAY) or ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDifferenceGoal:
    """The difference of a cell's score to that of answers which another run holds.

    Attributes:
        base: its scores.
        against: its model.
    """

    cells: tuple[DesignedCell, ...]
    target: Target
    base: StoredScores
    against: str

    def next_wave(self, states: Sequence[CellStates], *, wave: int) -> Draws | None:
        """See `Goal`."""
        draws = next_difference_wave(self._pairs(states[0]), self.target, wave=wave, asks_base=False)
        return None if draws is None else (draws,)

    def findings(self, states: Sequence[CellStates]) -> list[Finding]:
        """See `Goal`."""
        (own,) = states
        pairs = self._pairs(own)
        name = f"{own.cell.model} less {self.against} (stored) on {own.cell.suite}"
        return [_difference_of(name, pairs, own.states, self.target, asks_base=False)]

    def expected(self, states: Sequence[CellStates]) -> Draws:
        """See `Goal`."""
        return self.next_wave(states, wave=ALL_THE_WAY) or ()

    def _pairs(self, head: CellStates) -> list[PairState]:
        return [
            PairState.of(
                state.stratum,
                head.results[state.stratum.key],
                self.base[state.stratum.key],
                usd=(state.usd_per_attempt, None),
                passes=(state.passes, None),
            )
            for state in head.states
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderGoal:
    """The differences between neighbouring settings of one model, the least effort first."""

    cells: tuple[DesignedCell, ...]
    target: Target

    def next_wave(self, states: Sequence[CellStates], *, wave: int) -> Draws | None:
        """See `Goal`."""
        return next_ladder_wave([one.states for one in states], self.target, wave=wave)

    def findings(self, states: Sequence[CellStates]) -> list[Finding]:
        """See `Goal`."""
        return [_difference(head, base, self.target) for base, head in pairwise(states)]

    def expected(self, states: Sequence[CellStates]) -> Draws:
        """See `Goal`."""
        return self.next_wave(states, wave=ALL_THE_WAY) or ()


def goals(designed: DesignedRun, stored: Mapping[str, StoredScores]) -> list[Goal]:
    """List the goals of a run, suite by suite.

    Args:
        stored: by suite the scores of a base that is not asked in this run.
    """
    target = designed.design.target
    if target is None:
        return []
    found: list[Goal] = []
    for suite in dict.fromkeys(cell.suite for cell in designed.cells):
        cells = {cell.model: cell for cell in designed.cells if cell.suite == suite}
        found += _suite_goals(cells, designed, target, stored.get(suite))
    return found


def _suite_goals(
    cells: Mapping[str, DesignedCell], designed: DesignedRun, target: Target, stored: StoredScores | None
) -> Iterator[Goal]:
    design = designed.design
    if design.kind == "ladder":
        yield LadderGoal(cells=tuple(cells[model] for model in design.ladder), target=target)
    elif design.against is not None and stored is not None:
        for cell in cells.values():
            yield StoredDifferenceGoal(cells=(cell,), target=target, base=stored, against=design.against)
    elif design.against is not None:
        base = cells[design.against]
        for cell in cells.values():
            if cell is not base:
                yield DifferenceGoal(cells=(cell, base), target=target)
    else:
        for cell in cells.values():
            yield ScoreGoal(cells=(cell,), target=target)


def models_of(goal: Goal) -> frozenset[ModelSpec]:
    """The models that are asked for a goal."""
    return frozenset(parse_model(cell.model) for cell in goal.cells)


def first_wave(goal: Goal, known: Known) -> Draws:
    """Draw the pilot: of cells that are asked the same, the same of each."""
    strata = goal.cells[0].design.strata
    usd: dict[str, float] = {}
    for stratum in strata:
        prices = [known.get((parse_model(cell.model), cell.suite, stratum.task)) for cell in goal.cells]
        paid = [price for price in prices if price is not None]
        if len(paid) == len(prices):
            usd[stratum.key] = sum(paid)
    return (pilot(strata, goal.target, usd_per_attempt=usd),) * len(goal.cells)


def _pairs(head: CellStates, base: CellStates) -> list[PairState]:
    return [PairState.nested(head=ours, base=theirs) for ours, theirs in zip(head.states, base.states, strict=True)]


def _difference(head: CellStates, base: CellStates, target: Target) -> Finding:
    name = f"{head.cell.model} less {base.cell.model} on {head.cell.suite}"
    return _difference_of(name, _pairs(head, base), (*head.states, *base.states), target, asks_base=True)


def _difference_of(
    name: str, pairs: Sequence[PairState], asked: Sequence[StratumState], target: Target, *, asks_base: bool
) -> Finding:
    """Say what is known of a difference; `asked` are the strata that this run pays for."""
    floor = sum(curve.floor() for curve in difference_curves(pairs, asks_base=asks_base))
    return Finding(
        name=name,
        estimate=difference(pairs, level=target.level).estimate,
        best=Best(
            half_width=normal_quantile((1 + target.level) / 2) * sqrt(floor),
            usd=known_sum(state.whole_usd for state in asked),
            measured=any((state.observed.attempts > 1).any() for state in asked),
        ),
    )


def _at_least(states: CellStates, draws: Sequence[Draw]) -> tuple[Draw, ...]:
    """Passes never shrink: a base may have been asked more for another model."""
    return tuple(
        Draw(stratum=draw.stratum, passes=merged(draw.passes, state.passes))
        for state, draw in zip(states.states, draws, strict=True)
    )


def merged(one: Sequence[int], other: Sequence[int]) -> tuple[int, ...]:
    """The further of two passes, attempt by attempt."""
    longer, shorter = (one, other) if len(one) >= len(other) else (other, one)
    return tuple(map(max, longer, (*shorter, *(0,) * (len(longer) - len(shorter)))))
