"""Several workers share a run of a PostgreSQL ledger: each chain is one worker's, and the dead write nothing."""

from __future__ import annotations

import select
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from sqlalchemy import text

from harness.errors import LedgerError, LedgerUnreachable, RunLockedError, WorkerLost
from harness.ledger import Ledger
from harness.ledger.connections import TIMES_AGAIN
from harness.ledger.leases.chain_leases import finish, leave, put, standing, states, take
from harness.ledger.leases.lease_records import SignOfLife, WorkerEnd, WorkerKind, WorkerRecord
from harness.ledger.leases.worker_rows import beat, end, enlist, expire, needs_a_server, others_in_flight, workers
from harness.ledger.locks import STANDSTILL_MS
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
        beat(shared, dead, SignOfLife(), concurrency=4)
    again = take(shared, worker(shared), {filled.cells[0]: 2})
    assert [one.n_leases for one in again] == [2, 1]


def test_offering_again_waits_for_no_worker_that_is_in_the_middle_of_a_chain(shared: Ledger) -> None:
    """An upsert locked what was taken until all was offered; a worker that ended its chains meanwhile dead-locked."""
    filled = offered(shared, 3)
    only = worker(shared)
    taken = take(shared, only, {filled.cells[0]: 2})
    with shared.changing() as connection:
        ids = {"ids": [one.chain_id for one in taken]}
        connection.execute(text("SELECT 1 FROM chains WHERE chain_id = ANY(:ids) FOR UPDATE"), ids)
        with ThreadPoolExecutor(1) as pool:
            chains = [(filled.cells[0], planned) for planned in filled.planned]
            pool.submit(put, shared, "run-1", 1, chains, new_tries=True).result(timeout=10)
    assert standing(shared, "run-1") == {filled.cells[0]: {"asking": 2, "open": 1}}


def test_one_that_is_in_the_middle_of_a_write_keeps_nobody_from_giving_up_the_others(shared: Ledger) -> None:
    """Every heartbeat of the run waits as long as giving up the dead does."""
    offered(shared)
    writing, dead = worker(shared, lease_s=-1.0), worker(shared, lease_s=-1.0)
    with shared.changing() as connection, ThreadPoolExecutor(1) as pool:
        here = {"worker_id": writing.worker_id}
        connection.execute(text("SELECT 1 FROM workers WHERE worker_id = :worker_id FOR KEY SHARE"), here)
        assert pool.submit(expire, shared, "run-1").result(timeout=10) == [dead.worker_id]
    assert expire(shared, "run-1") == [writing.worker_id]


def test_states_are_those_that_any_chain_is_in(shared: Ledger) -> None:
    filled = offered(shared, 3)
    assert states(shared, "run-1") == {"open"}
    only = worker(shared)
    taken = take(shared, only, {filled.cells[0]: 2})
    finish(shared, only, {taken[0].chain_id: "done"})
    assert states(shared, "run-1") == {"open", "asking", "done"}
    assert states(shared, "run-2") == set()


def test_what_others_have_in_flight_counts_until_they_are_given_up(shared: Ledger) -> None:
    """A start of the server gives everyone a lease's time anew: by the lease alone they counted as gone."""
    offered(shared)
    first, second = worker(shared), worker(shared)
    beat(shared, second, SignOfLife(in_flight=3), concurrency=4)
    assert others_in_flight(shared, first) == 3
    moved = "heartbeat_at_us = 0, expires_at_us = expires_at_us - 100 * 1000000"
    with shared.changing() as connection:  # a lease that has ended, but not yet since the server started
        here = {"worker_id": second.worker_id}
        connection.execute(text(f"UPDATE workers SET {moved} WHERE worker_id = :worker_id"), here)
    assert expire(shared, "run-1") == []
    assert others_in_flight(shared, first) == 3


