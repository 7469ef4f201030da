"""A worker with an isolation that works here, for the tests of one module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.sandbox import Limits, Unavailable, find_bubblewrap
from harness.sandbox.worker import Worker


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    found = find_bubblewrap()
    if isinstance(found, Unavailable):
        pytest.skip(f"{found.problem}; {found.fix}")
    made = Worker(found, Limits(), slot=42)
    yield made
    made.close()
