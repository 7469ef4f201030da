"""The runner: plans a run, executes it with every attempt in the ledger, and says where it ended."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.runner.endings import ModelResult, RunResult
    from harness.runner.execution import run_suites
    from harness.runner.plan import PreparedRun
    from harness.runner.preparation import prepare_run
    from harness.runner.session_setup import SessionOptions
    from harness.runner.spec import RunSpec

__all__ = ["ModelResult", "PreparedRun", "RunResult", "RunSpec", "SessionOptions", "prepare_run", "run_suites"]

_HOME = {
    "ModelResult": "endings", "PreparedRun": "plan", "RunResult": "endings", "RunSpec": "spec",
    "SessionOptions": "session_setup", "prepare_run": "preparation", "run_suites": "execution",
}  # fmt: skip
"""Loaded when it is asked for: reports take values of this room, and run nothing."""


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
