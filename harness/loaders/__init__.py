"""Suites by name or path, and the samples of their tasks."""

from harness.loaders.suite_files import list_suites, load_suite, read_suite, suite_file
from harness.loaders.tasks import load_task

__all__ = ["list_suites", "load_suite", "load_task", "read_suite", "suite_file"]
