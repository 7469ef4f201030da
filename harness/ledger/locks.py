"""One process per run: a lock that the operating system or the server gives back the moment its holder dies.

On SQLite file locks (`flock`): on a small file beside the ledger itself, wherever links lead, and on one that is named
by the ledger file's number. On PostgreSQL advisory locks: of a session of its own, and of the session that writes.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine

from harness.errors import LedgerUnreachable, RunLockedError

if TYPE_CHECKING:
    import psycopg


Renew = Callable[[], None]
"""Takes a lock again that went with its session on a server; RunLockedError when another process has it by now."""


def run_lock(engine: Engine, run_id: str, *, database: str) -> Iterator[Renew]:
    """Hold the lock of a run until the generator ends; gives what renews it.

    Raises:
        RunLockedError: another live process holds it.
    """
    if engine.dialect.name == "sqlite":
        yield from _file_locks(str(engine.url.database), run_id, database)
    else:
        yield from _advisory_lock(engine, run_id, database)


hold_run_lock = contextmanager(run_lock)


def _digest(run_id: str) -> bytes:
    return hashlib.sha256(b"benchtab run " + run_id.encode()).digest()


def _locked(run_id: str, holder: str, database: str) -> RunLockedError:
    return RunLockedError(
        f"run {run_id} is being worked on by another process ({holder})",
        where=database,
        fix="wait until it has ended, or take another --run-id",
    )


def _file_locks(ledger: str, run_id: str, database: str) -> Iterator[Renew]:
    """Lock beside the file that the path leads to in the end, and by the file's number, whatever its names are."""
    real = os.path.realpath(ledger)
    with ExitStack() as stack:
        stack.enter_context(_held_file(_lock_beside(real, run_id), run_id, database))
        if (by_number := _lock_by_number(real, run_id)) is not None:
            stack.enter_context(_held_file(by_number, run_id, database))
        yield lambda: None  # the operating system gives them back with the process, and not before


def _lock_beside(real: str, run_id: str) -> Path:
    return Path(f"{real}.{_digest(run_id).hex()[:16]}.lock")


def _lock_by_number(real: str, run_id: str) -> Path | None:
    """Name the lock that two hard links of a ledger share on this machine; None where there is no folder for it."""
    folder = Path(tempfile.gettempdir()) / f"benchtab-locks-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.is_symlink() or folder.stat().st_uid != os.getuid():
            return None
        file = os.stat(real)  # noqa: PTH116  # beside realpath
    except OSError:
        return None
    return folder / f"{file.st_dev:x}-{file.st_ino:x}-{_digest(run_id).hex()[:16]}.lock"


def _file_lock(path: Path, run_id: str, database: str) -> Iterator[None]:
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _take(handle)
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


_held_file = contextmanager(_file_lock)
_ASKED_FOR_S = 0.005
_TIMES_ASKED = 4
_NOTICED_S = 0.1
"""A server needs a moment to notice that a process was killed."""


def _take(handle: int) -> None:
    """Lock a file for this process alone; one who only asks whether it is held holds it for an instant.

    Raises:
        BlockingIOError: another process works under it.
    """
    for _ in range(_TIMES_ASKED):
        with suppress(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(_ASKED_FOR_S)
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def lock_holder(engine: Engine, run_id: str) -> str | None:
    """Name the live process that works on a run, without taking anything from it; None = nobody does."""
    if engine.dialect.name != "sqlite":
        return _session_holder(engine, _key(b"benchtab run " + run_id.encode()))
    real = os.path.realpath(str(engine.url.database))
    names = (_lock_beside(real, run_id), _lock_by_number(real, run_id))
    return next((holder for name in names if name is not None and (holder := _file_holder(name))), None)


def _file_holder(path: Path) -> str | None:
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)  # given back on closing
    except BlockingIOError:
        return os.read(handle, 200).decode(errors="replace").strip() or "unknown"
    finally:
        os.close(handle)
    return None


def _session_holder(engine: Engine, key: int) -> str | None:
    with engine.connect() as pooled:
        connection: psycopg.Connection[Any] = pooled.connection.driver_connection  # type: ignore[assignment]  # its own
        found = connection.execute(_HOLDER, _halves(key)).fetchone()
    return None if found is None else str(found[0])


def _is_still(path: Path, handle: int) -> bool:
    try:
        return path.stat().st_ino == os.fstat(handle).st_ino
    except FileNotFoundError:
        return False


