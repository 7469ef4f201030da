"""Who works on a run: enlisting, heartbeats, places in flight shared out, and who counts as dead.

A worker that is not heard of until its lease expires is `lost`: what it had taken is open again, and in the same
transaction its right to write ends (`fence`), however late it wakes. All instants are the server's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Literal

from sqlalchemy import Connection, Row, text

from harness.errors import LedgerError, WorkerLost
from harness.ledger.encoding import canonical_json
from harness.ledger.leases.lease_records import (
    Beat,
    DriverRecord,
    SignOfLife,
    WorkerEnd,
    WorkerKind,
    WorkerRecord,
    WorkerState,
)
from harness.ledger.ledger import Ledger
from harness.ledger.row_forms import record_of

LEASE_S = 30.0
"""How long a worker that is not heard of counts as alive."""
NOW_US = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
_ALIVE = "state IN ('working', 'draining')"
_STARTED_US = "(extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint"
_SILENT = f"greatest(expires_at_us, {_STARTED_US} + expires_at_us - heartbeat_at_us) < {NOW_US}"
"""While the server was away nobody could be heard of: after its start everyone has a lease's time once more."""


def needs_a_server(ledger: Ledger) -> None:
    """Refuse a ledger that several machines cannot share.

    Raises:
        LedgerError: it is a SQLite file.
    """
    if ledger.engine.dialect.name != "postgresql":
        raise is_a_file(ledger.database)


def is_a_file(database: str) -> LedgerError:
    """Say that a SQLite ledger cannot be worked on by several processes, and what to do."""
    return LedgerError(
        "several workers need a ledger that a server holds: a SQLite file has one writer at a time",
        where=database,
        fix="name a PostgreSQL ledger: --db postgresql+psycopg://USER@HOST/DATABASE; or leave --workers out",
    )


def enlist(ledger: Ledger, run_id: str, *, name: str, kind: WorkerKind, lease_s: float = LEASE_S) -> int:
    """Enter a worker, without places until its first heartbeat; returns its id."""
    query = f"""
        INSERT INTO workers (run_id, name, kind, state, started_at_us, heartbeat_at_us, expires_at_us, places,
            in_flight, n_asked, n_scored)
        SELECT :run_id, :name, :kind, 'working', now_us, now_us, now_us + :lease_us, 0, 0, 0, 0
        FROM (SELECT {NOW_US} AS now_us) AS clock RETURNING worker_id
    """
    values = {"run_id": run_id, "name": name, "kind": kind, "lease_us": round(lease_s * 1e6)}
    return ledger.change(lambda connection: int(connection.execute(text(query), values).scalar_one()))


_OTHERS = f"""
    SELECT coalesce(sum(places) FILTER (WHERE worker_id <> :worker_id), 0) AS taken,
        count(*) FILTER (WHERE kind <> 'score' AND state = 'working') AS n_asking,
        count(*) FILTER (WHERE kind <> 'score' AND state = 'working' AND worker_id < :worker_id) AS rank
    FROM workers WHERE run_id = :run_id AND {_ALIVE}
"""

_BEAT = f"""
    UPDATE workers SET heartbeat_at_us = {NOW_US}, expires_at_us = {NOW_US} + :lease_us, places = :places,
        in_flight = :in_flight, n_asked = :n_asked, n_scored = :n_scored
    WHERE worker_id = :worker_id AND {_ALIVE}
    RETURNING (SELECT status FROM runs WHERE run_id = :run_id) AS run_status,
        (SELECT since_us FROM drivers WHERE run_id = :run_id) AS session_us,
        (SELECT array_agg(other.detail) FROM workers AS other WHERE other.run_id = :run_id
            AND other.worker_id <> :worker_id AND other.detail LIKE '%"session_us"%') AS told
"""


