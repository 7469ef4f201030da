"""Hands the waiting lines of one model over in batches, and finds out what became of a hand-over without an answer.

Data flows waiting lines -> reserved attempts -> batch in the ledger -> provider -> its id in the ledger. Each arrow is
durable before the next: a process killed anywhere can be followed by one that hands nothing over twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from harness.errors import BudgetReached, ProviderError
from harness.ledger.batch_states import add_batch, name_batch
from harness.ledger.records import AttemptStart, BatchRecord
from harness.providers.base import Prepared
from harness.providers.batch_api.batches import BatchHandle, BatchLine, BatchProvider, SoughtBatch, new_key
from harness.runner.batch.batch_chains import BatchChains
from harness.runner.batch.batch_context import BatchContext
from harness.runner.batch.batch_lines import AT_ONCE, Line, OpenBatch, Ready, all_of, grouped, surely_refused
from harness.runner.model_queues import ModelQueue
from harness.runner.requests.policy import ACTIONS, Action
from harness.runner.traffic.limiter import SampleLeft

_HAND_OVERS = 5


class HandOver:
    """Reserves and submits the lines of one model."""

    def __init__(
        self,
        queue: ModelQueue,
        provider: BatchProvider,
        chains: BatchChains,
        context: BatchContext,
    ) -> None:
        self._queue = queue
        self._provider = provider
        self._chains = chains
        self._context = context
        self._spec = queue.model.spec

    async def hand_over(self) -> tuple[list[OpenBatch], BudgetReached | None]:
        """Reserve and submit what waits, in draw order, batch by batch.

        Returns:
            the batches that are at the provider now, and the budget that had no room for all that waits.
        """
        batches: list[OpenBatch] = []
        if self._stopped:
            return batches, None
        ready = await self._chains.ready()
        for group in grouped(ready, max_lines=self._provider.max_lines, max_bytes=self._provider.max_bytes):
            reached = await self._reserve(group)
            taken = [each for each in group if each[1].attempt_id is not None]
            if taken and (batch := await self._submit(taken)) is not None:
                batches.append(batch)
            if reached is not None or self._stopped:
                return batches, reached
        return batches, None

    async def _reserve(self, group: Sequence[Ready]) -> BudgetReached | None:
        """Write a row for each line with its worst case, as far as the budgets go; never past one that has no room."""
        for first in range(0, len(group), AT_ONCE):
            chunk = group[first : first + AT_ONCE]
            starts = [(line, self._start(line, prepared)) for _, line, prepared in chunk]
            try:
                if await asyncio.to_thread(self._fits, [start for _, start in starts]):
                    await all_of([self._send(line, start) for line, start in starts])
                else:
                    for line, start in starts:
                        await self._send(line, start)
            except BudgetReached as reached:
                return reached
        return None

    def _start(self, line: Line, prepared: Prepared) -> AttemptStart:
        return self._queue.sender.start(line.question, prepared, try_number=line.tries + 1, retry_of=line.retry_of)

    async def _send(self, line: Line, start: AttemptStart) -> None:
        line.attempt_id = await self._context.session.writer.send(start)
        self._context.holders.add(self._spec)
        self._queue.sender.note_sent(line.question, start, line.attempt_id)

    def _fits(self, starts: Sequence[AttemptStart]) -> bool:
        budgets = self._context.ledger.budgets({scope for start in starts for scope in start.budget_scopes})
        asked = sum(start.reserved_pico_usd for start in starts)
        return all(left is None or asked <= left for left in (budget.left_pico_usd for budget in budgets.values()))

    async def _submit(self, taken: Sequence[Ready]) -> OpenBatch | None:
        """Store the batch and its lines, then hand it over; None = it did not get there, or nobody knows."""
        spec = self._spec
        record = BatchRecord(
            run_id=self._context.session.run_id,
            provider=spec.provider,
            model=spec.model,
            setting=spec.setting,
            submission_key=new_key(),
            n_lines=len(taken),
            created_at_us=self._context.session.clocks.wall_us(),
        )
        ids = [line.attempt_id for _, line, _ in taken if line.attempt_id is not None]
        batch_id = await asyncio.to_thread(add_batch, self._context.ledger, record, ids)
        chains = {line.custom_id: chain for chain, line, _ in taken}
        batch = OpenBatch(
            batch_id=batch_id,
            key=record.submission_key,
            n_lines=len(taken),
            created_at_us=record.created_at_us,
            chains=chains,
            custom_ids=frozenset(chains),
        )
        lines = [BatchLine(custom_id=line.custom_id, prepared=prepared) for _, line, prepared in taken]
        for failures in range(_HAND_OVERS):
            try:
                handle = await self._provider.submit(lines, key=batch.key)
            except ProviderError as error:
                found = await self._after_failed_submit(batch, error, last=failures == _HAND_OVERS - 1)
                if found is None and self._queue.stopped_by is not None:
                    return None
                if found is None:
                    await self._pause_or_dismiss(batch, error, failures)
                    continue
                handle = found
            await self.name(batch, handle)
            return batch
        return None

    async def _after_failed_submit(self, batch: OpenBatch, error: ProviderError, *, last: bool) -> BatchHandle | None:
        """Find out what became of a hand-over that failed; None = hand it over again, unless the model was stopped."""
        if not surely_refused(error):
            found = await self.find(batch, self._context.waits.doubt_s)
            if found is not None:
                return found
        if last or ACTIONS[error.error_class] is not Action.RETRY:
            self._queue.stop(error)
            await self._context.dismiss(self._queue, batch, error, "not_submitted")
        return None

    async def _pause_or_dismiss(self, batch: OpenBatch, error: ProviderError, failures: int) -> None:
        """Wait before a refused batch is handed over again; where the run stops instead, its lines never left."""
        try:
            await self._context.pause(self._context.waits.after_failure(failures, asked_s=error.retry_after_s))
        except SampleLeft:
            await self._context.dismiss(self._queue, batch, error, "not_submitted")
            raise

    async def find(self, batch: OpenBatch, doubt_s: float) -> BatchHandle | None:
        """Look for a batch by its name; None = not listed when `doubt_s` were over, so it never arrived.

        Where only a batch that has ended can be told from others, it waits until those have that may be the one.
        """
        what, looks, left_s = f"the list of batches that may hold {self._lines_of(batch)}", 0, max(0.0, doubt_s)
        sought = SoughtBatch(key=batch.key, n_lines=batch.n_lines, since=batch.since)
        was_open = False
        while True:
            found = await self._context.patiently(self._queue, what, lambda: self._provider.find(sought))
            if found.handle is not None or (left_s <= 0 and not found.is_open):
                return found.handle
            if found.is_open and not was_open:
                was_open = True
                self._context.observer.notice(
                    f"{self._lines_of(batch)} may be in a batch that has not ended: waiting to see whether they are"
                )
            wait_s = self._context.waits.after(looks)
            if not found.is_open:
                wait_s = min(left_s, wait_s)
            await self._context.pause(wait_s)
            left_s, looks = left_s - wait_s, looks + 1

    def _lines_of(self, batch: OpenBatch) -> str:
        return f"{batch.n_lines:,} lines of {self._spec}"

    async def name(self, batch: OpenBatch, handle: BatchHandle) -> None:
        """Store the id that the provider gave: from now on any process can collect the batch."""
        batch.provider_batch_id, batch.submitted_at_us = handle.batch_id, self._context.session.clocks.wall_us()
        await asyncio.to_thread(
            name_batch, self._context.ledger, batch.batch_id, handle.batch_id, submitted_at_us=batch.submitted_at_us
        )
        self._context.observer.notice(f"batch {handle.batch_id}: {self._lines_of(batch)} are at the provider")

    @property
    def _stopped(self) -> bool:
        return self._queue.stopped_by is not None or self._context.session.stopping.is_set()
