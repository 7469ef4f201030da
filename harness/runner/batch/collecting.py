"""Takes in what comes back from a batch: waits for its end, settles and scores each line, closes it.

Data flows batch at the provider -> its state, until it has ended -> results, read until none is missing or none will
come -> settled attempts and scores -> batch closed in the ledger. A line that is settled is never settled again.
"""

from __future__ import annotations

import asyncio

from harness.errors import ErrorClass, HarnessError, ProviderError
from harness.instants import to_us
from harness.ledger.batch_states import doubt_batch
from harness.providers.base import Response
from harness.providers.batch_api.batch_results import BatchResult, Trouble
from harness.providers.batch_api.batches import BatchHandle, BatchProgress, BatchProvider
from harness.runner.batch.batch_chains import BatchChains
from harness.runner.batch.batch_context import BatchContext, OutOfReachError
from harness.runner.batch.batch_lines import AT_ONCE, Line, OpenBatch, OpenChain, all_of
from harness.runner.batch.batch_reading import DETAIL_SEPARATOR, Reading, missing_result
from harness.runner.model_queues import ModelQueue
from harness.runner.requests.attempt_ends import Answer
from harness.runner.requests.policy import ACTIONS, Action
from harness.runner.traffic.limiter import SampleLeft

_SCORED_AT_ONCE = 32
_GONE = (404, 410)
_NOT_THERE = "the provider does not know the batch any more"
_NOT_THE_RESULTS = (
    ErrorClass.AUTHENTICATION,
    ErrorClass.QUOTA_EXHAUSTED,
    ErrorClass.RATE_LIMIT,
    ErrorClass.OVERLOADED,
)
"""What a provider answers about an account, whatever it is asked for."""


