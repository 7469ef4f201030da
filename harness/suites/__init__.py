"""What is asked: suites, tasks and samples."""

from harness.suites.sample import LoadedTask, Sample
from harness.suites.suite import FIELDS, DatasetRef, Member, ScorerRef, SolverRef, Suite, Task

__all__ = ["FIELDS", "DatasetRef", "LoadedTask", "Member", "Sample", "ScorerRef", "SolverRef", "Suite", "Task"]
