"""The runner: plans a run, executes it with every attempt in the ledger, and says where it ended."""

from harness.runner.endings import ModelResult, RunResult
from harness.runner.execution import run_suites
from harness.runner.plan import PreparedRun
from harness.runner.preparation import prepare_run
from harness.runner.session_setup import SessionOptions
from harness.runner.spec import RunSpec

__all__ = ["ModelResult", "PreparedRun", "RunResult", "RunSpec", "SessionOptions", "prepare_run", "run_suites"]
