"""How the ledger's databases are reached: names to URLs, an engine with the right settings, messages for what fails.

Data flows a path or URL that a person typed -> `database_url` -> `make_engine`, or `read_only_engine` for whoever looks
on while others write -> connections.
"""

from __future__ import annotations

import os
import shlex
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import Compiled
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError
from sqlalchemy.util import LRUCache

from harness.errors import InputError, LedgerError, LedgerUnreachable
from harness.resources import DEFAULT_LEDGER
from harness.secrets import learn_url, redact_url

T = TypeVar("T")
BUSY_TIMEOUT_S = 30.0
MOST_READERS = 40
"""Connections to a server beside the five that stay open: as many as a web server has threads."""
PAGE_BYTES = 8192
WRITING = "benchtab_writing"


class Readable(Protocol):
    """What a query needs of a ledger.

    Attributes:
        file: a SQLite file that another process may read as well; None where there is none.
    """

    file: LedgerFile | None

    def reading(self) -> AbstractContextManager[Connection]:
        """Give a connection in a read transaction."""
        ...


def database_url(name: str | Path) -> URL:
    """Read a SQLAlchemy URL or a file path; a path means a SQLite file.

    Raises:
        InputError: another kind of database, or an in-memory one (nothing would be kept).
    """
    text = str(name)
    learn_url(text)
    if "://" not in text:
        return URL.create("sqlite", database=str(Path(text).expanduser()))
    try:
        url = make_url(text)
        kind = url.get_backend_name()
        if kind == "postgresql":
            return _postgresql(url.set(drivername="postgresql+psycopg"), text)
    except (ArgumentError, ValueError):  # a port that is no number, a kind that does not exist
        raise InputError(f"not a database URL: {redact_url(text)!r}", where="--db", fix=_URL_FIX) from None
    if kind != "sqlite":
        raise InputError(f"a ledger cannot live in {kind!r}", where="--db", fix=_URL_FIX)
    if not url.database or ":memory:" in url.database or "mode=memory" in text:
        raise InputError("a ledger in memory would be lost", where="--db", fix=_URL_FIX)
    return url.set(drivername="sqlite")


def _postgresql(url: URL, text: str) -> URL:
    """Refuse what the driver would take apart otherwise than it was meant, and repeat in its messages."""
    if "#" in text or "@" in (url.host or ""):
        raise ArgumentError("a sign that must be written as %23 or %40")
    url.get_dialect()().create_connect_args(url)
    return url


_URL_FIX = (
    f"write a file such as {DEFAULT_LEDGER}, or postgresql+psycopg://user@host/database"
    " (@ and # in a password as %40 and %23)"
)


NO_LEDGER_FIX = "run something first, go to the folder that has it, or name it: --db PATH"


def shown(url: URL) -> str:
    """Name the database for people: a path, or a URL without its password, wherever in it that is written."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return redact_url(url.render_as_string(hide_password=True))


class _CompiledForSqlite(LRUCache[Any, Compiled]):
    """Statements as text, for every SQLite ledger that this process opens: compiling them is a third of a small run.

    SQLAlchemy's key begins with the engine's own dialect; all of ours are made alike, so that it can be left out.
    """

    def get(self, key: tuple[Any, ...], default: Any = None) -> Any:
        return super().get(key[1:], default)

    def __setitem__(self, key: tuple[Any, ...], value: Compiled) -> None:
        super().__setitem__(key[1:], value)


COMPILED: Final = _CompiledForSqlite(500)


def make_engine(url: URL, *, busy_timeout_s: float = BUSY_TIMEOUT_S, file: LedgerFile | None = None) -> Engine:
    """Make an engine: on SQLite with WAL, full synchronisation and foreign keys; transactions are explicit on both.

    Args:
        file: a SQLite ledger's file; once it is known, no connection makes or takes another one in its place.
    """
    if url.get_backend_name() == "sqlite":
        path = str(url.database)

        def connect() -> sqlite3.Connection:
            if file is not None and file.is_gone:
                raise file.gone()
            return connect_sqlite(path, busy_timeout_s=busy_timeout_s)

        engine = create_engine(url, creator=connect, execution_options={"compiled_cache": COMPILED})
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    return create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": 10})


def connect_sqlite(path: str, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> sqlite3.Connection:
    """Open a SQLite file in driver autocommit mode (transactions begin and end by statement)."""
    connection = sqlite3.connect(path, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False)
    try:
        for setting in (
            f"page_size = {PAGE_BYTES}",  # decides only for a file that is still empty
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            "cache_size = -8192",  # 8 MB: the indexes' growing ends stay in memory
            "recursive_triggers = ON",  # so that INSERT OR REPLACE fires delete triggers
        ):
            connection.execute(f"PRAGMA {setting}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _begin_sqlite(connection: Connection) -> None:
    # a writer takes the write lock at once: upgrading a read transaction fails when another process wrote meanwhile
    writing = connection.get_execution_options().get(WRITING, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def writing(engine: Engine) -> Engine:
    """Return the engine with transactions that write from the start."""
    return engine.execution_options(**{WRITING: True})


def explain(error: Exception, database: str) -> LedgerError:
    """Turn a driver's error into a message that names the database and the remedy."""
    if isinstance(error, LedgerError):
        return error
    cause: object = getattr(error, "orig", None) or error
    text = " ".join(str(cause).split())
    if not type(cause).__module__.startswith(("sqlite3", "psycopg")):
        text = f"{type(cause).__name__}: {text}"
    lowered = text.lower()
    remedies = (
        ("full", "free some space on that disk, then run the same command again: nothing recorded is lost"),
        ("no space", "free some space on that disk, then run the same command again: nothing recorded is lost"),
        ("locked", "another program holds the database; close it, then run the same command again"),
        ("readonly", "make the file and its folder writable, or name another file with --db"),
        ("unable to open", "check that the folder exists and is writable, or name another file with --db"),
        ("not a database", "this file is not a ledger; name another file with --db"),
        ("malformed", "the file is damaged; restore it from a copy, or name another file with --db"),
        ("disk i/o", "check the disk, then run the same command again"),
        ("terminating", "the server ended the session; run the same command again: nothing recorded is lost"),
        ("connect", "check that the server runs and that host, database, user and password are right"),
    )
    remedy = next((advice for word, advice in remedies if word in lowered), "run the same command again with -vv")
    kind = LedgerUnreachable if _is_away(cause) else LedgerError
    return kind(f"the ledger cannot be used: {text}", where=database, fix=remedy)


