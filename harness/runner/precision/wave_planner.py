"""Waves towards a precision: what each model is asked next, decided by the ledger's rows alone.

Data flows draws, answers and scores of a run -> states -> draws of the next wave, durable before its first request ->
chains. A run that was killed decides the same again, as it knows nothing but what is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from harness.errors import NoMoreWaves
from harness.ledger import Ledger
from harness.ledger.records import DrawRecord
from harness.models import ModelSpec, parse_model
from harness.precision import Draw
from harness.runner.plan import Chain, PreparedRun
from harness.runner.precision.goals import Draws, Goal, Known, first_wave, merged, models_of
from harness.runner.precision.out_of_reach import refusal
from harness.runner.precision.stored_base import RunGoals
from harness.runner.wave_loop import Wave
from harness.waves.states import CellStates, cell_states, wave_draws

Wanted = dict[int, tuple[int, tuple[Draw, ...]]]
"""By cell the number of its next wave, and how far its strata are to be asked."""


class PrecisionWaves:
    """Asks until every goal of a run's design is reached.

    Args:
        planned_ids: the ledger's ids of planned samples, in draw order.
        usd_per_attempt: makes expected costs for the first wave; called where there was none yet.
    """

    def __init__(
        self,
        prepared: PreparedRun,
        ledger: Ledger,
        asked: RunGoals,
        planned_ids: Sequence[int],
        usd_per_attempt: Callable[[], Known],
    ) -> None:
        self._ledger = ledger
        self._designed, self._goals = asked
        self._chains = {planned_ids[chain[0].draw_order]: chain for chain in prepared.chains}
        self._usd_per_attempt = usd_per_attempt
        self._is_resumed = bool(ledger.draws(prepared.run_id))

    def next_wave(self, stuck: Collection[ModelSpec]) -> Wave | None:
        """Draw what every goal needs next; at first what earlier sessions drew."""
        if self._is_resumed:
            self._is_resumed = False
            return self._wave(self._ledger.draws(self._designed.run.run_id))
        states = cell_states(self._ledger, self._designed)
        wanted, refused = self._wanted(states, stuck)
        draws = [draw for cell, (wave, more) in wanted.items() for draw in wave_draws(states[cell], more, wave=wave)]
        if draws:
            self._ledger.add_draws(draws)
            return self._wave(draws)
        if refused:
            raise _together(refused)
        return None

    def _wanted(
        self, states: Mapping[int, CellStates], stuck: Collection[ModelSpec]
    ) -> tuple[Wanted, list[tuple[Goal, NoMoreWaves]]]:
        """What goals want next, and which of them their pilot showed to be out of reach."""
        wanted: Wanted = {}
        refused: list[tuple[Goal, NoMoreWaves]] = []
        for goal in self._goals:
            if models_of(goal).isdisjoint(stuck):
                own = [states[cell.cell_id] for cell in goal.cells]
                wave = max(one.n_waves for one in own)
                if wave == 1 and (reason := refusal(goal, own)) is not None:
                    refused.append((goal, reason))
                else:
                    _add(wanted, goal, wave, self._draws(goal, own, wave))
        return wanted, refused

    def n_to_come(self, model: ModelSpec) -> int:  # noqa: ARG002 - the same for every model
        """Nothing: how much will be drawn is not known before it is."""
        return 0

    def _draws(self, goal: Goal, states: Sequence[CellStates], wave: int) -> Draws | None:
        return first_wave(goal, self._usd_per_attempt()) if wave == 0 else goal.next_wave(states, wave=wave)

    def _wave(self, draws: Iterable[DrawRecord]) -> Wave:
        """Chains of each model in the order of the plan, so that what a budget leaves of a wave is a draw as well."""
        models = {cell.cell_id: parse_model(cell.model) for cell in self._designed.cells}
        found: dict[ModelSpec, dict[int, Chain]] = {}
        for draw in draws:
            chain = self._chains.get(draw.planned_id)  # of a unit's samples the first one names its chain
            if chain is not None:
                found.setdefault(models[draw.cell_id], {})[chain[0].draw_order] = chain
        return {model: [chains[order] for order in sorted(chains)] for model, chains in found.items()}


def _add(wanted: Wanted, goal: Goal, wave: int, draws: Draws | None) -> None:
    """Note what a goal wants; a cell that serves several goals is asked as far as the furthest."""
    for cell, own in zip(goal.cells, draws or (), strict=False):
        before = wanted.get(cell.cell_id)
        passes = {} if before is None else {draw.stratum: draw.passes for draw in before[1]}
        further = tuple(
            Draw(stratum=draw.stratum, passes=merged(draw.passes, passes.get(draw.stratum, ()))) for draw in own
        )
        wanted[cell.cell_id] = (wave if before is None else max(wave, before[0]), further)


def _together(refused: Sequence[tuple[Goal, NoMoreWaves]]) -> NoMoreWaves:
    first = refused[0][1]
    return NoMoreWaves(
        "; ".join(reason.message for _, reason in refused),
        exit_code=first.exit_code,
        where=first.where,
        fix=first.fix,
        models=[str(model) for goal, _ in refused for model in models_of(goal)],
    )
