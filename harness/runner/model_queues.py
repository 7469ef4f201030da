"""Where the next sample of a model comes from, and how the model stands.

Data flows planned chains -> `ModelQueue.take` -> whoever works them (`SampleWork`), who counts here what came of them.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from harness.errors import HarnessError
from harness.ledger.leases.lease_records import WorkerRecord
from harness.ledger.records import SampleOutcome
from harness.models import ModelSpec
from harness.runner.attempts import RequestSender
from harness.runner.forecast.bills import BillForecast
from harness.runner.plan import Chain, ModelPlan, PlannedItem
from harness.runner.precision.planned_bill import WavesPlan
from harness.runner.requests.item_questions import Question, question_for
from harness.runner.requests.session_context import AttemptObserver
from harness.runner.spec import RunSpec


class RunObserver(AttemptObserver, Protocol):
    """Who wants to see a session: progress displays and tests."""

    def waves_planned(self, plan: WavesPlan) -> None: ...

    def samples_planned(self, model: ModelSpec, n_samples: int) -> None: ...

    def sample_finished(self, model: ModelSpec, *, failed: bool) -> None: ...

    def workers_seen(self, workers: Sequence[WorkerRecord]) -> None: ...

    def forecast_made(self, forecast: BillForecast, *, spent: int) -> None: ...

    def notice(self, text: str) -> None: ...

    def ask(self, question: str, *, is_over: Callable[[], bool]) -> bool: ...


@dataclass(slots=True, kw_only=True)
class ModelQueue:
    """What is still to be asked of one model, and why it stopped if it did.

    Attributes:
        cell_ids: the ledger's ids of this model's cells, by suite.
        planned_ids: the ledger's ids of planned samples, in draw order.
        outcomes: what earlier sessions left, by (cell id, planned id).
        n_samples: given to this session for this model; in the end all that the run is known to need of it.
        has_answered: whether the model ever answered in this run.
        n_finished: samples of this session that need nothing more, failed ones included.
        n_failed_now: of which failed while this session asked them.
    """

    model: ModelPlan
    sender: RequestSender
    run_id: str
    options: RunSpec
    cell_ids: Mapping[str, int]
    planned_ids: Sequence[int]
    outcomes: Mapping[tuple[int, int], SampleOutcome]
    pending: deque[Chain] = field(default_factory=deque)
    n_samples: int = 0
    has_answered: bool = False
    stopped_by: HarnessError | None = None
    n_finished: int = 0
    n_failed: int = 0
    n_failed_now: int = 0
    n_left: int = 0

    def add(self, chains: Sequence[Chain]) -> None:
        """Give it more to ask."""
        self.pending.extend(chains)
        self.n_samples += sum(map(len, chains))

    def take(self) -> Chain | None:
        """Take the next chain; None when there is none, or the model stopped."""
        return self.pending.popleft() if self.pending and self.stopped_by is None else None

    def ids(self, item: PlannedItem) -> tuple[int, int]:
        """The ledger's ids of an item: cell and planned sample."""
        return self.cell_ids[item.suite.name], self.planned_ids[item.draw_order]

    def known(self, item: PlannedItem) -> SampleOutcome | None:
        """What earlier sessions left of an item; None = nothing."""
        return self.outcomes.get(self.ids(item))

    def question(self, item: PlannedItem) -> Question:
        """Ask an item of this model."""
        cell_id, planned_id = self.ids(item)
        return question_for(self.run_id, self.options, item, self.model, cell_id=cell_id, planned_id=planned_id)

    def wordless(self, item: PlannedItem) -> Question:
        """The question of an item that cannot be put into words: who asks whom, and nothing else."""
        empty = dataclasses.replace(item.sample, input="", system=None)
        return self.question(dataclasses.replace(item, sample=empty))

    def stop(self, reason: HarnessError) -> None:
        """Ask this model nothing more; the first reason is kept."""
        self.stopped_by = self.stopped_by or reason
        self.sender.close()