class BatchCollector:
    """Waits for the batches of one model and takes in their lines."""

    def __init__(self, queue: ModelQueue, provider: BatchProvider, work: BatchContext, chains: BatchChains) -> None:
        self._queue = queue
        self._provider = provider
        self._context = work
        self._chains = chains
        self._scoring = asyncio.Semaphore(_SCORED_AT_ONCE)

    async def collect(self, batch: OpenBatch) -> None:
        """Wait for a batch, settle and score its lines, close it."""
        progress = await self._ended(batch)
        if progress.status != "failed":
            await self._take_in(batch, progress)
            return
        failure = ProviderError(
            f"batch {batch.provider_batch_id} failed: {progress.detail}",
            error_class=ErrorClass.BAD_REQUEST,
            billed="no",
        )
        self._queue.stop(failure)
        await self._context.dismiss(self._queue, batch, failure, "failed")

    async def _ended(self, batch: OpenBatch) -> BatchProgress:
        """Look until the batch has ended, more and more rarely; one that is gone for good has ended as well."""
        handle, what, looks = _handle(self._provider, batch), f"the state of batch {batch.provider_batch_id}", 0
        while True:
            try:
                progress = await self._context.persistently(what, lambda: self._provider.poll(handle))
            except OutOfReachError as error:
                await self._give_up_or_stop(batch, error, is_broken=error.last.http_status in _GONE)
                return BatchProgress(status="ended", detail=_NOT_THERE)
            if progress.status != "in_progress":
                return progress
            await self._context.pause(self._context.waits.after(looks))
            looks += 1

    async def _give_up_or_stop(self, batch: OpenBatch, error: OutOfReachError, *, is_broken: bool) -> None:
        """Return where an earlier session could not have the same either; then it will not come any more.

        The first session that meets it leaves the batch in place and says what the next one does.

        Args:
            is_broken: the provider can be reached, so it is this batch that cannot be had.

        Raises:
            SampleLeft: a later session tries again.
        """
        if is_broken and batch.in_doubt:
            return
        if is_broken:
            await asyncio.to_thread(doubt_batch, self._context.ledger, batch.batch_id, error.message)
        self._queue.stop(_tried_once_more(error) if is_broken else error)
        raise SampleLeft from error

    async def _take_in(self, batch: OpenBatch, progress: BatchProgress) -> None:
        """Settle and score every line of a batch that has ended."""
        limiter = self._context.session.limiter
        limiter.unsettled += len(batch.chains)
        ended_us = self._ended_us(batch, progress)
        try:
            reading = await self._read(batch, progress, ended_us)
            missing = missing_result(progress, reading)
            said = self._tell(batch, reading, missing)
            is_lost = reading.is_empty and len(batch.chains) == len(batch.custom_ids) and missing.billed != "no"
            await all_of([self.take(batch, custom_id, missing, ended_us) for custom_id in list(batch.chains)])
        finally:
            limiter.unsettled -= len(batch.chains)
        await self._context.close(batch, "collected", DETAIL_SEPARATOR.join([progress.detail, *said]))
        if is_lost:
            self._queue.stop(_lost_whole(batch))
        if progress.detail == "cancelled" or batch.cancelled:
            self._queue.stop(
                HarnessError(
                    f"batch {batch.provider_batch_id} was cancelled at the provider",
                    fix="resume the run to hand over again what was not answered",
                )
            )

    def _ended_us(self, batch: OpenBatch, progress: BatchProgress) -> int | None:
        """When a batch ended; None where their clock and ours disagree: our own says when it was collected."""
        if progress.ended_at is None:
            return None
        ended_us = to_us(progress.ended_at)
        return ended_us if batch.submitted_at_us <= ended_us <= self._context.session.clocks.wall_us() else None

    def _tell(self, batch: OpenBatch, reading: Reading, missing: ProviderError) -> list[str]:
        """Say what was odd about the results."""
        said = reading.said()
        if batch.chains and missing.billed != "no":
            said.append(_possibly_billed(len(batch.chains)))
        if said:
            self._context.observer.notice(f"batch {batch.provider_batch_id}: {DETAIL_SEPARATOR.join(said)}")
        return said

    async def _read(self, batch: OpenBatch, progress: BatchProgress, ended_us: int | None) -> Reading:
        """Read the results; some times more where a line lacks one that may have been answered."""
        if progress.detail == _NOT_THERE:
            return _no_results(_NOT_THERE)
        what = f"the results of batch {batch.provider_batch_id}"
        for readings in range(self._context.waits.most_readings):
            try:
                reading = await self._context.persistently(what, lambda: self._read_once(batch, ended_us))
            except OutOfReachError as error:
                await self._give_up_or_stop(batch, error, is_broken=await self._is_broken(batch, error))
                return _no_results(error.last.message)
            if not batch.chains or missing_result(progress, reading).billed == "no":
                break
            if readings + 1 < self._context.waits.most_readings:
                await self._context.pause(self._context.waits.after(readings))
        return reading

    async def _is_broken(self, batch: OpenBatch, error: OutOfReachError) -> bool:
        """Whether it is the results that cannot be had, and not the provider."""
        if error.last.error_class in _NOT_THE_RESULTS:
            return False
        try:
            await self._provider.poll(_handle(self._provider, batch))
        except ProviderError:
            return False
        return True

    async def _read_once(self, batch: OpenBatch, ended_us: int | None) -> Reading:
        """Read the results once; lines that an earlier reading took are known no more and are passed over."""
        reading = Reading()
        tasks: list[asyncio.Task[None]] = []
        try:
            async for found in self._provider.collect(_handle(self._provider, batch)):
                if isinstance(found, Trouble):
                    reading.trouble(found)
                elif self._is_news(batch, reading, found):
                    batch.cancelled = batch.cancelled or found.early == "cancelled"
                    tasks.append(asyncio.create_task(self.take(batch, found.custom_id, found.outcome, ended_us)))
                    if len(tasks) % AT_ONCE == 0:
                        await asyncio.sleep(0)
        finally:
            await all_of(tasks)
        return reading

    @staticmethod
    def _is_news(batch: OpenBatch, reading: Reading, result: BatchResult) -> bool:
        """Whether a result is the first that was read for an unsettled line; notes what is odd about it."""
        if result.custom_id not in batch.custom_ids:
            reading.trouble(Trouble(place=result.place, reason="its custom_id belongs to no line of this batch"))
            return False
        if batch.digests.setdefault(result.custom_id, result.digest) != result.digest:
            reading.contradiction(result)
        if result.custom_id in reading.with_result:
            return False
        reading.result(result)
        return result.custom_id in batch.chains

    async def take(
        self, batch: OpenBatch, custom_id: str, outcome: Response | ProviderError, ended_us: int | None
    ) -> None:
        """Settle one line, then score its answer or decide whether it is asked again."""
        chain = batch.chains.pop(custom_id, None)
        if chain is None or (line := chain.line) is None or (attempt_id := line.attempt_id) is None:
            return
        try:
            outcome = await self._settle(line, attempt_id, outcome, ended_us)
        finally:
            self._context.session.limiter.unsettled -= 1
            self._context.session.limiter.wake()
        if isinstance(outcome, ProviderError):
            await self._again_or_never(chain, line, outcome)
            return
        answer = Answer(attempt_id=attempt_id, response=outcome)
        try:
            async with self._scoring:
                await self._context.samples.answered(self._queue, line.item, line.question, answer)
            await self._chains.finish_item(chain, outcome.text)
        except SampleLeft:
            return  # it is settled; a later session has it scored

    async def _settle(
        self, line: Line, attempt_id: int, outcome: Response | ProviderError, ended_us: int | None
    ) -> Response | ProviderError:
        """Store what became of a line; gives it back, or the failure that took its place."""
        sender = self._queue.sender
        if isinstance(outcome, Response):
            try:
                await sender.settle_answer(line.question, attempt_id, outcome, finished_at_us=ended_us)
            except HarnessError:
                raise
            except Exception as error:  # noqa: BLE001 - the boundary of one line: its neighbours are paid, too
                outcome = ProviderError(
                    f"the answer could not be kept: {type(error).__name__}: {error}"[:300],
                    error_class=ErrorClass.INTERNAL,
                )
            else:
                return outcome
        await sender.settle_failure(line.question, attempt_id, outcome, was_cancelled=False, finished_at_us=ended_us)
        return outcome

    async def _again_or_never(self, chain: OpenChain, line: Line, error: ProviderError) -> None:
        line.end_attempt(counts=True)
        action = ACTIONS[error.error_class]
        if action is Action.STOP_MODEL:
            self._queue.stop(error)
        elif action is Action.GIVE_UP or line.tries - line.uncounted >= self._context.session.options.max_attempts:
            self._context.samples.failed(self._queue, error)
            await self._chains.finish_item(chain, None)


