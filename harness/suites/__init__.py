"""What is asked: suites, tasks and samples."""

from harness.suites.suite import FIELDS, DatasetRef, LoadedTask, Member, Sample, ScorerRef, Suite, Task

__all__ = ["FIELDS", "DatasetRef", "LoadedTask", "Member", "Sample", "ScorerRef", "Suite", "Task"]
