"""Golden files: the expected text lies in tests/golden; `BENCHTAB_UPDATE_GOLDEN=1 pytest ...` writes it anew."""

from __future__ import annotations

import os
from pathlib import Path

GOLDEN = Path(__file__).resolve().parents[1] / "golden"


def assert_golden(name: str, text: str) -> None:
    """Compare a text with its golden file, or write the file when asked to update."""
    path = GOLDEN / name
    if os.environ.get("BENCHTAB_UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert path.exists(), f"no golden file {path.name}; run with BENCHTAB_UPDATE_GOLDEN=1 and read what it wrote"
    assert text == path.read_text(encoding="utf-8")
