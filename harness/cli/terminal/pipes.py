"""Output into a pipe whose reader leaves (`benchtab nightly CONFIG | head`): the rest goes nowhere, the command goes on
and ends with its own exit code.
"""

from __future__ import annotations

import io
import sys
from typing import Any, TextIO


class _Forgiving(io.RawIOBase):
    """A file descriptor's stream that swallows what nobody reads any more."""

    def __init__(self, under: io.FileIO) -> None:
        self._under = under
        self._read = True

    def write(self, data: Any, /) -> int | None:
        if self._read:
            try:
                return self._under.write(data)
            except BrokenPipeError:
                self._read = False
        return len(data)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._under.fileno()

    def isatty(self) -> bool:
        return self._under.isatty()


def outlive_readers() -> None:
    """Let stdout and stderr outlive whoever reads them."""
    sys.stdout = _forgiving(sys.stdout)
    sys.stderr = _forgiving(sys.stderr)


def _forgiving(stream: TextIO) -> TextIO:
    """Wrap a stream of a pipe; a terminal and what a caller put there stay as they are."""
    if not isinstance(stream, io.TextIOWrapper) or stream.isatty():
        return stream
    buffer: Any = stream.buffer  # of an unbuffered interpreter, the file itself
    raw = getattr(buffer, "raw", buffer)
    if not isinstance(raw, io.FileIO):
        return stream
    stream.flush()
    forgiving: Any = _Forgiving(raw)
    return io.TextIOWrapper(
        forgiving if buffer is raw else io.BufferedWriter(forgiving),
        encoding=stream.encoding,
        errors=stream.errors,
        newline="\n",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
