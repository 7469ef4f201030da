"""When forecasts of a run's bill are made: at its start, at shares of its answers, and after each wave.

Data flows finished chains and waves -> `BillForecaster` (on threads of their own: requests go on) -> ledger, observer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Protocol

from harness.errors import HarnessError
from harness.models import ModelSpec
from harness.runner.forecast.bill_forecaster import BillForecaster, RunForecasts
from harness.runner.forecast.bills import SHARES, BillForecast, Stage
from harness.runner.forecast.task_charges import CellKey, StillToAsk
from harness.runner.plan import Chain, PreparedRun

FEWEST_SAMPLES = 20
"""First samples of a draw below which a share of it says nothing yet."""


class ForecastObserver(Protocol):
    """Who is told of forecasts."""

    def forecast_made(self, forecast: BillForecast, *, spent: int) -> None: ...

    def notice(self, text: str) -> None: ...


class Renewals:
    """Makes the forecasts of one session, and tells an observer of each."""

    def __init__(self, forecaster: BillForecaster, observer: ForecastObserver) -> None:
        self._forecaster = forecaster
        self._observer = observer
        self._tasks: list[asyncio.Future[None]] = []
        self._one_at_a_time = asyncio.Lock()

    def begin(self, planned_usd: Callable[[], Mapping[CellKey, float]] | None) -> None:
        """Show what was forecast before, or forecast at the start of a run, beside the first requests.

        Args:
            planned_usd: what the cells of a run in waves are expected to cost; None = all that is planned is asked.
        """
        self._aside(lambda: self._begin(planned_usd))

    def at_share(self, first: int) -> None:
        """Forecast from the first samples of the draw, all of which are answered."""
        self._aside(lambda: self._renew_at_share(first))

    def after_wave(self, stage: Stage, wave: int, to_come: StillToAsk | None) -> tuple[RunForecasts | None, bool]:
        """Forecast from all answers; gives the forecast, and whether it is new and not an earlier session's."""
        earlier = self._forecaster.after_wave(wave)
        if earlier is not None:
            self._tell(earlier)
            return earlier, False
        found = self._forecaster.renewed(stage, wave=wave, to_come=to_come)
        self._tell(found)
        return found, True

    async def finish(self) -> None:
        """Wait for what is under way."""
        await asyncio.gather(*self._tasks)

    def _begin(self, planned_usd: Callable[[], Mapping[CellKey, float]] | None) -> None:
        made = self._forecaster.made()
        if made:
            self._observer.forecast_made(made[-1], spent=self._forecaster.spent())
        else:
            self._tell(self._forecaster.at_start(None if planned_usd is None else planned_usd()))

    def _renew_at_share(self, first: int) -> None:
        if not self._forecaster.has_seen(first):
            self._tell(self._forecaster.renewed("share", first=first))

    def _aside(self, work: Callable[[], None]) -> None:
        self._tasks.append(asyncio.ensure_future(self._in_turn(work)))

    async def _in_turn(self, work: Callable[[], None]) -> None:
        """Make one after the other: a later share that is made first would leave the earlier one out."""
        async with self._one_at_a_time:
            await asyncio.to_thread(self._kept_from_the_run, work)

    def _kept_from_the_run(self, work: Callable[[], None]) -> None:
        """A run does not end because its forecast cannot be made or stored."""
        try:
            work()
        except HarnessError as error:
            self._observer.notice(f"no forecast of the bill: {error}")

    def _tell(self, found: RunForecasts | None) -> None:
        if found is not None:
            self._observer.forecast_made(found.whole, spent=found.whole.spent)


@dataclass(slots=True)
class _Share:
    """First samples of a draw, and how many of their chains each model has left."""

    first: int
    n_left: dict[ModelSpec, int]


class ShareCounter:
    """Counts finished chains, until all of a share of the draw are finished by every model.

    Which chains count is fixed before any is asked: among the first that come back, short answers would be too many.
    """

    def __init__(self, prepared: PreparedRun, reached: Callable[[int], None]) -> None:
        self._reached = reached
        self._waiting: list[_Share] = []
        n_samples = sum(map(len, prepared.chains))
        for share in SHARES:
            first, n_chains = _beginning(prepared.chains, ceil(share * n_samples))
            if FEWEST_SAMPLES <= first < n_samples:
                left = {model.spec: n_chains for model in prepared.models}
                self._waiting.append(_Share(first=first, n_left=left))

    @property
    def is_waiting(self) -> bool:
        """Whether there is a share that is not finished yet."""
        return bool(self._waiting)

    def finished_up_to(self, draw_order: int) -> None:
        """Take all shares as finished that end before a sample of the draw."""
        for share in [one for one in self._waiting if one.first <= draw_order]:
            self._waiting.remove(share)
            self._reached(share.first)

    def chain_finished(self, model: ModelSpec, chain: Chain) -> None:
        """Count a chain whose items need nothing more."""
        for share in list(self._waiting):
            if chain[0].draw_order < share.first:
                share.n_left[model] -= 1
                if not any(share.n_left.values()):
                    self._waiting.remove(share)
                    self._reached(share.first)


def _beginning(chains: Sequence[Chain], n_samples: int) -> tuple[int, int]:
    """The fewest first chains that hold so many samples: their samples and their number."""
    first = n_chains = 0
    while first < n_samples:
        first += len(chains[n_chains])
        n_chains += 1
    return first, n_chains
