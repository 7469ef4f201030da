"""Suites by name or path, and the samples of their tasks."""

from harness.loaders.tasks import list_suites, load_suite, load_task, read_suite, suite_file

__all__ = ["list_suites", "load_suite", "load_task", "read_suite", "suite_file"]
