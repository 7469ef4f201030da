"""A pilot first: some samples of every task from all models of a run, and everything else once the bill is known.

Data flows plan + expected costs -> the pilot, stored as wave 0 before its first request -> the rest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from harness.ledger import Ledger
from harness.ledger.records import DrawRecord
from harness.models import ModelSpec
from harness.runner.forecast.pilot_size import PilotTask, pilot_units, wanted_answers
from harness.runner.plan import Chain, PreparedRun
from harness.runner.wave_loop import Wave
from harness.stats.totals_to_come import FEWEST_SEEN

Costs = Mapping[tuple[ModelSpec, str, str], float]
"""Expected cost of an answer by model, suite and task; models without a price are missing."""


class PilotWaves:
    """Plans two waves: the pilot, the same for all models, and the rest.

    Args:
        cell_ids: the ledger's ids of the cells, by model and suite.
        planned_ids: the ledger's ids of planned samples, in draw order.
        costs: read once, when a new pilot is drawn.
        notice: told how large the pilot is.
    """

    def __init__(
        self,
        prepared: PreparedRun,
        ledger: Ledger,
        *,
        cell_ids: Mapping[ModelSpec, Mapping[str, int]],
        planned_ids: Sequence[int],
        costs: Callable[[], Costs],
        notice: Callable[[str], None],
    ) -> None:
        self._run = prepared
        self._ledger = ledger
        self._cell_ids = cell_ids
        self._planned_ids = planned_ids
        self._costs = costs
        self._notice = notice
        self._waiting: list[Sequence[Chain]] | None = None

    def next_wave(self, stuck: Collection[ModelSpec]) -> Wave | None:  # noqa: ARG002 - their rest is theirs to leave
        """Give the pilot, then the rest."""
        if self._waiting is None:
            pilot = self._pilot()
            self._tell(sum(map(len, pilot)))
            places = {chain[0].draw_order for chain in pilot}
            rest = [chain for chain in self._run.chains if chain[0].draw_order not in places]
            self._waiting = [pilot, rest] if rest else [pilot]
        if not self._waiting:
            return None
        chains = self._waiting.pop(0)
        return {model.spec: chains for model in self._run.models}

    def n_to_come(self, model: ModelSpec) -> int:  # noqa: ARG002 - the same for every model
        """Samples that were not given yet."""
        waiting = [self._run.chains] if self._waiting is None else self._waiting
        return sum(len(chain) for chains in waiting for chain in chains)

    def _pilot(self) -> list[Chain]:
        """The pilot that an earlier session drew, else a new one."""
        drawn = {draw.planned_id for draw in self._ledger.draws(self._run.run_id) if draw.wave == 0}
        if drawn:
            return [chain for chain in self._run.chains if self._planned_ids[chain[0].draw_order] in drawn]
        tasks = self._tasks()
        chosen = pilot_units(list(tasks.values()), self._n_wanted())
        units = [self._units(key)[:n_units] for key, n_units in zip(tasks, chosen, strict=True)]
        drawn_now = zip(tasks.items(), units, strict=True)
        self._ledger.add_draws(
            [draw for (key, task), pilot in drawn_now for draw in self._draws(key, pilot, len(pilot) / task.n_units)]
        )
        return sorted((chain for pilot in units for chain in pilot), key=lambda chain: chain[0].draw_order)

    def _n_wanted(self) -> int:
        assert self._run.spec.pilot is not None  # nobody else plans a pilot
        return wanted_answers(self._run.spec.pilot, sum(map(len, self._run.chains)))

    def _tell(self, n_pilot: int) -> None:
        n_answers, wanted = sum(map(len, self._run.chains)), self._n_wanted()
        of_each = " of each model" if len(self._run.models) > 1 else ""
        why = f", as a forecast needs {FEWEST_SEEN} samples of every task" if n_pilot > wanted + 1 else ""
        then = "then the bill is forecast" if n_pilot < n_answers else "which is everything"
        self._notice(f"pilot: {n_pilot:,} of {n_answers:,} answers{of_each}{why}; {then}")

    def _units(self, key: tuple[str, str]) -> list[Chain]:
        """The units of a task in draw order, each once."""
        return [chain for chain in self._run.chains if _key(chain) == key and chain[0].epoch == 0]

    def _tasks(self) -> dict[tuple[str, str], PilotTask]:
        costs = self._costs()
        n_answers, n_units, n_items = Counter[tuple[str, str]](), Counter[tuple[str, str]](), Counter[tuple[str, str]]()
        for chain in self._run.chains:
            n_answers[_key(chain)] += len(chain)
            if chain[0].epoch == 0:
                n_units[_key(chain)] += 1
                n_items[_key(chain)] += len(chain)
        return {
            key: PilotTask(
                n_units=n_units[key],
                unit_items=n_items[key] / n_units[key],
                n_answers=n_answers[key],
                cost=sum(costs.get((model.spec, *key), 0.0) for model in self._run.models),
            )
            for key in n_units
        }

    def _draws(self, key: tuple[str, str], pilot: Sequence[Chain], probability: float) -> Iterator[DrawRecord]:
        suite, task = key
        for model in self._run.models:
            for place, chain in enumerate(pilot):
                for item in chain:
                    yield DrawRecord(
                        cell_id=self._cell_ids[model.spec][suite],
                        planned_id=self._planned_ids[item.draw_order],
                        wave=0,
                        stratum=task,
                        draw_order=place,
                        inclusion_probability=probability,
                    )


def _key(chain: Chain) -> tuple[str, str]:
    return chain[0].suite.name, chain[0].task.name
