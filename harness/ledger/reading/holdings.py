"""How much a ledger holds: attempts by run and cell, rows by table, its schema's version and its size.

Data flows tables -> counts; `ledger_facts` reads ledgers of older schemas too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

from sqlalchemy import Connection, func, inspect, select, text

from harness.errors import NoLedgerError
from harness.ledger.connections import NO_LEDGER_FIX, database_url, explained, make_engine, shown
from harness.ledger.ledger import Ledger
from harness.ledger.reading.batch_rows import select_rows
from harness.ledger.schema.tables import SCHEMA_VERSION, metadata
from harness.ledger.schema.versions import schema_version


class CellCounts(TypedDict):
    """Attempts of one cell; `n_answered` counts samples."""

    n_answered: int
    n_attempts: int
    n_failed_attempts: int
    n_possibly_billed: int


class LedgerFacts(TypedDict):
    """Where a ledger is, which schema it has and how much it holds; `rows` by table."""

    database: str
    kind: str
    schema_version: str
    program_schema_version: str
    size_bytes: int
    rows: dict[str, int]


def status_counts(ledger: Ledger) -> dict[str, Counter[str]]:
    """Count the attempts of each run by their status."""
    query = """
        SELECT cells.run_id, attempts.status, count(*) AS n_attempts
        FROM attempts JOIN cells USING (cell_id) GROUP BY cells.run_id, attempts.status
    """
    counts: dict[str, Counter[str]] = {}
    for row in select_rows(ledger, query):
        counts.setdefault(row.run_id, Counter())[row.status] = row.n_attempts
    return counts


def sample_counts(ledger: Ledger, run_ids: Sequence[str]) -> dict[str, int]:
    """Count the different samples that each of these runs planned."""
    query = """
        SELECT run_id, count(*) AS n_samples FROM (
            SELECT DISTINCT run_id, suite, task, sample_id FROM planned_samples WHERE run_id IN :run_ids
        ) AS samples GROUP BY run_id
    """
    return {row.run_id: row.n_samples for row in select_rows(ledger, query, run_ids)}


_CELL_COUNTS = """
    SELECT attempts.cell_id, count(*) AS n_attempts,
        sum(CASE WHEN attempts.status = 'sent' THEN 1 ELSE 0 END) AS n_possibly_billed,
        sum(CASE WHEN attempts.status IN ('failed', 'timed_out') THEN 1 ELSE 0 END) AS n_failed_attempts,
        count(DISTINCT CASE WHEN attempts.status IN ('succeeded', 'reused') AND purpose = 'solve'
            AND (turn IS NULL OR EXISTS (SELECT 1 FROM scores WHERE scores.attempt_id = attempts.attempt_id))
            THEN planned_id END) AS n_answered
    FROM attempts JOIN cells USING (cell_id) WHERE cells.run_id IN :run_ids GROUP BY attempts.cell_id
"""


def cell_counts(ledger: Ledger, run_id: str) -> dict[int, CellCounts]:
    """Count the attempts of each cell of a run; cells without any are absent."""
    return {
        row.cell_id: {
            "n_answered": row.n_answered,
            "n_attempts": row.n_attempts,
            "n_failed_attempts": int(row.n_failed_attempts),
            "n_possibly_billed": int(row.n_possibly_billed),
        }
        for row in select_rows(ledger, _CELL_COUNTS, [run_id])
    }


def ledger_facts(name: str) -> LedgerFacts:
    """Say where a ledger is, which schema it has and how much it holds; works for older schemas too.

    Raises:
        LedgerError: there is no ledger, or it cannot be read.
    """
    url = database_url(name)
    database = shown(url)
    if url.get_backend_name() == "sqlite" and not Path(database).exists():
        raise NoLedgerError("there is no ledger here", where=str(Path(database).absolute()), fix=NO_LEDGER_FIX)
    engine = make_engine(url)
    try:
        with explained(database), engine.connect() as connection:
            version = schema_version(connection)
            if version is None:
                raise NoLedgerError("there is no ledger here", where=database, fix="name another --db")
            return {
                "database": database,
                "kind": url.get_backend_name(),
                "schema_version": version,
                "program_schema_version": SCHEMA_VERSION,
                "size_bytes": _size_bytes(connection, database),
                "rows": _row_counts(connection, known=version == SCHEMA_VERSION),
            }
    finally:
        engine.dispose()


def _row_counts(connection: Connection, *, known: bool) -> dict[str, int]:
    present = set(metadata.tables) if known else set(inspect(connection).get_table_names())
    return {
        name: connection.execute(select(func.count()).select_from(table)).scalar_one()
        for name, table in sorted(metadata.tables.items())
        if name in present
    }


def _size_bytes(connection: Connection, database: str) -> int:
    if connection.dialect.name == "sqlite":
        files = (Path(database + ending) for ending in ("", "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())
    size: int = connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one()
    return size
