"""Several workers share a run of a PostgreSQL ledger: each chain is one worker's, and the dead write nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.errors import LedgerError, RunLockedError, WorkerLost
from harness.ledger import Ledger
from harness.ledger.leases.chain_leases import finish, put, standing, take
from harness.ledger.leases.lease_records import WorkerEnd, WorkerKind, WorkerRecord
from harness.ledger.leases.worker_rows import beat, end, enlist, expire, needs_a_server, workers
from tests.support.ledger_rows import Filled, fill, outcome, start

pytestmark = pytest.mark.postgres


@pytest.fixture
def shared(postgres_url: str) -> Iterator[Ledger]:
    with Ledger.open(postgres_url) as ledger:
        yield ledger


def worker(ledger: Ledger, *, kind: WorkerKind = "all", lease_s: float = 30.0) -> WorkerRecord:
    worker_id = enlist(ledger, "run-1", name="here", kind=kind, lease_s=lease_s)
    return next(one for one in workers(ledger, "run-1") if one.worker_id == worker_id)


def offered(ledger: Ledger, n_samples: int = 6) -> Filled:
    filled = fill(ledger, n_samples=n_samples)
    put(ledger, "run-1", 0, [(filled.cells[0], planned) for planned in filled.planned])
    return filled


def test_a_sqlite_ledger_is_refused_with_what_to_do(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="a server holds") as caught:
        needs_a_server(ledger)
    assert caught.value.fix is not None
    assert "postgresql+psycopg://" in caught.value.fix


def test_each_chain_is_taken_by_one_worker_in_the_order_offered(shared: Ledger) -> None:
    filled = offered(shared)
    first, second = worker(shared), worker(shared)
    one, two = take(shared, first, {filled.cells[0]: 2}), take(shared, second, {filled.cells[0]: 10})
    assert [leased.planned_id for leased in one + two] == filled.planned
    assert take(shared, first, {filled.cells[0]: 1}) == []
    finish(shared, first, {one[0].chain_id: "done", one[1].chain_id: "open"})
    assert standing(shared, "run-1") == {filled.cells[0]: {"done": 1, "open": 1, "asking": 4}}


def test_nobody_takes_or_ends_what_is_another_ones(shared: Ledger) -> None:
    filled = offered(shared)
    first, second = worker(shared), worker(shared)
    taken = take(shared, first, {filled.cells[0]: 1})
    finish(shared, second, {taken[0].chain_id: "done"})
    assert standing(shared, "run-1")[filled.cells[0]]["asking"] == 1


def test_offering_again_leaves_what_is_done_and_opens_what_was_left(shared: Ledger) -> None:
    filled = offered(shared, 2)
    only = worker(shared)
    taken = take(shared, only, {filled.cells[0]: 2})
    finish(shared, only, {taken[0].chain_id: "done", taken[1].chain_id: "left"})
    put(shared, "run-1", 0, [(filled.cells[0], planned) for planned in filled.planned])
    assert standing(shared, "run-1") == {filled.cells[0]: {"done": 1, "open": 1}}


def test_what_a_dead_worker_had_is_taken_again_and_it_may_take_nothing(shared: Ledger) -> None:
    filled = offered(shared, 2)
    dead = worker(shared, lease_s=-1.0)
    assert len(take(shared, dead, {filled.cells[0]: 1})) == 1
    assert expire(shared, "run-1") == [dead.worker_id]
    assert expire(shared, "run-1") == []
    with pytest.raises(WorkerLost):
        take(shared, dead, {filled.cells[0]: 1})
    with pytest.raises(WorkerLost):
        beat(shared, dead, concurrency=4, in_flight=0, n_asked=0, n_scored=0)
    again = take(shared, worker(shared), {filled.cells[0]: 2})
    assert [one.n_leases for one in again] == [2, 1]


async def test_a_worker_that_wakes_after_its_lease_writes_nothing(shared: Ledger) -> None:
    filled = offered(shared)
    zombie = worker(shared)
    with pytest.raises(WorkerLost):  # on leaving, as what it wrote is refused
        async with shared.writer(zombie) as writer:
            attempt_id = await writer.send(start(filled))
            end(shared, zombie.worker_id, WorkerEnd(why="stood still"), state="lost")
            await writer.settle(outcome(attempt_id))
    assert shared.outcomes("run-1")[filled.cells[0], filled.planned[0]].status == "sent"


async def test_many_workers_write_and_a_lone_process_is_kept_out(shared: Ledger) -> None:
    filled = offered(shared)
    async with shared.writer(worker(shared)) as one, shared.writer(worker(shared)) as two:
        await one.settle(outcome(await one.send(start(filled, 0))))
        await two.settle(outcome(await two.send(start(filled, 1))))
        with shared.run_lock("run-1"), pytest.raises(RunLockedError):
            async with shared.writer():
                pass
    assert len(shared.outcomes("run-1")) == 2


def test_all_places_together_never_exceed_the_concurrency(shared: Ledger) -> None:
    offered(shared)
    first = worker(shared)

    def places(one: WorkerRecord, in_flight: int) -> int:
        return beat(shared, one, concurrency=5, in_flight=in_flight, n_asked=0, n_scored=0).places

    assert places(first, 0) == 5
    second, scorer = worker(shared), worker(shared, kind="score")
    assert places(second, 0) == 0  # the first has them all in its hands still
    assert places(first, 5) == 5
    assert places(first, 1) == 3
    assert places(second, 0) == 2
    assert places(scorer, 0) == 0
    end(shared, first.worker_id, WorkerEnd(why="nothing is left"))
    assert places(second, 2) == 5
    assert [one.state for one in workers(shared, "run-1")] == ["ended", "working", "working"]
