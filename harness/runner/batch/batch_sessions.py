"""Batch mode of a run: one desk per model, all at once, until nothing is left to ask or something stops them.

Data flows queues + batch interfaces -> `Desk` -> attempts and scores in the ledger; a stop leaves batches in place.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence

from harness.ledger import Ledger
from harness.ledger.batch_states import stored_batches
from harness.runner.batch.batch_reading import DETAIL_SEPARATOR
from harness.runner.batch.hand_over import Desk
from harness.runner.model_queues import RunObserver
from harness.runner.preparation import PreparedRun


class BatchSession:
    """Drives all models of a run, each in its own batches, until nothing is left to ask or something stops it."""

    def __init__(self, desks: Sequence[Desk], *, stopping: asyncio.Event, observer: RunObserver) -> None:
        self.queues = [desk.queue for desk in desks]
        self._desks = desks
        self._stopping = stopping
        self._observer = observer
        self._tasks: list[asyncio.Task[None]] = []
        self.interrupted = False

    async def run(self) -> None:
        """Hand over, wait and collect; raises what broke the ledger or the program itself, after draining."""
        self._tasks = [asyncio.create_task(desk.run()) for desk in self._desks]
        for task in self._tasks:
            task.add_done_callback(self._ended)
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        for desk in self._desks:
            desk.queue.n_left = desk.n_left
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


def with_batch_warnings(prepared: PreparedRun, ledger: Ledger) -> PreparedRun:
    """Add what was odd about the results of a run's batches, in this session and in earlier ones."""
    odd = [
        f"batch {batch.provider_batch_id} of {batch.provider}/{batch.model}: {said}"
        for batch in stored_batches(ledger, prepared.run_id)
        if batch.status == "collected" and (said := (batch.detail or "").partition(DETAIL_SEPARATOR)[2])
    ]
    return dataclasses.replace(prepared, warnings=tuple(dict.fromkeys((*prepared.warnings, *odd))))
