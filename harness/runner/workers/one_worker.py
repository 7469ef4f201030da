"""One worker of a run: it loads the suite by itself, takes chains that the driver offered, and stops when none is left.

Data flows stored run -> the same plan (its digest is checked) -> leased chains -> attempts and scores in the ledger.
Any launcher may start it, on any machine that reaches the ledger: the command line, a batch system, an engine.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import socket
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from harness.errors import InputError, LedgerError, LedgerUnreachable
from harness.instants import from_us
from harness.ledger import Ledger
from harness.ledger.leases.lease_records import WorkerEnd, WorkerKind, WorkerRecord
from harness.ledger.leases.pace_rows import PaceRows
from harness.ledger.leases.worker_rows import (
    LEASE_S,
    driver_of,
    end,
    enlist,
    needs_a_server,
    others_in_flight,
    worker_of,
)
from harness.models import ModelSpec
from harness.pricing.book import PriceBook
from harness.providers.base import Provider
from harness.runner.event_loop import fast_loop, frozen_garbage, interrupted_by_signals
from harness.runner.model_queues import RunObserver
from harness.runner.options.preflight import refuse_another_run, refuse_what_cannot_be_asked
from harness.runner.plan import PreparedRun
from harness.runner.preparation import prepare_run
from harness.runner.requests.session_context import OtherWorkers
from harness.runner.senders import provider_of
from harness.runner.session_setup import (
    RunInLedger,
    SampleHooks,
    SessionOptions,
    learn_costs,
    session_context,
    session_parts,
)
from harness.runner.spec import RunSpec
from harness.runner.workers.budget_edge import OthersInFlight
from harness.runner.workers.later_scores import LaterScores, refuse_to_score, unfit
from harness.runner.workers.leased_chains import LeasedChains, LeasedOutcomes
from harness.runner.workers.no_sending import no_adapter
from harness.runner.workers.shared_paces import SharedPaces
from harness.runner.workers.shared_stops import Failing, SharedStops
from harness.runner.workers.worker_session import WorkerSession
from harness.secrets import redact

PATIENCE_S = 120.0
"""How long a worker waits for a server that went away."""
BETWEEN_TRIES_S = 0.5
SERVER_AWAY = WorkerEnd(why="the server was away")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """How a worker works, whatever the run asks.

    Attributes:
        kind: `ask` leaves programs to others to score, `score` scores what others have answered, `all` does both.
        lease_s: how long it counts as alive without being heard of.
        session: clock, waits and signals.
        interrupted: calls what it is given when this worker is to stop; None = signals, where the session heeds them.
    """

    kind: WorkerKind = "all"
    lease_s: float = LEASE_S
    session: SessionOptions = field(default_factory=SessionOptions)
    interrupted: Callable[[Callable[[], None]], AbstractContextManager[None]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerResult:
    """What a worker did.

    Attributes:
        n_asked, n_scored: chains that it finished by asking, or by scoring alone.
        ended: how it ended.
        is_drained: it was told to stop before nothing was left.
    """

    worker_id: int
    n_asked: int
    n_scored: int
    ended: WorkerEnd
    is_drained: bool = False

    def line(self) -> str:
        """Say it in one line."""
        scored = f", scored {self.n_scored:,} more" if self.n_scored else ""
        return f"worker {self.worker_id}: asked {self.n_asked:,} chains{scored}; {self.ended.why}"


def work_on(
    ledger: Ledger, book: PriceBook, run_id: str, *, observer: RunObserver, options: WorkerOptions
) -> WorkerResult:
    """Work on a run until nothing is left of it, or a signal says to drain.

    Raises:
        InputError: there is no such run, this machine loads another suite than the run was planned with, or a key is
            missing.
        LedgerError: the ledger is a file, or did not come back.
        WorkerLost: this worker stood still for so long that others took its work.
    """
    needs_a_server(ledger)
    stored = ledger.run(run_id)
    if stored is None:
        raise InputError(f"there is no run {run_id}", where=ledger.database, fix="see: benchtab runs list")
    driver = driver_of(ledger, run_id)
    if driver is None:
        raise _no_driver(run_id, ledger)
    prepared = prepare_run(
        RunSpec.from_json(driver.config), run_id=run_id, book=book, now=from_us(stored.created_at_us)
    )
    refuse_another_run(prepared, stored)
    if (notice := unfit(options.kind, prepared)) is not None:
        observer.notice(notice)
    if options.kind != "score":
        refuse_what_cannot_be_asked(prepared)
    plan = _in_ledger(prepared, ledger, adapter=no_adapter if options.kind == "score" else provider_of)
    sessions = _Sessions(plan, book, observer, options)
    with fast_loop() as loop, frozen_garbage():
        return loop.run(sessions.run())


def worker_name() -> str:
    """Name this process to people who look at a run's workers."""
    return f"process {os.getpid()} on {socket.gethostname()}"


