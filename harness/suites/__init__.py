"""What is asked: suites, tasks and samples."""

from harness.suites.sample import LoadedTask, Sample
from harness.suites.suite import FIELDS, DatasetRef, Member, Missing, ScorerRef, SolverRef, Suite, Task

__all__ = [
    "FIELDS",
    "DatasetRef",
    "LoadedTask",
    "Member",
    "Missing",
    "Sample",
    "ScorerRef",
    "SolverRef",
    "Suite",
    "Task",
]
