"""What the commands say: data on stdout, the rest on stderr, nothing of it able to steer a terminal."""

from __future__ import annotations

import logging
import sys

import typer

from harness.rendering.printable import printable


def print_out(text: str, *, nl: bool = True, exact: bool = False) -> None:
    """Write data or an answer to stdout.

    Args:
        exact: the text is a file's content, kept to the byte wherever stdout is not a terminal.
    """
    typer.echo(text if exact and not sys.stdout.isatty() else printable(text), nl=nl)


def say(text: str) -> None:
    """Write progress, a warning or an error to stderr."""
    typer.echo(printable(text), err=True)


class PrintableLog(logging.Formatter):
    """Log lines, of libraries too, which like to repeat what a server sent."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one record."""
        return printable(super().format(record))
