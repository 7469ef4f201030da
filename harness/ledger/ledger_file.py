"""The file behind a SQLite ledger's path: whether it is still the one that was opened, and a copy when it is not.

A deleted or replaced file goes on taking rows through the open handle, and all of them are gone once that is closed.
Data flows path -> `LedgerFile.remember` -> asked before anything is sent -> `rescue` from the open handle.
"""

from __future__ import annotations

import os
import shlex
import sqlite3
import tempfile
from pathlib import Path

from harness.errors import LedgerError


class LedgerFile:
    """A SQLite file by path and identity; before `remember` nothing is known and nothing is missed."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._identity: tuple[int, int] | None = None

    def remember(self) -> None:
        """Take the file that is there now as the ledger."""
        self._identity = _identity(self.path)

    @property
    def is_known(self) -> bool:
        """Whether there is a file that must still be there."""
        return self._identity is not None

    @property
    def is_gone(self) -> bool:
        """Whether the path does not lead to that file any more: it was deleted, moved, or another took its place."""
        return self._identity is not None and _identity(self.path) != self._identity

    def gone(self) -> LedgerError:
        """Say that nothing may be sent any more."""
        return LedgerError(
            "the ledger's file was deleted, moved or replaced by another one while it was in use; nothing more is sent",
            where=self.path,
            fix="put it back, or name another file with --db",
        )

    def rescue(self, connection: sqlite3.Connection) -> LedgerError:
        """Copy what the open handle still holds to a new file beside the old path; says where it is, or that it failed.

        Where that folder is gone too, the copy goes to the working folder, else to the folder for temporary files.
        """
        name, problem = Path(self.path).name, ""
        for folder in (Path(self.path).absolute().parent, Path.cwd(), Path(tempfile.gettempdir())):
            copy = _free_name(folder / f"{name}.rescued")
            try:
                connection.execute("VACUUM INTO ?", (str(copy),))
            except sqlite3.Error as error:
                problem = problem or f"{copy}: {error}"
                copy.unlink(missing_ok=True)
                continue
            return LedgerError(
                "the ledger's file was deleted, moved or replaced by another one while it was in use; nothing more was"
                f" sent, and everything that was recorded is in {copy}",
                where=self.path,
                fix=f"put it back with `mv {shlex.quote(str(copy))} {shlex.quote(self.path)}` (move away what lies"
                " there, with its -wal and -shm), or use it with --db; then resume the run",
            )
        return LedgerError(
            "the ledger's file was deleted, moved or replaced by another one while it was in use, and what was"
            f" recorded could not be copied ({problem})",
            where=self.path,
            fix="what this session recorded is lost; the provider's own books say what was billed",
        )


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116  # before every batch: a Path costs more than the call
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _free_name(wanted: Path) -> Path:
    number, name = 1, wanted
    while name.exists():
        number += 1
        name = wanted.with_name(f"{wanted.name}-{number}")
    return name
