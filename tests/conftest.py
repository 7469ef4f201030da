"""Servers for tests: databases (a SQLite file, and a PostgreSQL server of the test session's own), a batch interface.

The database server is Debian's package, made in a temporary folder, reached through a Unix socket only.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from itertools import count
from pathlib import Path

import hypothesis
import psycopg
import pytest
import uvloop

from harness.ledger import Ledger
from tests.support.loopback_batches import Batches, serve_batches

SERVER_USER = "postgres"

# an example may take long on a busy machine; whole tests have their own time limit (pyproject)
hypothesis.settings.register_profile("benchtab", deadline=None)
hypothesis.settings.load_profile("benchtab")


# collecting imports several hundred thousand objects that stay: looking at them again and again is lost time
gc.set_threshold(100_000, 20, 100)


@pytest.hookimpl(optionalhook=True)
def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run the HTTP client's tests on both event loops: runs use uvloop, a caller of the Python API may not."""
    loops: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
    if item.path.name.startswith("test_http_"):
        loops["uvloop"] = uvloop.new_event_loop
    return loops


@pytest.fixture(autouse=True)
def _no_width_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables are as wide as their content, whatever terminal the tests (or their workers) were started from."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture(scope="session")
def postgres_socket() -> Iterator[Path]:
    """Start a PostgreSQL server for this session (one per pytest-xdist worker); gives the folder of its socket."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin/initdb"), default=None, key=lambda path: int(path.parts[4]))
    if programs is None:
        pytest.skip("PostgreSQL is not installed here (apt-get install postgresql): its half of the tests is skipped")
    folder = Path(tempfile.mkdtemp(prefix="benchtab-pg-"))
    user = _server_user(folder)
    data = folder / "data"
    try:
        subprocess.run(
            [programs, "-D", data, "-U", SERVER_USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
            check=True,
            capture_output=True,
            user=user,
            cwd=folder,
        )
        yield from _serve(programs.with_name("postgres"), data, folder, user)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _server_user(folder: Path) -> str | None:
    """PostgreSQL refuses to run as root: give the folder to its own user then."""
    if os.geteuid() != 0:
        return None
    try:
        account = pwd.getpwnam(SERVER_USER)
    except KeyError:
        folder.rmdir()
        pytest.skip(f"tests run as root and there is no user {SERVER_USER!r} to run PostgreSQL as")
    os.chown(folder, account.pw_uid, account.pw_gid)
    return SERVER_USER


def _end_with_parent() -> None:
    # a killed test session must not leave a server behind (Linux: PR_SET_PDEATHSIG = 1)
    ctypes.CDLL(None).prctl(1, signal.SIGINT)


def _serve(program: Path, data: Path, folder: Path, user: str | None) -> Iterator[Path]:
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": str(folder),
        "fsync": "off",
        "max_connections": "60",
        "shared_buffers": "32MB",
        "autovacuum": "off",
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [program, "-D", data, *options],
            stdout=log,
            stderr=log,
            user=user,
            cwd=folder,
            preexec_fn=_end_with_parent,
        )
    try:
        _wait_until_ready(server, folder)
        yield folder
    finally:
        server.send_signal(signal.SIGINT)  # "fast" shutdown: sessions are ended, nothing is waited for
        server.wait(timeout=30)


def _wait_until_ready(server: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            psycopg.connect(f"host={folder} user={SERVER_USER} dbname=postgres").close()
            return
        except psycopg.OperationalError:
            if time.monotonic() > deadline or _ends_within(server, seconds=0.02):
                log = (folder / "server.log").read_text(errors="replace")
                raise RuntimeError(f"PostgreSQL did not start:\n{log[-2000:]}") from None


def _ends_within(server: subprocess.Popen[bytes], *, seconds: float) -> bool:
    try:
        server.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


_numbers = count(1)


@pytest.fixture(scope="session")
def new_postgres_url(postgres_socket: Path) -> Callable[[], str]:
    """Make an empty schema of its own on the server (a database each would take a second); gives its SQLAlchemy URL."""
    server = f"host={postgres_socket} user={SERVER_USER} dbname=postgres"
    address = f"postgresql+psycopg://{SERVER_USER}@/postgres?host={postgres_socket}&options=-csearch_path%3D"

    def made() -> str:
        name = f"ledger_{next(_numbers)}"
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {name}")
        return address + name

    return made


@pytest.fixture
def postgres_url(new_postgres_url: Callable[[], str]) -> str:
    """Name an empty PostgreSQL ledger."""
    return new_postgres_url()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Name an empty database, once as a SQLite file and once on PostgreSQL."""
    if request.param == "sqlite":
        return str(tmp_path / "ledger.db")
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture(scope="session")
def empty_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an empty ledger in a SQLite file, to be copied: that takes a fifth of the time of making one."""
    path = tmp_path_factory.mktemp("empty") / "ledger.db"
    Ledger.open(path).close()
    return path


@pytest.fixture
def ledger(empty_ledger: Path, tmp_path: Path) -> Iterator[Ledger]:
    """Open an empty ledger in a SQLite file."""
    shutil.copy(empty_ledger, tmp_path / "ledger.db")
    with Ledger.open(tmp_path / "ledger.db") as opened:
        yield opened


@pytest.fixture
async def books() -> AsyncIterator[Batches]:
    """Serve a batch interface on loopback that answers at once and knows its sums; gives its books."""
    made = Batches()
    made.finished = made.sums = True
    async with serve_batches(made) as served:
        yield served
