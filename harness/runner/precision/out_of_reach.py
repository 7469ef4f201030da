"""A precision that the pilot shows to be out of reach: answers have no score, or differ too much among themselves.

Pure. Data flows a goal after its pilot -> the reason to end it, with the best that can be had and its price, or None.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import HarnessError, InputError, NoMoreWaves
from harness.precision.points import points_up, wanted_points
from harness.runner.forecast.bill_words import usd_words
from harness.runner.precision.goals import Finding, Goal
from harness.waves.states import CellStates

TOLERANCE = 1.1
"""A floor is estimated from few repeats: one that lies this little above the target is tried all the same."""


def refusal(goal: Goal, states: Sequence[CellStates]) -> NoMoreWaves | None:
    """Say why a goal is given up after its pilot; None = it can be reached."""
    for one in states:
        for state in one.states:
            if not state.observed.n_units and state.passes and state.passes[0]:
                return _without_scores(one.cell.model, state.stratum.task, one.cell.suite, state.passes[0])
    wanted = goal.target.half_width
    far = (finding for finding in goal.findings(states) if _is_out_of_reach(finding, wanted))
    n_attempts = sum(one.cell.design.most_attempts for one in states)
    return next((_too_narrow(finding, wanted, n_attempts) for finding in far), None)


def _is_out_of_reach(finding: Finding, wanted: float) -> bool:
    is_reached = finding.estimate.value is not None and finding.estimate.half_width <= wanted
    return not is_reached and finding.best.half_width > TOLERANCE * wanted


def _too_narrow(finding: Finding, wanted: float, n_attempts: int) -> NoMoreWaves:
    best = finding.best
    price = "" if best.usd is None else f", for about {usd_words(best.usd)} in all"
    how = "as repeated answers show" if best.measured else "as far as answers to a sample usually differ"
    return NoMoreWaves(
        f"{finding.name}: ±{wanted_points(wanted)} cannot be had; all {n_attempts:,}"
        f" attempts would leave ±{points_up(best.half_width)}{price} ({how})",
        exit_code=InputError.exit_code,
        fix=f"start a new run with {points_up(best.half_width)}pt or more; with --reuse it takes the answers"
        " that this one has",
    )


def _without_scores(model: str, task: str, suite: str, n_units: int) -> NoMoreWaves:
    return NoMoreWaves(
        f"{model}: none of the first {n_units} samples of {task} has a score, and {suite} needs one of every task",
        exit_code=HarnessError.exit_code,
        fix="look at why with `benchtab export samples`, then score them with `benchtab score RUN` and resume the run",
    )
