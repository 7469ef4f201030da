"""The ledger: append-only facts about runs and attempts, in SQLite or PostgreSQL.

Data flows runner -> `Ledger.writer()` -> tables -> `harness.ledger.reading.sums` -> reports and exports.
"""

from harness.ledger.ledger import Ledger
from harness.ledger.records import (
    NO_USAGE,
    AttemptOutcome,
    AttemptStart,
    Budget,
    CellRecord,
    PlannedRecord,
    RunRecord,
    SampleOutcome,
    ScoreRecord,
    SuiteRecord,
    TaskRecord,
    Transcript,
    UsageFacts,
)
from harness.ledger.schema.versions import upgrade_ledger
from harness.ledger.writing.writer import Writer

__all__ = [
    "NO_USAGE",
    "AttemptOutcome",
    "AttemptStart",
    "Budget",
    "CellRecord",
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