@contextmanager
def explained(database: str) -> Iterator[None]:
    """Turn database errors inside the block into LedgerError with a remedy."""
    try:
        yield
    except DBAPIError as error:
        raise explain(error, database) from error
    except Exception as error:
        if type(error).__module__.startswith("psycopg"):  # of a connection that was asked without SQLAlchemy
            raise explain(error, database) from error
        raise


_SESSION_ENDED = ("57P01", "57P02", "57P03", "57P05", "25P03")
"""The server shuts down, starts, or ended a session that stood still (PostgreSQL's appendix of error codes)."""


def _is_away(cause: object) -> bool:
    """Whether a server's driver lost its connection, or got none: it gives such errors no code of the server's."""
    names = {kind.__name__ for kind in type(cause).__mro__ if kind.__module__.startswith("psycopg")}
    code = getattr(cause, "sqlstate", None)
    if code is None:
        return not names.isdisjoint(("OperationalError", "InterfaceError"))
    return bool(names) and (str(code).startswith("08") or code in _SESSION_ENDED)


TIMES_AGAIN = 5
_COLLISIONS = ("40001", "40P01")
"""Serialization failure, deadlock: of two transactions that met, the server undid this one."""


def again_after_collisions(transaction: Callable[[], T]) -> T:
    """Do it, and again, some times, where it met another process's: the one rule for batches and leases.

    Args:
        transaction: leaves nothing behind when it fails.
    """
    for _ in range(TIMES_AGAIN):
        try:
            return transaction()
        except Exception as error:
            if not _is_collision(error):
                raise
    return transaction()


def _is_collision(error: BaseException | None) -> bool:
    """Whether it is one, or explains one."""
    while error is not None:
        if getattr(error, "sqlstate", None) in _COLLISIONS:
            return True
        error = error.__cause__
    return False


