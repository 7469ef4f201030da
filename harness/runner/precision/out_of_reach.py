"""A precision that the pilot shows to be out of reach: answers to the same question differ too much.

Pure. Data flows a goal after its pilot -> the reason to end it, with the best that can be had and its price, or None.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import InputError, NoMoreWaves
from harness.runner.precision.goals import Goal
from harness.runner.precision.points import points_up, wanted_points
from harness.waves.states import CellStates

TOLERANCE = 1.1
"""A floor is estimated from few repeats: one that lies this little above the target is tried all the same."""


def refusal(goal: Goal, states: Sequence[CellStates]) -> NoMoreWaves | None:
    """Say why a goal is given up after its pilot; None = it can be reached."""
    for finding in goal.findings(states):
        best = finding.best
        if best.half_width > TOLERANCE * goal.target.half_width:
            price = "" if best.usd is None else f", for about ${best.usd:,.2f} in all"
            how = "as repeated answers show" if best.measured else "as far as answers to a sample usually differ"
            return NoMoreWaves(
                f"{finding.name}: +-{wanted_points(goal.target.half_width)} cannot be had; all {_n_attempts(states):,}"
                f" attempts would leave +-{points_up(best.half_width)}{price} ({how})",
                exit_code=InputError.exit_code,
                fix=f"start a new run with {points_up(best.half_width)}pt or more; with --reuse it takes the answers"
                " that this one has",
            )
    return None


def _n_attempts(states: Sequence[CellStates]) -> int:
    return sum(stratum.n_items * stratum.repeats for one in states for stratum in one.cell.design.strata)
