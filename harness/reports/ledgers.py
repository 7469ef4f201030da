"""What a ledger holds, for `runs` and `db`: counts per run and cell, schema version and size, as facts and tables.

Data flows counts -> JSON-ready facts -> `Table` values; no money is computed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Generic, TypedDict, TypeVar

from harness.documents.table import Column, Table
from harness.errors import InputError
from harness.instants import from_us
from harness.ledger import Ledger
from harness.ledger.reading.causes import ASKED, CauseObject, cause_objects, over_cells
from harness.ledger.reading.holdings import CellCounts, LedgerFacts, cell_counts, status_counts
from harness.ledger.reading.sums import failure_causes
from harness.ledger.records import CellRecord, RunRecord
from harness.money import from_pico
from harness.reports.precision.drawn_samples import is_drawn
from harness.reports.underway.worker_facts import SharedWork, shared_work

Suites = TypeVar("Suites")


class RunFacts(TypedDict, Generic[Suites]):
    """A run in a listing."""

    run_id: str
    status: str
    created_at: datetime
    finished_at: datetime | None
    suites: Suites
    models: list[str]
    n_attempts: int
    n_possibly_billed: int
    budget_usd: Decimal | None


class TaskFacts(TypedDict):
    """A task as it was run."""

    name: str
    revision: str
    samples_sha256: str


class SuiteFacts(TypedDict):
    """A suite as it was run."""

    name: str
    version: str
    sha256: str
    tasks: list[TaskFacts]


class _Drawn(TypedDict, total=False):
    n_drawn: int


class CellFacts(CellCounts, _Drawn):
    """One suite on one model setting of a run; `n_drawn` only where waves decide what of the plan is asked."""

    suite: str
    provider: str
    model: str
    setting: str | None
    reasoning: bool | None
    simulated: bool
    settings_sent: Mapping[str, object]
    n_planned: int


class RunDetail(RunFacts[list[SuiteFacts]], SharedWork):
    """All that is stored about one run."""

    cells: list[CellFacts]
    plan_sha256: str
    price_book_sha256: str
    price_sources: list[Mapping[str, object]]
    harness_version: str
    git_commit: str | None
    sample_seed: int
    config: dict[str, object]
    warnings: list[str]
    failure_causes: list[CauseObject]


_NO_ATTEMPTS = CellCounts(n_answered=0, n_attempts=0, n_failed_attempts=0, n_possibly_billed=0)


def run_facts(ledger: Ledger) -> list[RunFacts[list[str]]]:
    """List the runs, oldest first, with the number of their attempts by status."""
    counts = status_counts(ledger)
    return [
        _facts(run, counts.get(run.run_id, Counter()), [suite.name for suite in run.suites]) for run in ledger.runs()
    ]


def _facts(run: RunRecord, counts: Counter[str], suites: Suites) -> RunFacts[Suites]:
    return {
        "run_id": run.run_id,
        "status": run.status,
        "created_at": from_us(run.created_at_us),
        "finished_at": None if run.finished_at_us is None else from_us(run.finished_at_us),
        "suites": suites,
        "models": list(run.models),
        "n_attempts": counts.total(),
        "n_possibly_billed": counts["sent"],
        "budget_usd": None if run.budget_pico_usd is None else from_pico(run.budget_pico_usd),
    }


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


def run_table(facts: Sequence[RunFacts[list[str]]], *, database: str) -> Table:
    """Lay out `run_facts` as a table."""
    shown: list[dict[str, object]] = [{**run, "suites": ", ".join(run["suites"]), "models": ", ".join(run["models"])}
                                      for run in facts]  # fmt: skip
    rows = [tuple(run[column.name] for column in RUN_COLUMNS) for run in shown]
    return Table(name="runs", title=f"Runs in {database}", columns=RUN_COLUMNS, rows=rows)


def known_run(ledger: Ledger, run_id: str) -> RunRecord:
    """Read a run that somebody named.

    Raises:
        InputError: there is no run of that id.
    """
    run = ledger.run(run_id)
    if run is None:
        latest = ", ".join(found.run_id for found in ledger.runs()[-5:]) or "none"
        raise InputError(f"there is no run {run_id!r}", where=ledger.database, fix=f"the latest runs are: {latest}")
    return run


def run_detail(ledger: Ledger, run_id: str) -> RunDetail:
    """Give everything stored about one run, with counts per cell.

    Raises:
        InputError: there is no run of that id.
    """
    run = known_run(ledger, run_id)
    by_cell = cell_counts(ledger, run_id)
    planned = Counter(sample.suite for sample in ledger.planned(run_id))
    drawn = Counter(draw.cell_id for draw in ledger.draws(run_id)) if is_drawn(run) else None
    suites: list[SuiteFacts] = [
        {"name": suite.name, "version": suite.version, "sha256": suite.sha256,
         "tasks": [{"name": task.name, "revision": task.revision, "samples_sha256": task.samples_sha256}
                   for task in suite.tasks]}
        for suite in run.suites
    ]  # fmt: skip
    return {
        **_facts(run, status_counts(ledger).get(run_id, Counter()), suites),
        "cells": [
            _cell_facts(cell, by_cell.get(cell.cell_id or 0, _NO_ATTEMPTS), planned[cell.suite], drawn)
            for cell in ledger.cells(run_id)
        ],
        "plan_sha256": run.plan_sha256,
        "price_book_sha256": run.price_book_sha256,
        "price_sources": list(run.price_sources),
        "harness_version": run.harness_version,
        "git_commit": run.git_commit,
        "sample_seed": run.sample_seed,
        "config": run.shown_config,
        "warnings": list(run.warnings),
        "failure_causes": cause_objects(over_cells(failure_causes(ledger, [run_id]))),
        **shared_work(ledger, run_id),
    }


def _cell_facts(cell: CellRecord, counts: CellCounts, n_planned: int, drawn: Mapping[int, int] | None) -> CellFacts:
    more: _Drawn = {} if drawn is None or cell.cell_id is None else {"n_drawn": drawn.get(cell.cell_id, 0)}
    return {
        "suite": cell.suite,
        "provider": cell.provider,
        "model": cell.model,
        "setting": cell.setting,
        "reasoning": cell.reasoning,
        "simulated": cell.simulated,
        "settings_sent": cell.settings_sent,
        "n_planned": n_planned,
        **counts,
        **more,
    }


def to_ask(cell: CellFacts) -> int:
    """Say how many answers a cell is to have: what is planned, or of that what waves drew."""
    return cell.get("n_drawn", cell["n_planned"])


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


def _told(cause: CauseObject) -> str:
    return f"{cause['n_attempts']:,} x {ASKED[cause['purpose']]}{cause['message'] or cause['error_class']}"


def cell_table(detail: RunDetail) -> Table:
    """Lay out the cells of `run_detail` as a table; what else is known of the run goes below it."""
    cells: list[dict[str, object]] = [{**cell, "n_planned": to_ask(cell)} for cell in detail["cells"]]
    rows = [tuple(cell[column.name] for column in CELL_COLUMNS) for cell in cells]
    started = f"{detail['created_at']:%Y-%m-%d %H:%M:%S} UTC"
    notes = (
        f"started {started}, benchtab {detail['harness_version']}, sample seed {detail['sample_seed']}",
        f"price book {detail['price_book_sha256'][:12]}, plan {detail['plan_sha256'][:12]}",
        *detail["warnings"],
        *map(_told, detail["failure_causes"][:_CAUSES_TOLD]),
    )
    title = f"Run {detail['run_id']}: {detail['status']}"
    return Table(name="run", title=title, columns=CELL_COLUMNS, rows=rows, notes=notes)


FACT_COLUMNS = (Column(name="fact"), Column(name="value"))


def ledger_table(facts: LedgerFacts) -> Table:
    """Lay out `ledger_facts` as a table."""
    rows = [
        ("database", facts["database"]),
        ("schema", f"{facts['schema_version']} (this program: {facts['program_schema_version']})"),
        ("size", f"{facts['size_bytes'] / 1e6:,.1f} MB"),
        *((name.replace("_", " "), f"{count:,}") for name, count in facts["rows"].items()),
    ]
    return Table(name="ledger", title="Ledger", columns=FACT_COLUMNS, rows=rows)