def beat(
    ledger: Ledger,
    worker: WorkerRecord,
    sign: SignOfLife,
    *,
    concurrency: int,
    lease_s: float = LEASE_S,
) -> Beat:
    """Say that a worker lives, and hear how many requests it may have in flight.

    The run's concurrency is shared out evenly among those who ask. A share that shrinks is free for others only when
    its worker has heard of it and what is in flight has left, which it says with a later beat: all together never have
    more in flight than was asked for.

    Raises:
        WorkerLost: it counts as dead.
    """
    here = {"worker_id": worker.worker_id, "run_id": worker.run_id}

    def say(connection: Connection) -> tuple[int, Row[tuple[object, ...]] | None]:
        _one_at_a_time(connection, worker.run_id)
        others = connection.execute(text(_OTHERS), here).one()
        share = _share(concurrency, int(others.n_asking), int(others.rank)) if worker.kind != "score" else 0
        places = max(min(share, concurrency - int(others.taken)), 0)
        said = {**here, **asdict(sign), "lease_us": round(lease_s * 1e6)}
        said["places"] = max(places, sign.places, sign.in_flight)
        return places, connection.execute(text(_BEAT), said).one_or_none()

    places, changed = ledger.change(say)
    if changed is None:
        raise WorkerLost(worker.worker_id, database=ledger.database)
    session_us = changed.session_us or 0
    told = (one for detail in changed.told or () for one in WorkerEnd.from_json(detail).stopped)
    stopped = tuple(one for one in told if one.session_us == session_us)
    return Beat(places=places, run_status=changed.run_status, session_us=session_us, stopped=stopped)


def tell(ledger: Ledger, worker_id: int, told: WorkerEnd) -> None:
    """Let the others and the driver know what a worker stopped to ask and what it did, while it goes on."""
    query = f"UPDATE workers SET detail = :detail WHERE worker_id = :worker_id AND {_ALIVE}"
    values = {"worker_id": worker_id, "detail": told.to_json()}
    ledger.change(lambda connection: connection.execute(text(query), values))


def _share(concurrency: int, n_asking: int, rank: int) -> int:
    each, rest = divmod(concurrency, max(1, n_asking))
    return each + (rank < rest)


def expire(ledger: Ledger, run_id: str) -> list[int]:
    """Give up workers that were not heard of in time: their chains are open again, and they write no more.

    Returns:
        The ids of workers lost by this call.
    """

    def give_up(connection: Connection) -> list[int]:
        _one_at_a_time(connection, run_id)
        # one that is in the middle of a write is given up at a later look: all the others' heartbeats would wait for it
        found = connection.execute(
            text(
                f"SELECT worker_id FROM workers WHERE run_id = :run_id AND {_ALIVE} AND {_SILENT}"
                " ORDER BY worker_id FOR UPDATE SKIP LOCKED"
            ),
            {"run_id": run_id},
        ).scalars()
        gone = [int(worker_id) for worker_id in found]
        for worker_id in gone:
            _end(connection, worker_id, "lost", WorkerEnd(why="was not heard of in time"))
        return gone

    return ledger.change(give_up)


def drain(ledger: Ledger, worker_id: int) -> None:
    """Note that a worker takes nothing more."""
    query = text("UPDATE workers SET state = 'draining' WHERE worker_id = :worker_id AND state = 'working'")
    ledger.change(lambda connection: connection.execute(query, {"worker_id": worker_id}))


def end(
    ledger: Ledger,
    worker_id: int,
    how: WorkerEnd,
    *,
    state: Literal["ended", "lost"] = "ended",
    n_asked: int = 0,
    n_scored: int = 0,
) -> None:
    """End a worker; what it still has is open again. One that is lost stays lost.

    Args:
        n_asked, n_scored: chains that it finished, its last ones included.
    """

    def ending(connection: Connection) -> None:
        # as in `expire`: what it takes or writes at this moment is over before its chains are open again
        connection.execute(
            text("SELECT 1 FROM workers WHERE worker_id = :worker_id FOR UPDATE"), {"worker_id": worker_id}
        )
        _end(connection, worker_id, state, how, (n_asked, n_scored))

    ledger.change(ending)