async def test_a_worker_that_wakes_after_its_lease_writes_nothing(shared: Ledger) -> None:
    filled = offered(shared)
    zombie = worker(shared)
    with pytest.raises(WorkerLost):  # on leaving, as what it wrote is refused
        async with shared.writer(zombie) as writer:
            attempt_id = await writer.send(start(filled))
            end(shared, zombie.worker_id, WorkerEnd(why="stood still"), state="lost")
            await writer.settle(outcome(attempt_id))
    assert shared.outcomes("run-1")[filled.cells[0], filled.planned[0]].status == "sent"


@pytest.mark.parametrize("scopes", [(), ("run:run-1", "month:2026-11")])
async def test_a_worker_that_was_given_up_writes_nothing_with_and_without_budgets(
    shared: Ledger, scopes: tuple[str, ...]
) -> None:
    """Its right to write is looked at with its budgets; a batch that moves none is looked at as well."""
    filled = offered(shared)
    zombie = worker(shared)
    for scope in scopes:
        shared.set_budget(scope, 10**9)
    with pytest.raises(WorkerLost):
        async with shared.writer(zombie) as writer:
            await writer.send(start(filled, 0, reserved_pico_usd=7, budget_scopes=scopes))
            end(shared, zombie.worker_id, WorkerEnd(why="stood still"), state="lost")
            await writer.send(start(filled, 1, reserved_pico_usd=7, budget_scopes=scopes))
    assert [planned for _, planned in shared.outcomes("run-1")] == filled.planned[:1]
    assert [shared.budgets(scopes)[scope].reserved_pico_usd for scope in scopes] == [7] * len(scopes)


async def test_budgets_that_nobody_counted_before_are_counted_for_a_worker(shared: Ledger) -> None:
    filled, scopes = offered(shared), ("month:2026-11", "run:run-1")
    async with shared.writer(worker(shared)) as writer:
        one = await writer.send(start(filled, 0, reserved_pico_usd=7, budget_scopes=scopes))
        await writer.send(start(filled, 1, reserved_pico_usd=20, budget_scopes=scopes[1:]))
        await writer.settle(outcome(one))
    counted = shared.budgets(scopes)
    assert [(one.spent_pico_usd, one.reserved_pico_usd) for one in map(counted.__getitem__, scopes)] == [
        (5, 0),
        (5, 20),
    ]


def test_who_stands_still_in_the_middle_of_a_change_does_not_keep_what_it_locked(shared: Ledger) -> None:
    """A worker that was stopped between two statements of its heartbeat kept the heartbeats of all others waiting."""
    limit = text("SHOW idle_in_transaction_session_timeout")
    with shared.changing() as connection:
        assert connection.execute(limit).scalar_one() == f"{STANDSTILL_MS // 1_000}s"
    with shared.reading() as connection:  # whoever reads may take its time: nobody waits for it
        assert connection.execute(limit).scalar_one() == "0"


def test_a_session_that_was_ended_for_standing_still_counts_as_a_server_that_was_away(shared: Ledger) -> None:
    """So a worker that wakes tries again, or hears that it was given up."""
    offered(shared)
    with pytest.raises(LedgerUnreachable), shared.changing() as connection:
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 1"))
        session: psycopg.Connection[object] = connection.connection.driver_connection  # type: ignore[assignment]
        select.select([session], [], [], 30)  # the server says so
        connection.execute(text("SELECT 1"))
    assert worker(shared).state == "working"


def collide(ledger: Ledger, table: str, change: str, *, code: str, times: int) -> None:
    """Have the server give up so many transactions that change a table, as when two wait for each other."""
    with ledger.changing() as connection:  # what a sequence has given stays given when its transaction is undone
        connection.execute(text("CREATE SEQUENCE met"))
        connection.execute(
            text(f"""
                CREATE FUNCTION collide() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                    IF nextval('met') <= {times} THEN RAISE EXCEPTION 'met another' USING ERRCODE = '{code}'; END IF;
                    RETURN NULL;
                END $$
            """)
        )
        connection.execute(text(f"CREATE TRIGGER met AFTER {change} ON {table} EXECUTE FUNCTION collide()"))


