"""How many leases and reservations one PostgreSQL takes a second from several processes, hence how many workers it
can feed.

Data flows a run of many chains -> processes that only lease, or only reserve and settle -> what they did in a time.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

from harness.ledger import Ledger
from harness.ledger.leases.chain_leases import finish, put, take
from harness.ledger.leases.lease_records import WorkerRecord
from harness.ledger.leases.worker_rows import enlist, worker_of
from tests.support.ledger_rows import Filled, fill, outcome, start
from tests.support.postgres_server import serving

RUN = "run-1"
AHEAD = 64
"""Chains that a worker leases at once: what it asks for at 64 places in flight, half of twice its places."""
PLACES = 64
SCOPES = (f"run:{RUN}", "month:2026-11")
SETTINGS = {"max_connections": "200", "shared_buffers": "128MB"}
"""A server as Debian ships it: what it says is written is on the disk."""
SHORT_PER_S, LONG_PER_S = PLACES / 0.2, PLACES / 20.0
"""Requests a second of a worker whose provider takes 200 ms for an answer, and 20 s."""
Load = Callable[[Ledger, WorkerRecord, Filled, float, int], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What one process does."""

    url: str
    filled: Filled
    number: int
    seconds: float
    is_leasing: bool


def lease(ledger: Ledger, worker: WorkerRecord, filled: Filled, until_s: float, number: int) -> int:
    """Lease and finish chains until a time; gives their number. A chain that is done is offered again by nobody."""
    n_leased = 0
    cell = filled.cells[number % len(filled.cells)]
    while time.monotonic() < until_s and (leased := take(ledger, worker, {cell: AHEAD})):
        finish(ledger, worker, {one.chain_id: "done" for one in leased})
        n_leased += len(leased)
    return n_leased


def reserve(ledger: Ledger, worker: WorkerRecord, filled: Filled, until_s: float, number: int) -> int:
    """Reserve and settle against budgets that all processes share, until a time; gives the number of attempts."""
    return asyncio.run(_reserved(ledger, worker, filled, until_s, number))


async def _reserved(ledger: Ledger, worker: WorkerRecord, filled: Filled, until_s: float, number: int) -> int:
    async with ledger.writer(worker) as writer:

        async def ask(place: int) -> int:
            n_done = 0
            while time.monotonic() < until_s:
                request_id = f"{RUN}.{number}.{place}.{n_done}"
                sent = start(filled, place, request_id=request_id, reserved_pico_usd=1_000, budget_scopes=SCOPES)
                await writer.settle(outcome(await writer.send(sent)))
                n_done += 1
            return n_done

        return sum(await asyncio.gather(*(ask(place) for place in range(PLACES))))


def _work(job: Job) -> float:
    load: Load = lease if job.is_leasing else reserve
    with Ledger.open(job.url, create=False) as ledger:
        worker_id = enlist(ledger, RUN, name=f"load {os.getpid()}", kind="all", lease_s=3_600.0)
        worker, started_s = worker_of(ledger, worker_id), time.monotonic()
        done = load(ledger, worker, job.filled, started_s + job.seconds, job.number)
        return done / (time.monotonic() - started_s)


def _together(url: str, filled: Filled, *, processes: int, seconds: float, is_leasing: bool) -> float:
    """Have processes load the server at once; gives what all of them did a second."""
    jobs = [
        Job(url=url, filled=filled, number=number, seconds=seconds, is_leasing=is_leasing)
        for number in range(processes)
    ]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        return sum(pool.map(_work, jobs))


def capacity(*, seconds: float, processes: Sequence[int] = (1, 2, 4, 8)) -> bool:
    """Print leases and reservations a second by the number of processes, and the workers that this feeds."""
    print(f"{'processes':>9s} {'leases/s':>10s} {'reservations/s':>15s}   (each reserved and settled; fsync on)")
    taken: list[float] = []  # reservations a second; the fewest count, however many processes there are
    with serving(SETTINGS) as server:
        for n_processes in processes:
            url = server.new_ledger()
            with Ledger.open(url) as ledger:
                filled = fill(ledger, n_samples=20_000)
                for scope in SCOPES:
                    ledger.set_budget(scope, 10**18)
                put(ledger, RUN, 0, [(cell, planned) for cell in filled.cells for planned in filled.planned])
            leases = _together(url, filled, processes=n_processes, seconds=seconds, is_leasing=True)
            reservations = _together(url, filled, processes=n_processes, seconds=seconds, is_leasing=False)
            taken.append(reservations)
            print(f"{n_processes:9d} {leases:10,.0f} {reservations:15,.0f}", flush=True)
    print(f"one PostgreSQL feeds {min(taken) / SHORT_PER_S:,.1f} workers of {PLACES} places whose answers take 0.2 s")
    print(f"                     {min(taken) / LONG_PER_S:,.0f} whose answers take 20 s, as reasoning does")
    return bool(taken) and min(taken) > 0
