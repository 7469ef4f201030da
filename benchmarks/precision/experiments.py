"""The figures that precision-targeted runs must reach, each measured on the same simulated models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from benchmarks.precision.population import (
    Answers,
    answers,
    bank,
    draw_character,
    draw_items,
    index_strata,
    ladder,
)
from benchmarks.precision.procedure import (
    Outcome,
    bill,
    climb,
    knowing_all,
    pooled_uniform,
    run,
    true_curves,
    truth,
    unpaired,
    wanted_variance,
    with_bank,
)
from harness.precision import Stratum, Target
from harness.precision.allocation import Curve

NARROW, WIDE = Target(half_width=0.01), Target(half_width=0.02)
BANK_MODELS = 8
LADDER_EVERY = 5
LARGE = ("mmlu_pro", "hle")
"""Tasks that no comparison at +-2 uses up, so that pairing is all that tells designs apart."""


@dataclass
class Column:
    """One design over all models: error, coverage, shares of the bill and what others would have paid."""

    half_width: float
    errors: list[float] = field(default_factory=list)
    covered: list[bool] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    knowing: list[float] = field(default_factory=list)
    uniform: list[float] = field(default_factory=list)
    waves: list[int] = field(default_factory=list)
    pilots: list[float] = field(default_factory=list)

    def add(self, outcome: Outcome, true_score: float, whole: float, others: tuple[float, float]) -> None:
        """Take in a run; `others` is what knowing every variance, and pooled uniform sampling, would have paid."""
        interval, value = outcome.final.this_suite, outcome.final.value
        self.errors.append(float("nan") if value is None else value - true_score)
        self.covered.append(interval.low <= true_score <= interval.high)
        self.shares.append(outcome.usd / whole)
        self.knowing.append(others[0] / whole)
        self.uniform.append(others[1] / whole)
        self.waves.append(outcome.waves)
        self.pilots.append(outcome.pilot_usd / whole)

    @property
    def coverage(self) -> float:
        """Share of intervals that held."""
        return float(np.mean(self.covered))

    @property
    def over_knowing(self) -> float:
        """Median of the cost over that of an allocation that knows every variance."""
        return float(np.median(np.array(self.shares) / np.array(self.knowing)))


def lean(*columns: Column) -> float:
    """Mean error in its standard errors, over models; of several runs of a model the mean in wanted half-widths."""
    errors = np.mean([np.array(column.errors) / column.half_width for column in columns], axis=0)
    return float(errors.mean() / errors.std(ddof=1) * np.sqrt(len(errors)))


@dataclass
class Ladders:
    """Ladders of three efforts: bills over those of unpaired runs, and intervals that held."""

    ratios: list[float] = field(default_factory=list)
    covered: list[bool] = field(default_factory=list)

    def add(self, strata: Sequence[Stratum], efforts: Sequence[Sequence[Answers]]) -> None:
        """Climb a ladder, and compare its bill with that of three unpaired runs."""
        found = climb(strata, efforts, WIDE)
        self.ratios.append(found.usd / unpaired(strata, efforts, WIDE))
        scores = [truth(strata, effort) for effort in efforts]
        for step, low, high in zip(found.steps, scores, scores[1:], strict=False):
            self.covered.append(step.this_suite.low <= high - low <= step.this_suite.high)


@dataclass
class Figures:
    """All that was measured."""

    narrow: Column = field(default_factory=lambda: Column(NARROW.half_width))
    wide: Column = field(default_factory=lambda: Column(WIDE.half_width))
    banked: Column = field(default_factory=lambda: Column(NARROW.half_width))
    shuffled: Column = field(default_factory=lambda: Column(NARROW.half_width))
    trap: Column = field(default_factory=lambda: Column(WIDE.half_width))
    quick_half: list[float] = field(default_factory=list)
    gains: list[float] = field(default_factory=list)
    ladders: Ladders = field(default_factory=Ladders)
    large_ladders: Ladders = field(default_factory=Ladders)


def measure(seed: int, number: int, into: Figures) -> None:
    """Draw a model and its suite, and ask it in every way."""
    strata = index_strata()
    rng = np.random.default_rng([seed, number])
    suite, who = draw_items(rng, strata), draw_character(rng, two_humps=number % 2 == 1)
    tasks, predictions = answers(rng, strata, suite, who), bank(rng, suite, who, BANK_MODELS)
    curves = true_curves(strata, tasks)
    for target, column in ((NARROW, into.narrow), (WIDE, into.wide)):
        column.add(run(strata, tasks, target), truth(strata, tasks), bill(tasks), _others(curves, target))
    into.gains.append(_variance(curves) / _variance(true_curves(strata, tasks, predictions)))
    shuffled = [rng.permutation(values) for values in predictions]
    for known, column in ((predictions, into.banked), (shuffled, into.shuffled)):
        layers, parts, helper = with_bank(strata, tasks, known)
        column.add(
            run(layers, parts, NARROW, helper),
            truth(strata, tasks),
            bill(tasks),
            _others(true_curves(layers, parts, helper), NARROW),
        )
    trapped = answers(rng, strata, suite, replace(who, wrong_length=2.0, runaway=0.03))
    into.trap.add(
        run(strata, trapped, WIDE), truth(strata, trapped), bill(trapped), _others(true_curves(strata, trapped), WIDE)
    )
    into.quick_half.append(_quick_half(strata, trapped) - truth(strata, trapped))
    if number % LADDER_EVERY == 0:
        efforts = ladder(rng, strata, suite, who)
        into.ladders.add(strata, efforts)
        large = [replace(stratum, weight=1 / len(LARGE)) for stratum in strata if stratum.task in LARGE]
        into.large_ladders.add(large, [effort[: len(large)] for effort in efforts])


def _others(curves: list[Curve], target: Target) -> tuple[float, float]:
    wanted = wanted_variance(target)
    return knowing_all(curves, wanted), pooled_uniform(curves, wanted)


def _variance(curves: list[Curve]) -> float:
    """Variance of the index for one unit of every task: its ratio is that of effective sample sizes."""
    return sum(curve.weight**2 * (curve.between + curve.noise) for curve in curves)


def _quick_half(strata: tuple[Stratum, ...], tasks: list[Answers]) -> float:
    """Score of the half of all first answers that is back first."""
    total = 0.0
    for stratum, task in zip(strata, tasks, strict=True):
        quick = task.tokens[0] <= np.median(task.tokens[0])
        total += stratum.weight * float(task.scores[0][quick].mean())
    return total
