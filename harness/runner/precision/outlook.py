"""Where a run in waves stands: what its goals know, why it stopped, and how much is still to be asked.

Data flows ledger rows of a run -> states -> sentences for the end of a session, expected attempts to come, the plan.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from harness.ledger import Ledger
from harness.models import ModelSpec, parse_model
from harness.precision import Interval, PrecisionEstimate
from harness.precision.points import points, wanted_points
from harness.runner.precision.goals import Finding, Goal, Known, models_of
from harness.runner.precision.out_of_reach import refusal
from harness.runner.precision.planned_bill import (
    WavesPlan,
    expected_passes,
    in_words,
    models_of_bank,
    n_attempts,
    plan_of,
    tasks_to_come,
)
from harness.runner.precision.stored_base import RunGoals, run_goals
from harness.waves.states import CellStates, cell_states


class Outlook:
    """A run in waves as the ledger has it now."""

    def __init__(self, ledger: Ledger, asked: RunGoals) -> None:
        self.designed, self.goals = asked
        self.states: Mapping[int, CellStates] = cell_states(ledger, self.designed)

    @classmethod
    def of(cls, ledger: Ledger, run_id: str) -> Outlook:
        """Read everything about a stored run."""
        return cls(ledger, run_goals(ledger, run_id))

    def plan(self, known: Known) -> WavesPlan:
        """Expect what the run will have asked in the end."""
        design = self.designed.design
        if not any(one.draws for one in self.states.values()):
            return plan_of(design, known)
        tasks = tasks_to_come(self.goals, self.states, known)
        return WavesPlan(
            wanted=in_words(design), tasks=tuple(tasks), predicted_by=models_of_bank(design), is_begun=True
        )

    def attempts_to_come(self) -> dict[ModelSpec, int]:
        """By model how many attempts are expected until every goal is reached."""
        found: dict[ModelSpec, int] = {}
        for cell_id, draws in expected_passes(self.goals, self.states).items():
            one = self.states[cell_id]
            goal = sum(n_attempts(state.stratum, draw.passes) for state, draw in zip(one.states, draws, strict=True))
            left = max(one.n_pending, round(goal) - (len(one.draws) - one.n_pending))
            model = parse_model(one.cell.model)
            found[model] = found.get(model, 0) + left
        return found

    def lines(self, out_of_money: Collection[ModelSpec] = ()) -> Iterator[str]:
        """Say of each goal what is known of it, why it stopped and what it took.

        Args:
            out_of_money: models that a budget stopped.
        """
        to_come = self.attempts_to_come()
        for goal in self.goals:
            own = [self.states[cell.cell_id] for cell in goal.cells]
            models = models_of(goal)
            why = "not reached yet" if models.isdisjoint(out_of_money) else "not reached, a budget ended it first"
            if _n_asked(own) == _n_whole(own):
                why = "not reached although everything was asked"
            more = sum(to_come[model] for model in models)
            if _is_given_up(goal, own):
                why, more = "out of reach", 0
            lines = [line for finding in goal.findings(own) for line in _lines(goal, finding, why)]
            yield from lines[:-1]
            yield f"{lines[-1]}: {_took(own, more)}"


def _is_given_up(goal: Goal, states: Sequence[CellStates]) -> bool:
    """Whether its pilot, asked to the end, showed that a goal is out of reach."""
    is_piloted = all(one.n_waves == 1 and not one.n_pending for one in states)
    return is_piloted and refusal(goal, states) is not None


def _lines(goal: Goal, finding: Finding, why: str) -> Iterator[str]:
    found, wanted = finding.estimate, wanted_points(goal.target.half_width)
    if found.value is None:
        yield f"{finding.name}: nothing is known yet"
        return
    sign = "+" if goal.target.kind == "difference" else ""
    here, more = (_interval(found, interval, sign) for interval in (found.this_suite, found.like_these))
    yield f"{finding.name}: {100 * found.value:{sign}.1f} {here} points on this suite, {more} on questions like these"
    yield f"  ±{wanted} {'reached' if found.half_width <= goal.target.half_width else why}"


def _interval(found: PrecisionEstimate, interval: Interval, sign: str) -> str:
    if found.is_centred(interval):
        return f"±{points(interval.half_width)}"
    return f"[{100 * interval.low:{sign}.1f}, {100 * interval.high:{sign}.1f}]"


def _took(states: Sequence[CellStates], to_come: int) -> str:
    waves = max(one.n_waves for one in states)
    more = f"; about {to_come:,} more are expected to be needed" if to_come else ""
    return f"{waves} {'wave' if waves == 1 else 'waves'}, {_n_asked(states):,} of {_n_whole(states):,} attempts{more}"


def _n_asked(states: Sequence[CellStates]) -> int:
    return sum(len(one.draws) - one.n_pending for one in states)


def _n_whole(states: Sequence[CellStates]) -> int:
    return sum(one.cell.design.most_attempts for one in states)
