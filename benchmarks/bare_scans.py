"""The least that reading a large ledger takes: the columns of an output, scanned by a driver and thrown away.

Data flows SQLite file -> rows of sqlite3, or record batches of the Arrow driver -> nothing. Each is run in a process of
its own: two copies of SQLite in one process break each other's locks.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path

from harness.ledger.columns import TOKEN_COLUMNS
from harness.ledger.reading.export_rows import STORED

ROWS_AT_A_TIME = 20_000


def _stored(table: str, *ids: str) -> str:
    own = (stored.source for stored in STORED[table] if not stored.table)
    return f"SELECT {', '.join((*own, *ids))} FROM {table}"


QUERIES: Mapping[str, str] = {
    "report": f"SELECT cell_id, usage_group_id, {', '.join(TOKEN_COLUMNS)} FROM attempts",
    "attempts": _stored("attempts", "cell_id", "planned_id", "parameter_set_id"),
    "scores": _stored("scores", "cell_id", "planned_id"),
    "charges": "SELECT attempt_id, cell_id, planned_id, purpose, status, model_requested, finished_at_us, usage_kind,"
    f" usage_group_id, {', '.join(TOKEN_COLUMNS)} FROM attempts",
}
"""What each output reads at least, by its name without an ending; a page reads what a report does."""


def scan_rows(db: Path, query: str) -> None:
    """Read every row with Python's driver."""
    connection = sqlite3.connect(db)
    found = connection.execute(query)
    while found.fetchmany(ROWS_AT_A_TIME):
        pass
    connection.close()


def scan_columns(db: Path, query: str) -> None:
    """Read every row with the Arrow driver."""
    import adbc_driver_sqlite.dbapi as driver

    with driver.connect(f"{db.absolute().as_uri()}?mode=ro") as connection, connection.cursor() as cursor:
        cursor.adbc_statement.set_options(**{"adbc.sqlite.query.batch_rows": str(ROWS_AT_A_TIME)})
        cursor.execute(query)
        for _ in cursor.fetch_record_batch():
            pass


SCANS: Mapping[str, Callable[[Path, str], None]] = {"sqlite3": scan_rows, "adbc": scan_columns}
