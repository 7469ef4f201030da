"""What a ledger holds, for `runs` and `db`: counts per run and cell, schema version and size, as facts and tables.

Data flows tables -> counts -> `Table` values and JSON-ready facts; no money is computed.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, inspect, select, text

from harness.documents.table import Column, Table
from harness.errors import InputError, LedgerError
from harness.instants import from_us
from harness.ledger.connections import NO_LEDGER_FIX, database_url, make_engine, shown
from harness.ledger.ledger import Ledger, explained
from harness.ledger.reading.causes import cause_objects, failure_causes, over_cells
from harness.ledger.reading.sums import select_rows
from harness.ledger.records import CellRecord, RunRecord
from harness.ledger.schema.tables import SCHEMA_VERSION, metadata
from harness.ledger.schema.versions import schema_version
from harness.money import from_pico


def run_facts(ledger: Ledger) -> list[dict[str, Any]]:
    """List the runs, oldest first, with the number of their attempts by status."""
    counts = _status_counts(ledger)
    return [_facts(run, counts.get(run.run_id, Counter())) for run in ledger.runs()]


def _facts(run: RunRecord, counts: Counter[str]) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "status": run.status,
        "created_at": from_us(run.created_at_us),
        "finished_at": None if run.finished_at_us is None else from_us(run.finished_at_us),
        "suites": [suite.name for suite in run.suites],
        "models": list(run.models),
        "n_attempts": counts.total(),
        "n_possibly_billed": counts["sent"],
        "budget_usd": None if run.budget_pico_usd is None else from_pico(run.budget_pico_usd),
    }


def _status_counts(ledger: Ledger) -> dict[str, Counter[str]]:
    query = """
        SELECT cells.run_id, attempts.status, count(*) AS n_attempts
        FROM attempts JOIN cells USING (cell_id) GROUP BY cells.run_id, attempts.status
    """
    counts: dict[str, Counter[str]] = {}
    for row in select_rows(ledger, query, None):
        counts.setdefault(row.run_id, Counter())[row.status] = row.n_attempts
    return counts


RUN_COLUMNS = (
    Column(name="run_id", title="run", whole=True),
    Column(name="status"),
    Column(name="created_at", kind="timestamp", title="started (UTC)", drops=2),
    Column(name="suites", drops=1),
    Column(name="models"),
    Column(name="n_attempts", kind="integer", title="attempts", drops=3),
    Column(name="n_possibly_billed", kind="integer", title="no answer yet", drops=5),
    Column(name="budget_usd", kind="usd", unit="USD", title="budget", drops=4),
)


def run_table(facts: list[dict[str, Any]], *, database: str) -> Table:
    """Lay out `run_facts` as a table."""
    rows = [tuple(_joined(run[column.name]) for column in RUN_COLUMNS) for run in facts]
    return Table(name="runs", title=f"Runs in {database}", columns=RUN_COLUMNS, rows=rows)


def _joined(value: Any) -> Any:
    return ", ".join(value) if isinstance(value, list) else value


def run_detail(ledger: Ledger, run_id: str) -> dict[str, Any]:
    """Give everything stored about one run, with counts per cell.

    Raises:
        InputError: there is no run of that id.
    """
    run = ledger.run(run_id)
    if run is None:
        latest = ", ".join(found.run_id for found in ledger.runs()[-5:]) or "none"
        raise InputError(f"there is no run {run_id!r}", where=ledger.database, fix=f"the latest runs are: {latest}")
    by_cell = _cell_counts(ledger, run_id)
    planned = Counter(sample.suite for sample in ledger.planned(run_id))
    cells = [_cell_facts(cell, by_cell.get(cell.cell_id, {}), planned[cell.suite]) for cell in ledger.cells(run_id)]
    return {
        **_facts(run, _status_counts(ledger).get(run_id, Counter())),
        "suites": [
            {"name": suite.name, "version": suite.version, "sha256": suite.sha256,
             "tasks": [{"name": task.name, "revision": task.revision, "samples_sha256": task.samples_sha256}
                       for task in suite.tasks]}
            for suite in run.suites
        ],
        "cells": cells,
        "plan_sha256": run.plan_sha256,
        "price_book_sha256": run.price_book_sha256,
        "price_sources": list(run.price_sources),
        "harness_version": run.harness_version,
        "git_commit": run.git_commit,
        "sample_seed": run.sample_seed,
        "config": run.shown_config,
        "warnings": list(run.warnings),
        "failure_causes": cause_objects(over_cells(failure_causes(ledger, [run_id]))),
    }  # fmt: skip


_CELL_COUNTS = """
    SELECT attempts.cell_id, count(*) AS n_attempts,
        sum(CASE WHEN attempts.status = 'sent' THEN 1 ELSE 0 END) AS n_possibly_billed,
        sum(CASE WHEN attempts.status IN ('failed', 'timed_out') THEN 1 ELSE 0 END) AS n_failed_attempts,
        count(DISTINCT CASE WHEN attempts.status IN ('succeeded', 'reused') AND purpose = 'solve' THEN planned_id END)
            AS n_answered
    FROM attempts JOIN cells USING (cell_id) WHERE cells.run_id IN :run_ids GROUP BY attempts.cell_id
