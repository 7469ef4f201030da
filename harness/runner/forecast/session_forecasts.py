"""How the forecasts of a session hang on what it asks: a planner of waves that forecasts between them, and its pilot.

Data flows another planner's waves -> a forecast after each -> consent -> the next wave.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from harness.errors import NoMoreWaves
from harness.ledger import Ledger
from harness.models import ModelSpec
from harness.runner.forecast.bill_forecaster import BillForecaster, RunForecasts
from harness.runner.forecast.pilot_waves import PilotWaves
from harness.runner.forecast.renewals import ForecastObserver, Renewals, ShareCounter
from harness.runner.forecast.task_charges import CellKey, StillToAsk
from harness.runner.options.precision_options import target_of
from harness.runner.plan import Chain, PreparedRun
from harness.runner.precision.goals import Known
from harness.runner.precision.outlook import Outlook
from harness.runner.precision.rest_of_waves import still_to_ask
from harness.runner.wave_loop import Wave, WavePlanner, WholeRun

Consent = Callable[[RunForecasts | None, bool], NoMoreWaves | None]
"""Decides after a pilot whether a run goes on, and gives why not.

It gets the forecast, None where none can be made, and whether it was made just now.
"""


class SessionForecasts:
    """The forecasts of one session.

    Args:
        cell_ids: the ledger's ids of the cells, by model and suite.
        planned_ids: the ledger's ids of planned samples, in draw order.
        consent: asked after a pilot; None = the run has none.
        usd_per_attempt: what an attempt is expected to cost before any is made.
        outlook: where a run in waves stands now.
    """

    def __init__(
        self,
        prepared: PreparedRun,
        ledger: Ledger,
        forecaster: BillForecaster,
        observer: ForecastObserver,
        *,
        cell_ids: Mapping[ModelSpec, Mapping[str, int]],
        planned_ids: Sequence[int],
        consent: Consent | None,
        usd_per_attempt: Callable[[], Known],
        outlook: Callable[[], Outlook],
    ) -> None:
        self._run = prepared
        self._ledger = ledger
        self._forecaster = forecaster
        self._cell_ids = cell_ids
        self._planned_ids = planned_ids
        self._consent = consent
        self._observer = observer
        self._usd_per_attempt = usd_per_attempt
        self._outlook = outlook
        self._is_whole = target_of(prepared.spec) is None
        self.renewals = Renewals(forecaster, observer)
        self._shares = ShareCounter(prepared, self.renewals.at_share)

    def begin(self) -> None:
        """Make the first forecast, beside the first requests."""
        self.renewals.begin(None if self._is_whole else self._planned_usd)

    def chain_finished(self, model: ModelSpec, chain: Chain) -> None:
        """Count a chain whose items need nothing more: a whole run is forecast again at shares of them."""
        if self._is_whole:
            self._shares.chain_finished(model, chain)

    @property
    def waits_for_a_share(self) -> bool:
        """Whether a whole run is to be forecast again at a share of its answers."""
        return self._is_whole and self._shares.is_waiting

    def finished_up_to(self, draw_order: int) -> None:
        """Hear that all samples before this one of the draw need nothing more of any model."""
        self._shares.finished_up_to(draw_order)

    def _planned_usd(self) -> dict[CellKey, float]:
        """What the cells of a run in waves are expected to cost; those without a price are left out."""
        tasks = self._outlook().plan(self._usd_per_attempt()).tasks
        unknown = {(task.model, task.suite) for task in tasks if task.usd is None}
        found: dict[CellKey, float] = {}
        for task in tasks:
            if (key := (task.model, task.suite)) not in unknown:
                found[key] = found.get(key, 0.0) + (task.usd or 0.0)
        return found

    def planned(self, planner: WavePlanner) -> WavePlanner:
        """Have forecasts made between the waves of a planner, and a pilot before them."""
        if self._run.spec.pilot is not None and isinstance(planner, WholeRun):
            planner = PilotWaves(
                self._run,
                self._ledger,
                cell_ids=self._cell_ids,
                planned_ids=self._planned_ids,
                costs=self._forecaster.expected_pico,
                notice=self._observer.notice,
            )
        return _ForecastWaves(planner, self.renewals, standing=self._standing, consent=self._consent)

    def _standing(self) -> tuple[int, StillToAsk | None]:
        """Waves that were asked so far, and what is still to come; None = all that is planned."""
        n_waves = len({draw.wave for draw in self._ledger.draws(self._run.run_id)})
        return n_waves, None if self._is_whole or not n_waves else still_to_ask(self._outlook())


class _ForecastWaves:
    """Has the bill forecast after each wave that another planner plans, and asks after a pilot whether to go on."""

    def __init__(
        self,
        planner: WavePlanner,
        renewals: Renewals,
        *,
        standing: Callable[[], tuple[int, StillToAsk | None]],
        consent: Consent | None,
    ) -> None:
        self._planner = planner
        self._renewals = renewals
        self._standing = standing
        self._consent = consent
        self._is_first = True
        self._refused: Wave = {}

    def next_wave(self, stuck: Collection[ModelSpec]) -> Wave | None:
        """Give the next wave of the other planner, once the bill is known again."""
        if self._is_first:
            self._is_first = False
            return self._planner.next_wave(stuck)
        n_waves, to_come = self._standing()
        wave = self._planner.next_wave(stuck)
        if wave is None or set(wave) <= set(stuck):  # nobody is left to ask it, and a part of a wave forecasts nothing
            return wave
        found, is_new = self._renewals.after_wave("pilot" if n_waves == 1 else "wave", n_waves, to_come)
        if self._consent is not None and n_waves == 1 and (refusal := self._consent(found, is_new)) is not None:
            self._refused = wave
            raise refusal
        return wave

    def n_to_come(self, model: ModelSpec) -> int:
        """Samples that the run is known to need of a model and that were not given yet."""
        return self._planner.n_to_come(model) + sum(map(len, self._refused.get(model, ())))
