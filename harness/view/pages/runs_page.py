"""The page of all runs: chosen, sorted, two of them to compare."""

from __future__ import annotations

from collections.abc import Sequence

from harness.documents.stream import RowStream
from harness.documents.table import Table
from harness.instants import asked_instant
from harness.ledger import RunRecord
from harness.rendering.export_files import stream_of
from harness.view.page_addresses import run_address
from harness.view.page_values import Asked, Grid, Shown
from harness.view.paging import paging
from harness.view.run_list import LISTED, WRITTEN, Choice, Listed, RunLine, ordered

RUNS_A_PAGE = 50
_COLUMNS = {listed.column.name: listed for listed in LISTED}
_NEWEST_FIRST = "-started"


def runs_page(asked: Asked) -> Shown:
    """Show runs, newest first where nothing else is asked."""
    stored = asked.sources.ledger.runs()
    choice = _choice(asked)
    wanted = [run for run in reversed(stored) if choice.takes(run)]
    by, falling = _sorting(asked)
    lines = _lines(asked, wanted) if by.needs_figures else [RunLine(run, None) for run in wanted]
    lines = ordered(lines, by, falling=falling)
    pages = paging(asked, len(lines), n_per_page=RUNS_A_PAGE)
    shown = _lines(asked, [line.run for line in lines[pages.rows]])
    return Shown(
        template="runs.html.j2",
        title="Runs",
        values={
            "grid": _grid(asked, shown, by, falling=falling),
            "choices": _choices(stored),
            "n_runs": len(stored),
            "n_wanted": len(lines),
            "n_pending": sum(line.summary is None for line in (lines if by.needs_figures else shown)),
            "pages": pages,
        },
        downloads={"runs": lambda: _file(asked, wanted, by, falling=falling)},
    )


def _lines(asked: Asked, runs: Sequence[RunRecord], *, all_of_them: bool = False) -> list[RunLine]:
    summaries = asked.sources.run_summaries()
    found = summaries.of(runs, patience_s=None) if all_of_them else summaries.of(runs)
    return [RunLine(run, found.get(run.run_id)) for run in runs]


def _choice(asked: Asked) -> Choice:
    since = asked.one("since")
    return Choice(
        words=asked.one("q"),
        suite=asked.one("suite"),
        model=asked.one("model"),
        status=asked.one("status"),
        since=asked_instant(since, where="since", zoneless="utc") if since else None,
    )


def _sorting(asked: Asked) -> tuple[Listed, bool]:
    wanted = asked.one("sort", _NEWEST_FIRST)
    name = wanted.removeprefix("-")
    return (_COLUMNS[name], wanted.startswith("-")) if name in _COLUMNS else (_COLUMNS["started"], True)


def _grid(asked: Asked, lines: Sequence[RunLine], by: Listed, *, falling: bool) -> Grid:
    table = Table(
        name="runs",
        title="Runs",
        columns=tuple(listed.column for listed in LISTED),
        rows=[tuple(listed.read(line) for listed in LISTED) for line in lines],
    )
    ids = [line.run.run_id for line in lines]
    return Grid(
        table=table,
        links={"run": [run_address(run_id) for run_id in ids]},
        sorting={name: asked.address(sort=_next_sort(name, by, falling=falling), page="") for name in _COLUMNS},
        sorted_by=(by.column.name, "descending" if falling else "ascending"),
        marks=["failed" if line.run.status == "failed" else "" for line in lines],
        selecting=("run", ids),
    )


def _next_sort(name: str, by: Listed, *, falling: bool) -> str:
    """A click turns the order round; numbers and instants begin with the highest, texts with the first."""
    if name == by.column.name:
        return name if falling else f"-{name}"
    return name if _COLUMNS[name].column.kind == "text" else f"-{name}"


def _choices(runs: Sequence[RunRecord]) -> dict[str, list[str]]:
    """List what can be chosen in the filter."""
    return {
        "suite": sorted({suite.name for run in runs for suite in run.suites}),
        "model": sorted({model for run in runs for model in run.models}),
        "status": sorted({run.status for run in runs}),
    }


def _file(asked: Asked, runs: Sequence[RunRecord], by: Listed, *, falling: bool) -> RowStream:
    """Give all runs that are chosen in the order shown, with exact figures."""
    lines = ordered(_lines(asked, runs, all_of_them=True), by, falling=falling)
    rows = [tuple(read(line) for _, read in WRITTEN) for line in lines]
    return stream_of(Table(name="runs", title="Runs", columns=tuple(column for column, _ in WRITTEN), rows=rows))
