"""Batch mode of a run: each model in its own batches, until nothing is left to ask or something stops them.

Data flows queues + batch interfaces -> `ModelBatches` -> attempts and scores in the ledger; a stop leaves batches where
they are.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence

from harness.errors import ErrorClass, ProviderError
from harness.ledger import Ledger
from harness.ledger.batch_states import attempts_in, is_in_doubt, open_batches, open_lines, stored_batches
from harness.ledger.records import BatchRecord
from harness.providers.batch_api.batches import BatchProvider
from harness.runner.batch.batch_chains import BatchChains
from harness.runner.batch.batch_context import BatchContext
from harness.runner.batch.batch_lines import OpenBatch, OpenChain, all_of, custom_id_of
from harness.runner.batch.batch_only import BatchOnly
from harness.runner.batch.batch_reading import DETAIL_SEPARATOR
from harness.runner.batch.collecting import BatchCollector
from harness.runner.batch.hand_over import HandOver
from harness.runner.model_queues import ModelQueue
from harness.runner.plan import PreparedRun
from harness.runner.traffic.limiter import SampleLeft
from harness.runner.wave_loop import WavePlanner, ask_in_waves


class ModelBatches:
    """Asks the questions of one model in batches."""

    def __init__(self, queue: ModelQueue, provider: BatchProvider, context: BatchContext) -> None:
        self.queue = queue
        self._provider = provider
        self._context = context
        self._spec = queue.model.spec
        self._chains = BatchChains(queue, context.samples)
        self._collector = BatchCollector(queue, provider, context, self._chains)
        self._hand_over = HandOver(queue, provider, self._chains, context)
        self._batches: list[OpenBatch] = []
        self._is_begun = False

    async def run(self) -> None:
        """Take what the queue holds, and at first what an earlier process left; go round until nothing waits."""
        try:
            if self._is_begun:
                await self._chains.take()
            else:
                await self._begin()
            while await self._round():
                pass
        except SampleLeft:
            return
        finally:
            self._context.holders.discard(self._spec)

    async def _begin(self) -> None:
        self._is_begun = True
        self._context.holders.add(self._spec)
        await self._recover()
        if not self._batches:
            self._context.holders.discard(self._spec)

    async def _round(self) -> bool:
        """Hand over what there is room for and take in what comes back; False when nothing more can be done."""
        others = self._context.holders - {self._spec}
        handed_over, reached = await self._hand_over.hand_over()
        batches, self._batches = [*self._batches, *handed_over], []
        await all_of([self._collector.collect(batch) for batch in batches])
        self._context.holders.discard(self._spec)
        if batches:
            return True
        if reached is None:
            return False
        if others or self._context.holders:  # another model's batch gives room back, or just did
            await self._context.pause(self._context.waits.first_s)
            return True
        self.queue.stop(reached)
        return False

    # after a restart

    async def _recover(self) -> None:
        """Take up the batches that an earlier process left; settle lines that never left."""
        run_id, spec = self._context.session.run_id, self._spec
        await self._chains.take(await asyncio.to_thread(open_lines, self._context.ledger, run_id))
        by_batch: dict[int | None, dict[str, OpenChain]] = {}
        for chain in self._chains.open:
            if chain.line is not None and chain.line.attempt_id is not None:
                by_batch.setdefault(chain.line.batch_id, {})[chain.line.custom_id] = chain
        await self._context.withdraw(self.queue, by_batch.pop(None, {}), "the process ended before it was handed over")
        for record in await asyncio.to_thread(open_batches, self._context.ledger, run_id):
            if (record.provider, record.model, record.setting) == (spec.provider, spec.model, spec.setting):
                batch = await self._taken_up(record, by_batch.get(record.batch_id, {}))
                if record.status == "submitted":
                    self._batches.append(batch)
                else:
                    await self._resolve(batch)

    async def _taken_up(self, record: BatchRecord, chains: dict[str, OpenChain]) -> OpenBatch:
        assert record.batch_id is not None
        attempt_ids = await asyncio.to_thread(attempts_in, self._context.ledger, record.batch_id)
        return OpenBatch(
            batch_id=record.batch_id,
            key=record.submission_key,
            n_lines=record.n_lines,
            created_at_us=record.created_at_us,
            chains=chains,
            custom_ids=frozenset(map(custom_id_of, attempt_ids)),
            provider_batch_id=record.provider_batch_id,
            submitted_at_us=record.submitted_at_us or 0,
            in_doubt=is_in_doubt(record),
        )

    async def _resolve(self, batch: OpenBatch) -> None:
        """Find out what became of a batch whose id was never stored."""
        if not self._provider.finds(batch.key):
            await self._lose(batch)
            return
        age_s = max(0.0, (self._context.session.clocks.wall_us() - batch.created_at_us) / 1e6)
        handle = await self._hand_over.find(batch, self._context.waits.doubt_s - age_s)
        if handle is not None:
            await self._hand_over.name(batch, handle)
            self._batches.append(batch)
            return
        never = ProviderError("it never arrived at the provider", error_class=ErrorClass.CONNECTION, billed="no")
        await self._context.dismiss(self.queue, batch, never, "not_submitted")

    async def _lose(self, batch: OpenBatch) -> None:
        """Give up on lines that may be at a provider which cannot be asked for them, and say so."""
        if batch.chains:
            self._context.observer.notice(
                f"{len(batch.chains):,} lines of {self._spec} were handed over and the process ended before"
                " the id of their batch was stored: they are possibly billed, count at their worst case, and are asked"
                " again"
            )
        error = ProviderError(
            "the process ended before the batch's id was stored", error_class=ErrorClass.CONNECTION, billed="unknown"
        )
        self._context.session.limiter.unsettled += len(batch.chains)
        await all_of([self._collector.take(batch, custom_id, error, None) for custom_id in list(batch.chains)])
        await self._context.close(batch, "lost", error.message)


class BatchSession:
    """Drives all models of a run, each in its own batches, until nothing is left to ask or something stops it."""

    def __init__(self, queues: Sequence[ModelQueue], planner: WavePlanner, context: BatchContext) -> None:
        self._queues = queues
        self._planner = planner
        self._models = [ModelBatches(queue, _batches_of(queue), context) for queue in queues]
        self._stopping = context.session.stopping
        self._observer = context.observer
        self._tasks: list[asyncio.Task[None]] = []
        self.interrupted = False

    async def run(self) -> None:
        """Hand over, wait and collect; raises what broke the ledger or the program itself, after draining."""
        await ask_in_waves(self._planner, self._queues, self._ask, observer=self._observer, stopping=self._stopping)

    async def _ask(self) -> None:
        """Have what the queues hold asked, each model in its own batches."""
        self._tasks = [asyncio.create_task(model.run()) for model in self._models]
        for task in self._tasks:
            task.add_done_callback(self._ended)
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        for found in ended:
            if isinstance(found, Exception):
                raise found

    def interrupt(self) -> None:
        """First call: hand nothing more over and stop waiting. Second call: leave even what is being collected."""
        if self.interrupted:
            for task in self._tasks:
                task.cancel()
            return
        self.interrupted = True
        self._stopping.set()
        self._observer.notice("stopping: batches go on at the provider; they are collected when the run is resumed")

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._stopping.set()


def _batches_of(queue: ModelQueue) -> BatchProvider:
    assert isinstance(queue.sender.provider, BatchOnly)
    return queue.sender.provider.batches


def with_batch_warnings(prepared: PreparedRun, ledger: Ledger) -> PreparedRun:
    """Add what was odd about the results of a run's batches, in this session and in earlier ones."""
    odd = [
        f"batch {batch.provider_batch_id} of {batch.provider}/{batch.model}: {said}"
        for batch in stored_batches(ledger, prepared.run_id)
        if batch.status == "collected" and (said := (batch.detail or "").partition(DETAIL_SEPARATOR)[2])
    ]
    return dataclasses.replace(prepared, warnings=tuple(dict.fromkeys((*prepared.warnings, *odd))))
