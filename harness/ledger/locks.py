"""One process per run: a lock that the operating system or the server gives back the moment its holder dies.

On SQLite a file lock (`flock`) on a small file beside the ledger, on PostgreSQL a session's advisory lock.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, text

from harness.errors import RunLockedError


def run_lock(engine: Engine, run_id: str, *, database: str) -> Iterator[None]:
    """Hold the lock of a run until the generator ends.

    Raises:
        RunLockedError: another live process holds it.
    """
    if engine.dialect.name == "sqlite":
        yield from _file_lock(Path(f"{engine.url.database}.{_digest(run_id).hex()[:16]}.lock"), run_id, database)
    else:
        yield from _advisory_lock(engine, run_id, database)


hold_run_lock = contextmanager(run_lock)


def _digest(run_id: str) -> bytes:
    return hashlib.sha256(b"benchtab run " + run_id.encode()).digest()


def _locked(run_id: str, holder: str, database: str) -> RunLockedError:
    return RunLockedError(
        f"run {run_id} is being worked on by another process ({holder})",
        where=database,
        fix="wait until it has ended, or start another run with a new --run-id",
    )


def _file_lock(path: Path, run_id: str, database: str) -> Iterator[None]:
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(handle, 200).decode(errors="replace").strip() or "unknown"
            os.close(handle)
            raise _locked(run_id, holder, database) from None
        if _is_still(path, handle):
            break
        os.close(handle)  # its holder ended and removed the file between our open and our lock: take the new one
    try:
        os.ftruncate(handle, 0)
        os.write(handle, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)


def _is_still(path: Path, handle: int) -> bool:
    try:
        return path.stat().st_ino == os.fstat(handle).st_ino
    except FileNotFoundError:
        return False


def _advisory_lock(engine: Engine, run_id: str, database: str) -> Iterator[None]:
    key = int.from_bytes(_digest(run_id)[:8], "big", signed=True)
    connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    try:
        name = f"benchtab process {os.getpid()} on {socket.gethostname()}"
        connection.execute(text("SELECT set_config('application_name', :name, false)"), {"name": name[:63]})
        if not connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": key}).scalar_one():
            holder = connection.execute(text(_HOLDER), {"high": key >> 32 & 0xFFFFFFFF, "low": key & 0xFFFFFFFF})
            raise _locked(run_id, holder.scalar() or "unknown", database)
        yield
    finally:
        # the session ends here and gives its locks back; a pooled connection would keep them
        connection.invalidate()
        connection.close()


_HOLDER = (
    "SELECT activity.application_name FROM pg_locks AS held JOIN pg_stat_activity AS activity USING (pid)"
    " WHERE held.locktype = 'advisory' AND held.granted AND held.classid::bigint = :high AND held.objid::bigint = :low"
)
