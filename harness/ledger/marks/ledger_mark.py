"""A digest of all that a report reads of a ledger, without reading it: two equal marks, and nothing has changed.

Data flows the newest ids, how many attempts are open, all rows of runs, the newest facts themselves -> one digest.
Attempts, scores and the rest are only ever added to, and an attempt changes once, from `sent` to settled: triggers in
the database see to it. Imports neither SQLAlchemy nor the rest of the ledger: those take longer than the answer.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, TypeAlias

from harness.ledger.columns import BILL_UNKNOWN

Rows: TypeAlias = Sequence[Sequence[Any]]
_ADDED_TO = {
    "cells": "cell_id", "planned_samples": "planned_id", "attempts": "attempt_id", "scores": "score_id",
    "invoiced": "invoiced_id", "draws": "draw_id", "forecasts": "forecast_id", "imported_files": "file_id",
    "imported_costs": "attempt_id",
}  # fmt: skip
"""Tables that a report reads, with the ids that grow."""
_WHOLE = ("SELECT max(version_num) FROM alembic_version", "SELECT * FROM runs ORDER BY run_id")
_OPEN = f"SELECT count(*) FROM attempts WHERE ({BILL_UNKNOWN}) AND status = 'sent'"


def sqlite_mark(path: Path) -> str | None:
    """Give the mark of a SQLite ledger by its file; None where that cannot be told.

    The file itself counts, too: another one of that name, or one that was written to in any way, has another mark.
    """
    with suppress(OSError, sqlite3.Error):
        file = _file_facts(path)
        # not read-only: whoever is last to close a file in WAL mode puts it in order
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=1.0)) as connection:
            connection.isolation_level = None
            connection.execute("PRAGMA query_only = ON")
            connection.execute("BEGIN")
            return _digest((repr(file), *_facts(lambda query: connection.execute(query).fetchall(), "max({0})")))
    return None


def mark_of(fetch: Callable[[str], Rows], *, counted: bool) -> str:
    """Give the mark of an open ledger.

    Args:
        fetch: runs a query of one moment.
        counted: whether rows are counted, too: on PostgreSQL a row may come after one with a higher id.
    """
    return _digest(_facts(fetch, "count(*), max({0})" if counted else "max({0})"))


def _facts(fetch: Callable[[str], Rows], newest: str) -> Iterator[str]:
    for query in (*_WHOLE, _OPEN):
        yield repr([tuple(row) for row in fetch(query)])
    for table, key in _ADDED_TO.items():
        yield repr([tuple(row) for row in fetch(f"SELECT {newest.format(key)} FROM {table}")])
        yield repr([tuple(row) for row in fetch(f"SELECT * FROM {table} ORDER BY {key} DESC LIMIT 1")])


def _digest(facts: Sequence[str] | Iterator[str]) -> str:
    found = hashlib.sha256()
    for fact in facts:
        text = fact.encode("utf-8", "surrogatepass")
        found.update(len(text).to_bytes(8, "big") + text)
    return found.hexdigest()


def _file_facts(path: Path) -> tuple[object, ...]:
    main, log = path.stat(), path.with_name(path.name + "-wal")
    written = log.stat() if log.exists() else None
    return (
        str(path.resolve()), main.st_dev, main.st_ino, main.st_size, main.st_mtime_ns,
        (written.st_size, written.st_mtime_ns) if written is not None and written.st_size else None,
    )  # fmt: skip


__all__ = ["mark_of", "sqlite_mark"]
