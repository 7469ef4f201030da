"""The driver of a run with workers: it offers them wave after wave, watches the ledger, and says where the run ended.

Data flows `WavePlanner.next_wave` -> chains offered in the ledger -> (workers) -> how they stand -> the next wave. The
driver asks nothing and scores nothing itself; when it dies, its workers finish what was offered.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import TypeVar

from harness.errors import HarnessError, LedgerUnreachable
from harness.ledger.leases.chain_leases import (
    first_unfinished,
    is_work_left,
    leave,
    waiting_for_scores,
)
from harness.ledger.leases.lease_records import WorkerRecord
from harness.ledger.leases.worker_rows import drive, driver_of, expire, workers
from harness.pricing.book import PriceBook
from harness.runner.budgets import capped_scopes
from harness.runner.endings import Ending, ModelResult
from harness.runner.event_loop import interrupted_by_signals
from harness.runner.forecast.session_forecasts import SessionForecasts
from harness.runner.model_queues import RunObserver
from harness.runner.session_setup import SessionOptions, StoredPlan, ending_notes, session_forecasts, tell_beginning
from harness.runner.wave_loop import ask_in_waves
from harness.runner.workers.engines import Engine
from harness.runner.workers.nobody_scores import NobodyScores
from harness.runner.workers.offered_models import Offer
from harness.runner.workers.one_worker import worker_name
from harness.runner.workers.shared_stops import reason_of

T = TypeVar("T")
LOOKS_PER_S = 4.0
LONGEST_REST_S = 3.0
_REST = 20
"""A look that takes long is followed by a rest of so many times as long."""
PATIENCE_S = 120.0
"""How long a driver waits for a database that does not answer; its workers, too, have to come back."""


async def drive_workers(
    plan: StoredPlan,
    book: PriceBook,
    observer: RunObserver,
    options: SessionOptions,
    make_engine: Callable[[str], Engine],
) -> tuple[list[ModelResult], Ending]:
    """Have workers ask what is left to ask of every model; says how each model stands then.

    Raises:
        LedgerUnreachable: the database did not come back.
        RunLockedError: while it was away another driver has taken the run.
    """
    run_id, ledger = plan.prepared.run_id, plan.ledger
    stopping = asyncio.Event()
    forecasts = session_forecasts(plan, book, stopping, observer, options)
    planner = forecasts.planned(options.planner(plan))
    await asyncio.to_thread(drive, ledger, run_id, name=worker_name(), config=plan.prepared.spec.to_json())
    tell_beginning(plan, observer)
    offer = Offer(plan, retry_failed=options.retry_failed)
    driven = DrivenRun(offer, make_engine(run_id), observer, stopping, forecasts)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(forecasts.renewals.finish)
        forecasts.begin()
        if options.handle_signals:
            stack.enter_context(interrupted_by_signals(driven.interrupt))
        stack.push_async_callback(driven.see_off)
        await asyncio.to_thread(driven.start)  # an engine may wait for a cluster; signals are heeded meanwhile
        await ask_in_waves(planner, driven.models, driven.ask, observer=observer, stopping=stopping)
        models = await driven.results()
    return models, Ending(
        interrupted=driven.interrupted, most_in_flight=driven.most_in_flight, notes=tuple(await driven.notes())
    )


class DrivenRun:
    """One session of a run whose samples workers ask.

    Attributes:
        interrupted: whether the user stopped it.
        most_in_flight: requests that workers said they had under way at once, at most.
    """

    def __init__(
        self,
        offer: Offer,
        engine: Engine,
        observer: RunObserver,
        stopping: asyncio.Event,
        forecasts: SessionForecasts,
    ) -> None:
        plan = offer.plan
        self._offer = offer
        self._plan = plan
        self._run_id = plan.prepared.run_id
        self._ledger = plan.ledger
        self._engine = engine
        self._observer = observer
        self._stopping = stopping
        self._forecasts = forecasts
        self._nobody_scores = NobodyScores(
            self._run_id, lambda: waiting_for_scores(self._ledger, self._run_id), time.monotonic
        )
        self._before = {worker.worker_id for worker in workers(self._ledger, self._run_id) if worker.end is not None}
        driver = driver_of(self._ledger, self._run_id)
        self._session_us = 0 if driver is None else driver.since_us
        self._is_stop_told = False
        self._last_said = ""
        self.models = offer.models
        self.interrupted = False
        self.most_in_flight = 0

    def start(self) -> None:
        """Start the workers."""
        self._engine.start()

    def interrupt(self) -> None:
        """First call: have all workers finish what they have begun. Second call: have them give it up."""
        if self.interrupted:
            self._observer.notice("giving up on requests in flight; they are recorded as possibly billed")
            self._engine.give_up()
            return
        self.interrupted = True
        self._stopping.set()
        self._observer.notice("stopping: workers finish what they have begun (Ctrl-C again to give up on it)")
        self._engine.drain()

    async def ask(self) -> None:
        """Offer what the models wait for, and wait until workers are done with it."""
        if not self._stopping.is_set():
            await self._patiently(self._offer.make)
        while True:
            began_s = time.monotonic()
            if not await self._patiently(self._look):
                break
            if not self._stopping.is_set():
                await self._forecast()
            await self._rest(_REST * (time.monotonic() - began_s))
        if not self._stopping.is_set():
            await self._forecast()
        await self._patiently(self._offer.count)

    async def _rest(self, rest_s: float) -> None:
        """Wait until the next look; Ctrl-C ends it, so that all workers hear of it at once."""
        rest_s = min(max(rest_s, 1 / LOOKS_PER_S), LONGEST_REST_S)
        if self._is_stop_told:
            await asyncio.sleep(rest_s)
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), rest_s)

    async def see_off(self) -> None:
        """See to it that the workers end; there is nothing left for them."""
        self._engine.drain()
        await asyncio.to_thread(self._engine.stop)
        self._pass_on(is_work_left=False)

    async def results(self) -> list[ModelResult]:
        """Say how each model stands."""
        return await self._patiently(self._offer.results)

    async def notes(self) -> list[str]:
        """Say what all workers of this session did together that a report does not show."""
        here = await self._patiently(self._here)
        spec = self._plan.prepared.spec
        told = [one.told for one in here if one.told is not None]
        is_expected = spec.budget_mode == "expected" and bool(capped_scopes(self._ledger))
        n_lost = sum(one.state == "lost" for one in here)
        said = ending_notes(
            sum(one.most_exposed_pico for one in told) if is_expected else None,
            sum(one.n_reused for one in told) if spec.reuse else None,
        )
        if is_expected and n_lost:
            said.append(f"of {n_lost} workers that were lost, what was in flight may come on top of that")
        return said

    def _here(self) -> list[WorkerRecord]:
        """Workers of this session."""
        return [one for one in workers(self._ledger, self._run_id) if one.worker_id not in self._before]

    async def _patiently(self, step: Callable[[], T]) -> T:
        """Take a step in the ledger, and again where the server does not answer for a while.

        The run is this process's before and after: a driver that lost it says so instead of going on.
        """
        give_up_at_s = time.monotonic() + PATIENCE_S
        is_away = False
        while True:
            try:
                await asyncio.to_thread(self._ledger.hold_on, self._run_id)
                return await asyncio.to_thread(step)
            except LedgerUnreachable as away:
                if time.monotonic() > give_up_at_s:
                    raise
                if not is_away:
                    self._observer.notice(f"waiting for the server: {away.message}")
                    is_away = True
                await asyncio.sleep(1 / LOOKS_PER_S)

    async def _forecast(self) -> None:
        """Have the bill forecast again once all workers are through with a share of the draw."""
        if self._forecasts.waits_for_a_share:
            ids = self._plan.planned_ids
            first = await self._patiently(lambda: first_unfinished(self._ledger, self._run_id))
            self._forecasts.finished_up_to(len(ids) if first is None else bisect_left(ids, first))

    # steps in the ledger, in a thread

    def _look(self) -> bool:
        """Give up dead workers, hear of models that were stopped, show how far it is; says whether to go on waiting."""
        expire(self._ledger, self._run_id)
        if self._stopping.is_set() and not self._is_stop_told:
            # those that others started hear of it through the run's status
            self._ledger.finish_run(self._run_id, "partial")
            self._is_stop_told = True
        is_left = is_work_left(self._ledger, self._run_id)
        # after the chains: a worker tells of a stop before it leaves any
        here = self._here()
        self._hear(here)
        if (said := self._nobody_scores.look(here)) is not None:
            self._observer.notice(said)
        self.most_in_flight = max(self.most_in_flight, sum(one.in_flight for one in here))
        self._observer.workers_seen(here)
        self._pass_on(is_work_left=is_left)
        is_anyone_here = any(one.end is None for one in here) or self._engine.is_alive
        if is_left and not is_anyone_here and not self._stopping.is_set():
            self._say_nobody_is_left(here)
        return is_left and is_anyone_here

    def _pass_on(self, *, is_work_left: bool) -> None:
        for said in self._engine.look(is_work_left=is_work_left):
            self._last_said = said
            self._observer.notice(said)

    def _hear(self, here: Sequence[WorkerRecord]) -> None:
        """Learn from workers which models are asked nothing more, and why; earlier sessions' reasons are over."""
        for stopped in (one for worker in here for one in worker.stopped if one.session_us == self._session_us):
            model = next(one for one in self.models if str(one.model.spec) == stopped.model)
            model.stop(reason_of(stopped))
            leave(self._ledger, self._run_id, list(model.cell_ids.values()))

    def _say_nobody_is_left(self, here: Sequence[WorkerRecord]) -> None:
        ends = [one.end.why for one in here if one.end is not None]
        why = self._last_said or (ends[-1] if ends else "none was started")
        for model in self.models:
            model.stop(HarnessError(f"all workers have ended, and samples are left; the last one: {why}"))
