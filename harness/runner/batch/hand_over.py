"""The desk of one model in batch mode: hands its questions over in batches, waits, settles and scores what comes back.

Data flows waiting lines -> reserved attempts -> batch in the ledger -> provider -> its id in the ledger -> results.
Each arrow is durable before the next: a process killed anywhere can be followed by one that hands nothing over twice.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence

from harness.errors import BudgetReached, ErrorClass, ProviderError
from harness.ledger.batch_states import add_batch, attempts_in, name_batch, open_batches, open_lines
from harness.ledger.records import AttemptStart, BatchRecord
from harness.providers.base import Prepared
from harness.providers.batch_api.batches import BatchHandle, BatchLine, BatchProvider
from harness.runner.batch.batch_chains import Chains
from harness.runner.batch.batch_lines import Flight, Line, Ready, Walk, custom_id_of, grouped, surely_refused
from harness.runner.batch.batch_work import AT_ONCE, BatchWork, all_of
from harness.runner.batch.intake import Intake
from harness.runner.model_queues import ModelQueue
from harness.runner.policy import ACTIONS, Action
from harness.runner.traffic.limiter import SampleLeft

_HAND_OVERS = 5


class Desk:
    """Hands over the questions of one model and takes in what comes back."""

    def __init__(self, queue: ModelQueue, provider: BatchProvider, work: BatchWork) -> None:
        self.queue = queue
        self._provider = provider
        self._work = work
        self._spec = queue.model.spec
        self._ledger = work.ledger
        self._chains = Chains(queue, work.marking)
        self._intake = Intake(queue, provider, work, self._chains)
        self._flights: list[Flight] = []

    @property
    def n_left(self) -> int:
        """Items without an answer so far."""
        return self._chains.n_left

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
        await all_of([self._intake.collect(flight) for flight in flights])
        self._work.holders.discard(self._spec)
        if flights:
            return True
        if reached is None:
            return False
        if others or self._work.holders:  # another model's batch gives room back, or just did
            await self._work.pause(self._work.waits.first_s)
            return True
        self.queue.stop(reached)
        return False

    @property
    def _stopped(self) -> bool:
        return self.queue.stopped_by is not None or self._work.stopping.is_set()

    # handing over

    async def _hand_over(self) -> BudgetReached | None:
        """Reserve and submit what waits, in draw order, batch by batch; returns the budget that had no room for all."""
        if self._stopped:
            return None
        for group in grouped(
            self._chains.ready(), max_lines=self._provider.max_lines, max_bytes=self._provider.max_bytes
        ):
            reached = await self._reserve(group)
            taken = [each for each in group if each[1].attempt_id is not None]
            if taken:
                await self._submit(taken)
            if reached is not None or self._stopped:
                return reached
        return None

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
        flight = Flight(
            batch_id=batch_id,
            key=record.submission_key,
            n_lines=len(taken),
            walks=walks,
            custom_ids=frozenset(walks),
        )
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
                self.queue.stop(
                    ProviderError(
                        f"{len(flight.walks)} lines of {spec} were handed over and no answer came ({error.message});"
                        " they are possibly billed, and resuming the run asks them again",
                        error_class=error.error_class,
                    ),
                )
                return None
            found = await self._found(flight, self._work.waits.doubt_s)
            if found is not None:
                return found
        if last or ACTIONS[error.error_class] is not Action.RETRY:
            self.queue.stop(error)
            await self._intake.dismiss(flight, error, "not_submitted")
        return None

    async def _pause_or_dismiss(self, flight: Flight, error: ProviderError, failures: int) -> None:
        """Wait before a refused batch is handed over again; where the run stops instead, its lines never left."""
        try:
            await self._work.pause(self._work.waits.after_failure(failures, asked_s=error.retry_after_s))
        except SampleLeft:
            await self._intake.dismiss(flight, error, "not_submitted")
            raise

    async def _found(self, flight: Flight, doubt_s: float) -> BatchHandle | None:
        """Look for a batch by its name; None = not listed when `doubt_s` were over, so it never arrived."""
        what, looks, left_s = f"the list of batches that may hold {self._lines_of(flight)}", 0, max(0.0, doubt_s)
        while True:
            handle = await self._work.patiently(self.queue, what, lambda: self._provider.find(flight.key))
            if handle is not None or left_s <= 0:
                return handle
            wait_s = min(left_s, self._work.waits.after(looks))
            await self._work.pause(wait_s)
            left_s, looks = left_s - wait_s, looks + 1

    def _lines_of(self, flight: Flight) -> str:
        return f"{flight.n_lines:,} lines of {self._spec}"

    async def _named(self, flight: Flight, handle: BatchHandle) -> None:
        flight.provider_batch_id, flight.submitted_at_us = handle.batch_id, self._work.wall_us()
        await asyncio.to_thread(
            name_batch, self._ledger, flight.batch_id, handle.batch_id, submitted_at_us=flight.submitted_at_us
        )
        self._flights.append(flight)
        self._work.observer.notice(f"batch {handle.batch_id}: {self._lines_of(flight)} are at the provider")

    # after a restart

    async def _recover(self) -> None:
        """Take up the batches that an earlier process left; settle lines that never left."""
        run_id, spec = self._work.run_id, self._spec
        await self._chains.begin(await asyncio.to_thread(open_lines, self._ledger, run_id))
        by_batch: dict[int | None, dict[str, Walk]] = {}
        for walk in self._chains.walks:
            if walk.line is not None and walk.line.attempt_id is not None:
                by_batch.setdefault(walk.line.batch_id, {})[walk.line.custom_id] = walk
        await self._intake.withdraw(by_batch.pop(None, {}), "the process ended before it was handed over")
        for record in await asyncio.to_thread(open_batches, self._ledger, run_id):
            if (record.provider, record.model, record.setting) == (spec.provider, spec.model, spec.setting):
                flight = await self._taken_up(record, by_batch.get(record.batch_id, {}))
                if record.status == "submitted":
                    self._flights.append(flight)
                else:
                    await self._resolve(flight, record.created_at_us)

    async def _taken_up(self, record: BatchRecord, walks: dict[str, Walk]) -> Flight:
        assert record.batch_id is not None
        attempt_ids = await asyncio.to_thread(attempts_in, self._ledger, record.batch_id)
        return Flight(
            batch_id=record.batch_id,
            key=record.submission_key,
            n_lines=record.n_lines,
            walks=walks,
            custom_ids=frozenset(map(custom_id_of, attempt_ids)),
            provider_batch_id=record.provider_batch_id,
            submitted_at_us=record.submitted_at_us or 0,
        )

    async def _resolve(self, flight: Flight, created_at_us: int) -> None:
        """Find out what became of a batch whose id was never stored."""
        if not self._provider.keeps_names:
            await self._lose(flight)
            return
        age_s = max(0.0, (self._work.wall_us() - created_at_us) / 1e6)
        handle = await self._found(flight, self._work.waits.doubt_s - age_s)
        if handle is not None:
            await self._named(flight, handle)
            return
        never = ProviderError("it never arrived at the provider", error_class=ErrorClass.CONNECTION, billed="no")
        await self._intake.dismiss(flight, never, "not_submitted")

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
        await all_of([self._intake.take(flight, custom_id, error, None) for custom_id in list(flight.walks)])
        await self._intake.close(flight, "lost", error.message)
