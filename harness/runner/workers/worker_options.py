"""What a run that several workers ask cannot be, said before anything is stored."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass

from harness.errors import InputError
from harness.ledger import Ledger
from harness.ledger.connections import database_url, shown
from harness.ledger.leases.lease_records import WorkerKind
from harness.ledger.leases.worker_rows import is_a_file, needs_a_server
from harness.runner.plan import PreparedRun

MOST_WORKERS = 1_000


def refuse_a_file(name: str) -> None:
    """Refuse a ledger by its name, before it is opened or anything is loaded.

    Raises:
        LedgerError: it is a SQLite file.
        InputError: it is no ledger's name.
    """
    url = database_url(name)
    if url.get_backend_name() == "sqlite":
        raise is_a_file(shown(url))


def refuse_without_workers(prepared: PreparedRun, ledger: Ledger) -> None:
    """Refuse a ledger or options with which several workers cannot go on.

    Raises:
        LedgerError: the ledger is a SQLite file.
        InputError: the run leaves in batches.
    """
    needs_a_server(ledger)
    if prepared.spec.batch:
        raise InputError(
            "a batch is handed over by one process: there is nothing for workers to do",
            where="--workers",
            fix="leave --workers or --batch out",
        )


def parse_kind(only: str | None) -> WorkerKind:
    """Read what a worker is to do.

    Raises:
        InputError: neither `ask` nor `score`.
    """
    if only is None:
        return "all"
    if only not in ("ask", "score"):
        raise InputError(f"not a kind of work: {only!r}", where="--only", fix="ask or score, or leave it out for both")
    return "ask" if only == "ask" else "score"


@dataclass(frozen=True, slots=True, kw_only=True)
class RayCluster:
    """Where Ray is to start workers, and how many.

    Attributes:
        address: `auto` (the cluster this machine belongs to), `local`, `HOST:PORT` or `ray://HOST:PORT`; None = what
            $RAY_ADDRESS names, else a cluster of this machine that lives as long as the run.
        n_workers: None = one per CPU of the cluster.
    """

    address: str | None = None
    n_workers: int | None = None


_RAY = re.compile(
    r"ray(?::(?P<address>auto|local|(?:ray://)?(?:\[[0-9A-Fa-f:.]+\]|[\w.-]+):\d+))?(?::(?P<n_workers>\d+))?",
    re.ASCII,
)


def parse_workers(text: str) -> int | RayCluster:
    """Read who is to ask: a number of processes of this machine, 0 = others start them, or actors of a Ray cluster.

    Raises:
        InputError: neither; or Ray is not installed.
    """
    if text.partition(":")[0] == "ray":
        return _ray_cluster(text)
    return _n_workers(text, least=0)


def _n_workers(text: str, *, least: int) -> int:
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= MOST_WORKERS:
        raise InputError(
            f"not a number of workers: {text[:40]!r}",
            where="--workers",
            fix=f"{least} to {MOST_WORKERS:,}, or ray for the actors of a Ray cluster",
        )
    return int(text)


def _ray_cluster(text: str) -> RayCluster:
    found = _RAY.fullmatch(text)
    if found is None:
        raise InputError(
            f"not a Ray cluster: {text[:80]!r}",
            where="--workers",
            fix="ray, ray:auto, ray:HOST:PORT or ray:ray://HOST:PORT; :N behind any of them starts N workers",
        )
    if importlib.util.find_spec("ray") is None:
        raise InputError(
            "workers on Ray need Ray, which is not installed here",
            where="--workers",
            fix="pip install 'benchtab[ray]'; or name a number of processes of this machine",
        )
    n_workers = found["n_workers"]
    return RayCluster(address=found["address"], n_workers=None if n_workers is None else _n_workers(n_workers, least=1))