STANDSTILL_MS = 10_000
"""How long a session that others wait for may stand still in the middle of a transaction; then the server ends it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Runs that a writing PostgreSQL session is to hold as its own.

    Attributes:
        must_be_free: refuse when another session holds one; else (after a lost connection, when nothing is sent any
            more) take what is free.
        worker_id: the session is one of many workers of the runs: they share the lock, which keeps out a process that
            works on such a run alone; None = it is that process.
    """

    runs: tuple[str, ...]
    database: str
    must_be_free: bool = True
    worker_id: int | None = None

    def take(self, connection: psycopg.Connection[Any]) -> None:
        """Take the locks for this session.

        Raises:
            RunLockedError: another session holds one of them.
        """
        connection.execute("SELECT set_config('application_name', %s, false)", (_session_name(),))
        _stay(connection)
        if self.worker_id is not None:
            # a worker that stands still in the middle of a transaction must not keep the others from the budgets
            connection.execute(f"SET idle_in_transaction_session_timeout = {STANDSTILL_MS}")
            # whoever looks at the server's sessions, or audits writes by a trigger, learns which worker it is
            connection.execute("SELECT set_config('benchtab.worker_id', %s, false)", (str(self.worker_id),))
        lock = "pg_try_advisory_lock" if self.worker_id is None else "pg_try_advisory_lock_shared"
        for run_id in self.runs:
            key = _key(b"benchtab writer " + run_id.encode())
            found = connection.execute(f"SELECT {lock}(%s)", (key,)).fetchone()
            if self.must_be_free and (found is None or not found[0]):
                holder = connection.execute(_HOLDER, _halves(key)).fetchone()
                raise _locked(run_id, "unknown" if holder is None else str(holder[0]), self.database)


def _stay(connection: psycopg.Connection[Any]) -> None:
    """Ask the server not to end this session for being idle; it is, while answers take their time."""
    if connection.info.server_version >= _ENDS_IDLE_SESSIONS:
        connection.execute("SET idle_session_timeout = 0")


_ENDS_IDLE_SESSIONS = 140_000
"""PostgreSQL 14."""


def _advisory_lock(engine: Engine, run_id: str, database: str) -> Iterator[Renew]:
    lock = _SessionLock(engine, run_id, database)
    lock.take()
    try:
        yield lock.renew
    finally:
        lock.end()


class _SessionLock:
    """The lock of a run on a server, held by a session of its own."""

    def __init__(self, engine: Engine, run_id: str, database: str) -> None:
        self._engine = engine
        self._run_id = run_id
        self._database = database
        self._was: int | None = None  # the server's number of the session that had the lock

    def take(self) -> None:
        """Take the lock in a new session.

        Raises:
            RunLockedError: another process has it.
            LedgerUnreachable: the server takes the session before for alive.
        """
        self._pooled = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            self._lock()
        except BaseException:
            self.end()
            raise

    def _lock(self) -> None:
        self._session: psycopg.Connection[Any] = self._pooled.connection.driver_connection  # type: ignore[assignment]
        key = _key(b"benchtab run " + self._run_id.encode())
        self._session.execute("SELECT set_config('application_name', %s, false)", (_session_name(),))
        _stay(self._session)
        for _ in range(_TIMES_ASKED):
            found = self._session.execute("SELECT pg_try_advisory_lock(%s)", (key,)).fetchone()
            if found is not None and found[0]:
                break
            time.sleep(_NOTICED_S)
        else:
            holder, pid = self._session.execute(_HOLDER, _halves(key)).fetchone() or ("unknown", 0)
            if pid == self._was:
                raise LedgerUnreachable("the server has not ended a session that was lost yet", where=self._database)
            raise _locked(self._run_id, str(holder), self._database)
        self._was = self._session.info.backend_pid

    def renew(self) -> None:
        """Look whether the session is still there, and take the lock in a new one where it is not."""
        if not self._session.closed:
            with suppress(Exception):  # a new session says what is wrong, if anything still is
                self._session.execute("SELECT 1")
                return
        self.end()
        self.take()

    def end(self) -> None:
        """End the session, which gives its locks back; a pooled connection would keep them."""
        if not self._pooled.closed:
            self._pooled.invalidate()
            self._pooled.close()


def _session_name() -> str:
    return f"benchtab process {os.getpid()} on {socket.gethostname()}"[:63]


def _key(name: bytes) -> int:
    return int.from_bytes(hashlib.sha256(name).digest()[:8], "big", signed=True)


def _halves(key: int) -> tuple[int, int]:
    return key >> 32 & 0xFFFFFFFF, key & 0xFFFFFFFF


_HOLDER = (
    "SELECT activity.application_name, activity.pid FROM pg_locks AS held JOIN pg_stat_activity AS activity USING (pid)"
    " WHERE held.locktype = 'advisory' AND held.granted AND held.classid::bigint = %s AND held.objid::bigint = %s"
)
