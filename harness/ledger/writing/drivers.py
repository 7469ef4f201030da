"""The writer's own connection, spoken to in plain SQL with tuples: the same statements on SQLite and PostgreSQL.

Statements are written with `?`; PostgreSQL's driver takes `%s`. Ids are given out here, so that a row's id is known
before it is inserted.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import chain
from typing import Any, Protocol

from sqlalchemy import Engine

from harness.errors import LedgerError, WorkerLost
from harness.ledger.connections import BUSY_TIMEOUT_S, LedgerFile, connect_sqlite
from harness.ledger.locks import Hold
from harness.ledger.writing.room import fits, is_short, room_bytes
from harness.ledger.writing.statements import MOVE_BUDGET, for_rows

Row = tuple[Any, ...]


class Driver(Protocol):
    """A connection that one thread at a time uses."""

    rejections: tuple[type[Exception], ...]
    """Errors that one operation's values cause: the other operations of its batch can still be written."""

    def begin(self) -> None:
        """Begin a transaction that will write; waits while another process writes."""
        ...

    def begin_at_once(self) -> bool:
        """Begin a transaction of which only the commit has to be waited for; says whether that is possible now."""
        ...

    def commit(self) -> None:
        """Make the transaction durable."""
        ...

    def rollback(self) -> None:
        """Undo the transaction, if there is one."""
        ...

    def many(self, statement: str, rows: Sequence[Row]) -> int:
        """Run a statement once per row; returns the number of rows changed."""
        ...

    def fetch(self, statement: str, values: Iterable[object] = ()) -> list[Row]:
        """Run a query."""
        ...

    def ids(self, table: str, column: str, count: int) -> list[int]:
        """Reserve ids for rows that will be inserted in this transaction."""
        ...

    def budgets(self, scopes: Sequence[str]) -> list[Row]:
        """Read `(scope, cap, spent, reserved)` of these scopes, locked until the transaction ends."""
        ...

    def move_budgets(self, moved: Sequence[Row]) -> None:
        """Add `(spent, reserved, scope)` to what budgets count."""
        ...

    def lack_of_room(self, in_flight: int) -> LedgerError | None:
        """Say what is wrong when so many answers might find no room to be recorded; None when they do."""
        ...

    def has_room(self, n_bytes: int, *, in_flight: int) -> bool:
        """Whether so large a body can be written without taking the room of facts that are still to come."""
        ...

    def lacks_room(self, error: Exception) -> bool:
        """Whether this error of the driver says that the disk is full."""
        ...

    def keep_alive(self) -> None:
        """Look whether the database is still there while nothing is written; raises what is wrong with it."""
        ...

    def close(self) -> None:
        """Close the connection.

        Raises:
            LedgerError: the ledger's file is gone; says where its rows were copied to.
        """
        ...


ROWS_AT_ONCE = (500, 64, 16, 4, 1)
"""A few sizes, so that few statements have to be prepared."""
_LONGEST_NAP_S = 0.02

_BUDGETS = "SELECT scope, cap_pico_usd, spent_pico_usd, reserved_pico_usd FROM budgets WHERE scope"

_STILL_WORKS = "SELECT 1 FROM workers WHERE worker_id = ? AND (state = 'working' OR state = 'draining') FOR KEY SHARE"
_BUDGETS_OF_WORKER = (
    f"WITH alive AS ({_STILL_WORKS}) {_BUDGETS} = ANY(?) AND EXISTS (SELECT 1 FROM alive) ORDER BY scope FOR UPDATE"
)
_MOVE_BUDGETS = (
    "UPDATE budgets SET spent_pico_usd = spent_pico_usd + moved.spent, reserved_pico_usd = reserved_pico_usd +"
    " moved.reserved FROM unnest(CAST(? AS bigint[]), CAST(? AS bigint[]), CAST(? AS text[]))"
    " AS moved (spent, reserved, name) WHERE budgets.scope = moved.name"
)
"""Of all scopes at once: a statement each would cost more than everything else that a request's reservation takes."""
_VALUE_ERRORS = (TypeError, ValueError, ArithmeticError, AttributeError, LookupError, RecursionError)


