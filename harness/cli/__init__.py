"""The command line: parse, call, print. No logic lives here; one module per noun."""

from harness.cli.app import main

__all__ = ["main"]
