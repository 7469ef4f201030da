"""Batch mode of a run: each model in its own batches, until nothing is left to ask or something stops them.

Data flows queues + batch interfaces -> `ModelBatches` -> attempts and scores in the ledger; a stop leaves batches where
they are.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence

from harness.ledger import Ledger
from harness.ledger.batch_states import stored_batches
from harness.providers.batch_api.batches import BatchProvider
from harness.runner.batch.batch_context import BatchContext
from harness.runner.batch.batch_lines import BatchOnly
from harness.runner.batch.batch_reading import DETAIL_SEPARATOR
from harness.runner.batch.model_batches import ModelBatches
from harness.runner.model_queues import ModelQueue
from harness.runner.preparation import PreparedRun


class BatchSession:
    """Drives all models of a run, each in its own batches, until nothing is left to ask or something stops it."""

    def __init__(self, queues: Sequence[ModelQueue], context: BatchContext) -> None:
        self._models = [ModelBatches(queue, _batches_of(queue), context) for queue in queues]
        self._stopping = context.session.stopping
        self._observer = context.observer
        self._tasks: list[asyncio.Task[None]] = []
        self.interrupted = False

    async def run(self) -> None:
        """Hand over, wait and collect; raises what broke the ledger or the program itself, after draining."""
        self._tasks = [asyncio.create_task(model.run()) for model in self._models]
        for task in self._tasks:
            task.add_done_callback(self._ended)
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        for model in self._models:
            model.queue.n_left = model.n_left
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
