"""Runs untrusted programs where they can do no harm, and judges them where they cannot reach.

A program gets a fresh box (bubblewrap: no network, read-only system, private folder, limits). The suite's tests run in
another box and call the program's functions over a channel that carries plain data only. `ProgramCheck -> Verdict`.
Worker processes start inside this package, so its door opens on what it offers only when it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.sandbox.isolation import Unavailable, find_bubblewrap, find_isolation
    from harness.sandbox.pool import Sandbox
    from harness.sandbox.values import Limits, Verdict

__all__ = ["Limits", "Sandbox", "Unavailable", "Verdict", "find_bubblewrap", "find_isolation"]

_HOME = {
    "Limits": "values",
    "Sandbox": "pool",
    "Unavailable": "isolation",
    "Verdict": "values",
    "find_bubblewrap": "isolation",
    "find_isolation": "isolation",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