def take_and_finish(ledger: Ledger, one: WorkerRecord) -> None:
    (cell_id,) = standing(ledger, "run-1")
    finish(ledger, one, {take(ledger, one, {cell_id: 1})[0].chain_id: "done"})
    assert standing(ledger, "run-1") == {cell_id: {"open": 5, "done": 1}}


@pytest.mark.parametrize("code", ["40P01", "40001"])
@pytest.mark.parametrize(
    ("table", "step"),
    [
        ("chains", take_and_finish),
        ("chains", lambda ledger, _: leave(ledger, "run-1", list(standing(ledger, "run-1")))),
        ("workers", lambda ledger, one: beat(ledger, one, SignOfLife(), concurrency=1)),
        ("workers", lambda ledger, one: end(ledger, one.worker_id, WorkerEnd(why="told to stop"))),
        ("runs", lambda ledger, _: ledger.finish_run("run-1", "partial")),
    ],
    ids=["take and finish", "leave", "beat", "end", "finish_run"],
)
def test_a_worker_that_met_another_in_the_ledger_tries_again(
    table: str, step: Callable[[Ledger, WorkerRecord], object], code: str, shared: Ledger
) -> None:
    """A deadlock in a heartbeat ended the worker; the writer had always tried again."""
    offered(shared)
    one = worker(shared)
    collide(shared, table, "UPDATE", code=code, times=TIMES_AGAIN)
    step(shared, one)
    with shared.reading() as connection:
        assert connection.execute(text("SELECT last_value FROM met")).scalar_one() > TIMES_AGAIN


def test_what_collides_for_ever_is_told(shared: Ledger) -> None:
    offered(shared)
    one = worker(shared)
    collide(shared, "workers", "UPDATE", code="40P01", times=TIMES_AGAIN + 1)
    with pytest.raises(LedgerError, match="met another"):
        beat(shared, one, SignOfLife(), concurrency=1)


async def test_a_batch_that_met_another_is_written_once(shared: Ledger) -> None:
    filled, scopes = offered(shared), ("run:run-1",)
    collide(shared, "attempts", "INSERT", code="40P01", times=TIMES_AGAIN)
    async with shared.writer(worker(shared)) as writer:
        await writer.send(start(filled, 0, reserved_pico_usd=7, budget_scopes=scopes))
    assert shared.budgets(scopes)[scopes[0]].reserved_pico_usd == 7
    assert len(shared.outcomes("run-1")) == 1


async def test_a_writing_session_says_which_worker_it_is(shared: Ledger) -> None:
    filled = offered(shared)
    first, second = worker(shared), worker(shared)
    with shared.changing() as connection:
        connection.execute(text("CREATE TABLE seen (worker_id text)"))
        connection.execute(
            text("""
                CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                    INSERT INTO seen VALUES (current_setting('benchtab.worker_id', true)); RETURN NULL;
                END $$
            """)
        )
        connection.execute(text("CREATE TRIGGER note AFTER INSERT ON attempts EXECUTE FUNCTION note()"))
    for number, one in enumerate((second, first)):
        async with shared.writer(one) as writer:
            await writer.send(start(filled, number))
    with shared.reading() as connection:
        seen = connection.execute(text("SELECT worker_id FROM seen")).scalars().all()
    assert seen == [str(second.worker_id), str(first.worker_id)]


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

    def places(one: WorkerRecord, held: int) -> int:
        return beat(shared, one, SignOfLife(places=held), concurrency=5).places

    assert places(first, 0) == 5
    second, scorer = worker(shared), worker(shared, kind="score")
    assert places(second, 0) == 0  # the first has them all in its hands still
    assert places(first, 5) == 3
    assert places(second, 0) == 0  # what the first has begun before it heard of that may be in flight
    assert places(first, 3) == 3
    assert places(second, 0) == 2
    assert places(scorer, 0) == 0
    end(shared, first.worker_id, WorkerEnd(why="nothing is left"))
    assert places(second, 2) == 5
    assert [one.state for one in workers(shared, "run-1")] == ["ended", "working", "working"]
