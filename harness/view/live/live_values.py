"""How a run stands at one moment: what its page shows, and programs are given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.ledger.records import RunStatus
from harness.reports.facts.report_facts import Spend
from harness.runner.forecast.bills import BillForecast
from harness.view.live.answer_pace import TimeLeft

Standing = Literal["under way", "waiting for a batch", "abandoned", "complete", "partial", "failed"]
"""`abandoned` = its status says that it is running, and no process works on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveTask:
    """How far a task is on one model."""

    task: str
    n_planned: int
    n_answered: int
    n_failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveCell:
    """How far a suite is on one model.

    Attributes:
        answers_per_minute: over the last minutes; None = none came.
        forecast: of its bill; None = none was made.
    """

    suite: str
    model: str
    spend: Spend
    n_retries: int
    tasks: Sequence[LiveTask]
    answers_per_minute: float | None
    time_left: TimeLeft | None
    forecast: BillForecast | None

    @property
    def n_planned(self) -> int:
        """Answers that it is asked for, as far as that is known."""
        return sum(task.n_planned for task in self.tasks)

    @property
    def n_answered(self) -> int:
        """Answers that came."""
        return sum(task.n_answered for task in self.tasks)

    @property
    def n_failed(self) -> int:
        """Answers whose last try failed."""
        return sum(task.n_failed for task in self.tasks)

    @property
    def n_left(self) -> int:
        """Answers that are still to come."""
        return self.n_planned - self.n_answered - self.n_failed


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveFailure:
    """A request that failed lately."""

    attempt_id: int
    at_us: int
    cell_id: int
    planned_id: int | None
    model: str
    sample: str
    try_number: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveBudget:
    """A budget that the run counts against, in picodollars; what is left may be below zero."""

    scope: str
    cap: int
    left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveBatches:
    """Batches of the run that lie at providers, and the requests in them."""

    n_batches: int = 0
    n_lines: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveState:
    """A run at one moment.

    Attributes:
        holder: the process that works on it; None = nobody does.
        as_of_us: when it was read.
        is_open_ended: waves draw more answers until a precision is reached.
        time_left: None = cannot be told.
        failures: the latest first.
    """

    run_id: str
    status: RunStatus
    holder: str | None
    created_at_us: int
    finished_at_us: int | None
    as_of_us: int
    is_open_ended: bool
    is_simulated: bool
    spend: Spend
    n_retries: int
    cells: Sequence[LiveCell]
    time_left: TimeLeft | None
    forecast: BillForecast | None
    budgets: Sequence[LiveBudget]
    batches: LiveBatches
    failures: Sequence[LiveFailure]

    @property
    def standing(self) -> Standing:
        """Where the run stands; it is under way only where a live process holds it."""
        if self.status != "running":
            return self.status
        if self.holder is None:
            return "abandoned"
        is_waiting = self.batches.n_lines and self.batches.n_lines >= self.spend.n_open_attempts > 0
        return "waiting for a batch" if is_waiting else "under way"

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes of it."""
        return self.status != "running"

    @property
    def n_settled(self) -> int:
        """Requests that have ended."""
        return self.spend.n_attempts - self.spend.n_open_attempts

    @property
    def n_planned(self) -> int:
        """Answers that all models are asked for, as far as that is known."""
        return sum(cell.n_planned for cell in self.cells)

    @property
    def n_answered(self) -> int:
        """Answers that came."""
        return sum(cell.n_answered for cell in self.cells)

    @property
    def n_failed(self) -> int:
        """Answers whose last try failed."""
        return sum(cell.n_failed for cell in self.cells)
