"""Rows of a table as Arrow record batches, in the order of its key: many without one Python object per value.

Data flows a query -> a process that reads a large SQLite file (`reading_process`), or rows of the driver -> batches of
integers and texts.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from harness.errors import LedgerError
from harness.ledger.connections import Readable
from harness.ledger.reading.batch_rows import ROWS_PER_BATCH, batches

if TYPE_CHECKING:
    import pyarrow as pa

Kind: TypeAlias = Literal["integer", "text"]
LEAST_FOR_A_PROCESS = 50_000
"""Rows from which on a process of its own is worth its start."""
_PROGRAM = Path(__file__).with_name("reading_process.py")
_KEPT_ENVIRONMENT = ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME", "SYSTEMROOT")
_BEFORE_ALL = -(2**63)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableQuery:
    """Columns of a table's rows, in the order of its key.

    Attributes:
        columns: name, SQL and what it gives; the first is the key, an integer.
        where: SQL condition.
        order: another order than that of the key, for tables of few rows.
        run_ids: what `:run_ids` stands for in the condition.
    """

    table: str
    columns: tuple[tuple[str, str, Kind], ...]
    where: str = "1 = 1"
    order: str = ""
    run_ids: Sequence[str] | None = None

    @property
    def key(self) -> str:
        """Name of the column that orders the rows."""
        return self.columns[0][0]

    @property
    def select(self) -> str:
        """The query without its order."""
        columns = ", ".join(f"{sql} AS {name}" for name, sql, _ in self.columns)
        return f"SELECT {columns} FROM {self.table} WHERE {self.where}"

    @property
    def typed(self) -> str:
        """The query with a row before all others whose values show the types: the driver goes by the first it meets."""
        shown = (f"0 AS {name}" if kind == "integer" else f"'' AS {name}" for name, _, kind in self.columns[1:])
        return f"SELECT {', '.join((f'{_BEFORE_ALL} AS {self.key}', *shown))} UNION ALL {self.select} ORDER BY 1"


def arrow_rows(ledger: Readable, query: TableQuery, *, least: int = LEAST_FOR_A_PROCESS) -> Iterator[pa.RecordBatch]:
    """Give the rows of a query a batch at a time, as int64 and string columns.

    Args:
        least: rows of the table from which on a SQLite file is read by a process of its own.
    """
    file = ledger.file
    if file is not None and not file.is_gone and not query.order and _is_large(ledger, query, least):
        started = _Reading.of(Path(file.path), query.typed)
        if started is not None:
            return started.batches()
    return _rows_of_driver(ledger, query)


def _is_large(ledger: Readable, query: TableQuery, least: int) -> bool:
    ((last,),) = (row for rows in batches(ledger, f"SELECT max({query.key}) FROM {query.table}") for row in rows)
    return last is not None and last >= least


def _rows_of_driver(ledger: Readable, query: TableQuery) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    types = {"integer": pa.int64(), "text": pa.string()}
    schema = pa.schema([(name, types[kind]) for name, _, kind in query.columns])
    for rows in batches(ledger, f"{query.select} ORDER BY {query.order or query.key}", run_ids=query.run_ids):
        values = zip(zip(*rows, strict=True), schema.types, strict=True)
        yield pa.record_batch([pa.array(column, type=kind) for column, kind in values], schema=schema)


@dataclass(slots=True)
class _Reading:
    """A process that reads, and what it has read ahead of whoever asks."""

    process: subprocess.Popen[bytes]
    stream: pa.RecordBatchReader
    database: str

    @classmethod
    def of(cls, file: Path, query: str) -> _Reading | None:
        """Start reading; None where that cannot be: no driver, no process, a file that it cannot open."""
        import pyarrow as pa

        asked = {"uri": f"{file.absolute().as_uri()}?mode=ro", "query": query, "rows_per_batch": ROWS_PER_BATCH}
        try:
            process = subprocess.Popen(
                [sys.executable, "-P", str(_PROGRAM)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ},
            )
        except OSError:
            return None
        assert process.stdin is not None
        try:
            with process.stdin as told:
                told.write(json.dumps(asked).encode())
            return cls(process, pa.ipc.open_stream(process.stdout), str(file))
        except (OSError, pa.ArrowInvalid):
            _end(process)
            return None

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Give what was read, one batch ahead; the process ends with the last one, or when nobody asks further."""
        with ThreadPoolExecutor(1) as reader:
            try:
                ahead = reader.submit(self._next)
                while (batch := ahead.result()) is not None:
                    ahead = reader.submit(self._next)
                    yield batch
            finally:
                _end(self.process)

    def _next(self) -> pa.RecordBatch | None:
        import pyarrow as pa

        try:
            return self.stream.read_next_batch()
        except StopIteration:
            if self.process.wait() == 0:
                return None
        except (OSError, pa.ArrowException):  # it ended in the middle
            pass
        raise self._failure()

    def _failure(self) -> LedgerError:
        return LedgerError(
            f"the process that reads the rows ended early (exit code {self.process.wait()})",
            where=self.database,
            fix="run the same command again; there may be too little memory",
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()