def _possibly_billed(number: int) -> str:
    lines = "1 line has" if number == 1 else f"{number:,} lines have"
    return (
        f"{lines} no result that can be read: possibly billed, counted at the worst case, and asked again while"
        " attempts are left"
    )


def _no_results(why: str) -> Reading:
    reading = Reading()
    reading.trouble(Trouble(place="the file of results", reason=why, whole_file=True))
    return reading


def _tried_once_more(error: OutOfReachError) -> HarnessError:
    return HarnessError(
        error.message,
        fix="look at the batch at the provider and at --base-url, then resume the run, which tries once more; what"
        " cannot be had then either is given up: possibly billed, counted at the worst case, and asked again",
    )


def _lost_whole(batch: OpenBatch) -> HarnessError:
    """Buying a whole batch again is for a person to decide."""
    return HarnessError(
        f"batch {batch.provider_batch_id} ended and none of its {batch.n_lines:,} results is there: its lines are"
        " possibly billed, and count at their worst case",
        fix="look at the batch at the provider; resuming the run asks its lines again, as far as --max-attempts goes",
    )


def _handle(provider: BatchProvider, batch: OpenBatch) -> BatchHandle:
    assert batch.provider_batch_id is not None
    return BatchHandle(provider=provider.name, batch_id=batch.provider_batch_id, n_lines=batch.n_lines)
