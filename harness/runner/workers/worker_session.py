"""The event loop of a worker: it says that it lives, takes what it can ask soon, asks it, and knows when to stop.

Data flows heartbeats -> places in flight; `LeasedChains` -> `SampleWork` -> the ledger. What others have learned of a
budget or a pace is asked of the ledger, never of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import Counter
from collections.abc import Coroutine

from harness.errors import BudgetReached, LedgerError, LedgerUnreachable, WorkerLost
from harness.ledger.leases.chain_leases import states
from harness.ledger.leases.lease_records import ChainState, SignOfLife, WorkerEnd
from harness.ledger.leases.worker_rows import beat, drain, expire
from harness.ledger.reading.underway.live_rows import run_holder
from harness.runner.endings import FINISHED
from harness.runner.model_queues import ModelQueue
from harness.runner.options.precision_options import target_of
from harness.runner.session_setup import SessionParts
from harness.runner.traffic.limiter import SampleLeft
from harness.runner.workers.later_scores import LaterScores
from harness.runner.workers.leased_chains import LeasedChains, Work
from harness.runner.workers.shared_stops import SharedStops

BEATS_PER_LEASE = 10
LONGEST_BEAT_S = 1.0
"""What one worker learns, all know within a beat."""
LEAST_AHEAD = 4
PATIENCE_S = 60.0
"""How long a worker goes on trying to be heard, while answers are in flight and the server is away."""


class WorkerSession:
    """Works the chains of one worker.

    Attributes:
        interrupted: it was told to stop before nothing was left.
    """

    def __init__(
        self,
        chains: LeasedChains,
        parts: SessionParts,
        *,
        later: LaterScores,
        stops: SharedStops,
        lease_s: float,
    ) -> None:
        self._chains = chains
        self._queues = parts.queues
        self._work = parts.work
        self._context = parts.context
        self._later = later
        self._stops = stops
        self._lease_s = lease_s
        self._beat_s = min(LONGEST_BEAT_S, lease_s / BEATS_PER_LEASE)
        self._ledger, self._worker = chains.ledger, chains.worker
        self._offers_all_at_once = target_of(self._context.options) is None and self._context.options.pilot is None
        self._hungry = asyncio.Event()
        self._fed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._n_askers: Counter[int] = Counter()
        self._failure: BaseException | None = None
        self._is_over = False
        self._is_draining = False
        self._away_since_s: float | None = None
        self._ahead = 0
        self._n_scorers = 2 * len(os.sched_getaffinity(0))
        self._is_beat_due = False
        self._ended = ""
        self._ends_with_driver = False
        self.interrupted = False

    async def run(self) -> WorkerEnd:
        """Work until nothing is left; says how it ended.

        Raises:
            WorkerLost: this worker counts as dead; what was in flight stays possibly billed.
            LedgerUnreachable: the server was away; what was in flight is recorded, if it came back in time.
            LedgerError: the ledger cannot be used any more.
        """
        self._context.limiter.resize(0)
        for _ in range(0 if self._worker.kind == "ask" else self._n_scorers):
            self._begin(self._scorer())
        try:
            await self._live()
        except Exception as error:  # noqa: BLE001  # told below, after draining
            self._fail(error)
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if not isinstance(self._failure, WorkerLost):
            self._chains.give_back()
            with contextlib.suppress(LedgerError):  # then its lease expires
                await self._stops.tell()
                await self._chains.flush()
        if self._failure is not None:
            raise self._failure
        return self._stops.facts(self._ended)

    def _begin(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        task.add_done_callback(lambda _: self._hungry.set())
        self._tasks.append(task)

    def hurry(self) -> None:
        """Speak to the ledger now, and not at the next beat."""
        self._is_beat_due = True
        self._hungry.set()

    def interrupt(self) -> None:
        """First call: send nothing more and drain. Second call: give up on what is in flight (it may be billed)."""
        if self.interrupted:
            self._cancel()
            return
        self.interrupted = True
        self._stop("nothing is left" if self._ends_with_driver and not self._chains.n_open else "told to stop")

    def _stop(self, why: str) -> None:
        self._ended = self._ended or why
        self._is_over = True
        self._context.stopping.set()
        for queue in self._queues:
            queue.sender.close()
        self._hungry.set()
        self._fed.set()

    def _fail(self, error: BaseException) -> None:
        self._failure = self._failure or error
        self._stop("broke off")
        if isinstance(error, WorkerLost):
            self._cancel()

    def _cancel(self) -> None:
        for task in self._tasks:
            task.cancel()

    # what speaks to the ledger about this worker and its leases

    async def _live(self) -> None:
        loop = asyncio.get_running_loop()
        next_beat_s = loop.time()
        while not (self._is_over and all(task.done() for task in self._tasks)):
            self._hungry.clear()
            try:
                if self._is_beat_due or loop.time() >= next_beat_s:
                    self._is_beat_due = False
                    await self._beat()
                    next_beat_s = loop.time() + self._beat_s
                if not self._is_over:
                    await self._feed()
                self._away_since_s = None
            except LedgerUnreachable as away:
                next_beat_s = loop.time() + self._beat_s
                self._be_patient(away, loop.time())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hungry.wait(), max(0.0, next_beat_s - loop.time()))

    def _be_patient(self, away: LedgerUnreachable, now_s: float) -> None:
        """What is in flight can be recorded only by a worker that is heard of again before its lease ends."""
        if self._away_since_s is None:
            self._away_since_s = now_s
        elif now_s > self._away_since_s + PATIENCE_S:
            raise away

    async def _beat(self) -> None:
        """Say that this worker lives, and what it has done; take the places that it gets."""
        limiter, chains = self._context.limiter, self._chains
        if self._is_over and not self._is_draining:
            self._is_draining = True
            await asyncio.to_thread(drain, self._ledger, self._worker.worker_id)
        await self._stops.tell()  # before the chains of such models are left, from which the driver concludes
        chains.give_back(stopped_only=True)
        await chains.flush()
        chains.look_again()
        sign = SignOfLife(
            places=limiter.concurrency, in_flight=limiter.unsettled, n_asked=chains.n_asked, n_scored=chains.n_scored
        )
        asked_at_s, concurrency = limiter.clock(), self._context.options.concurrency
        heard = await asyncio.to_thread(
            beat, self._ledger, self._worker, sign, concurrency=concurrency, lease_s=self._lease_s
        )
        limiter.sends_until_s = asked_at_s + self._lease_s  # by the server's clock the lease ends no earlier
        self._heed(heard.run_status)
        await self._stops.hear(heard)
        limiter.resize(heard.places)
        # what it could not ask must not be kept from those who have places
        self._ahead = max(LEAST_AHEAD, 2 * heard.places) if heard.places else 0

    def _heed(self, run_status: str) -> None:
        if run_status != "running":
            self._stop("nothing is left" if run_status in FINISHED else "the run was stopped")

    async def _feed(self) -> None:
        if await self._chains.refill(self._ahead, self._n_scorers):
            self._fed.set()
        elif not self._chains.n_open:
            await self._end_if_nothing_is_left()
        self._staff()

    def _staff(self) -> None:
        """Have as many tasks ask as there are chains, and no more of a model than this worker's places make use of."""
        for queue in self._queues:
            n_new = min(len(self._chains.waiting(queue)), self._ahead - self._n_askers[id(queue)])
            for _ in range(n_new):
                self._n_askers[id(queue)] += 1
                self._begin(self._asker(queue))

    async def _end_if_nothing_is_left(self) -> None:
        """Look whether anything may still come to this worker; give up the dead, whose work it could take."""
        run_id = self._worker.run_id
        await asyncio.to_thread(expire, self._ledger, run_id)
        found = await asyncio.to_thread(states, self._ledger, run_id)
        stopped = [queue.stopped_by for queue in self._queues]
        kind = self._worker.kind
        if kind != "score" and all(stopped) and (kind == "ask" or not found & {"answered", "scoring"}):
            self._stop(f"stopped: {stopped[0]}".splitlines()[0])
            return
        if found - self._others_states:
            return
        is_all_offered = bool(found) and self._offers_all_at_once
        if is_all_offered and self._chains.has_taken:
            self._stop("nothing is left")
        elif await asyncio.to_thread(run_holder, self._ledger, run_id) is None:
            run = await asyncio.to_thread(self._ledger.run, run_id)
            if run is not None:
                self._heed(run.status)  # its driver may have ended it since the last beat: then that is the reason
            hint = f"nobody drives this run: benchtab run --resume {run_id} --workers N goes on with it"
            self._stop("nothing is left" if is_all_offered else hint)
        else:  # chains of an earlier session, maybe, while the driver is still to offer those of this one
            self._ends_with_driver = is_all_offered

    @property
    def _others_states(self) -> set[ChainState]:
        """Chains of which nothing may come to this worker any more."""
        return {"done", "left", "answered", "scoring"} if self._worker.kind == "ask" else {"done", "left"}

    # the tasks that ask, and those that score what others have asked

    async def _asker(self, queue: ModelQueue) -> None:
        while (work := await self._next(queue)) is not None:
            self._chains.end(work, await self._worked(queue, work))

    async def _next(self, queue: ModelQueue) -> Work | None:
        waiting = self._chains.waiting(queue)
        while not self._is_over and queue.stopped_by is None:
            if 2 * len(waiting) <= self._ahead:
                self._hungry.set()
            if waiting:
                return waiting.popleft()
            self._fed.clear()
            await self._fed.wait()
        return None

    async def _worked(self, queue: ModelQueue, work: Work) -> ChainState:
        try:
            await self._work.work(queue, work.chain)
        except SampleLeft:
            return "open" if queue.stopped_by is None else "left"
        except BudgetReached as reached:
            queue.stop(reached)
            return "left"
        except Exception as error:  # noqa: BLE001 - nothing may die in silence inside a task
            self._fail(error)
            return "open"
        finally:
            is_to_score = self._later.take(work.planned_ids)
        return "answered" if is_to_score else "done"

    async def _scorer(self) -> None:
        while (work := await self._next_to_score()) is not None:
            self._chains.end(work, await self._scored(work))

    async def _next_to_score(self) -> Work | None:
        waiting = self._chains.to_score
        while not self._is_over:
            if 2 * len(waiting) <= self._n_scorers:
                self._hungry.set()
            if waiting:
                return waiting.popleft()
            self._fed.clear()
            await self._fed.wait()
        return None

    async def _scored(self, work: Work) -> ChainState:
        try:
            await self._work.score_stored(self._chains.queue_of(work), work.chain)
        except SampleLeft:
            return "answered"
        except Exception as error:  # noqa: BLE001 - as above
            self._fail(error)
            return "answered"
        return "done"
