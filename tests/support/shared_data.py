"""Recorded data that lies beside the checkout, for tests only; absent elsewhere, where such tests are skipped."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def shared(relative: str) -> Path:
    """Find a file or folder of the shared data, or skip the test that asks for it."""
    root = Path(os.environ.get("BENCHTAB_SHARED", Path(__file__).resolve().parents[3] / "shared"))
    path = root / relative
    if not path.exists():
        pytest.skip(f"recorded data {relative!r} is not on this machine; set BENCHTAB_SHARED to the folder that has it")
    return path
