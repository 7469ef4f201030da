"""The desk of one model in batch mode: hands its questions over in batches, waits, settles and scores what comes back.

Data flows waiting lines -> reserved attempts -> batch in the ledger -> provider -> its id in the ledger -> results.
Each arrow is durable before the next: a process killed anywhere can be followed by one that hands nothing over twice.
"""

from __future__ import annotations

import asyncio
import dataclasses
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from harness.errors import BudgetReached, ErrorClass, HarnessError, ProviderError
from harness.ledger import Ledger
from harness.ledger.batches import add_batch, close_batch, name_batch, open_batches, open_lines
from harness.ledger.instants import to_us
from harness.ledger.records import AttemptStart, BatchRecord, BatchStatus, OpenLine
from harness.models import ModelSpec
from harness.prompts import with_earlier_answers
from harness.providers.base import Prepared, Response
from harness.providers.batch import BatchHandle, BatchLine, BatchProgress, BatchProvider
from harness.runner.attempts import LedgerWriter
from harness.runner.batch_lines import Flight, Line, Ready, Waits, Walk, grouped, surely_refused
from harness.runner.marking import Marking, ModelQueue, RunObserver
from harness.runner.policy import ACTIONS, Action
from harness.runner.traffic import SampleLeft, Traffic

Sleep = Callable[[float], Awaitable[None]]
T = TypeVar("T")

_AT_ONCE = 500
"""Rows that are put to the ledger's writer together."""
_GRADED_AT_ONCE = 32
_HAND_OVERS = 5


