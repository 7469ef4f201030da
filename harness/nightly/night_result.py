"""What one night gave: its run, what it was compared with and what the gate said of that."""

from __future__ import annotations

from dataclasses import dataclass

from harness.ledger.records import Budget, RunRecord
from harness.reports.compare.comparison import Comparison
from harness.reports.compare.gate_rules import OnInconclusive
from harness.reports.spend.report import SpendReport
from harness.runner.endings import RunResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """What one night gave.

    Attributes:
        base: the run that was compared with; None = there was none.
        comparison: None without a baseline.
        budgets: caps that held this night, with what was spent there.
        verdict: `pass`, `regression`, `inconclusive`, `not asked`, `no baseline`, `budget reached`, `failed` or
            `interrupted`.
        exit_code: of the whole night; see `exit_code`.
        on_inconclusive: what doubt does to the exit code.
        notes: what a reader must know before the verdict, one sentence each.
        again: words of the command that ran it, for the commands that are printed.
    """

    name: str
    result: RunResult
    report: SpendReport
    base: str | None
    comparison: Comparison | None
    budgets: tuple[Budget, ...]
    verdict: str
    exit_code: int
    on_inconclusive: OnInconclusive = "fail"
    notes: tuple[str, ...] = ()
    again: tuple[str, ...] = ("nightly", "CONFIG")


def is_night_of(run: RunRecord, name: str) -> bool:
    """Tell whether a run is one of a job's nights."""
    prefix, _, instant = run.run_id.rpartition("-")
    return prefix == f"nightly-{name}" and instant[:8].isdigit()
