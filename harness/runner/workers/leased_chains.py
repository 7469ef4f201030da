"""The chains that a worker has taken: a few at a time from the ledger, with what the ledger knows of their samples.

Data flows leases -> `next` of each model -> `ended` -> the ledger, with the next lease. Everything here is done in one
thread beside the event loop, a few round trips for many requests.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.errors import LedgerError
from harness.ledger import Ledger
from harness.ledger.leases.chain_leases import finish, take
from harness.ledger.leases.lease_records import ChainState, Leased, WorkerRecord
from harness.ledger.records import Purpose, SampleOutcome
from harness.runner.failed_samples import Outcomes, with_new_tries
from harness.runner.model_queues import ModelQueue
from harness.runner.plan import Chain, PreparedRun


@dataclass(frozen=True, slots=True)
class LeasedOutcomes:
    """What the ledger knows of the samples of leased chains, by purpose; it grows with what is leased."""

    by_purpose: dict[Purpose, dict[tuple[int, int], SampleOutcome]] = field(
        default_factory=lambda: {"solve": {}, "judge": {}}
    )

    def of(self, purpose: Purpose) -> Outcomes:
        """Give the outcomes of a purpose, as they are learned."""
        return self.by_purpose.setdefault(purpose, {})

    def learn(self, ledger: Ledger, run_id: str, taken: Sequence[Work]) -> None:
        """Read what is known of the samples of chains that were taken."""
        own = {(work.leased.cell_id, planned_id): work.leased for work in taken for planned_id in work.planned_ids}
        for purpose, known in self.by_purpose.items():
            found = ledger.outcomes(run_id, purpose=purpose, planned_ids={planned_id for _, planned_id in own})
            # of other cells the same samples may be under way here, with what was known when they were taken
            known.update({key: one for key, one in found.items() if key in own})
            known.update(
                with_new_tries({key: known[key] for key, one in own.items() if one.new_tries and key in known})
            )

    def forget(self, cell_id: int, planned_ids: Sequence[int]) -> None:
        """Let go of samples that are done with."""
        for known in self.by_purpose.values():
            for planned_id in planned_ids:
                known.pop((cell_id, planned_id), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A leased chain and what is to be asked in it."""

    leased: Leased
    chain: Chain
    planned_ids: list[int]


class LeasedChains:
    """What one worker has taken.

    Attributes:
        n_asked, n_scored: chains done.
        n_open: taken and not ended.
        has_taken: anything, ever.
        to_score: answered chains that nobody has begun to score.
    """

    def __init__(
        self,
        ledger: Ledger,
        worker: WorkerRecord,
        prepared: PreparedRun,
        queues: Sequence[ModelQueue],
        known: LeasedOutcomes,
    ) -> None:
        self.ledger = ledger
        self.worker = worker
        self.n_asked = 0
        self.n_scored = 0
        self.n_open = 0
        self.has_taken = False
        self.to_score: deque[Work] = deque()
        self._known = known
        self._queues = queues
        self._waiting: dict[int, deque[Work]] = {id(queue): deque() for queue in queues}
        self._queue_of = {cell_id: queue for queue in queues for cell_id in queue.cell_ids.values()}
        self._chains = {_first_id(queue, chain): chain for queue in queues[:1] for chain in prepared.chains}
        self._ended: dict[int, ChainState] = {}
        self._dry: set[tuple[int, bool]] = set()  # (cell id, to score) of which the ledger had fewer than were wanted

    def waiting(self, queue: ModelQueue) -> deque[Work]:
        """Chains of a model that nobody has begun."""
        return self._waiting[id(queue)]

    def queue_of(self, work: Work) -> ModelQueue:
        """The model of a chain."""
        return self._queue_of[work.leased.cell_id]

    def look_again(self) -> None:
        """Ask for chains of all cells again, of those as well of which there were no more: others may have come."""
        self._dry.clear()

    async def refill(self, most_per_model: int, most_to_score: int) -> int:
        """Take more chains where few are left: to be asked, and to be scored where nothing waits to be asked.

        Returns:
            how many came.

        Raises:
            WorkerLost: this worker counts as dead.
        """
        kind = self.worker.kind
        open_of = {} if kind == "score" else self._lacking(most_per_model)
        taken = await self._taken(open_of)
        n_lacking = most_to_score - len(self.to_score)
        if kind != "ask" and 2 * n_lacking >= most_to_score and not any(self.waiting(queue) for queue in self._queues):
            each = max(1, n_lacking // len(self._queue_of))
            taken += await self._taken(dict.fromkeys(self._queue_of, each), to_score=True)
        for work in taken:
            (self.to_score if work.leased.to_score else self.waiting(self.queue_of(work))).append(work)
        self.n_open += len(taken)
        self.has_taken = self.has_taken or bool(taken)
        return len(taken)

    def _lacking(self, most_per_model: int) -> dict[int, int]:
        found: dict[int, int] = {}
        for cell_id, queue in self._queue_of.items():
            lacking = most_per_model - len(self.waiting(queue))
            if queue.stopped_by is None and lacking > 0 and 2 * lacking >= most_per_model:
                found[cell_id] = lacking
        return found

    async def _taken(self, wanted: dict[int, int], *, to_score: bool = False) -> list[Work]:
        wanted = {cell_id: most for cell_id, most in wanted.items() if (cell_id, to_score) not in self._dry}
        return await asyncio.to_thread(self._take, wanted, to_score) if wanted else []

    def _take(self, wanted: dict[int, int], to_score: bool) -> list[Work]:
        taken = [self._work(one) for one in take(self.ledger, self.worker, wanted, to_score=to_score)]
        came = Counter(work.leased.cell_id for work in taken)
        # asked again with every answer, an empty queue would cost more than all leases before
        self._dry.update((cell_id, to_score) for cell_id, most in wanted.items() if came[cell_id] < most)
        if taken:
            self._known.learn(self.ledger, self.worker.run_id, taken)
        return taken

    def _work(self, leased: Leased) -> Work:
        chain, queue = self._chains[leased.planned_id], self._queue_of[leased.cell_id]
        return Work(leased=leased, chain=chain, planned_ids=[queue.ids(item)[1] for item in chain])

    def end(self, work: Work, state: ChainState) -> None:
        """Remember what became of a chain; `flush` tells the ledger."""
        self._ended[work.leased.chain_id] = state
        self._known.forget(work.leased.cell_id, work.planned_ids)
        self.n_open -= 1
        if state in ("done", "answered"):
            self.n_scored += work.leased.to_score
            self.n_asked += not work.leased.to_score

    def give_back(self, *, stopped_only: bool = False) -> None:
        """Give back what nobody has begun; of a model that was stopped it is left.

        Args:
            stopped_only: what is to be asked of models that were stopped, and nothing else.
        """
        for queue in self._queues:
            if queue.stopped_by is not None or not stopped_only:
                self._give(self.waiting(queue), "open" if queue.stopped_by is None else "left")
        if not stopped_only:
            self._give(self.to_score, "answered")

    def _give(self, waiting: deque[Work], state: ChainState) -> None:
        while waiting:
            self.end(waiting.popleft(), state)

    async def flush(self) -> None:
        """Tell the ledger what has ended."""
        ended, self._ended = self._ended, {}
        if ended:
            try:
                await asyncio.to_thread(finish, self.ledger, self.worker, ended)
            except LedgerError:
                self._ended = ended | self._ended  # to be told when the server is back
                raise


def _first_id(queue: ModelQueue, chain: Chain) -> int:
    return queue.planned_ids[chain[0].draw_order]
