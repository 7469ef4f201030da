"""What a worker says while it works: notices, no progress; its driver shows how far the run is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.errors import ProviderError
from harness.ledger.leases.lease_records import WorkerRecord
from harness.models import ModelSpec
from harness.runner.forecast.bills import BillForecast
from harness.runner.precision.planned_bill import WavesPlan
from harness.runner.requests.attempt_ends import Spent


class WorkerNotices:
    """An observer that only passes notices on."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell

    def attempt_sent(self, model: ModelSpec) -> None:
        """The ledger has it."""

    def attempt_settled(self, model: ModelSpec, *, spent: Spent, error: ProviderError | None) -> None:
        """The ledger has it."""

    def waves_planned(self, plan: WavesPlan) -> None:
        """The driver's."""

    def samples_planned(self, model: ModelSpec, n_samples: int) -> None:
        """The driver's."""

    def sample_finished(self, model: ModelSpec, *, failed: bool) -> None:
        """The ledger has it."""

    def workers_seen(self, workers: Sequence[WorkerRecord]) -> None:
        """The driver's."""

    def forecast_made(self, forecast: BillForecast, *, spent: int) -> None:
        """The driver's."""

    def ask(self, question: str, *, is_over: Callable[[], bool]) -> bool:  # noqa: ARG002  # the interface
        """Nobody sits here: no."""
        return False

    def notice(self, text: str) -> None:
        """Say something once."""
        self._tell(text)
