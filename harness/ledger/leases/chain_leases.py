"""What the workers of a run take: chains of planned samples, some at a time, each by one worker (`SKIP LOCKED`).

Data flows the driver's waves -> `put` -> `take` by workers -> `finish` -> `standing`. A lease holds as long as its
worker lives (`worker_rows`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, Row, text

from harness.errors import WorkerLost
from harness.ledger.leases.lease_records import CHAIN_STATES, ChainState, Leased, WorkerRecord
from harness.ledger.ledger import Ledger

CHAINS_PER_STATEMENT = 5_000
UNFINISHED: tuple[ChainState, ...] = ("open", "asking", "answered", "scoring")


def put(ledger: Ledger, run_id: str, wave: int, chains: Sequence[tuple[int, int]], *, new_tries: bool = False) -> None:
    """Offer chains to whoever works on a run; one that is open or taken stays so, one that was left is open again.

    Args:
        chains: (cell id, id of its first planned sample), in the order in which they are to be asked.
        new_tries: samples that failed for good are asked again; chains that are done are open again, too.
    """
    again = "chains.state IN ('left', 'done')" if new_tries else "chains.state = 'left'"
    offered = "unnest(CAST(:cells AS bigint[]), CAST(:planned AS bigint[]))"
    # two statements: an upsert would lock what workers of an earlier session have taken, until all is offered
    opened = f"""
        UPDATE chains SET state = 'open', worker_id = NULL, n_leases = 0, new_tries = :new_tries
        FROM {offered} AS offered (cell_id, planned_id)
        WHERE chains.cell_id = offered.cell_id AND chains.planned_id = offered.planned_id AND {again}
    """
    made = f"""
        INSERT INTO chains (run_id, cell_id, planned_id, wave, state, n_leases, new_tries)
        SELECT :run_id, cell_id, planned_id, :wave, 'open', 0, :new_tries
        FROM {offered} WITH ORDINALITY AS offered (cell_id, planned_id, place)
        ORDER BY place ON CONFLICT (cell_id, planned_id) DO NOTHING
    """

    def offer(connection: Connection) -> None:
        for start in range(0, len(chains), CHAINS_PER_STATEMENT):
            cells, planned = zip(*chains[start : start + CHAINS_PER_STATEMENT], strict=True)
            values = {"cells": list(cells), "planned": list(planned), "new_tries": int(new_tries)}
            connection.execute(text(opened), values)
            connection.execute(text(made), {**values, "run_id": run_id, "wave": wave})

    ledger.change(offer)


def take(ledger: Ledger, worker: WorkerRecord, wanted: Mapping[int, int], *, to_score: bool = False) -> list[Leased]:
    """Lease chains for a worker, in the order in which they were offered, in one round trip.

    Args:
        wanted: cell id -> how many at most.
        to_score: answered chains whose programs are to be scored, instead of open ones.

    Raises:
        WorkerLost: it counts as dead.
    """
    before, after = ("answered", "scoring") if to_score else ("open", "asking")
    query = f"""
        WITH alive AS (
            SELECT worker_id FROM workers WHERE worker_id = :worker_id AND state = 'working' FOR KEY SHARE
        ), taken AS (
            SELECT chain.chain_id
            FROM unnest(CAST(:cells AS bigint[]), CAST(:most AS bigint[])) AS wanted (cell_id, most),
                LATERAL (
                    SELECT chain_id FROM chains WHERE chains.cell_id = wanted.cell_id AND state = '{before}'
                    ORDER BY chain_id LIMIT wanted.most FOR UPDATE SKIP LOCKED
                ) AS chain
            WHERE EXISTS (SELECT 1 FROM alive)
        )
        UPDATE chains SET state = '{after}', worker_id = :worker_id, n_leases = n_leases + 1
        FROM taken WHERE chains.chain_id = taken.chain_id
        RETURNING chains.chain_id, chains.cell_id, chains.planned_id, chains.n_leases, chains.new_tries
    """
    values = {"worker_id": worker.worker_id, "cells": list(wanted), "most": list(wanted.values())}

    def lease(connection: Connection) -> Sequence[Row[tuple[object, ...]]]:
        if found := connection.execute(text(query), values).all():
            return found
        state = connection.execute(
            text("SELECT state FROM workers WHERE worker_id = :worker_id"), {"worker_id": worker.worker_id}
        ).scalar_one_or_none()
        if state in (None, "lost", "ended"):
            raise WorkerLost(worker.worker_id, database=ledger.database)
        return ()

    leased = [
        Leased(
            chain_id=row.chain_id,
            cell_id=row.cell_id,
            planned_id=row.planned_id,
            to_score=to_score,
            n_leases=row.n_leases,
            new_tries=bool(row.new_tries),
        )
        for row in ledger.change(lease)
    ]
    return sorted(leased, key=lambda one: one.chain_id)


def finish(ledger: Ledger, worker: WorkerRecord, ended: Mapping[int, ChainState]) -> None:
    """Say what became of chains that a worker had taken; those that are not its own any more stay as they are.

    Args:
        ended: chain id -> `done`, `answered` (to be scored by others), `open` (not asked), `left`.
    """
    if not ended:
        return
    # the worker's row first, as in `expire`: two that lock its chains in different orders would wait for each other
    query = """
        WITH here AS (SELECT worker_id FROM workers WHERE worker_id = :worker_id FOR KEY SHARE)
        UPDATE chains SET state = became.state, worker_id = CASE became.state WHEN 'done' THEN chains.worker_id END
        FROM unnest(CAST(:ids AS bigint[]), CAST(:states AS text[])) AS became (chain_id, state)
        WHERE chains.chain_id = became.chain_id AND chains.worker_id = :worker_id
            AND (chains.state = 'asking' OR chains.state = 'scoring') AND EXISTS (SELECT 1 FROM here)
    """
    values = {"worker_id": worker.worker_id, "ids": list(ended), "states": list(ended.values())}
    ledger.change(lambda connection: connection.execute(text(query), values))


def standing(ledger: Ledger, run_id: str) -> dict[int, dict[ChainState, int]]:
    """Count the chains of a run by cell and state."""
    query = "SELECT cell_id, state, count(*) AS n FROM chains WHERE run_id = :run_id GROUP BY cell_id, state"
    with ledger.reading() as connection:
        found = connection.execute(text(query), {"run_id": run_id}).all()
    counts: dict[int, dict[ChainState, int]] = {}
    for row in found:
        counts.setdefault(row.cell_id, {})[row.state] = row.n
    return counts


def states(ledger: Ledger, run_id: str) -> set[ChainState]:
    """Say which states any chain of a run is in, without counting them: whoever waits asks it again and again."""
    query = """
        SELECT state FROM unnest(CAST(:known AS text[])) AS known (state)
        WHERE EXISTS (SELECT 1 FROM chains WHERE chains.run_id = :run_id AND chains.state = known.state)
    """
    with ledger.reading() as connection:
        return set(connection.execute(text(query), {"run_id": run_id, "known": list(CHAIN_STATES)}).scalars())


def failures(ledger: Ledger, cell_ids: Sequence[int]) -> int | None:
    """Count the chains of a model that failed for good with whichever worker; None = the model has answered before."""
    query = """
        SELECT EXISTS (
                SELECT 1 FROM attempts WHERE cell_id = ANY(:cell_ids) AND purpose = 'solve' AND status = 'succeeded'
            ) AS has_answered,
            (
                SELECT count(*) FROM chains WHERE cell_id = ANY(:cell_ids) AND state = 'done' AND EXISTS (
                    SELECT 1 FROM attempts WHERE attempts.cell_id = chains.cell_id
                        AND attempts.planned_id = chains.planned_id AND purpose = 'solve' AND status = 'failed'
                )
            ) AS n_failed
    """
    with ledger.reading() as connection:
        found = connection.execute(text(query), {"cell_ids": list(cell_ids)}).one()
    return None if found.has_answered else int(found.n_failed)


def waiting_for_scores(ledger: Ledger, run_id: str) -> int:
    """Count answered chains that nobody scores now."""
    query = "SELECT count(*) FROM chains WHERE run_id = :run_id AND state = 'answered'"
    with ledger.reading() as connection:
        return int(connection.execute(text(query), {"run_id": run_id}).scalar_one())


def is_work_left(ledger: Ledger, run_id: str) -> bool:
    """Whether any chain of a run is still to be asked or scored, or is so right now."""
    query = "SELECT EXISTS (SELECT 1 FROM chains WHERE run_id = :run_id AND state = ANY(:states))"
    with ledger.reading() as connection:
        return bool(connection.execute(text(query), {"run_id": run_id, "states": list(UNFINISHED)}).scalar_one())


def first_unfinished(ledger: Ledger, run_id: str) -> int | None:
    """Give the first planned sample, in the order of the draw, whose chain is not done; None = all are."""
    query = "SELECT min(planned_id) FROM chains WHERE run_id = :run_id AND state = ANY(:states)"
    values = {"run_id": run_id, "states": [*UNFINISHED, "left"]}
    with ledger.reading() as connection:
        found = connection.execute(text(query), values).scalar_one()
    return None if found is None else int(found)


def leave(ledger: Ledger, run_id: str, cell_ids: Sequence[int]) -> None:
    """Offer what nobody has taken of these cells no more: their model was stopped."""
    query = "UPDATE chains SET state = 'left' WHERE run_id = :run_id AND state = 'open' AND cell_id = ANY(:cell_ids)"
    values = {"run_id": run_id, "cell_ids": list(cell_ids)}
    ledger.change(lambda connection: connection.execute(text(query), values))


def unfinished(ledger: Ledger, run_id: str) -> list[tuple[int, int]]:
    """List chains that are not done, as (cell id, id of the first planned sample)."""
    query = "SELECT cell_id, planned_id FROM chains WHERE run_id = :run_id AND state <> 'done' ORDER BY chain_id"
    with ledger.reading() as connection:
        return [(row.cell_id, row.planned_id) for row in connection.execute(text(query), {"run_id": run_id})]
