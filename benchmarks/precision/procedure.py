"""One model asked as the planner says, wave by wave, and what other designs would have paid for the same interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import sqrt

import numpy as np

from benchmarks.precision.population import Answers, Floats, Items
from harness.precision import (
    Observed,
    PairState,
    PrecisionEstimate,
    Stratum,
    StratumState,
    Target,
    difference,
    estimate,
    next_ladder_wave,
    next_wave,
    pilot,
)
from harness.precision.allocation import Curve, allocate
from harness.precision.bank import layer_numbers
from harness.stats.values import normal_quantile


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a precision-targeted run came to."""

    final: PrecisionEstimate
    usd: float
    waves: int
    pilot_usd: float


def seen(task: Answers, passes: Sequence[int], predictions: Floats | None = None) -> tuple[Observed, float]:
    """Answers of the first units of each pass as columns, and what they cost."""
    ends = task.items.ends
    first = int(ends[passes[0]])
    attempts, total, usd = np.zeros(first), np.zeros(first), 0.0
    for number, units in enumerate(passes):
        end = int(ends[units])
        attempts[:end] += 1
        total[:end] += task.scores[number, :end]
        usd += float(task.usd[number, :end].sum())
    columns = Observed(
        unit=task.items.unit[:first],
        attempts=attempts,
        total=total,
        squares=total,
        predictions=None if predictions is None else predictions[:first],
    )
    return columns, usd


def run(
    strata: Sequence[Stratum], tasks: Sequence[Answers], target: Target, bank: Sequence[Floats] | None = None
) -> Outcome:
    """Ask one model until the planner stops."""
    draws = pilot(strata, target)
    piloted = [draw.n_units for draw in draws]
    wave, first = 0, None
    while True:
        states, spent = [], 0.0
        for place, (stratum, task, draw) in enumerate(zip(strata, tasks, draws, strict=True)):
            columns, usd = seen(task, draw.passes, None if bank is None else bank[place])
            spent += usd
            states.append(
                StratumState(
                    stratum=stratum,
                    observed=columns,
                    passes=draw.passes,
                    usd_per_attempt=usd / columns.n_attempts,
                    n_pilot=piloted[place],
                )
            )
        first = spent if first is None else first
        wave += 1
        more = next_wave(states, target, wave=wave)
        if more is None:
            return Outcome(estimate(states, level=target.level), spent, wave, first)
        draws = more


def with_bank(
    strata: Sequence[Stratum], tasks: Sequence[Answers], bank: Sequence[Floats]
) -> tuple[list[Stratum], list[Answers], list[Floats]]:
    """Divide large tasks into layers as `harness.precision.layered` does, and take predictions along."""
    found: tuple[list[Stratum], list[Answers], list[Floats]] = ([], [], [])
    for stratum, task, predictions in zip(strata, tasks, bank, strict=True):
        whole = stratum.n_units < stratum.n_items
        ties = [f"{(7919 * place) % stratum.n_units:06d}" for place in range(stratum.n_units)]
        numbers = np.array([0] * stratum.n_items if whole else layer_numbers(predictions.tolist(), ties))
        for number in np.unique(numbers):
            own = numbers == number
            part = replace(
                stratum,
                name=str(number),
                n_units=stratum.n_units if whole else int(own.sum()),
                n_items=int(own.sum()),
                weight=stratum.weight * float(own.mean()),
                prediction=float(predictions[own].mean()),
            )
            unit = task.items.unit if whole else np.arange(part.n_units)
            items = Items(unit, task.items.difficulty[own])
            found[0].append(part)
            found[1].append(
                Answers(items, task.chance[own], task.scores[:, own], task.tokens[:, own], task.usd[:, own])
            )
            found[2].append(predictions[own])
    return found


def bill(tasks: Sequence[Answers]) -> float:
    """What the whole suite costs with all its repeats."""
    return float(sum(task.usd.sum() for task in tasks))


