"""What a run in waves will probably still ask, task by task: what the forecast of its bill is made of.

Data flows states of a run whose waves are all asked -> answers to come to samples that were asked, and to others.
"""

from __future__ import annotations

from harness.models import ModelSpec, parse_model
from harness.precision import Draw, StratumState
from harness.runner.forecast.task_charges import StillToAsk, ToCome
from harness.runner.precision.outlook import Outlook
from harness.runner.precision.planned_bill import expected_passes


def still_to_ask(outlook: Outlook) -> StillToAsk:
    """Expect what is asked beyond the waves so far until every goal is reached."""
    found: dict[tuple[ModelSpec, str, str], ToCome] = {}
    for cell_id, draws in expected_passes(outlook.goals, outlook.states).items():
        one = outlook.states[cell_id]
        for state, draw in zip(one.states, draws, strict=True):
            key = (parse_model(one.cell.model), one.cell.design.suite, state.stratum.task)
            before, more = found.get(key, ToCome()), _beyond(state, draw)
            found[key] = ToCome(n_again=before.n_again + more.n_again, n_new=before.n_new + more.n_new)
    return found


def _beyond(state: StratumState, goal: Draw) -> ToCome:
    """Answers between what was drawn and the goal: the first pass asks new samples, further ones ask some again."""
    asked = (*state.passes, *(0 for _ in goal.passes[len(state.passes) :]))
    more = [max(0, units - before) for units, before in zip(goal.passes, asked, strict=False)]
    items = state.stratum.unit_items
    return ToCome(n_new=round(sum(more[:1]) * items), n_again=round(sum(more[1:]) * items))