class LedgerFile:
    """A SQLite ledger's file by path and identity; before `remember` nothing is known and nothing is missed.

    A deleted or replaced file goes on taking rows through the open handle, and all of them are gone once that is
    closed: so it is asked before anything is sent, and `rescue` copies what the open handle still holds.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._identity: tuple[int, int] | None = None

    def remember(self) -> None:
        """Take the file that is there now as the ledger."""
        self._identity = _identity(self.path)

    @property
    def is_known(self) -> bool:
        """Whether there is a file that must still be there."""
        return self._identity is not None

    @property
    def is_gone(self) -> bool:
        """Whether the path does not lead to that file any more: it was deleted, moved, or another took its place."""
        return self._identity is not None and _identity(self.path) != self._identity

    def gone(self) -> LedgerError:
        """Say that nothing may be sent any more."""
        return LedgerError(
            "the ledger's file was deleted, moved or replaced by another one while it was in use; nothing more is sent",
            where=self.path,
            fix="put it back, or name another file with --db",
        )

    def rescue(self, connection: sqlite3.Connection) -> LedgerError:
        """Copy what the open handle still holds to a new file beside the old path; says where it is, or that it failed.

        Where that folder is gone too, the copy goes to the working folder, else to the folder for temporary files.
        """
        name, problem = Path(self.path).name, ""
        for folder in (Path(self.path).absolute().parent, Path.cwd(), Path(tempfile.gettempdir())):
            copy = _free_name(folder / f"{name}.rescued")
            try:
                connection.execute("VACUUM INTO ?", (str(copy),))
            except sqlite3.Error as error:
                problem = problem or f"{copy}: {error}"
                copy.unlink(missing_ok=True)
                continue
            return LedgerError(
                "the ledger's file was deleted, moved or replaced by another one while it was in use; nothing more was"
                f" sent, and everything that was recorded is in {copy}",
                where=self.path,
                fix=f"put it back with `mv {shlex.quote(str(copy))} {shlex.quote(self.path)}` (move away what lies"
                " there, with its -wal and -shm), or use it with --db; then resume the run",
            )
        return LedgerError(
            "the ledger's file was deleted, moved or replaced by another one while it was in use, and what was"
            f" recorded could not be copied ({problem})",
            where=self.path,
            fix="what this session recorded is lost; the provider's own books say what was billed",
        )


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116  # before every batch: a Path costs more than the call
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _free_name(wanted: Path) -> Path:
    number, name = 1, wanted
    while name.exists():
        number += 1
        name = wanted.with_name(f"{wanted.name}-{number}")
    return name


def read_only_engine(url: URL) -> Engine:
    """Make an engine that cannot write; a SQLite file that another one replaced is opened anew.

    A SQLite ledger in a folder without write permission is read, too: while nobody writes to it as a file that stands
    still, while a run does as the run's own -shm file allows.
    """
    if url.get_backend_name() == "sqlite":
        return _sqlite_engine(url)
    # a page may read within what it reads: were every thread to hold the only connection it can have, none would end
    engine = create_engine(url, pool_pre_ping=True, max_overflow=MOST_READERS, connect_args={"connect_timeout": 10})
    event.listen(engine, "connect", _read_only_session)
    return engine


def _read_only_session(connection: Any, _record: object) -> None:
    connection.read_only = True  # each transaction begins as READ ONLY
    connection.autocommit = True
    connection.execute("SET default_transaction_read_only = on")  # and so does what is sent outside of one
    connection.autocommit = False


def _sqlite_engine(url: URL) -> Engine:
    path = Path(str(url.database)).absolute()
    # as many as there are threads that ask: none waits for another's page
    engine = create_engine(
        url,
        creator=partial(_connect_reading, path),
        max_overflow=-1,
        execution_options={"compiled_cache": COMPILED},
    )
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    event.listen(engine, "checkout", partial(_refuse_stale, path))
    if not _newest_rows(path).exists():
        event.listen(engine, "engine_disposed", lambda _: _tidy(path))
    return engine


class _Reading(sqlite3.Connection):
    """A connection that knows which file it reads; `stands_still` = SQLite was told that nobody writes to it."""

    file: tuple[int, ...] = ()
    stands_still = False


def _connect_reading(path: Path) -> _Reading:
    try:
        return _opened_for_reading(path, stands_still=False)
    except sqlite3.OperationalError as error:
        if os.access(path.parent, os.W_OK) or not _is_for_want_of_writing(error):
            raise
    if _holds_rows(_newest_rows(path)):
        raise LedgerError(
            f"the newest rows of this ledger are in {path.name}-wal, which cannot be read in a folder that may not be"
            " written",
            where=str(path),
            fix=f"copy {path.name} and {path.name}-wal together into a folder of yours, and name that copy with --db",
        )
    return _opened_for_reading(path, stands_still=True)


def _opened_for_reading(path: Path, *, stands_still: bool) -> _Reading:
    file = _seen(path, stands_still=stands_still)
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode=ro{'&immutable=1' if stands_still else ''}",
        uri=True,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
        factory=_Reading,
    )
    try:
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA cache_size = -8192")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # the file is opened by the first query
    except sqlite3.Error:
        connection.close()
        raise
    connection.file, connection.stands_still = file, stands_still
    return connection


def _refuse_stale(path: Path, connection: _Reading, _record: object, _proxy: object) -> None:
    """Have the pool connect anew where the path leads to another file, or a file thought still was written to."""
    stands_still = connection.stands_still
    if connection.file != _seen(path, stands_still=stands_still) or (stands_still and _holds_rows(_newest_rows(path))):
        raise DisconnectionError("the ledger's file is another one now")


def _seen(path: Path, *, stands_still: bool) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError:
        return ()
    here = (found.st_dev, found.st_ino)
    return (*here, found.st_size, found.st_mtime_ns) if stands_still else here


def _is_for_want_of_writing(error: sqlite3.OperationalError) -> bool:
    return error.sqlite_errorname.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY"))


def _newest_rows(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _holds_rows(log: Path) -> bool:
    try:
        return log.stat().st_size > 0
    except OSError:
        return False


def _tidy(path: Path) -> None:
    """Have SQLite remove the empty -wal and -shm that readers cannot, unless somebody else uses them."""
    log = _newest_rows(path)
    if not log.exists() or _holds_rows(log):
        return
    with suppress(sqlite3.Error), closing(sqlite3.connect(path, timeout=0)) as connection:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
