"""What all models of a batch run share: ledger, clocks, waits, and the patience to ask a provider again.

Data flows a question to the provider -> its answer, after as many failures as patience allows, or a stop of the model.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from harness.errors import ErrorClass, HarnessError, ProviderError
from harness.ledger import Ledger
from harness.ledger.batch_states import close_batch
from harness.ledger.records import BatchStatus
from harness.models import ModelSpec
from harness.runner.batch.batch_lines import OpenBatch, OpenChain, Waits, all_of
from harness.runner.model_queues import ModelQueue, RunObserver
from harness.runner.requests.policy import ACTIONS, Action
from harness.runner.requests.session_context import SessionContext
from harness.runner.sample_work import SampleWork
from harness.runner.traffic.limiter import SampleLeft

Sleep = Callable[[float], Awaitable[None]]
T = TypeVar("T")


class OutOfReachError(HarnessError):
    """A provider does not give what it is asked for, however often.

    Attributes:
        last: its last failure.
    """

    def __init__(self, what: str, last: ProviderError, failures: int) -> None:
        times = "" if failures == 1 else f", {failures} times in a row"
        super().__init__(
            f"{what} cannot be had{times}: {last.message}",
            fix="what was handed over stays at the provider and in the ledger; resume the run to collect it",
        )
        self.last = last


@dataclasses.dataclass(slots=True, kw_only=True)
class BatchContext:
    """What all models of a batch run share.

    Attributes:
        holders: models with reservations, or with earlier batches to look for: from them room may come back.
    """

    ledger: Ledger
    samples: SampleWork
    session: SessionContext
    observer: RunObserver
    waits: Waits
    sleep: Sleep = asyncio.sleep
    holders: set[ModelSpec] = dataclasses.field(default_factory=set)

    async def pause(self, seconds: float) -> None:
        """Wait.

        Raises:
            SampleLeft: the run is stopping; what is at the provider stays there.
        """
        sleeping = asyncio.ensure_future(self.sleep(seconds))
        stopped = asyncio.ensure_future(self.session.stopping.wait())
        try:
            await asyncio.wait({sleeping, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            stopped.cancel()
        if self.session.stopping.is_set():
            raise SampleLeft

    async def patiently(self, queue: ModelQueue, what: str, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask until the provider answers; a batch does not mind that we cannot reach it for a while.

        Args:
            what: what is asked for, as the subject of a sentence.

        Raises:
            SampleLeft: the run is stopping, the provider refuses for good, or patience is at its end; in the latter
                two cases the model is stopped, and a later session can ask again.
        """
        try:
            return await self.persistently(what, ask)
        except OutOfReachError as error:
            queue.stop(error)
            raise SampleLeft from error

    async def persistently(self, what: str, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask likewise.

        Raises:
            OutOfReachError: the provider refuses for good, or patience is at its end.
            SampleLeft: the run is stopping.
        """
        failures = 0
        while True:
            try:
                return await ask()
            except ProviderError as error:
                failures += 1
                again = ACTIONS[error.error_class] is Action.RETRY and failures <= self.waits.most_failures
                if not again:
                    raise OutOfReachError(what, error, failures) from error
                if failures == 1:
                    self.observer.notice(f"{what} cannot be had at the moment, trying again: {error.message}")
                await self.pause(self.waits.after_failure(failures - 1, asked_s=error.retry_after_s))

    async def dismiss(self, queue: ModelQueue, batch: OpenBatch, reason: ProviderError, status: BatchStatus) -> None:
        """Settle lines that no model has seen: they cost nothing, do not count as tries, and can be asked again."""
        await self.withdraw(queue, batch.chains, reason.message)
        await self.close(batch, status, reason.message)

    async def withdraw(self, queue: ModelQueue, chains: Mapping[str, OpenChain], why: str) -> None:
        """Settle reserved lines that never left."""
        never = ProviderError(why, error_class=ErrorClass.CONNECTION, billed="no")
        settles = []
        for chain in chains.values():
            if (line := chain.line) is not None and line.attempt_id is not None:
                settles.append(queue.sender.settle_failure(line.question, line.attempt_id, never, was_cancelled=True))
                line.end_attempt(counts=False)
        await all_of(settles)

    async def close(self, batch: OpenBatch, status: BatchStatus, detail: str) -> None:
        """Store that nothing more will come of a batch, and why."""
        closed_at_us = self.session.clocks.wall_us()
        await asyncio.to_thread(
            close_batch, self.ledger, batch.batch_id, status, closed_at_us=closed_at_us, detail=detail or None
        )
