"""Ledgers to look at for all tests of the view."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from harness.ledger import Ledger
from tests.support.odd_samples import odd_run
from tests.support.viewed import seen_run, viewer


@pytest.fixture(scope="session")
def seen_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger file with one run of six models; nobody writes to it."""
    return seen_run(tmp_path_factory.mktemp("seen"))


@pytest.fixture
def seen(seen_ledger: Path) -> Iterator[TestClient]:
    """Ask the view of that ledger."""
    with Ledger.open(seen_ledger, read_only=True) as ledger:
        yield viewer(ledger)


@pytest.fixture
async def odd(ledger_url: str) -> AsyncIterator[Ledger]:
    """A ledger with `odd_run`, on SQLite and on PostgreSQL."""
    with Ledger.open(ledger_url) as opened:
        await odd_run(opened)
        yield opened
