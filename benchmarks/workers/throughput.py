"""What a request costs when 1, 2 or 4 workers ask, PostgreSQL included, beside one process on SQLite, in one session.

Data flows the mock server (200 ms an answer) -> `benchtab run` -> requests a second from the ledger's instants, CPU
from /proc, statements from pg_stat_statements. Each figure is what a large run costs beyond a small one.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text

from benchmarks.generated_suite import write_suite
from benchmarks.mock_server import serving as mock
from harness.ledger import Ledger
from tests.support.postgres_server import PostgresServer, serving

DELAY_MS = 200
CONCURRENCY = 256
SMALL_RUN = 200
MOST_ROUND_TRIPS = 0.2
SETTINGS = {
    "max_connections": "100",
    "shared_buffers": "128MB",
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.track": "top",
}
_CALLS = {
    "leases": "query ~ 'UPDATE chains' AND query !~ 'ON CONFLICT'",
    "reservations": "query ~ '\\mbudgets\\M' AND query !~ 'CREATE'",
    "fences": "query ~ 'FROM workers' AND query ~ 'FOR KEY SHARE' AND query !~ 'UPDATE chains|\\mbudgets\\M'",
    "watching": (
        "query ~ '\\mworkers\\M|FROM chains|\\mpaces\\M|benchtab workers' AND query !~ 'CREATE|KEY SHARE|UPDATE chains'"
    ),
    "transactions": "query = 'BEGIN' OR query = 'COMMIT' OR query ~ '^SET LOCAL'",
    "all": "true",
}
"""Statements by what they are for. `watching`: heartbeats, places and limits shared out, what the driver looks at; so
many a second, however many requests leave. `transactions`: of all writes, those of attempts included."""
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a run took.

    Attributes:
        n_requests: settled attempts.
        span_s: from the first request to the last answer, by the ledger.
        cpu_s: of the driver, its workers and the database.
        calls: statements by what they are for; none on SQLite.
    """

    n_requests: int
    span_s: float
    cpu_s: float
    database_cpu_s: float
    calls: dict[str, int]


def cpu_of_tree_s(pid: int) -> float:
    """CPU seconds of a process, of those that descend from it, and of those of them that have ended."""
    children: dict[int, list[int]] = {}
    spent: dict[int, float] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended, and its parent counts it
        children.setdefault(int(words[1]), []).append(int(entry.name))
        spent[int(entry.name)] = sum(map(int, words[11:15])) / _TICKS_PER_S
    total, waiting = 0.0, [pid]
    while waiting:
        one = waiting.pop()
        total += spent.get(one, 0.0)
        waiting += children.get(one, [])
    return total


def measured(words: Sequence[str], url: str, run_id: str, server: PostgresServer | None) -> Cost:
    """Carry out a run and say what it took."""
    before_s = 0.0 if server is None else cpu_of_tree_s(server.pid)
    _calls(server, is_reset=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", "run", *words, "--db", url, "--run-id", run_id, "-q"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"benchtab run ended with {process.returncode}:\n{said.decode()[-2_000:]}")
    database_s = 0.0 if server is None else cpu_of_tree_s(server.pid) - before_s
    calls = _calls(server)
    with Ledger.open(url, create=False) as ledger, ledger.reading() as connection:
        n_requests, first_us, last_us = connection.execute(
            text(
                "SELECT count(*), min(started_at_us), max(finished_at_us) FROM attempts WHERE status <> 'sent'"
                " AND cell_id IN (SELECT cell_id FROM cells WHERE run_id = :run_id)"
            ),
            {"run_id": run_id},
        ).one()
    return Cost(
        n_requests=n_requests,
        span_s=(last_us - first_us) / 1e6,
        cpu_s=used.ru_utime + used.ru_stime + database_s,
        database_cpu_s=database_s,
        calls=calls,
    )


def _calls(server: PostgresServer | None, *, is_reset: bool = False) -> dict[str, int]:
    """Count statements since the last time, by what they are for."""
    if server is None:
        return {}
    import psycopg

    with psycopg.connect(server.address, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        counted = ", ".join(f"coalesce(sum(calls) FILTER (WHERE {kind}), 0)" for kind in _CALLS.values())
        (found,) = connection.execute(f"SELECT {counted} FROM pg_stat_statements".encode()).fetchall()
        if is_reset:
            connection.execute("SELECT pg_stat_statements_reset()")
    return dict(zip(_CALLS, map(int, found), strict=True))


def throughput(folder: Path, *, requests: int) -> bool:
    """Print requests a second, CPU and statements a request; says whether leases and reservations are cheap."""
    suite = write_suite(folder, requests)
    print(f"{'':22s} {'requests/s':>10s} {'CPU us/request':>15s} {'of it database':>15s} {'statements/request':>19s}")
    holds = True
    with mock(DELAY_MS) as base_url, serving(SETTINGS) as server:
        for name, n_workers in {"one process, SQLite": 0, "1 worker": 1, "2 workers": 2, "4 workers": 4}.items():
            url = server.new_ledger() if n_workers else str(folder / "one.db")
            words = [str(suite), "-m", "openai-compatible/sim-direct", "--base-url", base_url]
            words += ["--concurrency", str(CONCURRENCY), "--budget-usd", "100000"]
            words += ["--workers", str(n_workers)] if n_workers else []
            at = server if n_workers else None
            small = measured([*words, "--limit", str(SMALL_RUN)], url, "small", at)
            large = measured(words, url, "large", at)
            holds &= _show(name, small, large)
    return holds


def _show(name: str, small: Cost, large: Cost) -> bool:
    more = large.n_requests - small.n_requests
    cpu_us = (large.cpu_s - small.cpu_s) / more * 1e6
    database_us = (large.database_cpu_s - small.database_cpu_s) / more * 1e6
    each = {kind: (n - small.calls[kind]) / more for kind, n in large.calls.items()}
    print(
        f"{name:22s} {large.n_requests / large.span_s:10,.0f} {cpu_us:15,.0f} {database_us:15,.0f}"
        + (f" {each['all']:19.2f}" if each else ""),
        flush=True,
    )
    if not each:
        return True
    ours = each["leases"] + each["reservations"] + each["fences"]
    is_cheap = ours <= MOST_ROUND_TRIPS
    print(
        f"    statements a request: leases {each['leases']:.3f}, reservations with the fence"
        f" {each['reservations']:.3f}, the fence alone {each['fences']:.3f};"
        f" together {ours:.3f}, target <= {MOST_ROUND_TRIPS}: {'held' if is_cheap else 'MISSED'}\n"
        f"    with heartbeats and the driver's looks ({each['watching']:.3f}) {ours + each['watching']:.3f}; with BEGIN"
        f" and COMMIT of all that is written ({each['transactions']:.3f}), too,"
        f" {ours + each['watching'] + each['transactions']:.3f}",
        flush=True,
    )
    return is_cheap
