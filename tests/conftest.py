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
from xdist.scheduler import LoadScopeScheduling

from harness.ledger import Ledger
from tests.support.browsers import chromium
from tests.support.loopback_batches import Batches, serve_batches
from tests.support.postgres_server import NoServerError, PostgresServer, serving

# an example may take long on a busy machine; whole tests have their own time limit (pyproject)
hypothesis.settings.register_profile("benchtab", deadline=None)
hypothesis.settings.load_profile("benchtab")


# collecting imports several hundred thousand objects that stay: looking at them again and again is lost time
gc.set_threshold(100_000, 20, 100)


def pytest_collection_finish() -> None:
    """What was collected stays to the end: no collection looks at it again."""
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run the HTTP client's tests on both event loops: runs use uvloop, a caller of the Python API may not."""
    loops: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
    if item.path.name.startswith("test_http_"):
        loops["uvloop"] = uvloop.new_event_loop
    return loops


TOGETHER: Mapping[str, str] = {
    "tests/view/": "pages",
    "tests/reports/test_report_page.py": "pages",
    "tests/runner/test_ray_workers.py": "ray",
    "tests/house/test_contracts.py": "contracts",
    "tests/test_round_trip.py": "round trip",
    "tests/runner/test_runner_endings.py::test_the_first_interrupt": "interrupted runs",
    "tests/environments/test_tau2.py": "worlds",
    "tests/sandbox/": "the machine's shared memory",
}
"""Tests that one process runs, so that what is costly (a browser, a server) is made once, or since what one of them
takes would be put down to another: where ids begin -> why.

Written down here, since pytest 9.2 does not let pytest-xdist 3.8 put the names of groups into ids of tests.
"""


class _ByWhatIsShared(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """Gives tests to processes one by one, and those that share something costly together."""

    def _split_scope(self, nodeid: str) -> str:
        return next((name for beginning, name in TOGETHER.items() if nodeid.startswith(beginning)), nodeid)

    def mark_test_complete(self, node: Any, item_index: int, duration: float = 0) -> None:
        """Forget what is done: with thousands kept, counting what is left after each test takes seconds."""
        nodeid = self.registered_collections[node][item_index]
        super().mark_test_complete(node, item_index, duration)
        tests = self.assigned_work[node].get(self._split_scope(nodeid), {})
        if all(tests.values()):
            self.assigned_work[node].pop(self._split_scope(nodeid), None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return _ByWhatIsShared(config, log)


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
def postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """Name a PostgreSQL ledger without rows; who makes or changes its tables takes `new_postgres_url`."""
    url = postgres.ledger_without_rows()
    yield url
    postgres.take_back(url)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Name a ledger without rows, once as a SQLite file (that is still to be made) and once on PostgreSQL."""
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
