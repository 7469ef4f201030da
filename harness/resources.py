"""Where the shipped suites, prices and published tables are, in a wheel and in a checkout."""

from __future__ import annotations

from pathlib import Path

from harness.errors import HarnessError

_PACKAGE = Path(__file__).resolve().parent


def shipped(folder: str) -> Path:
    """Find a shipped data folder (`suites`, `pricing` or `published`).

    Looks inside the installed package first, then beside it in a checkout.

    Raises:
        HarnessError: neither place has the folder; the installation is incomplete.
    """
    beside = _PACKAGE.parent / ("results/published" if folder == "published" else folder)
    for candidate in (_PACKAGE / "_data" / folder, beside):
        if candidate.is_dir():
            return candidate
    raise HarnessError(
        f"the shipped folder {folder!r} is missing from this installation",
        where=str(_PACKAGE),
        fix="reinstall benchtab",
    )
