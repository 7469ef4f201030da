"""Servers for tests: databases (a SQLite file, a PostgreSQL server of the test session's own), a batch interface."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import shutil
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import uvloop

from harness.ledger import Ledger
from tests.support.browsers import chromium
from tests.support.loopback_batches import Batches, serve_batches
from tests.support.postgres_server import NoServerError, PostgresServer, serving

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


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have one process run all tests of the view and of pages: browser, run and bundle of charts are made once."""
    for item in items:
        if item.get_closest_marker("browser") or item.path.parent.name == "view":
            item.add_marker(pytest.mark.xdist_group("browser"))


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One Chromium for all tests; mark those that use it with `pytest.mark.browser`."""
    with chromium(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _no_width_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables are as wide as their content, whatever terminal the tests (or their workers) were started from."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Start a PostgreSQL server for this session (one per pytest-xdist worker)."""
    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(serving())
        except NoServerError as reason:
            pytest.skip(f"{reason}: its half of the tests is skipped")
        yield server


@pytest.fixture(scope="session")
def new_postgres_url(postgres: PostgresServer) -> Callable[[], str]:
    """Make an empty ledger on the server; gives its URL."""
    return postgres.new_ledger


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
