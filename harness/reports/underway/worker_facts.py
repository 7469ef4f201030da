"""Who works on a run and what is left to take, for `runs show`: workers, leases by state, the driver.

Data flows ledger -> JSON-ready facts -> a `Table`; a run that one process asked has none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypedDict

from harness.documents.table import Column, Table
from harness.instants import from_us
from harness.ledger import Ledger
from harness.ledger.leases.chain_leases import standing
from harness.ledger.leases.lease_records import CHAIN_STATES, WorkerRecord
from harness.ledger.leases.worker_rows import driver_of, workers
from harness.ledger.reading.underway.live_rows import run_holder

MOST_ENDED_SHOWN = 20


class WorkerFacts(TypedDict):
    """A worker; `how_ended` None = it works."""

    worker_id: int
    name: str
    kind: str
    state: str
    places: int
    in_flight: int
    n_asked: int
    n_scored: int
    started_at: datetime
    heartbeat_at: datetime
    ended_at: datetime | None
    how_ended: str | None
    stopped_models: list[str]


class DriverFacts(TypedDict):
    """Who offers a run's work, or did so last."""

    name: str
    since: datetime
    is_alive: bool


class SharedWork(TypedDict, total=False):
    """How a run is shared out; nothing for one that never had workers. `leases` counts chains by state."""

    driver: DriverFacts
    leases: dict[str, int]
    workers: list[WorkerFacts]


def shared_work(ledger: Ledger, run_id: str) -> SharedWork:
    """Say who works on a run and what is left to take."""
    driver = driver_of(ledger, run_id)
    if driver is None:
        return {}
    leases: Counter[str] = Counter()
    for by_state in standing(ledger, run_id).values():
        leases.update(by_state)
    return {
        "driver": {
            "name": driver.name,
            "since": from_us(driver.since_us),
            "is_alive": run_holder(ledger, run_id) is not None,
        },
        "leases": {state: leases[state] for state in CHAIN_STATES},
        "workers": [_facts(worker) for worker in workers(ledger, run_id)],
    }


def _facts(worker: WorkerRecord) -> WorkerFacts:
    return {
        "worker_id": worker.worker_id,
        "name": worker.name,
        "kind": worker.kind,
        "state": worker.state,
        "places": worker.places,
        "in_flight": worker.in_flight,
        "n_asked": worker.n_asked,
        "n_scored": worker.n_scored,
        "started_at": from_us(worker.started_at_us),
        "heartbeat_at": from_us(worker.heartbeat_at_us),
        "ended_at": None if worker.ended_at_us is None else from_us(worker.ended_at_us),
        "how_ended": None if worker.end is None else worker.end.why,
        "stopped_models": [one.model for one in worker.stopped],
    }


WORKER_COLUMNS = (
    Column(name="worker_id", kind="integer", title="worker"),
    Column(name="name", title="process", drops=2),
    Column(name="kind", drops=5),
    Column(name="state"),
    Column(name="places", kind="integer", drops=4),
    Column(name="in_flight", kind="integer", title="in flight", drops=3),
    Column(name="n_asked", kind="integer", title="asked"),
    Column(name="n_scored", kind="integer", title="scored", drops=6),
    Column(name="heartbeat_at", title="last heard of (UTC)", drops=1),
    Column(name="how_ended", title="how it ended"),
)


def worker_table(shared: SharedWork) -> Table:
    """Lay out `shared_work` as a table: who works, and those that ended last."""
    ended = [worker for worker in shared["workers"] if worker["how_ended"] is not None]
    hidden = {worker["worker_id"] for worker in ended[:-MOST_ENDED_SHOWN]}
    shown: Sequence[Mapping[str, object]] = [
        {**worker, "heartbeat_at": f"{worker['heartbeat_at']:%Y-%m-%d %H:%M:%S}"}  # to the second
        for worker in shared["workers"]
        if worker["worker_id"] not in hidden
    ]
    rows = [tuple(worker[column.name] for column in WORKER_COLUMNS) for worker in shown]
    return Table(
        name="workers", title="Workers", columns=WORKER_COLUMNS, rows=rows, notes=tuple(_notes(shared, hidden))
    )


def _notes(shared: SharedWork, hidden: set[int]) -> list[str]:
    driver = shared["driver"]
    since = f"{driver['since']:%Y-%m-%d %H:%M:%S} UTC"
    leases = ", ".join(f"{count:,} {state}" for state, count in shared["leases"].items() if count)
    return [
        f"driver: {driver['name']}, since {since}{'' if driver['is_alive'] else ', which has ended'}",
        f"chains of samples: {leases or 'none was offered'}",
        *([f"{len(hidden):,} workers that ended earlier are not shown: --json lists them"] if hidden else []),
    ]
