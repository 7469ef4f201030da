"""Names that a person may have meant: only ever told, never used. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def similar(name: str, known: Iterable[str], *, most: int = 3, cutoff: float = 0.6) -> list[str]:
    """List known names that are spelt nearly alike, the nearest first."""
    by_folded = {one.lower(): one for one in known}
    return [by_folded[one] for one in difflib.get_close_matches(name.lower(), by_folded, n=most, cutoff=cutoff)]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Write `; similar: a, b`, or nothing where no name is near."""
    found = similar(name, known)
    return f"; similar: {', '.join(found)}" if found else ""
