"""The driver of a run with workers: it offers them wave after wave, watches the ledger, and says where the run ended.

Data flows `WavePlanner.next_wave` -> chains offered in the ledger -> (workers) -> how they stand -> the next wave. The
driver asks nothing and scores nothing itself; when it dies, its workers finish what was offered.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from harness.errors import BudgetReached, HarnessError, LedgerError
from harness.ledger.leases.chain_leases import leave, put, standing, unfinished, waiting_for_scores
from harness.ledger.leases.lease_records import ChainState, Stopped, WorkerRecord
from harness.ledger.leases.worker_rows import drive, driver_of, expire, workers
from harness.ledger.records import SampleOutcome
from harness.models import ModelSpec
from harness.pricing.book import PriceBook
from harness.runner.endings import Ending, ModelResult
from harness.runner.event_loop import interrupted_by_signals
from harness.runner.failed_samples import given_up
from harness.runner.model_queues import RunObserver
from harness.runner.plan import Chain, ModelPlan
from harness.runner.session_setup import SessionOptions, StoredPlan, session_forecasts, tell_beginning
from harness.runner.wave_loop import ask_in_waves
from harness.runner.workers.engines import Engine
from harness.runner.workers.nobody_scores import NobodyScores
from harness.runner.workers.one_worker import worker_name

T = TypeVar("T")
LOOKS_PER_S = 4.0
PATIENCE_S = 120.0
"""How long a driver waits for a database that does not answer; its workers, too, have to come back."""


@dataclass(slots=True, kw_only=True)
class OfferedModel:
    """How a model stands whose samples workers ask; attributes as of `ModelQueue`.

    Attributes:
        waiting: chains of the present wave that are not offered yet.
        offered: samples of each chain that was offered, by its cell and the first of them.
    """

    model: ModelPlan
    cell_ids: Mapping[str, int]
    planned_ids: Sequence[int]
    stopped_by: HarnessError | None = None
    n_samples: int = 0
    n_finished: int = 0
    n_left: int = 0
    waiting: list[Chain] = field(default_factory=list)
    offered: dict[tuple[int, int], int] = field(default_factory=dict)

    def add(self, chains: Sequence[Chain]) -> None:
        """Take more to offer."""
        self.waiting.extend(chains)
        self.n_samples += sum(map(len, chains))

    def stop(self, reason: HarnessError) -> None:
        """Offer nothing more of this model; the first reason is kept."""
        self.stopped_by = self.stopped_by or reason

    def keys(self, chain: Chain) -> list[tuple[int, int]]:
        """The ledger's ids of a chain's samples: cell and planned sample."""
        return [(self.cell_ids[item.suite.name], self.planned_ids[item.draw_order]) for item in chain]


async def drive_workers(
    plan: StoredPlan,
    book: PriceBook,
    observer: RunObserver,
    options: SessionOptions,
    make_engine: Callable[[str], Engine],
) -> tuple[list[ModelResult], Ending]:
    """Have workers ask what is left to ask of every model; says how each model stands then.

    Raises:
        LedgerError: the database did not come back.
    """
    run_id, ledger = plan.prepared.run_id, plan.ledger
    stopping = asyncio.Event()
    forecasts = session_forecasts(plan, book, stopping, observer, options)
    planner = forecasts.planned(options.planner(plan))
    await asyncio.to_thread(drive, ledger, run_id, name=worker_name(), config=plan.prepared.spec.to_json())
    tell_beginning(plan, observer)
    driven = DrivenRun(plan, make_engine(run_id), observer, stopping, retry_failed=options.retry_failed)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(forecasts.renewals.finish)
        forecasts.begin()
        if options.handle_signals:
            stack.enter_context(interrupted_by_signals(driven.interrupt))
        stack.push_async_callback(driven.see_off)
        driven.start()
        await ask_in_waves(planner, driven.models, driven.ask, observer=observer, stopping=stopping)
    return driven.results(), Ending(interrupted=driven.interrupted)


class DrivenRun:
    """One session of a run whose samples workers ask.

    Attributes:
        interrupted: whether the user stopped it.
    """

    def __init__(
        self,
        plan: StoredPlan,
        engine: Engine,
        observer: RunObserver,
        stopping: asyncio.Event,
        *,
        retry_failed: bool,
    ) -> None:
        self._plan = plan
        self._run_id = plan.prepared.run_id
        self._ledger = plan.ledger
        self._engine = engine
        self._observer = observer
        self._stopping = stopping
        self._retry_failed = retry_failed
        self._wave = 0
        self._nobody_scores = NobodyScores(
            self._run_id, lambda: waiting_for_scores(self._ledger, self._run_id), time.monotonic
        )
        driver = driver_of(self._ledger, self._run_id)
        self._session_us = 0 if driver is None else driver.since_us
        self._n_done: Counter[ModelSpec] = Counter()
        self.models = [
            OfferedModel(model=model, cell_ids=plan.cell_ids[model.spec], planned_ids=plan.planned_ids)
            for model in plan.prepared.models
        ]
        self.interrupted = False

    def start(self) -> None:
        """Start the workers."""
        self._engine.start()

    def interrupt(self) -> None:
        """Have the workers finish what they have begun, and take nothing more."""
        if not self.interrupted:
            self.interrupted = True
            self._stopping.set()
            self._observer.notice("stopping: workers finish what they have begun")
        self._engine.drain()

    async def ask(self) -> None:
        """Offer what the models wait for, and wait until workers are done with it."""
        await self._patiently(self._offer)
        while await self._patiently(self._look):
            if self._stopping.is_set():
                # those that others started hear of it through the run's status
                await self._patiently(lambda: self._ledger.finish_run(self._run_id, "partial"))
                self._engine.drain()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.Event().wait(), 1 / LOOKS_PER_S)
        await self._patiently(self._count)

    async def see_off(self) -> None:
        """See to it that the workers end; there is nothing left for them."""
        self._engine.drain()
        await asyncio.to_thread(self._engine.stop)

    def results(self) -> list[ModelResult]:
        """Say how each model stands."""
        outcomes = self._ledger.outcomes(self._run_id)
        answered = Counter(cell_id for (cell_id, _), one in outcomes.items() if one.attempt_id is not None)
        return [
            ModelResult(
                spec=model.model.spec,
                n_failed=max(0, model.n_finished - sum(answered[cell] for cell in model.cell_ids.values())),
                n_left=model.n_left,
                stopped_by=model.stopped_by,
                n_samples=model.n_samples,
            )
            for model in self.models
        ]

    async def _patiently(self, step: Callable[[], T]) -> T:
        """Take a step in the ledger, and again where the database does not answer for a while."""
        give_up_at_s = time.monotonic() + PATIENCE_S
        while True:
            try:
                return await asyncio.to_thread(step)
            except LedgerError:
                if time.monotonic() > give_up_at_s:
                    raise
                await asyncio.sleep(1 / LOOKS_PER_S)

    # steps in the ledger, in a thread

    def _offer(self) -> None:
        """Offer the chains of this wave that are not finished yet."""
        known = self._plan.outcomes("solve")
        for model in self.models:
            keys = []
            for chain in model.waiting:
                samples = model.keys(chain)
                if not all(self._is_finished(known.get(key)) for key in samples):
                    keys.append(samples[0])
                    model.offered[samples[0]] = len(chain)
            put(self._ledger, self._run_id, self._wave, keys, new_tries=self._retry_failed)
            model.waiting.clear()
        self._wave += 1

    def _is_finished(self, known: SampleOutcome | None) -> bool:
        if known is None:
            return False
        if known.attempt_id is not None:
            return known.scored
        return not self._retry_failed and given_up(known, self._plan.prepared.spec.max_attempts)

    def _look(self) -> bool:
        """Give up dead workers, hear of models that were stopped, show how far it is; says whether to go on waiting."""
        expire(self._ledger, self._run_id)
        counts = standing(self._ledger, self._run_id)
        here = workers(self._ledger, self._run_id)  # after the chains: a worker tells of a stop before it leaves any
        self._hear(here)
        if (said := self._nobody_scores.look(here)) is not None:
            self._observer.notice(said)
        self._show(counts)
        is_work_left = any(n for by_state in counts.values() for state, n in by_state.items() if state in UNFINISHED)
        for said in self._engine.look(is_work_left=is_work_left):
            self._observer.notice(said)
        if not is_work_left:
            return False
        return self._engine.is_alive or any(worker.end is None for worker in here)

    def _hear(self, here: Sequence[WorkerRecord]) -> None:
        """Learn from workers which models are asked nothing more, and why; earlier sessions' reasons are over."""
        for stopped in (one for worker in here for one in worker.stopped if one.session_us == self._session_us):
            model = next(one for one in self.models if str(one.model.spec) == stopped.model)
            model.stop(_reason(stopped))
            leave(self._ledger, self._run_id, list(model.cell_ids.values()))

    def _show(self, counts: Mapping[int, Mapping[ChainState, int]]) -> None:
        for model in self.models:
            spec = model.model.spec
            n_done = sum(counts.get(cell, {}).get("done", 0) for cell in model.cell_ids.values())
            for _ in range(self._n_done[spec], n_done):
                self._observer.sample_finished(spec, failed=False)
            self._n_done[spec] = max(n_done, self._n_done[spec])

    def _count(self) -> None:
        """Count what is finished of each model."""
        left = unfinished(self._ledger, self._run_id)
        for model in self.models:
            n_left = sum(model.offered.get(key, 0) for key in left)
            model.n_finished = model.n_samples - n_left


UNFINISHED: tuple[ChainState, ...] = ("open", "asking", "answered", "scoring")


def _reason(stopped: Stopped) -> HarnessError:
    kind = BudgetReached if stopped.is_budget else HarnessError
    return kind(stopped.message, where=stopped.where, fix=stopped.fix)
