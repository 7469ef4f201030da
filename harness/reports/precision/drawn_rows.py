"""What a report knows of a row that was asked in waves: its estimate with both intervals, and the draws behind it.

Pure. Data flows states of strata (`drawn_cells`) -> `DrawnFacts` -> rows, tables and comparisons.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from harness.precision import Best, PrecisionEstimate, StratumState, UnitResult, best_possible, estimate_by_task
from harness.precision import estimate as estimate_states
from harness.precision.estimator import Interval
from harness.stats import Estimate

Ended = Literal["reached", "all asked", "stopped early", "pilot", "finished"]
"""How waves ended: at the wanted width; with nothing left to ask; before that (budget, interrupt); in a pilot before a
whole run; or, where what was wanted is a difference of which this row is the base, as the run itself says."""
NAMES = {"this_suite": "this suite", "like_these": "questions like these"}
"""What each of the two intervals is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedDifference:
    """What a run was to find out about two rows: this one less another, on samples that both have.

    Attributes:
        against: the other model, as typed.
        is_stored: whether that was asked in an earlier run.
        wanted: half of the interval's width that was asked for.
    """

    against: str
    estimate: PrecisionEstimate
    wanted: float
    is_stored: bool = False

    @property
    def is_reached(self) -> bool:
        """Whether the interval is as narrow as wanted."""
        return self.estimate.value is not None and self.estimate.half_width <= self.wanted


@dataclass(frozen=True, kw_only=True)
class DrawnFacts:
    """A cell that was asked in waves.

    Attributes:
        kind: `score`, `difference`, `ladder` or `pilot`.
        wanted: half of the interval's width that was asked for, of the score or of a difference; None = none was.
        differences: those that were asked for and of which this is the head; the base of others has none.
        is_complete: whether its run ended by itself.
        states: strata in the order of the design.
        results: by stratum what came of its drawn units.
        units: by stratum the samples of its units, in draw order; only of those drawn where `bank_is_lost`.
        n_drawn: answers that waves asked for; `n_whole` = those of the whole suite with all its repeats.
        n_pending: drawn and never asked to the end; `n_given_up` of them were in flight when the run broke off.
        bank_models: whose answers predicted the samples.
        bank_is_lost: whether the ledger does not hold those answers any more, so that nothing is predicted here.
        whole_usd: what the whole suite with all its repeats would have cost at the same prices; None = not known.
        whole_output_tokens: output that it would have had; None = not known.
    """

    kind: str
    level: float
    states: tuple[StratumState, ...]
    results: Mapping[str, tuple[UnitResult, ...]]
    units: Mapping[str, tuple[tuple[str, ...], ...]]
    n_waves: int
    n_drawn: int
    n_whole: int
    wanted: float | None = None
    differences: tuple[WantedDifference, ...] = ()
    is_complete: bool = True
    n_pending: int = 0
    n_given_up: int = 0
    bank_models: tuple[str, ...] = ()
    bank_is_lost: bool = False
    whole_usd: float | None = None
    whole_output_tokens: float | None = None

    @cached_property
    def estimate(self) -> PrecisionEstimate:
        """The score of the whole suite."""
        return estimate_states(self.states, level=self.level)

    @cached_property
    def by_task(self) -> Mapping[str, PrecisionEstimate]:
        """The score of each task."""
        return estimate_by_task(self.states, level=self.level)

    @cached_property
    def best(self) -> Best:
        """How narrow the interval for this suite becomes when everything is asked."""
        return best_possible(self.states, level=self.level)

    @property
    def score(self) -> Estimate:
        """The score with its interval for this suite; `n` = samples with a score."""
        return shown(self.estimate, sum(len(state.observed.means) for state in self.states))

    def task_score(self, task: str) -> Estimate:
        """A task's score with its interval for this suite."""
        n = sum(len(state.observed.means) for state in self.states if state.stratum.task == task)
        return shown(self.by_task[task], n)

    @property
    def whole_correct(self) -> float | None:
        """Estimated sum of scores of the whole suite with all its repeats; None = a task has no score."""
        total = 0.0
        for task, found in self.by_task.items():
            if found.value is None:
                return None
            own = [state.stratum for state in self.states if state.stratum.task == task]
            total += found.value * sum(stratum.most_attempts for stratum in own)
        return total

    @property
    def is_reached(self) -> bool | None:
        """Whether what was wanted is as narrow as wanted: the score, or each difference; None = nothing was, of it."""
        if self.differences:
            return all(one.is_reached for one in self.differences)
        if self.kind != "score" or self.wanted is None:
            return None
        return self.estimate.value is not None and self.estimate.half_width <= self.wanted

    @property
    def ended(self) -> Ended:
        """How the waves ended."""
        if self.kind == "pilot":
            return "pilot"
        if self.is_reached:
            return "reached"
        if self.n_drawn == self.n_whole and not self.n_pending:
            return "all asked"
        return "finished" if self.is_complete and self.is_reached is None else "stopped early"


def shown(found: PrecisionEstimate, n: int, *, interval: Interval | None = None) -> Estimate:
    """Give an estimate with its interval for this suite, or with another; without a value it has none."""
    if found.value is None:
        return Estimate(value=None, n=n)
    about = found.this_suite if interval is None else interval
    return Estimate(value=found.value, ci_low=about.low, ci_high=about.high, n=n)