@dataclasses.dataclass(slots=True, kw_only=True)
class BatchWork:
    """What all models of a batch run share.

    Attributes:
        holders: models with reservations, or with earlier batches to look for: from them room may come back.
    """

    run_id: str
    ledger: Ledger
    writer: LedgerWriter
    marking: Marking
    traffic: Traffic
    observer: RunObserver
    wall_us: Callable[[], int]
    stopping: asyncio.Event
    max_attempts: int
    waits: Waits
    sleep: Sleep = asyncio.sleep
    holders: set[ModelSpec] = dataclasses.field(default_factory=set)

    async def pause(self, seconds: float) -> None:
        """Wait.

        Raises:
            SampleLeft: the run is stopping; what is at the provider stays there.
        """
        sleeping = asyncio.ensure_future(self.sleep(seconds))
        stopped = asyncio.ensure_future(self.stopping.wait())
        try:
            await asyncio.wait({sleeping, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            stopped.cancel()
        if self.stopping.is_set():
            raise SampleLeft


class Desk:
    """Hands over the questions of one model and takes in what comes back."""

    def __init__(self, queue: ModelQueue, provider: BatchProvider, work: BatchWork) -> None:
        self.queue = queue
        self._provider = provider
        self._work = work
        self._spec = queue.model.spec
        self._ledger = work.ledger
        self._walks = [Walk(chain=chain) for chain in queue.pending]
        self._flights: list[Flight] = []
        self._known_lines: dict[tuple[int, int], OpenLine] = {}
        self._grading = asyncio.Semaphore(_GRADED_AT_ONCE)

    @property
    def n_left(self) -> int:
        """Items without an answer so far."""
        return sum(walk.n_left for walk in self._walks)

    async def run(self) -> None:
        """Take up what an earlier process left at the provider, then go round until nothing waits."""
        try:
            self._work.holders.add(self._spec)
            await self._recover()
            if not self._flights:
                self._work.holders.discard(self._spec)
            while await self._round():
                pass
        except SampleLeft:
            return
        finally:
            self._work.holders.discard(self._spec)

    async def _round(self) -> bool:
        """Hand over what there is room for and take in what comes back; False when nothing more can be done."""
        others = self._work.holders - {self._spec}
        reached = await self._hand_over()
        flights, self._flights = self._flights, []
        await _all([self._collect(flight) for flight in flights])
        self._work.holders.discard(self._spec)
        if flights:
            return True
        if reached is None:
            return False
        if others or self._work.holders:  # another model's batch gives room back, or just did
            await self._work.pause(self._work.waits.first_s)
            return True
        self._stop(reached)
        return False

    def _stop(self, reason: HarnessError) -> None:
        self.queue.stopped_by = self.queue.stopped_by or reason

    @property
    def _stopped(self) -> bool:
        return self.queue.stopped_by is not None or self._work.stopping.is_set()

    # what is asked next

    async def _advance(self, walk: Walk) -> None:
        """Go to the next item of a chain that needs a request, finishing those that need none."""
        while walk.position < len(walk.chain):
            planned = walk.chain[walk.position]
            sample = with_earlier_answers(planned.sample, walk.answers)
            item = planned if sample is planned.sample else dataclasses.replace(planned, sample=sample)
            question = self.queue.question(item)
            key = (question.cell_id, question.planned_id)
            known = self.queue.outcomes.get(key)
            walk.line = Line(item=item, question=question)
            if known is not None:
                walk.line.tries, walk.line.uncounted = known.last_try_number, known.n_cancelled
            if (line := self._known_lines.pop(key, None)) is not None:
                walk.line.tries = line.try_number - 1
                walk.line.attempt_id, walk.line.batch_id = line.attempt_id, line.batch_id
                return
            finished = await self._work.marking.without_asking(self.queue, item, question, known)
            if finished is None:
                return
            self._step(walk, finished.text)

    def _step(self, walk: Walk, text: str | None) -> None:
        walk.answers[walk.chain[walk.position].sample.sample_id] = text
        walk.position += 1
        walk.line = None

    # handing over

    async def _hand_over(self) -> BudgetReached | None:
        """Reserve and submit what waits, in draw order, batch by batch; returns the budget that had no room for all."""
        if self._stopped:
            return None
        for group in grouped(self._ready(), max_lines=self._provider.max_lines, max_bytes=self._provider.max_bytes):
            reached = await self._reserve(group)
            taken = [each for each in group if each[1].attempt_id is not None]
            if taken:
                await self._submit(taken)
            if reached is not None or self._stopped:
                return reached
        return None

    def _ready(self) -> list[Ready]:
        return [
            (walk, walk.line, self.queue.asker.prepare(walk.line.question, walk.line.tries + 1))
            for walk in self._walks
            if walk.line is not None and walk.line.attempt_id is None
        ]

    async def _reserve(self, group: Sequence[Ready]) -> BudgetReached | None:
        """Write a row for each line with its worst case, as far as the budgets go; never past one that has no room."""
        for first in range(0, len(group), _AT_ONCE):
            chunk = group[first : first + _AT_ONCE]
            starts = [(line, self._start(line, prepared)) for _, line, prepared in chunk]
            try:
                if await asyncio.to_thread(self._fits, [start for _, start in starts]):
                    await _all([self._send(line, start) for line, start in starts])
                else:
                    for line, start in starts:
                        await self._send(line, start)
            except BudgetReached as reached:
                return reached
        return None

    def _start(self, line: Line, prepared: Prepared) -> AttemptStart:
        return self.queue.asker.start(line.question, prepared, try_number=line.tries + 1, retry_of=line.retry_of)

    async def _send(self, line: Line, start: AttemptStart) -> None:
        line.attempt_id = await self._work.writer.send(start)
        self._work.holders.add(self._spec)
        self.queue.asker.note_sent(line.question, start, line.attempt_id)

    def _fits(self, starts: Sequence[AttemptStart]) -> bool:
        budgets = self._ledger.budgets({scope for start in starts for scope in start.budget_scopes})
        asked = sum(start.reserved_pico_usd for start in starts)
        return all(left is None or asked <= left for left in (budget.left_pico_usd for budget in budgets.values()))

    async def _submit(self, taken: Sequence[Ready]) -> None:
        """Store the batch and its lines, then hand it over."""
        spec = self._spec
        record = BatchRecord(
            run_id=self._work.run_id,
            provider=spec.provider,
            model=spec.model,
            setting=spec.setting,
            submission_key=secrets.token_hex(16),
            n_lines=len(taken),
            created_at_us=self._work.wall_us(),
        )
        ids = [line.attempt_id for _, line, _ in taken if line.attempt_id is not None]
        batch_id = await asyncio.to_thread(add_batch, self._ledger, record, ids)
        walks = {line.custom_id: walk for walk, line, _ in taken}
        flight = Flight(batch_id=batch_id, key=record.submission_key, n_lines=len(taken), walks=walks)
        lines = [BatchLine(custom_id=line.custom_id, prepared=prepared) for _, line, prepared in taken]
        for failures in range(_HAND_OVERS):
            try:
                handle = await self._provider.submit(lines, key=flight.key)
            except ProviderError as error:
                found = await self._after_failed_submit(flight, error, last=failures == _HAND_OVERS - 1)
                if found is None and self.queue.stopped_by is not None:
                    return
                if found is None:
                    await self._pause_or_dismiss(flight, error, failures)
                    continue
                handle = found
            await self._named(flight, handle)
            return

    async def _after_failed_submit(self, flight: Flight, error: ProviderError, *, last: bool) -> BatchHandle | None:
        """Find out what became of a hand-over that failed; None = hand it over again, unless the model was stopped."""
        spec = self._spec
        if not surely_refused(error):
            if not self._provider.keeps_names:
                self._stop(
                    ProviderError(
                        f"{len(flight.walks)} lines of {spec} were handed over and no answer came ({error.message});"
                        " they are possibly billed, and resuming the run asks them again",
                        error_class=error.error_class,
                    )
                )
                return None
            await self._work.pause(self._work.waits.doubt_s)
            found = await self._found(flight)
            if found is not None:
                return found
        if last or ACTIONS[error.error_class] is not Action.RETRY:
            self._stop(error)
            await self._dismiss(flight, error, "not_submitted")
        return None

    async def _pause_or_dismiss(self, flight: Flight, error: ProviderError, failures: int) -> None:
        """Wait before a refused batch is handed over again; where the run stops instead, its lines never left."""
        try:
            await self._work.pause(error.retry_after_s or self._work.waits.after(failures))
        except SampleLeft:
            await self._dismiss(flight, error, "not_submitted")
            raise

    async def _found(self, flight: Flight) -> BatchHandle | None:
        return await self._patiently(lambda: self._provider.find(flight.key))

    async def _named(self, flight: Flight, handle: BatchHandle) -> None:
        flight.provider_batch_id, flight.submitted_at_us = handle.batch_id, self._work.wall_us()
        await asyncio.to_thread(
            name_batch, self._ledger, flight.batch_id, handle.batch_id, submitted_at_us=flight.submitted_at_us
        )
        self._flights.append(flight)
        self._work.observer.notice(
            f"batch {handle.batch_id}: {flight.n_lines:,} lines of {self._spec} are at the provider"
        )

    # after a restart

    async def _recover(self) -> None:
        """Take up the batches that an earlier process left; settle lines that never left."""
        run_id, spec = self._work.run_id, self._spec
        lines = await asyncio.to_thread(open_lines, self._ledger, run_id)
        self._known_lines = {(line.cell_id, line.planned_id): line for line in lines}
        for first in range(0, len(self._walks), _AT_ONCE):
            await _all([self._advance(walk) for walk in self._walks[first : first + _AT_ONCE]])
        by_batch: dict[int | None, dict[str, Walk]] = {}
        for walk in self._walks:
            if walk.line is not None and walk.line.attempt_id is not None:
                by_batch.setdefault(walk.line.batch_id, {})[walk.line.custom_id] = walk
        await self._withdraw(by_batch.pop(None, {}), "the process ended before it was handed over")
        for record in await asyncio.to_thread(open_batches, self._ledger, run_id):
            if (record.provider, record.model, record.setting) == (spec.provider, spec.model, spec.setting):
                assert record.batch_id is not None
                flight = Flight(
                    batch_id=record.batch_id,
                    key=record.submission_key,
                    n_lines=record.n_lines,
                    walks=by_batch.get(record.batch_id, {}),
                    provider_batch_id=record.provider_batch_id,
                    submitted_at_us=record.submitted_at_us or 0,
                )
                if record.status == "submitted":
                    self._flights.append(flight)
                else:
                    await self._resolve(flight, record.created_at_us)

    async def _resolve(self, flight: Flight, created_at_us: int) -> None:
        """Find out what became of a batch whose id was never stored."""
        if not self._provider.keeps_names:
            await self._lose(flight)
            return
        handle = await self._found(flight)
        doubt_s = self._work.waits.doubt_s - (self._work.wall_us() - created_at_us) / 1e6
        if handle is None and doubt_s > 0:
            await self._work.pause(doubt_s)
            handle = await self._found(flight)
        if handle is not None:
            await self._named(flight, handle)
            return
        never = ProviderError("it never arrived at the provider", error_class=ErrorClass.CONNECTION, billed="no")
        await self._dismiss(flight, never, "not_submitted")

    async def _lose(self, flight: Flight) -> None:
        """Give up on lines that may be at a provider which cannot be asked for them, and say so."""
        if flight.walks:
            self._work.observer.notice(
                f"{len(flight.walks):,} lines of {self._spec} were handed over and the process ended before"
                " the id of their batch was stored: they are possibly billed, count at their worst case, and are asked"
                " again"
            )
        error = ProviderError(
            "the process ended before the batch's id was stored", error_class=ErrorClass.CONNECTION, billed="unknown"
        )
        self._work.traffic.unsettled += len(flight.walks)
        await _all([self._take(flight, custom_id, error, None) for custom_id in list(flight.walks)])
        await self._close(flight, "lost", error.message)

    # waiting and collecting

    async def _collect(self, flight: Flight) -> None:
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
        self._stop(failure)
        await self._dismiss(flight, failure, "failed")

    async def _ended(self, flight: Flight) -> BatchProgress:
        """Look until the batch has ended, more and more rarely."""
        handle, looks = _handle(self._provider, flight), 0
        while (progress := await self._patiently(lambda: self._provider.poll(handle))).status == "in_progress":
            await self._work.pause(self._work.waits.after(looks))
            looks += 1
        return progress

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask until the provider answers; a batch does not mind that we cannot reach it for a while.

        Raises:
            SampleLeft: the run is stopping, or the provider refuses for good (then the model is stopped).
        """
        failures = 0
        while True:
            try:
                return await ask()
            except ProviderError as error:
                failures += 1
                if ACTIONS[error.error_class] is not Action.RETRY or failures > self._work.waits.most_failures:
                    self._stop(error)
                    raise SampleLeft from error
                await self._work.pause(error.retry_after_s or self._work.waits.after(failures - 1))

    async def _take_in(self, flight: Flight, progress: BatchProgress) -> None:
        """Settle and score every line of a batch that has ended."""
        self._work.traffic.unsettled += len(flight.walks)
        ended_us = None if progress.ended_at is None else to_us(progress.ended_at)
        if ended_us is not None and not flight.submitted_at_us <= ended_us <= self._work.wall_us():
            ended_us = None  # their clock and ours disagree: our own says when it was collected
        cancelled = progress.detail == "cancelled"
        try:
            await self._patiently(lambda: self._read_results(flight, ended_us))
            early = cancelled or progress.detail == "expired"
            missing = ProviderError(
                f"batch {progress.detail or 'ended'}: no result for this line",
                error_class=ErrorClass.TIMEOUT,
                billed="no" if early else "unknown",
            )
            await _all([self._take(flight, custom_id, missing, ended_us) for custom_id in list(flight.walks)])
        finally:
            self._work.traffic.unsettled -= len(flight.walks)
        await self._close(flight, "collected", progress.detail)
        if cancelled or flight.cancelled:
            self._stop(
                HarnessError(
                    f"batch {flight.provider_batch_id} was cancelled at the provider",
                    fix="resume the run to hand over again what was not answered",
                )
            )

    async def _read_results(self, flight: Flight, ended_us: int | None) -> None:
        """Read the results once; lines that an earlier reading took are known no more and are passed over."""
        tasks: list[asyncio.Task[None]] = []
        try:
            async for result in self._provider.collect(_handle(self._provider, flight)):
                if result.custom_id in flight.walks:
                    taking = self._take(flight, result.custom_id, result.outcome, ended_us)
                    tasks.append(asyncio.create_task(taking))
                    if len(tasks) % _AT_ONCE == 0:
                        await asyncio.sleep(0)
        finally:
            await _all(tasks)

    async def _take(
        self, flight: Flight, custom_id: str, outcome: Response | ProviderError, ended_us: int | None
    ) -> None:
        """Settle one line, then score its answer or decide whether it is asked again."""
        walk = flight.walks.get(custom_id)
        if walk is None or (line := walk.line) is None or (attempt_id := line.attempt_id) is None:
            return  # a second result for the same line
        asker = self.queue.asker
        del flight.walks[custom_id]
        try:
            if isinstance(outcome, Response):
                await asker.settle_answer(line.question, attempt_id, outcome, finished_at_us=ended_us)
            else:
                await asker.settle_failure(
                    line.question, attempt_id, outcome, was_cancelled=False, finished_at_us=ended_us
                )
        finally:
            self._landed()
        if isinstance(outcome, Response):
            async with self._grading:
                await self._work.marking.answered(self.queue, line.item, line.question, attempt_id, outcome)
            self._step(walk, outcome.text)
            await self._advance(walk)
            return
        flight.cancelled = flight.cancelled or outcome.message.startswith("batch_cancel")
        await self._again_or_never(walk, line, outcome)

    def _landed(self) -> None:
        self._work.traffic.unsettled -= 1
        self._work.traffic.wake()

    async def _again_or_never(self, walk: Walk, line: Line, error: ProviderError) -> None:
        line.end_attempt(counts=True)
        action = ACTIONS[error.error_class]
        if action is Action.STOP_MODEL:
            self._stop(error)
        elif action is Action.GIVE_UP or line.tries - line.uncounted >= self._work.max_attempts:
            self._work.marking.failed(self.queue)
            self._step(walk, None)
            await self._advance(walk)

    async def _dismiss(self, flight: Flight, reason: ProviderError, status: BatchStatus) -> None:
        """Settle lines that no model has seen: they cost nothing, do not count as tries, and can be asked again."""
        await self._withdraw(flight.walks, reason.message)
        await self._close(flight, status, reason.message)

    async def _withdraw(self, walks: dict[str, Walk], why: str) -> None:
        never = ProviderError(why, error_class=ErrorClass.CONNECTION, billed="no")
        settles = []
        for walk in walks.values():
            if walk.line is not None and walk.line.attempt_id is not None:
                settles.append(
                    self.queue.asker.settle_failure(walk.line.question, walk.line.attempt_id, never, was_cancelled=True)
                )
                walk.line.end_attempt(counts=False)
        await _all(settles)

    async def _close(self, flight: Flight, status: BatchStatus, detail: str) -> None:
        await asyncio.to_thread(
            close_batch, self._ledger, flight.batch_id, status, closed_at_us=self._work.wall_us(), detail=detail or None
        )


def _handle(provider: BatchProvider, flight: Flight) -> BatchHandle:
    assert flight.provider_batch_id is not None
    return BatchHandle(provider=provider.name, batch_id=flight.provider_batch_id, n_lines=flight.n_lines)


async def _all(work: Sequence[Awaitable[Any]]) -> None:
    """Await all of them to the end, then raise the first failure."""
    for ended in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(ended, BaseException):
            raise ended
