"""SQLite files of other tools, read without touching them: also those in WAL mode, whose newest rows are beside them.

Data flows a path -> a private copy where there is a `-wal` file, else the file itself as it stands -> rows.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness.imports.containers.log_files import LogFile
from harness.imports.refusal import ImportRefused

Value = int | float | str | bytes | None
MAGIC = b"SQLite format 3\x00"


class Database:
    """An open file; made by `database`."""

    def __init__(self, connection: sqlite3.Connection, name: str) -> None:
        self._connection = connection
        self._name = name

    def tables(self) -> dict[str, tuple[str, ...]]:
        """List the tables with their columns."""
        names = [str(row["name"]) for row in self.rows("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            name: tuple(str(row["name"]) for row in self.rows("SELECT name FROM pragma_table_info(?)", [name]))
            for name in names
        }

    def rows(self, query: str, values: Sequence[Value] = ()) -> Iterator[Mapping[str, Value]]:
        """Run a query and give its rows one by one, by column name; text that is not UTF-8 has its bytes replaced.

        Raises:
            ImportRefused: the file is damaged, or lacks a table or a column.
        """
        try:
            cursor = self._connection.execute(query, values)
            names = [column[0] for column in cursor.description]
            for row in cursor:
                yield dict(zip(names, row, strict=True))
        except sqlite3.Error as error:
            raise ImportRefused(f"SQLite: {error}", where=self._name) from None


@contextmanager
def database(file: LogFile) -> Iterator[Database]:
    """Open a SQLite file to read it.

    Raises:
        ImportRefused: it is no SQLite file, or a damaged one.
    """
    with tempfile.TemporaryDirectory(prefix="benchtab-import-") as folder:
        path = _with_its_log(file.path, Path(folder))
        address = f"{path.resolve().as_uri()}?mode={'rw' if path.parent == Path(folder) else 'ro&immutable=1'}"
        connection: sqlite3.Connection | None = None
        try:
            connection = sqlite3.connect(address, uri=True)
            connection.text_factory = lambda text: text.decode("utf-8", "replace")
            connection.execute("PRAGMA query_only = ON")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.Error as error:
            if connection is not None:
                connection.close()
            raise ImportRefused(f"SQLite: {error}", where=file.name) from None
        try:
            yield Database(connection, file.name)
        finally:
            connection.close()


def _with_its_log(path: Path, folder: Path) -> Path:
    """Copy the file and its `-wal`, for only a writer may read the latter; the file itself where there is none."""
    log = path.with_name(path.name + "-wal")
    if not log.exists() or log.stat().st_size == 0:
        return path
    copy = folder / "copy.db"
    shutil.copyfile(path, copy)
    shutil.copyfile(log, folder / "copy.db-wal")
    return copy