class _Sessions:
    """The sessions of one worker: one, or another after each time that the server was away."""

    def __init__(self, plan: RunInLedger, book: PriceBook, observer: RunObserver, options: WorkerOptions) -> None:
        self._plan = plan
        self._ledger = plan.ledger
        self._book = book
        self._observer = observer
        self._options = options
        self._session: WorkerSession | None = None
        self._stopping = asyncio.Event()
        self._n_asked = self._n_scored = 0

    async def run(self) -> WorkerResult:
        """Work until nothing is left."""
        interrupted = self._options.interrupted
        if interrupted is None and self._options.session.handle_signals:
            interrupted = interrupted_by_signals
        with contextlib.nullcontext() if interrupted is None else interrupted(self._interrupt):
            worker = await asyncio.to_thread(self._enlisted)
            while True:
                try:
                    ended = await self._work(worker)
                except LedgerUnreachable as away:
                    worker = await self._enlisted_again(worker, away)
                else:
                    return WorkerResult(
                        worker_id=worker.worker_id,
                        n_asked=self._n_asked,
                        n_scored=self._n_scored,
                        ended=ended,
                        is_drained=self._stopping.is_set(),
                    )

    def _interrupt(self) -> None:
        self._stopping.set()
        if self._session is not None:
            self._session.interrupt()

    def _enlisted(self) -> WorkerRecord:
        run_id, options = self._plan.prepared.run_id, self._options
        worker_id = enlist(self._ledger, run_id, name=worker_name(), kind=options.kind, lease_s=options.lease_s)
        return worker_of(self._ledger, worker_id)

    async def _enlisted_again(self, before: WorkerRecord, away: LedgerUnreachable) -> WorkerRecord:
        """Wait for the server; what the session before has left is open again, whoever takes it."""
        self._observer.notice(f"waiting for the server: {away.message}")
        give_up_at_s = time.monotonic() + PATIENCE_S
        while not self._stopping.is_set() and time.monotonic() < give_up_at_s:
            try:
                await asyncio.to_thread(end, self._ledger, before.worker_id, SERVER_AWAY)
                return await asyncio.to_thread(self._enlisted)
            except LedgerUnreachable as still:
                away = still
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), BETWEEN_TRIES_S)
        raise away

    async def _work(self, worker: WorkerRecord) -> WorkerEnd:
        how, before = WorkerEnd(why="broke off"), (self._n_asked, self._n_scored)
        try:
            how = await self._one(worker)
        except LedgerUnreachable:
            how = SERVER_AWAY
            raise
        except BaseException as error:
            how = WorkerEnd(why=redact(f"{type(error).__name__}: {error}").splitlines()[0][:300])
            raise
        finally:
            with contextlib.suppress(LedgerError):  # then its lease expires, or the next session ends it
                n_asked, n_scored = self._n_asked - before[0], self._n_scored - before[1]
                await asyncio.to_thread(end, self._ledger, worker.worker_id, how, n_asked=n_asked, n_scored=n_scored)
        return how

    async def _one(self, worker: WorkerRecord) -> WorkerEnd:
        known, failing = LeasedOutcomes(), Failing()
        plan, options = dataclasses.replace(self._plan, outcomes=known.of), self._options
        async with contextlib.AsyncExitStack() as stack:
            writer = await stack.enter_async_context(self._ledger.writer(worker))
            paces = SharedPaces(PaceRows(self._ledger, worker.run_id), plan.prepared.spec)
            others = OtherWorkers(
                in_flight=OthersInFlight(lambda: others_in_flight(self._ledger, worker), time.monotonic),
                gate=paces.gate,
            )
            context = session_context(plan, self._book, writer, self._observer, options.session, others)
            await stack.enter_async_context(paces.carried(context.limiter))
            learn_costs(plan, context)
            later = LaterScores(leaves_programs=options.kind == "ask" and plan.prepared.spec.keep_transcripts)
            hooks = SampleHooks(scorer=later.make, on_failed=failing.failed)
            parts = await session_parts(stack, plan, context, self._observer, writer, hooks)
            if options.kind == "score":
                await refuse_to_score(parts.checks)
            chains = LeasedChains(self._ledger, worker, plan.prepared, parts.queues, known)
            stops = SharedStops(self._ledger, worker.worker_id, parts, failing)
            session = WorkerSession(chains, parts, later=later, stops=stops, lease_s=options.lease_s)
            failing.hurry = session.hurry
            self._session = session
            if self._stopping.is_set():  # while all this was opened
                session.interrupt()
            try:
                return await session.run()
            finally:
                self._session = None
                self._n_asked += chains.n_asked
                self._n_scored += chains.n_scored


def _in_ledger(
    prepared: PreparedRun,
    ledger: Ledger,
    *,
    adapter: Callable[[PreparedRun, ModelSpec], Provider],
) -> RunInLedger:
    """Find the ids of a run that its driver has stored."""
    ids = {(cell.suite, ModelSpec.of(cell)): cell.cell_id for cell in ledger.cells(prepared.run_id)}
    cell_ids = {
        model.spec: {
            loaded.suite.name: cell_id
            for loaded in prepared.suites
            if (cell_id := ids.get((loaded.suite.name, model.spec))) is not None
        }
        for model in prepared.models
    }
    planned = ledger.planned(prepared.run_id)
    if len(planned) != len(prepared.items) or any(len(cells) < len(prepared.suites) for cells in cell_ids.values()):
        raise _no_driver(prepared.run_id, ledger)
    return RunInLedger(
        prepared=prepared,
        ledger=ledger,
        cell_ids=cell_ids,
        planned_ids=[sample.planned_id for sample in planned if sample.planned_id is not None],
        outcomes=LeasedOutcomes().of,
        adapter=adapter,
    )


def _no_driver(run_id: str, ledger: Ledger) -> LedgerError:
    return LedgerError(
        f"run {run_id} offers no work to workers",
        where=ledger.database,
        fix=f"start its driver first: benchtab run SUITE -m MODEL --run-id {run_id} --workers N (0: none of its own)",
    )
