"""The ledger: append-only facts about runs and attempts, in SQLite or PostgreSQL.

Data flows runner -> `Ledger.writer()` -> tables -> `harness.ledger.reading.sums` -> reports and exports.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from harness.ledger.records import (
    NO_USAGE,
    AttemptOutcome,
    AttemptStart,
    Budget,
    CellRecord,
    DrawRecord,
    ForecastRecord,
    PlannedRecord,
    RunRecord,
    SampleOutcome,
    ScoreRecord,
    SuiteRecord,
    TaskRecord,
    Transcript,
    UsageFacts,
)

if TYPE_CHECKING:
    from harness.ledger.ledger import Ledger
    from harness.ledger.schema.versions import upgrade_ledger
    from harness.ledger.writing.writer import Writer

__all__ = [
    "NO_USAGE",
    "AttemptOutcome",
    "AttemptStart",
    "Budget",
    "CellRecord",
    "DrawRecord",
    "ForecastRecord",
    "Ledger",
    "PlannedRecord",
    "RunRecord",
    "SampleOutcome",
    "ScoreRecord",
    "SuiteRecord",
    "TaskRecord",
    "Transcript",
    "UsageFacts",
    "Writer",
    "upgrade_ledger",
]

_HOME = {"Ledger": "ledger", "upgrade_ledger": "schema.versions", "Writer": "writing.writer"}
"""What opens a database, loaded when it is asked for: reports take values of this room, and help reads the reports."""


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
