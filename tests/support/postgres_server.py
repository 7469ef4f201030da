"""A PostgreSQL server of one's own: Debian's package in a temporary folder, reached through a Unix socket only.

Data flows `serving()` -> a running `PostgresServer` -> schemas, each an empty ledger -> nothing left behind.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psycopg

from harness.ledger import Ledger
from harness.ledger.schema.tables import metadata

SERVER_USER = "postgres"
SMALL: Mapping[str, str] = {"fsync": "off", "max_connections": "60", "shared_buffers": "32MB", "autovacuum": "off"}
"""What tests need of a server; nothing of it survives a power cut, everything a killed process."""

_SHAPE = """
SELECT md5(string_agg(line, ' ' ORDER BY line)) FROM (
    SELECT concat(relname, relkind, attname, atttypid, attnotnull) AS line
    FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
    WHERE relnamespace = current_schema::regnamespace
    UNION ALL
    SELECT concat(relname, conname, pg_get_constraintdef(pg_constraint.oid))
    FROM pg_class JOIN pg_constraint ON conrelid = pg_class.oid
    WHERE relnamespace = current_schema::regnamespace
    UNION ALL
    SELECT concat(relname, tgname, tgenabled, tgtype)
    FROM pg_class JOIN pg_trigger ON tgrelid = pg_class.oid
    WHERE relnamespace = current_schema::regnamespace AND NOT tgisinternal
    UNION ALL
    SELECT concat(proname, md5(prosrc)) FROM pg_proc WHERE pronamespace = current_schema::regnamespace
    UNION ALL
    SELECT concat('version ', version_num) FROM alembic_version
) AS lines
"""
"""A digest of all that a ledger is beside its rows."""
_IS_SMALL = """
SELECT sum(pg_relation_size(oid)) < 1000000 FROM pg_class
WHERE relnamespace = current_schema::regnamespace AND relkind = 'r'
"""
"""Rows that are deleted go on taking room until somebody vacuums: a ledger that held many is not used again."""
_CLEARING = "SET lock_timeout = '2s'; SET session_replication_role = replica; " + "; ".join(
    f"DELETE FROM {name}" for name in metadata.tables
)
"""What is in use by somebody is not waited for; triggers refuse to forget, and what they refer to goes as well."""
_COUNTING_ANEW = """
SELECT setval(oid::regclass, 1, false) FROM pg_class
WHERE relnamespace = current_schema::regnamespace AND relkind = 'S'
"""


class NoServerError(Exception):
    """PostgreSQL cannot be started here; says why."""


@dataclass(slots=True, kw_only=True)
class PostgresServer:
    """A server whose data lie in a folder.

    Attributes:
        folder: of its data, its log and its socket.
        user: who it runs as, where we are root; None = as ourselves.
    """

    folder: Path
    programs: Path
    user: str | None
    settings: Mapping[str, str]
    _process: subprocess.Popen[bytes] | None = None
    _numbers: count[int] = field(default_factory=lambda: count(1))
    _cleared: list[str] = field(default_factory=list)
    _shape: tuple[object, ...] | None = None

    @property
    def address(self) -> str:
        """How psycopg reaches it."""
        return f"host={self.folder} user={SERVER_USER} dbname=postgres"

    @property
    def pid(self) -> int:
        """The process that all its others descend from."""
        assert self._process is not None
        return self._process.pid

    def new_ledger(self) -> str:
        """Make an empty schema (a database each would take a second); gives its SQLAlchemy URL."""
        name = self._new_name()
        with psycopg.connect(self.address, autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {name}")
        return self._url(name)

    def ledger_without_rows(self) -> str:
        """Name a ledger that has its tables and no row: one that was cleared, under another name, else a new one.

        Making the tables takes a server a tenth of a second, emptying them a tenth of that.
        """
        if not self._cleared:
            url = self.new_ledger()
            Ledger.open(url).close()
            return url
        name = self._new_name()
        with psycopg.connect(self.address, autocommit=True) as connection:
            connection.execute(f"ALTER SCHEMA {self._cleared.pop()} RENAME TO {name}")
        return self._url(name)

    def take_back(self, ledger_url: str) -> None:
        """Clear a ledger for the next who wants one without rows; one that is not as it was made is left alone."""
        with self.session(ledger_url) as session:
            try:
                session.execute(_CLEARING)
                session.execute(_COUNTING_ANEW)
                shape, is_small = (session.execute(query).fetchone() for query in (_SHAPE, _IS_SMALL))
            except psycopg.Error:  # tables are gone, or somebody still holds them
                return
        if is_small == (True,) and shape == self._made_shape():
            self._cleared.append(_schema(ledger_url))

    def _made_shape(self) -> tuple[object, ...]:
        if self._shape is None:
            url = self.new_ledger()
            Ledger.open(url).close()
            with self.session(url) as session:
                self._shape = session.execute(_SHAPE).fetchone()
            assert self._shape is not None
        return self._shape

    def _new_name(self) -> str:
        return f"ledger_{next(self._numbers)}"

    def _url(self, schema: str) -> str:
        return f"postgresql+psycopg://{SERVER_USER}@/postgres?host={self.folder}&options=-csearch_path%3D{schema}"

    def session(self, ledger_url: str) -> psycopg.Connection[tuple[object, ...]]:
        """Open a session of one's own on a ledger of this server; each statement is a transaction."""
        return psycopg.connect(self.address, options=f"-c search_path={_schema(ledger_url)}", autocommit=True)

    def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            RuntimeError: it does not; says what its log does.
        """
        fixed = {"listen_addresses": "", "unix_socket_directories": str(self.folder)}
        options = [part for name, value in {**fixed, **self.settings}.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self.programs / "postgres", "-D", self.folder / "data", *options],
                stdout=log,
                stderr=log,
                user=self.user,
                cwd=self.folder,
                preexec_fn=_end_with_parent,
            )
        self._wait_until_ready(self._process)

    def stop(self, *, at_once: bool = False) -> None:
        """End it; sessions are ended, nothing is waited for. `at_once`: as a crash does, to be recovered from."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGQUIT if at_once else signal.SIGINT)
        self._process.wait(timeout=30)
        self._process = None

    def _wait_until_ready(self, server: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + 30
        while True:
            try:
                psycopg.connect(self.address).close()
                return
            except psycopg.OperationalError:
                if time.monotonic() > deadline or _ends_within(server, seconds=0.02):
                    log = (self.folder / "server.log").read_text(errors="replace")
                    raise RuntimeError(f"PostgreSQL did not start:\n{log[-2000:]}") from None


def _schema(ledger_url: str) -> str:
    return ledger_url.rpartition("%3D")[2]


@contextlib.contextmanager
def serving(settings: Mapping[str, str] = SMALL) -> Iterator[PostgresServer]:
    """Serve an empty PostgreSQL until the block ends.

    Raises:
        NoServerError: it is not installed here, or has no user to run as.
    """
    initdb = max(Path("/usr/lib/postgresql").glob("*/bin/initdb"), default=None, key=lambda path: int(path.parts[4]))
    if initdb is None:
        raise NoServerError("PostgreSQL is not installed here (apt-get install postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="benchtab-pg-"))
    try:
        user = _server_user(folder)
        subprocess.run(
            [initdb, "-D", folder / "data", "-U", SERVER_USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
            check=True,
            capture_output=True,
            user=user,
            cwd=folder,
        )
        server = PostgresServer(folder=folder, programs=initdb.parent, user=user, settings=settings)
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _server_user(folder: Path) -> str | None:
    """PostgreSQL refuses to run as root: give the folder to its own user then."""
    if os.geteuid() != 0:
        return None
    try:
        account = pwd.getpwnam(SERVER_USER)
    except KeyError:
        raise NoServerError(f"we are root, and there is no user {SERVER_USER!r} to run PostgreSQL as") from None
    os.chown(folder, account.pw_uid, account.pw_gid)
    return SERVER_USER


def _end_with_parent() -> None:
    # a killed parent must not leave a server behind (Linux: PR_SET_PDEATHSIG = 1)
    ctypes.CDLL(None).prctl(1, signal.SIGINT)


def _ends_within(server: subprocess.Popen[bytes], *, seconds: float) -> bool:
    try:
        server.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return False
    return True
