"""The page of all runs."""

from __future__ import annotations

from harness.documents.table import Column, Table
from harness.instants import from_us
from harness.rendering.export_files import stream_of
from harness.view.page_addresses import run_address
from harness.view.page_values import Asked, Grid, Shown

_COLUMNS = (
    Column(name="run", whole=True),
    Column(name="suites"),
    Column(name="models"),
    Column(name="status"),
    Column(name="started", kind="timestamp"),
)


def runs_page(asked: Asked) -> Shown:
    """Show every run, newest first."""
    runs = asked.sources.ledger.runs()[::-1]
    table = Table(
        name="runs",
        title="Runs",
        columns=_COLUMNS,
        rows=[
            (
                run.run_id,
                ", ".join(suite.name for suite in run.suites),
                ", ".join(run.models),
                run.status,
                from_us(run.created_at_us),
            )
            for run in runs
        ],
    )
    grid = Grid(table=table, links={"run": [run_address(run.run_id) for run in runs]})
    return Shown(
        template="runs.html.j2", title="Runs", values={"grid": grid}, downloads={"runs": lambda: stream_of(table)}
    )
