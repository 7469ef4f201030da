"""Takes in what comes back from a batch: waits for its end, settles and scores each line, closes it.

Data flows batch at the provider -> its state, until it has ended -> results, read until none is missing or none will
come -> settled attempts and scores -> batch closed in the ledger. A line that is settled is never settled again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from harness.errors import ErrorClass, HarnessError, ProviderError
from harness.instants import to_us
from harness.ledger.batch_states import close_batch
from harness.ledger.records import BatchStatus
from harness.providers.base import Response
from harness.providers.batch_api.batch_results import BatchResult, Trouble
from harness.providers.batch_api.batches import BatchHandle, BatchProgress, BatchProvider
from harness.runner.batch.batch_chains import Chains
from harness.runner.batch.batch_lines import Flight, Line, Walk
from harness.runner.batch.batch_reading import DETAIL_SEPARATOR, Reading, missing_result
from harness.runner.batch.batch_work import AT_ONCE, BatchWork, all_of
from harness.runner.model_queues import ModelQueue
from harness.runner.policy import ACTIONS, Action

_GRADED_AT_ONCE = 32


class Intake:
    """Waits for the batches of one model and takes in their lines."""

    def __init__(self, queue: ModelQueue, provider: BatchProvider, work: BatchWork, chains: Chains) -> None:
        self._queue = queue
        self._provider = provider
        self._work = work
        self._chains = chains
        self._grading = asyncio.Semaphore(_GRADED_AT_ONCE)

    async def collect(self, flight: Flight) -> None:
        """Wait for a batch, settle and score its lines, close it."""
        progress = await self._ended(flight)
        if progress.status != "failed":
            await self._take_in(flight, progress)
            return
        failure = ProviderError(
            f"batch {flight.provider_batch_id} failed: {progress.detail}",
            error_class=ErrorClass.BAD_REQUEST,
            billed="no",
        )
        self._queue.stop(failure)
        await self.dismiss(flight, failure, "failed")

    async def _ended(self, flight: Flight) -> BatchProgress:
        """Look until the batch has ended, more and more rarely."""
        handle, what, looks = _handle(self._provider, flight), f"the state of batch {flight.provider_batch_id}", 0
        while True:
            progress = await self._work.patiently(self._queue, what, lambda: self._provider.poll(handle))
            if progress.status != "in_progress":
                return progress
            await self._work.pause(self._work.waits.after(looks))
            looks += 1

    async def _take_in(self, flight: Flight, progress: BatchProgress) -> None:
        """Settle and score every line of a batch that has ended."""
        self._work.traffic.unsettled += len(flight.walks)
        ended_us = None if progress.ended_at is None else to_us(progress.ended_at)
        if ended_us is not None and not flight.submitted_at_us <= ended_us <= self._work.wall_us():
            ended_us = None  # their clock and ours disagree: our own says when it was collected
        try:
            reading = await self._read(flight, progress, ended_us)
            said = reading.said()
            missing = missing_result(progress, reading)
            if flight.walks and missing.billed != "no":
                said.append(_possibly_billed(len(flight.walks)))
            if said:
                self._work.observer.notice(f"batch {flight.provider_batch_id}: {DETAIL_SEPARATOR.join(said)}")
            nothing_read = reading.is_empty and len(flight.walks) == len(flight.custom_ids)
            await all_of([self.take(flight, custom_id, missing, ended_us) for custom_id in list(flight.walks)])
        finally:
            self._work.traffic.unsettled -= len(flight.walks)
        await self.close(flight, "collected", DETAIL_SEPARATOR.join([progress.detail, *said]))
        if nothing_read and missing.billed != "no":
            self._queue.stop(_lost_whole(flight))
        if progress.detail == "cancelled" or flight.cancelled:
            self._queue.stop(
                HarnessError(
                    f"batch {flight.provider_batch_id} was cancelled at the provider",
                    fix="resume the run to hand over again what was not answered",
                )
            )

    async def _read(self, flight: Flight, progress: BatchProgress, ended_us: int | None) -> Reading:
        """Read the results; some times more where a line lacks one that may have been answered."""
        what = f"the results of batch {flight.provider_batch_id}"
        for readings in range(self._work.waits.most_readings):
            reading = await self._work.patiently(self._queue, what, lambda: self._read_once(flight, ended_us))
            if not flight.walks or missing_result(progress, reading).billed == "no":
                break
            if readings + 1 < self._work.waits.most_readings:
                await self._work.pause(self._work.waits.after(readings))
        return reading

    async def _read_once(self, flight: Flight, ended_us: int | None) -> Reading:
        """Read the results once; lines that an earlier reading took are known no more and are passed over."""
        reading = Reading()
        tasks: list[asyncio.Task[None]] = []
        try:
            async for found in self._provider.collect(_handle(self._provider, flight)):
                if isinstance(found, Trouble):
                    reading.trouble(found)
                elif self._is_news(flight, reading, found):
                    flight.cancelled = flight.cancelled or found.early == "cancelled"
                    tasks.append(asyncio.create_task(self.take(flight, found.custom_id, found.outcome, ended_us)))
                    if len(tasks) % AT_ONCE == 0:
                        await asyncio.sleep(0)
        finally:
            await all_of(tasks)
        return reading

    @staticmethod
    def _is_news(flight: Flight, reading: Reading, result: BatchResult) -> bool:
        """Whether a result is the first that was read for an unsettled line; notes what is odd about it."""
        if result.custom_id not in flight.custom_ids:
            reading.trouble(Trouble(place=result.place, reason="its custom_id belongs to no line of this batch"))
            return False
        if flight.digests.setdefault(result.custom_id, result.digest) != result.digest:
            reading.contradiction(result)
        if result.custom_id in reading.with_result:
            return False
        reading.result(result)
        return result.custom_id in flight.walks

    async def take(
        self, flight: Flight, custom_id: str, outcome: Response | ProviderError, ended_us: int | None
    ) -> None:
        """Settle one line, then score its answer or decide whether it is asked again."""
        walk = flight.walks.pop(custom_id, None)
        if walk is None or (line := walk.line) is None or (attempt_id := line.attempt_id) is None:
            return
        try:
            outcome = await self._settle(line, attempt_id, outcome, ended_us)
        finally:
            self._work.traffic.unsettled -= 1
            self._work.traffic.wake()
        if isinstance(outcome, ProviderError):
            await self._again_or_never(walk, line, outcome)
            return
        async with self._grading:
            await self._work.marking.answered(self._queue, line.item, line.question, attempt_id, outcome)
        await self._chains.finish_item(walk, outcome.text)

    async def _settle(
        self, line: Line, attempt_id: int, outcome: Response | ProviderError, ended_us: int | None
    ) -> Response | ProviderError:
        """Store what became of a line; gives it back, or the failure that took its place."""
        asker = self._queue.asker
        if isinstance(outcome, Response):
            try:
                await asker.settle_answer(line.question, attempt_id, outcome, finished_at_us=ended_us)
            except HarnessError:
                raise
            except Exception as error:  # noqa: BLE001 - the boundary of one line: its neighbours are paid, too
                outcome = ProviderError(
                    f"the answer could not be kept: {type(error).__name__}: {error}"[:300],
                    error_class=ErrorClass.INTERNAL,
                )
            else:
                return outcome
        await asker.settle_failure(line.question, attempt_id, outcome, was_cancelled=False, finished_at_us=ended_us)
        return outcome

    async def _again_or_never(self, walk: Walk, line: Line, error: ProviderError) -> None:
        line.end_attempt(counts=True)
        action = ACTIONS[error.error_class]
        if action is Action.STOP_MODEL:
            self._queue.stop(error)
        elif action is Action.GIVE_UP or line.tries - line.uncounted >= self._work.max_attempts:
            self._work.marking.failed(self._queue, error)
            await self._chains.finish_item(walk, None)

    async def dismiss(self, flight: Flight, reason: ProviderError, status: BatchStatus) -> None:
        """Settle lines that no model has seen: they cost nothing, do not count as tries, and can be asked again."""
        await self.withdraw(flight.walks, reason.message)
        await self.close(flight, status, reason.message)

    async def withdraw(self, walks: Mapping[str, Walk], why: str) -> None:
        """Settle reserved lines that never left."""
        never = ProviderError(why, error_class=ErrorClass.CONNECTION, billed="no")
        settles = []
        for walk in walks.values():
            if walk.line is not None and walk.line.attempt_id is not None:
                settles.append(
                    self._queue.asker.settle_failure(
                        walk.line.question, walk.line.attempt_id, never, was_cancelled=True
                    )
                )
                walk.line.end_attempt(counts=False)
        await all_of(settles)

    async def close(self, flight: Flight, status: BatchStatus, detail: str) -> None:
        """Store that nothing more will come of a batch, and why."""
        await asyncio.to_thread(
            close_batch,
            self._work.ledger,
            flight.batch_id,
            status,
            closed_at_us=self._work.wall_us(),
            detail=detail or None,
        )


def _possibly_billed(number: int) -> str:
    lines = "1 line has" if number == 1 else f"{number:,} lines have"
    return (
        f"{lines} no result that can be read: possibly billed, counted at the worst case, and asked again while"
        " attempts are left"
    )


def _lost_whole(flight: Flight) -> HarnessError:
    """Buying a whole batch again is for a person to decide."""
    return HarnessError(
        f"batch {flight.provider_batch_id} ended and none of its {flight.n_lines:,} results is there: its lines are"
        " possibly billed, and count at their worst case",
        fix="look at the batch at the provider; resuming the run asks its lines again, as far as --max-attempts goes",
    )


def _handle(provider: BatchProvider, flight: Flight) -> BatchHandle:
    assert flight.provider_batch_id is not None
    return BatchHandle(provider=provider.name, batch_id=flight.provider_batch_id, n_lines=flight.n_lines)