def truth(strata: Sequence[Stratum], tasks: Sequence[Answers]) -> float:
    """The score that the model would get on exactly these samples."""
    return sum(stratum.weight * task.truth for stratum, task in zip(strata, tasks, strict=True))


def true_curves(
    strata: Sequence[Stratum], tasks: Sequence[Answers], bank: Sequence[Floats] | None = None
) -> list[Curve]:
    """Variances and prices as they really are."""
    found = []
    for place, (stratum, task) in enumerate(zip(strata, tasks, strict=True)):
        size = stratum.unit_items
        residual = task.chance - task.chance.mean()
        if bank is not None:
            side = bank[place] - bank[place].mean()
            power = float(side @ side)
            residual = residual - (float(side @ residual) / power if power else 0.0) * side
        units = np.bincount(task.items.unit, weights=residual) / size
        found.append(
            Curve(
                weight=stratum.weight,
                between=float(units @ units) / (stratum.n_units - 1),
                noise=float((task.chance * (1 - task.chance)).mean()) / size,
                n_units=stratum.n_units,
                repeats=stratum.repeats,
                usd=float(task.usd.mean()) * size,
            )
        )
    return found


def wanted_variance(target: Target) -> float:
    """Variance with which a normal interval is as narrow as wanted."""
    return (target.half_width / normal_quantile((1 + target.level) / 2)) ** 2


def knowing_all(curves: Sequence[Curve], variance: float) -> float:
    """What an allocation that knows every variance and price pays."""
    return sum(curve.cost(passes) for curve, passes in zip(curves, allocate(curves, variance), strict=True))


def pooled_uniform(curves: Sequence[Curve], variance: float) -> float:
    """What the same share of every task's attempts pays, distinct samples first, with known variances."""
    low, high = 0.0, 1.0
    for _ in range(30):
        share = (low + high) / 2
        left = sum(curve.variance(_same_share(curve, share)) for curve in curves)
        low, high = (low, share) if left <= variance else (share, high)
    return sum(curve.cost(_same_share(curve, high)) for curve in curves)


def _same_share(curve: Curve, share: float) -> list[int]:
    left = max(1, round(share * curve.n_units * curve.repeats))
    return [min(curve.n_units, max(0, left - number * curve.n_units)) for number in range(curve.repeats)]


@dataclass(frozen=True, slots=True)
class Climb:
    """What a precision-targeted ladder came to: differences of neighbours, and the bill of all settings."""

    steps: list[PrecisionEstimate]
    usd: float


def climb(strata: Sequence[Stratum], efforts: Sequence[Sequence[Answers]], target: Target) -> Climb:
    """Ask all settings of a model on shared samples until the planner stops."""
    draws = [pilot(strata, target)] * len(efforts)
    wave = 0
    while True:
        levels, spent = [], 0.0
        for tasks, drawn in zip(efforts, draws, strict=True):
            states = []
            for stratum, task, draw in zip(strata, tasks, drawn, strict=True):
                columns, usd = seen(task, draw.passes)
                spent += usd
                mean = usd / columns.n_attempts
                states.append(StratumState(stratum=stratum, observed=columns, passes=draw.passes, usd_per_attempt=mean))
            levels.append(states)
        wave += 1
        more = next_ladder_wave(levels, target, wave=wave)
        if more is None:
            return Climb([_step(base, head, target) for base, head in pairwise(levels)], spent)
        draws = list(more)


def _step(base: Sequence[StratumState], head: Sequence[StratumState], target: Target) -> PrecisionEstimate:
    pairs = [PairState.nested(head=ours, base=theirs) for ours, theirs in zip(head, base, strict=True)]
    return difference(pairs, level=target.level).estimate


def unpaired(strata: Sequence[Stratum], efforts: Sequence[Sequence[Answers]], target: Target) -> float:
    """What a run for each setting pays that is precise enough for differences of two scores to be as wanted."""
    alone = replace(target, half_width=target.half_width / sqrt(2))
    return sum(run(strata, tasks, alone).usd for tasks in efforts)
