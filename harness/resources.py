"""Where things lie: shipped suites, prices and published tables, in a wheel and in a checkout, the ledger, caches."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from harness.errors import HarnessError

DEFAULT_LEDGER = "results/ledger.db"
PACKAGE = Path(__file__).resolve().parent
"""The folder of the program itself."""


def shipped(folder: str) -> Path:
    """Find a shipped data folder (`suites`, `pricing` or `published`).

    Looks inside the installed package first, then beside it in a checkout.

    Raises:
        HarnessError: neither place has the folder; the installation is incomplete.
    """
    beside = PACKAGE.parent / ("results/published" if folder == "published" else folder)
    for candidate in (PACKAGE / "_data" / folder, beside):
        if candidate.is_dir():
            return candidate
    raise HarnessError(
        f"the shipped folder {folder!r} is missing from this installation",
        where=str(PACKAGE),
        fix="reinstall benchtab",
    )


def ledger_name(db: str | Path | None = None) -> str:
    """Name the ledger to use: as given, else $BENCHTAB_DB, else `results/ledger.db` under the current folder."""
    return str(db or os.environ.get("BENCHTAB_DB") or DEFAULT_LEDGER)


def cache_folder(environment: Mapping[str, str]) -> Path | None:
    """Say where caches are: `$BENCHTAB_CACHE`, else as the XDG base directory specification has it; None = nowhere."""
    asked = environment.get("BENCHTAB_CACHE")
    if asked is not None:
        return Path(asked).expanduser() if asked else None
    base = environment.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):  # noqa: PTH117  # the specification has a relative one ignored
        home = environment.get("HOME", "")
        if not home:
            return None
        base = f"{home}/.cache"
    return Path(base) / "benchtab"
