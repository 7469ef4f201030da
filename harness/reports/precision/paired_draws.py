"""Two rows of which waves asked at least one, on the samples that both have: differences and ratios by design.

Pure. Strata are those of the row that waves asked; the other row's answers are laid out in them. Two rows with
different strata (other predictions) are compared as two estimates, without pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import hypot

from harness.precision import (
    DifferenceEstimate,
    PairState,
    PrecisionError,
    StratumState,
    UnitResult,
    difference,
    estimate,
)
from harness.reports.facts.report_facts import CellFacts, TaskOutcomes
from harness.reports.precision.drawn_rows import DrawnFacts, shown
from harness.stats import Estimate, cost_ratio

_Samples = Mapping[tuple[str, str], tuple[TaskOutcomes, int]]
"""By task and sample where its values stand."""
_Value = Callable[[TaskOutcomes, int], float | None]


@dataclass(frozen=True, kw_only=True)
class DrawnPair:
    """Two rows of one suite, at least one of them asked in waves.

    Attributes:
        units: by stratum the samples of its units; of a shared design only.
        strata: of that design; empty = the rows have none in common, and are two estimates.
    """

    base: CellFacts
    head: CellFacts
    strata: tuple[StratumState, ...]
    units: Mapping[str, tuple[tuple[str, ...], ...]]

    @cached_property
    def _samples(self) -> tuple[_Samples, _Samples]:
        """Where samples stand, of base and head."""
        return _samples(self.base), _samples(self.head)

    @cached_property
    def pair_states(self) -> tuple[PairState, ...]:
        """The strata of both sides, common units first."""
        base, head = self._samples
        return tuple(
            PairState.of(
                state.stratum,
                _results(self.head, head, state, self.units),
                _results(self.base, base, state, self.units),
                usd=(_usd(head, state, self.units), _usd(base, state, self.units)),
            )
            for state in self.strata
        )

    def difference(self, level: float) -> DifferenceEstimate | None:
        """Head's score less base's; None = the rows have no design in common."""
        if not self.strata:
            return None
        try:
            return difference(self.pair_states, level=level)
        except PrecisionError:  # units of one name hold other samples: other data
            return None

    def score_difference(self, level: float) -> Estimate:
        """Head's score less base's, with the interval for this suite; `n` = common units."""
        found = self.difference(level)
        if found is not None:
            return shown(found.estimate, sum(pair.n_common for pair in self.pair_states))
        return _apart(self.base, self.head, level)

    @cached_property
    def common(self) -> tuple[tuple[str, str, float], ...]:
        """Task, id and weight of each common sample: how many of its stratum it stands for."""
        base, head = self._samples
        found: list[tuple[str, str, float]] = []
        for state in self.strata:
            task = state.stratum.task
            both = [
                sample
                for unit in self.units[state.stratum.key]
                for sample in unit
                if (task, sample) in base and (task, sample) in head
            ]
            found += [(task, sample, state.stratum.n_items / len(both)) for sample in both]
        return tuple(found)

    @property
    def is_covered(self) -> bool:
        """Whether every stratum has common units."""
        return bool(self.strata) and all(pair.n_common for pair in self.pair_states)

    def ratio(self, value: _Value, level: float) -> Estimate:
        """Head's sum over base's, of a value that samples have for each answer, as of the whole suite.

        Without a value where a stratum has no common sample: the rest says nothing of it.
        """
        left, right, weights = self._columns(value)
        return cost_ratio(left, right, weights=weights, level=level)

    def means(self, value: _Value) -> tuple[float, float] | None:
        """Mean of a value over the suite's samples, of base and head; None = it is not known of any common sample."""
        left, right, weights = self._columns(value)
        total = sum(weights)
        if not weights:
            return None
        return (
            sum(weight * one for weight, one in zip(weights, left, strict=True)) / total,
            sum(weight * one for weight, one in zip(weights, right, strict=True)) / total,
        )

    def _columns(self, value: _Value) -> tuple[list[float], list[float], list[float]]:
        base, head = self._samples
        left: list[float] = []
        right: list[float] = []
        weights: list[float] = []
        if not self.is_covered:
            return left, right, weights
        for task, sample, weight in self.common:
            ours, theirs = value(*head[task, sample]), value(*base[task, sample])
            if ours is not None and theirs is not None:
                left.append(theirs)
                right.append(ours)
                weights.append(weight)
        return left, right, weights

    @property
    def n_items(self) -> int:
        """Samples of the whole suite."""
        return sum(state.stratum.n_items for state in self.strata)


