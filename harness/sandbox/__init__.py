"""Runs untrusted programs where they can do no harm, and judges them where they cannot reach.

A program gets a fresh box (bubblewrap: no network, read-only system, private folder, limits). The suite's tests run in
another box and call the program's functions over a channel that carries plain data only. `ProgramCheck -> Verdict`.
"""

from harness.sandbox.isolation import Unavailable, find_bubblewrap, find_isolation
from harness.sandbox.pool import Sandbox
from harness.sandbox.values import Limits, Verdict

__all__ = ["Limits", "Sandbox", "Unavailable", "Verdict", "find_bubblewrap", "find_isolation"]
