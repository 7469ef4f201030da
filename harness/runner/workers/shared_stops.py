"""Models that are asked nothing more: what one worker meets, all workers of the run know within a beat.

Data flows refused keys and failed samples here -> the ledger -> the queues of the other workers. A budget without room
is not passed on: each worker meets it by itself, and smaller requests of another one may still fit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from harness.errors import BudgetReached, HarnessError, ProviderError
from harness.ledger import Ledger
from harness.ledger.leases.chain_leases import failures
from harness.ledger.leases.lease_records import Beat, Stopped, WorkerEnd
from harness.ledger.leases.worker_rows import tell
from harness.models import ModelSpec
from harness.runner.failed_samples import HOPELESS, hopeless
from harness.runner.model_queues import ModelQueue
from harness.runner.session_setup import SessionParts


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


_WORKS = "it works"


class SharedStops:
    """What a worker tells of itself and its models, and what it hears of others."""

    def __init__(self, ledger: Ledger, worker_id: int, parts: SessionParts, failing: Failing) -> None:
        self._ledger = ledger
        self._worker_id = worker_id
        self._queues = parts.queues
        self._reuse = parts.reuse
        self._expected = parts.context.expected
        self._failing = failing
        self._session_us = 0
        self._told = WorkerEnd(why=_WORKS)

    def facts(self, why: str) -> WorkerEnd:
        """What is to be told now."""
        known = {one.model: one for one in self._told.stopped}
        stopped = (
            known.get(str(queue.model.spec)) or _stopped(queue, queue.stopped_by, self._session_us)
            for queue in self._queues
            if queue.stopped_by is not None
        )
        return WorkerEnd(
            why=why,
            stopped=tuple(stopped),
            most_exposed_pico=0 if self._expected is None else self._expected.most_exposed_pico,
            n_reused=0 if self._reuse is None else self._reuse.count,
        )

    async def tell(self) -> None:
        """Tell the others and the driver what is new since they were told last."""
        told = self.facts(_WORKS)
        if told != self._told:
            await asyncio.to_thread(tell, self._ledger, self._worker_id, told)
            self._told = told

    async def hear(self, heard: Beat) -> None:
        """Stop what others have stopped."""
        self._session_us = heard.session_us
        by_model = {one.model: one for one in heard.stopped if not one.is_budget}
        for queue in self._queues:
            if queue.stopped_by is None and (other := by_model.get(str(queue.model.spec))) is not None:
                queue.stop(reason_of(other))
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
    reached = reason if isinstance(reason, BudgetReached) else None
    return Stopped(
        model=str(queue.model.spec),
        message=reason.message,
        is_budget=reached is not None,
        where=reason.where,
        fix=reason.fix,
        session_us=session_us,
        asked_pico_usd=None if reached is None else reached.asked_pico_usd,
        used_pico_usd=None if reached is None else reached.used_pico_usd,
    )


def reason_of(stopped: Stopped) -> HarnessError:
    """Why a model was stopped, as the worker that met it knows it."""
    if not stopped.is_budget:
        return HarnessError(stopped.message, where=stopped.where, fix=stopped.fix)
    return BudgetReached(
        stopped.message,
        where=stopped.where,
        fix=stopped.fix,
        asked_pico_usd=stopped.asked_pico_usd,
        used_pico_usd=stopped.used_pico_usd,
    )