"""


def _cell_counts(ledger: Ledger, run_id: str) -> dict[int | None, dict[str, int]]:
    return {
        row.cell_id: {
            "n_answered": row.n_answered,
            "n_attempts": row.n_attempts,
            "n_failed_attempts": int(row.n_failed_attempts),
            "n_possibly_billed": int(row.n_possibly_billed),
        }
        for row in select_rows(ledger, _CELL_COUNTS, [run_id])
    }


def _cell_facts(cell: CellRecord, counts: dict[str, int], n_planned: int) -> dict[str, Any]:
    return {
        "suite": cell.suite,
        "provider": cell.provider,
        "model": cell.model,
        "setting": cell.setting,
        "reasoning": cell.reasoning,
        "simulated": cell.simulated,
        "settings_sent": cell.settings_sent,
        "n_planned": n_planned,
        "n_answered": counts.get("n_answered", 0),
        "n_attempts": counts.get("n_attempts", 0),
        "n_failed_attempts": counts.get("n_failed_attempts", 0),
        "n_possibly_billed": counts.get("n_possibly_billed", 0),
    }


CELL_COLUMNS = (
    Column(name="suite"),
    Column(name="provider", drops=4),
    Column(name="model"),
    Column(name="setting"),
    Column(name="n_planned", kind="integer", title="planned"),
    Column(name="n_answered", kind="integer", title="answered"),
    Column(name="n_attempts", kind="integer", title="attempts", drops=3),
    Column(name="n_failed_attempts", kind="integer", title="failed attempts", drops=1),
    Column(name="n_possibly_billed", kind="integer", title="no answer yet", drops=2),
)


_CAUSES_TOLD = 10


def _told(cause: dict[str, Any]) -> str:
    judged = "judge: " if cause["purpose"] == "judge" else ""
    return f"{cause['n_attempts']:,} x {judged}{cause['message'] or cause['error_class']}"


def cell_table(detail: dict[str, Any]) -> Table:
    """Lay out the cells of `run_detail` as a table; what else is known of the run goes below it."""
    rows = [tuple(cell[column.name] for column in CELL_COLUMNS) for cell in detail["cells"]]
    started = f"{detail['created_at']:%Y-%m-%d %H:%M:%S} UTC"
    notes = (
        f"started {started}, benchtab {detail['harness_version']}, sample seed {detail['sample_seed']}",
        f"price book {detail['price_book_sha256'][:12]}, plan {detail['plan_sha256'][:12]}",
        *detail["warnings"],
        *map(_told, detail["failure_causes"][:_CAUSES_TOLD]),
    )
    title = f"Run {detail['run_id']}: {detail['status']}"
    return Table(name="run", title=title, columns=CELL_COLUMNS, rows=rows, notes=notes)


def ledger_facts(name: str) -> dict[str, Any]:
    """Say where a ledger is, which schema it has and how much it holds; works for older schemas too.

    Raises:
        LedgerError: there is no ledger, or it cannot be read.
    """
    url = database_url(name)
    database = shown(url)
    if url.get_backend_name() == "sqlite" and not Path(database).exists():
        raise LedgerError("there is no ledger here", where=str(Path(database).absolute()), fix=NO_LEDGER_FIX)
    engine = make_engine(url)
    try:
        with explained(database), engine.connect() as connection:
            version = schema_version(connection)
            if version is None:
                raise LedgerError("there is no ledger here", where=database, fix="name another --db")
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


FACT_COLUMNS = (Column(name="fact"), Column(name="value"))


def ledger_table(facts: dict[str, Any]) -> Table:
    """Lay out `ledger_facts` as a table."""
    rows = [
        ("database", facts["database"]),
        ("schema", f"{facts['schema_version']} (this program: {facts['program_schema_version']})"),
        ("size", f"{facts['size_bytes'] / 1e6:,.1f} MB"),
        *((name.replace("_", " "), f"{count:,}") for name, count in facts["rows"].items()),
    ]
    return Table(name="ledger", title="Ledger", columns=FACT_COLUMNS, rows=rows)
