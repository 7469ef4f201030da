"""Pilots of simulated models, and the bills that they forecast beside what everything costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from benchmarks.precision.population import (
    CAP_TOKENS,
    SUBJECTS,
    Answers,
    Character,
    answers,
    draw_character,
    draw_items,
    index_strata,
)
from harness.precision import Stratum
from harness.runner.forecast.bills import Charge, TaskCharges, bill_in_the_end
from harness.runner.forecast.pilot_size import PilotTask, pilot_units, wanted_answers

PILOT = "2.2%"
"""Of the answers; 2.4 % of the money, as a pilot goes where answers are dear."""
CEILING_PILOTS = (100, 200, 400)
RUNAWAYS = (0.0, 0.01, 0.02, 0.03)


@dataclass
class Column:
    """Forecasts of one kind over all models: the bill in units of the forecast, and what held."""

    misses: list[float] = field(default_factory=list)
    held: list[bool] = field(default_factory=list)
    exceeded: list[bool] = field(default_factory=list)
    ceilings: list[float] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)

    def add(self, tasks: Sequence[TaskCharges], bill: float) -> None:
        """Take in a forecast and what the run came to."""
        found = bill_in_the_end([tasks])
        if found is None or found.low is None or found.high is None or found.ceiling is None:
            raise AssertionError("a pilot of every task left no interval")
        self.misses.append(found.expected / bill - 1)
        self.held.append(found.low <= bill <= found.high)
        self.exceeded.append(bill > found.ceiling)
        self.ceilings.append(found.ceiling / bill)
        self.shares.append(sum(task.spent for task in tasks) / bill)

    def within(self, share: float) -> float:
        """Share of runs whose bill was forecast to within so much."""
        return float(np.mean(np.abs(self.misses) <= share))


@dataclass
class Figures:
    """All that was measured: forecasts from the usual pilot, ceilings by size of pilot and share of runaways."""

    bills: Column = field(default_factory=Column)
    ceilings: dict[tuple[int, float], Column] = field(
        default_factory=lambda: {(size, share): Column() for size in CEILING_PILOTS for share in RUNAWAYS}
    )

    def of_size(self, size: int) -> list[float]:
        """Ceiling / bill over all shares of runaways."""
        return [ratio for share in RUNAWAYS for ratio in self.ceilings[size, share].ceilings]


def measure(seed: int, number: int, into: Figures) -> None:
    """Draw a model and its suite; forecast its bill from pilots."""
    strata = index_strata()
    rng = np.random.default_rng([seed, number])
    suite, who = draw_items(rng, strata), draw_character(rng, two_humps=number % 2 == 1)
    tasks = answers(rng, strata, suite, who)
    n_answers = sum(stratum.most_attempts for stratum in strata)
    into.bills.add(piloted(strata, tasks, who, wanted_answers(PILOT, n_answers)), _bill(tasks))
    share = RUNAWAYS[number % len(RUNAWAYS)]
    steady = replace(who, runaway=share, two_humps=number % 8 >= 4)
    others = answers(rng, strata, suite, steady)
    for size in CEILING_PILOTS:
        into.ceilings[size, share].add(piloted(strata, others, steady, size), _bill(others))


def piloted(strata: Sequence[Stratum], tasks: Sequence[Answers], who: Character, n_answers: int) -> list[TaskCharges]:
    """Ask a pilot as a run does that knows of each task what is typical of reasoning models."""
    planned = [
        PilotTask(
            n_units=stratum.n_units,
            unit_items=stratum.unit_items,
            n_answers=stratum.most_attempts,
            cost=subject.tokens,
        )
        for stratum, subject in zip(strata, SUBJECTS, strict=True)
    ]
    units = pilot_units(planned, n_answers)
    return [_charged(*each, who) for each in zip(strata, tasks, units, strict=True)]


def _charged(stratum: Stratum, task: Answers, n_units: int, who: Character) -> TaskCharges:
    n_seen = int(task.items.ends[n_units])
    usd, tokens = task.usd[0, :n_seen], task.tokens[0, :n_seen]
    return TaskCharges(
        seen=[[Charge(float(cost), bool(length >= CAP_TOKENS))] for cost, length in zip(usd, tokens, strict=True)],
        n_again=n_seen * (stratum.repeats - 1),
        n_new=(stratum.n_items - n_seen) * stratum.repeats,
        repeats=stratum.repeats,
        worst=float(task.usd.max()) if (task.tokens >= CAP_TOKENS).any() else who.usd_per_token * CAP_TOKENS * 1.01,
    )


def _bill(tasks: Sequence[Answers]) -> float:
    return sum(float(task.usd.sum()) for task in tasks)