def drawn_pair(base: CellFacts, head: CellFacts) -> DrawnPair | None:
    """Set two rows against each other by design; None = both were asked as a whole."""
    drawn = [cell.drawn for cell in (base, head) if cell.drawn is not None]
    if not drawn:
        return None
    leading = drawn[-1]
    fits = len(drawn) == 1 or _same_strata(*drawn)
    return DrawnPair(
        base=base,
        head=head,
        strata=leading.states if fits else (),
        units=leading.units if fits else {},
    )


def _same_strata(one: DrawnFacts, other: DrawnFacts) -> bool:
    """Whether two designs divide the suite alike, in whatever order they draw."""
    if {state.stratum.key for state in one.states} != {state.stratum.key for state in other.states}:
        return False
    if one.bank_is_lost or other.bank_is_lost:
        return all(not state.stratum.name for state in one.states)
    return all(set(units) == set(other.units[key]) for key, units in one.units.items())


def cost(task: TaskOutcomes, at: int) -> float | None:
    """Dollars of a sample for each answer."""
    usd = task.costs_usd[at]
    return None if usd is None else usd / task.n_solves[at]


def output(task: TaskOutcomes, at: int) -> float | None:
    """Output tokens of a sample for each answer."""
    tokens = task.output_tokens[at]
    return None if tokens is None else tokens / task.n_solves[at]


def _samples(cell: CellFacts) -> _Samples:
    return {(task.task, sample): (task, at) for task in cell.tasks for at, sample in enumerate(task.sample_ids)}


def _results(
    cell: CellFacts, samples: _Samples, state: StratumState, units: Mapping[str, tuple[tuple[str, ...], ...]]
) -> Sequence[UnitResult]:
    """Give the units of a stratum that a row has: those that waves drew, or its samples laid out as units."""
    if cell.drawn is not None:
        return cell.drawn.results[state.stratum.key]
    task = state.stratum.task
    found = (
        UnitResult(unit=unit[0], scores=tuple(_scores(samples.get((task, sample))) for sample in unit))
        for unit in units[state.stratum.key]
    )
    return [result for result in found if any(result.scores)]


def _scores(place: tuple[TaskOutcomes, int] | None) -> tuple[float, ...]:
    """Take a sum of scores apart: exact for right and wrong, else with the most noise there is."""
    if place is None:
        return ()
    task, at = place
    total, count = task.score_sums[at], task.score_counts[at]
    return tuple(min(1.0, max(0.0, total - number)) for number in range(count))


def _usd(samples: _Samples, state: StratumState, units: Mapping[str, tuple[tuple[str, ...], ...]]) -> float | None:
    """Mean cost of an answer of a stratum."""
    task = state.stratum.task
    places = (samples.get((task, sample)) for unit in units[state.stratum.key] for sample in unit)
    known = [usd for place in places if place is not None and (usd := cost(*place)) is not None]
    return sum(known) / len(known) if known else None


def _apart(base: CellFacts, head: CellFacts, level: float) -> Estimate:
    """Subtract two estimates whose errors have nothing in common."""
    if head.drawn is None or base.drawn is None:
        return Estimate(value=None)
    ours, theirs = (estimate(cell.drawn.states, level=level) for cell in (head, base) if cell.drawn is not None)
    if ours.value is None or theirs.value is None:
        return Estimate(value=None)
    value, half = ours.value - theirs.value, hypot(ours.half_width, theirs.half_width)
    return Estimate(value=value, ci_low=max(-1.0, value - half), ci_high=min(1.0, value + half))


__all__ = ["DrawnPair", "cost", "drawn_pair", "output"]