class SqliteDriver:
    """A SQLite connection; the write lock of the whole file is taken when the transaction begins."""

    rejections: tuple[type[Exception], ...] = (
        sqlite3.IntegrityError,
        sqlite3.DataError,
        sqlite3.InterfaceError,
        sqlite3.ProgrammingError,
        *_VALUE_ERRORS,
    )

    def __init__(self, path: str, busy_timeout_s: float, file: LedgerFile | None = None) -> None:
        self._path = path
        self._file = file or LedgerFile(path)
        if self._file.is_gone:
            raise self._file.gone()
        self._busy_timeout_s = busy_timeout_s
        self._connection = connect_sqlite(path, busy_timeout_s=busy_timeout_s)
        self._execute = self._connection.execute
        self._execute("PRAGMA busy_timeout = 0")  # waiting is done in `begin`, which alone can meet another writer

    def begin(self) -> None:
        give_up_at_s, nap_s = time.monotonic() + self._busy_timeout_s, 0.001
        while time.monotonic() < give_up_at_s:
            if self.begin_at_once():
                return
            time.sleep(nap_s)
            nap_s = min(2 * nap_s, _LONGEST_NAP_S)
        self._execute("BEGIN IMMEDIATE")

    def begin_at_once(self) -> bool:
        try:
            self._execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:  # the low byte: which kind of busy does not matter
                raise
            return False
        return True

    def commit(self) -> None:
        self._execute("COMMIT")

    def rollback(self) -> None:
        if self._connection.in_transaction:
            self._execute("ROLLBACK")

    def many(self, statement: str, rows: Sequence[Row]) -> int:
        # a statement costs more than the rows in it, so a statement takes many rows
        changed, start, n_rows = 0, 0, len(rows)
        for size in ROWS_AT_ONCE:
            while n_rows - start >= size and (for_all := for_rows(statement, size)) is not None:
                values = tuple(chain.from_iterable(rows[start : start + size]))
                changed += self._execute(for_all, values).rowcount
                start += size
        return changed

    def fetch(self, statement: str, values: Iterable[object] = ()) -> list[Row]:
        return self._execute(statement, tuple(values)).fetchall()

    def ids(self, table: str, column: str, count: int) -> list[int]:
        last = self.fetch(f"SELECT coalesce(max({column}), 0) FROM {table}")[0][0]
        return list(range(last + 1, last + 1 + count))

    def budgets(self, scopes: Sequence[str]) -> list[Row]:
        return self.fetch(f"{_BUDGETS} IN ({', '.join('?' * len(scopes))})", scopes)

    def move_budgets(self, moved: Sequence[Row]) -> None:
        self.many(MOVE_BUDGET, moved)

    def lack_of_room(self, in_flight: int) -> LedgerError | None:
        if self._file.is_gone:
            return self._file.gone()
        if not is_short(self._path, in_flight=in_flight):
            return None
        return LedgerError(
            f"the disk is nearly full: {room_bytes(self._path) / 2**20:.1f} MB are left, kept for answers in flight;"
            " nothing more is sent",
            where=self._path,
            fix="free some space, then run the same command again: nothing recorded is lost",
        )

    def has_room(self, n_bytes: int, *, in_flight: int) -> bool:
        return fits(self._path, n_bytes, in_flight=in_flight)

    def lacks_room(self, error: Exception) -> bool:
        # a limit on the size of files shows as a write that failed
        code = getattr(error, "sqlite_errorcode", 0)
        return code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_NOMEM)

    def keep_alive(self) -> None:
        if self._file.is_gone:
            raise self._file.gone()

    def close(self) -> None:
        try:
            if self._file.is_gone:
                self.rollback()
                raise self._file.rescue(self._connection)
        finally:
            self._connection.close()