def _end(
    connection: Connection, worker_id: int, state: WorkerState, how: WorkerEnd, done: tuple[int, int] = (0, 0)
) -> None:
    says_only_why = how == WorkerEnd(why=how.why)  # what it told before still holds
    connection.execute(
        text(f"""
            UPDATE workers SET state = :state, ended_at_us = {NOW_US}, places = 0, in_flight = 0,
                n_asked = greatest(n_asked, :n_asked), n_scored = greatest(n_scored, :n_scored),
                detail = CASE WHEN :says_only_why AND detail IS NOT NULL
                    THEN jsonb_set(detail::jsonb, '{{why}}', to_jsonb(CAST(:why AS text)))::text ELSE :detail END
            WHERE worker_id = :worker_id AND {_ALIVE}
        """),
        {"worker_id": worker_id, "state": state, "detail": how.to_json(), "why": how.why,
         "says_only_why": says_only_why, "n_asked": done[0], "n_scored": done[1]},
    )  # fmt: skip
    connection.execute(
        text("""
            UPDATE chains SET state = CASE state WHEN 'scoring' THEN 'answered' ELSE 'open' END, worker_id = NULL
            WHERE worker_id = :worker_id AND (state = 'asking' OR state = 'scoring')
        """),
        {"worker_id": worker_id},
    )


def workers(ledger: Ledger, run_id: str) -> Sequence[WorkerRecord]:
    """Read everyone who ever worked on a run, in the order they came; none on a ledger without a server."""
    with ledger.reading() as connection:
        found = connection.execute(
            text("SELECT * FROM workers WHERE run_id = :run_id ORDER BY worker_id"), {"run_id": run_id}
        ).all()
    return [record_of(WorkerRecord, row) for row in found]


def drive(ledger: Ledger, run_id: str, *, name: str, config: Mapping[str, object]) -> None:
    """Note who offers a run's work from now on, and the options that all workers follow."""
    query = f"""
        INSERT INTO drivers (run_id, name, since_us, config) VALUES (:run_id, :name, {NOW_US}, :config)
        ON CONFLICT (run_id) DO UPDATE SET name = excluded.name, since_us = excluded.since_us, config = excluded.config
    """
    values = {"run_id": run_id, "name": name, "config": canonical_json(config)}
    ledger.change(lambda connection: connection.execute(text(query), values))


def driver_of(ledger: Ledger, run_id: str) -> DriverRecord | None:
    """Read who offers a run's work, or did so last; None = it never had workers."""
    with ledger.reading() as connection:
        found = connection.execute(
            text("SELECT * FROM drivers WHERE run_id = :run_id"), {"run_id": run_id}
        ).one_or_none()
    return None if found is None else record_of(DriverRecord, found, config=json.loads(found.config))


def worker_of(ledger: Ledger, worker_id: int) -> WorkerRecord:
    """Read one worker."""
    query = text("SELECT * FROM workers WHERE worker_id = :worker_id")
    with ledger.reading() as connection:
        return record_of(WorkerRecord, connection.execute(query, {"worker_id": worker_id}).one())


def others_in_flight(ledger: Ledger, worker: WorkerRecord) -> int | None:
    """Count the requests that other living workers of a run have in flight, as they said last.

    Returns:
        None where nobody else asks.
    """
    query = f"""
        SELECT sum(in_flight) FROM workers WHERE run_id = :run_id AND worker_id <> :worker_id AND kind <> 'score'
            AND {_ALIVE} AND NOT {_SILENT}
    """
    with ledger.reading() as connection:
        found = connection.execute(text(query), {"run_id": worker.run_id, "worker_id": worker.worker_id}).scalar_one()
    return None if found is None else int(found)


def _one_at_a_time(connection: Connection, run_id: str) -> None:
    """Let one transaction at a time look at a run's workers and change them."""
    connection.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended('benchtab workers ' || :run_id, 0))"), {"run_id": run_id}
    )
