"""What tests of batches share: a run against the loopback server, session by session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.ledger import Ledger
from tests.support.batch_traits import Played
from tests.support.loopback_batches import Batches


@pytest.fixture
def play(books: Batches, ledger: Ledger, tmp_path: Path) -> Callable[[str], Played]:
    """Play a model's batches; call it with the model."""
    return lambda model: Played(books, model, ledger, tmp_path)