class PostgresDriver:
    """A PostgreSQL connection; budgets are locked row by row, always in the same order.

    It holds the lock of its runs, besides the session of `locks.py`: that one says nothing all the while, and a server
    or a pooler that ends idle sessions gives its lock to whoever asks next. This one writes, so its end is noticed.
    """

    def __init__(self, engine: Engine, hold: Hold | None = None) -> None:
        import psycopg

        self.rejections: tuple[type[Exception], ...] = (
            psycopg.IntegrityError, psycopg.DataError, psycopg.ProgrammingError, psycopg.NotSupportedError,
            psycopg.errors.ProgramLimitExceeded, *_VALUE_ERRORS,
        )  # fmt: skip
        pooled = engine.raw_connection()
        connection = pooled.driver_connection
        assert isinstance(connection, psycopg.Connection)
        pooled.detach()
        self._connection: psycopg.Connection[Row] = connection
        connection.rollback()
        connection.autocommit = True
        connection.execute("SET synchronous_commit = on")
        self._cursor = connection.cursor()
        if hold is not None:
            try:
                hold.take(connection)
            except BaseException:
                connection.close()
                raise
        self._hold = hold
        self._is_fenced = False

    def begin(self) -> None:
        self._connection.execute("BEGIN")
        self._is_fenced = False

    def _fence(self) -> None:
        """Look whether a worker may still write, at the latest before it commits.

        The lock on its row keeps its end out until this transaction is over, whoever takes it for dead.

        Raises:
            WorkerLost: it may not.
        """
        hold = self._hold
        if hold is not None and hold.worker_id is not None and not self._is_fenced:
            if not self.fetch(_STILL_WORKS, (hold.worker_id,)):
                raise WorkerLost(hold.worker_id, database=hold.database)
            self._is_fenced = True

    def begin_at_once(self) -> bool:
        return False  # each statement waits for the server

    def commit(self) -> None:
        self._fence()
        self._connection.execute("COMMIT")

    def rollback(self) -> None:
        if not self._connection.closed:
            self._connection.execute("ROLLBACK")

    def many(self, statement: str, rows: Sequence[Row]) -> int:
        self._cursor.executemany(_percent(statement), rows)
        return self._cursor.rowcount

    def fetch(self, statement: str, values: Iterable[object] = ()) -> list[Row]:
        return self._connection.execute(_percent(statement), tuple(values)).fetchall()

    def ids(self, table: str, column: str, count: int) -> list[int]:
        found = self.fetch(
            "SELECT nextval(pg_get_serial_sequence(?, ?)) FROM generate_series(1, ?)", (table, column, count)
        )
        return [row[0] for row in found]

    def budgets(self, scopes: Sequence[str]) -> list[Row]:
        worker_id = None if self._hold is None else self._hold.worker_id
        if worker_id is None or self._is_fenced:
            return self.fetch(f"{_BUDGETS} = ANY(?) ORDER BY scope FOR UPDATE", (list(scopes),))
        found = self.fetch(_BUDGETS_OF_WORKER, (worker_id, list(scopes)))  # the fence in the same round trip
        self._is_fenced = bool(found)
        self._fence()
        return found

    def move_budgets(self, moved: Sequence[Row]) -> None:
        self._connection.execute(_percent(_MOVE_BUDGETS), [list(column) for column in zip(*moved, strict=True)])

    def lack_of_room(self, in_flight: int) -> LedgerError | None:  # noqa: ARG002  # the interface
        return None  # the server's disk is not ours to look at

    def has_room(self, n_bytes: int, *, in_flight: int) -> bool:  # noqa: ARG002  # the interface
        return True

    def lacks_room(self, error: Exception) -> bool:
        return getattr(error, "sqlstate", None) in ("53100", "53200", "54000")  # disk full, out of memory, too large

    def keep_alive(self) -> None:
        self._connection.execute("SELECT 1")

    def close(self) -> None:
        if not self._connection.closed:
            with contextlib.suppress(Exception):  # the session's end gives its locks back, too, a moment later
                self._connection.execute("SELECT pg_advisory_unlock_all()")
        self._connection.close()


@cache
def _percent(statement: str) -> bytes:
    return statement.replace("%", "%%").replace("?", "%s").encode()


def open_driver(
    engine: Engine,
    *,
    busy_timeout_s: float = BUSY_TIMEOUT_S,
    file: LedgerFile | None = None,
    hold: Hold | None = None,
) -> Driver:
    """Open the writer's connection to the engine's database.

    Args:
        file: the SQLite file that must still be there.
        hold: the runs that a PostgreSQL session is to hold.

    Raises:
        RunLockedError: another session holds one of them.
    """
    if engine.dialect.name == "sqlite":
        return SqliteDriver(str(engine.url.database), busy_timeout_s, file)
    return PostgresDriver(engine, hold)
