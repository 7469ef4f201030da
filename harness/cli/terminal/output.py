"""What the commands say: data on stdout, the rest on stderr, nothing of it able to steer a terminal."""

from __future__ import annotations

import contextlib
import logging
import sys
import traceback
from types import TracebackType
from typing import TYPE_CHECKING, Any

import typer

from harness.rendering.printable import printable
from harness.secrets import redact, redact_known

if TYPE_CHECKING:
    from harness.documents.document import Document


def print_out(text: str, *, nl: bool = True, exact: bool = False) -> None:
    """Write data or an answer to stdout.

    Args:
        exact: the text is a file's content, kept to the byte wherever stdout is not a terminal.
    """
    text = redact_known(text)
    typer.echo(text if exact and not sys.stdout.isatty() else printable(text), nl=nl)


def print_document(document: Document, form: str) -> None:
    """Print a document in one of `FORMATS` that are text."""
    from harness.rendering.formats import FORMATS

    chosen = FORMATS[form]
    if chosen.show is not None:
        chosen.show(document)
    elif chosen.text is not None:
        text = chosen.text(document)
        print_out(text, nl=not text.endswith("\n"), exact=True)


def say(text: str) -> None:
    """Write progress, a warning or an error to stderr."""
    typer.echo(printable(redact_known(text)), err=True)


class PrintableLog(logging.Formatter):
    """Log lines, of libraries too, which like to repeat what a server sent."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one record."""
        return printable(super().format(record))


def mask_logs_and_tracebacks() -> None:
    """Keep keys out of what goes to stderr without passing here: log records of any library, uncaught errors."""
    made = logging.getLogRecordFactory()

    def masked(*arguments: Any, **named: Any) -> logging.LogRecord:
        record = made(*arguments, **named)
        with contextlib.suppress(Exception):  # a record whose arguments do not fit: logging itself reports it
            record.msg, record.args = redact(record.getMessage()), None
        if record.exc_info and record.exc_info[1] is not None:
            record.exc_text = redact("".join(traceback.format_exception(record.exc_info[1])).rstrip())
        return record

    logging.setLogRecordFactory(masked)
    sys.excepthook = _show_traceback


def _show_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    for lines in traceback.format_exception(kind, error, trace):
        sys.stderr.write(printable(redact(lines)))
