"""Models that are asked nothing more: what one worker meets, all workers of the run know within a beat.

Data flows refused keys and failed samples here -> the ledger -> the queues of the other workers. A budget without room
is not passed on: each worker meets it by itself, and smaller requests of another one may still fit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from harness.errors import BudgetReached, HarnessError, ProviderError
from harness.ledger import Ledger
from harness.ledger.leases.chain_leases import failures
from harness.ledger.leases.lease_records import Beat, Stopped
from harness.ledger.leases.worker_rows import tell_stopped
from harness.models import ModelSpec
from harness.runner.failed_samples import HOPELESS, hopeless
from harness.runner.model_queues import ModelQueue


@dataclass(slots=True)
class Failing:
    """Models that never answered this worker, with their last failure.

    Attributes:
        hurry: called when a model may be hopeless, so that it is not waited for the next beat.
    """

    last: dict[ModelSpec, ProviderError] = field(default_factory=dict)
    hurry: Callable[[], None] = lambda: None

    def failed(self, queue: ModelQueue, error: ProviderError) -> None:
        """Remember a sample that failed for good."""
        self.last[queue.model.spec] = error
        if queue.n_failed_now >= HOPELESS:
            self.hurry()


class SharedStops:
    """What the workers of a run tell each other of their models."""

    def __init__(self, ledger: Ledger, worker_id: int, queues: Sequence[ModelQueue], failing: Failing) -> None:
        self._ledger = ledger
        self._worker_id = worker_id
        self._queues = queues
        self._failing = failing
        self._session_us = 0
        self._told: tuple[Stopped, ...] = ()

    def told(self) -> tuple[Stopped, ...]:
        """Models that were stopped, and why."""
        known = {one.model: one for one in self._told}
        return tuple(
            known.get(str(queue.model.spec)) or _stopped(queue, queue.stopped_by, self._session_us)
            for queue in self._queues
            if queue.stopped_by is not None
        )

    async def tell(self) -> None:
        """Tell the others and the driver what was stopped since they were told last."""
        stopped = self.told()
        if stopped != self._told:
            await asyncio.to_thread(tell_stopped, self._ledger, self._worker_id, stopped)
            self._told = stopped

    async def hear(self, heard: Beat) -> None:
        """Stop what others have stopped."""
        self._session_us = heard.session_us
        by_model = {one.model: one for one in heard.stopped if not one.is_budget}
        for queue in self._queues:
            if queue.stopped_by is None and (other := by_model.get(str(queue.model.spec))) is not None:
                queue.stop(HarnessError(other.message, where=other.where, fix=other.fix))
            elif queue.stopped_by is None and not queue.has_answered and queue.n_failed_now:
                await self._doubt(queue)

    async def _doubt(self, queue: ModelQueue) -> None:
        """Stop a model that failed every sample so far, with whichever worker."""
        n_failed = await asyncio.to_thread(failures, self._ledger, list(queue.cell_ids.values()))
        if n_failed is None:
            queue.has_answered = True
        elif (n_all := max(n_failed, queue.n_failed_now)) >= HOPELESS:
            queue.stop(hopeless(self._failing.last[queue.model.spec], n_all))


def _stopped(queue: ModelQueue, reason: HarnessError, session_us: int) -> Stopped:
    return Stopped(
        model=str(queue.model.spec),
        message=reason.message,
        is_budget=isinstance(reason, BudgetReached),
        where=reason.where,
        fix=reason.fix,
        session_us=session_us,
    )
