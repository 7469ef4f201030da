"""What a run that several workers ask cannot be, said before anything is stored."""

from __future__ import annotations

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


def parse_workers(text: str) -> int:
    """Read how many workers to start on this machine; 0 = others start them.

    Raises:
        InputError: not a number of workers.
    """
    if not text.isascii() or not text.isdigit() or int(text) > MOST_WORKERS:
        raise InputError(f"not a number of workers: {text[:40]!r}", where="--workers", fix=f"0 to {MOST_WORKERS:,}")
    return int(text)
