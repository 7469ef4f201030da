"""The parts of a spend report and where each is shown: terminal, Markdown, page, night and exports all read `REPORTS`.

Pure. Data flows SpendReport -> `Shown` -> the parts of a place -> tables, sentences and charts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias

from harness.documents.chart import Chart
from harness.documents.table import Sentences, Table, without_repeated
from harness.reports.compare.pairs import Kind, Pairs, all_pairs
from harness.reports.compare.verdict import HEADING, ladder_table, ladder_warnings, pair_object, pairs_table, verdict
from harness.reports.indexes.index_table import index_table
from harness.reports.indexes.scaled_scores import scaled_objects, scaled_table
from harness.reports.precision.precision_table import differences_table, precision_object, precision_table
from harness.reports.spend.cost_statistics import repeats_table, statistics_table
from harness.reports.spend.report import SpendReport, report_object
from harness.reports.spend.spend_charts import report_charts
from harness.reports.spend.spend_tables import prices_table, runs_table, spend_table, summary_table, totals_table
from harness.reports.spend.task_table import task_score_tables, tasks_table
from harness.reports.trajectories.task_figures import task_figures
from harness.reports.trajectories.trajectory_tables import role_spend_table, shown_tables, trajectory_object

Place = Literal["terminal", "markdown", "page", "page details", "chart files", "json", "export", "night"]
"""`page details` are folded below the page; a part in `export` is a table that `benchtab export` writes by its name."""
Piece: TypeAlias = "Table | Sentences | Chart"


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A report while it is laid out; what several parts rest on is made once.

    Attributes:
        width: characters of a line; None = any number.
    """

    report: SpendReport
    width: int | None = None

    @cached_property
    def pairs(self) -> Pairs:
        """The rows of each suite against each other."""
        return all_pairs(self.report)

    def has(self, kind: Kind) -> bool:
        """Whether rows can be paired in this way."""
        return any(found.kind == kind for pairs in self.pairs.values() for found in pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportPart:
    """One part of a report.

    Attributes:
        make: gives one piece or several; tables without rows are left out.
        on: where it is shown; a place shows what it can (a terminal no charts).
        closes: where it stands below the parts that do not close.
        is_always_shown: also without rows.
    """

    name: str
    make: Callable[[Shown], Piece | Iterable[Piece]]
    on: Set[Place]
    closes: Set[Place] = frozenset()
    is_always_shown: bool = False

    def pieces(self, shown: Shown) -> list[Piece]:
        """Make what there is to show."""
        made = self.make(shown)
        pieces = list(made) if isinstance(made, Iterable) else [made]
        return [piece for piece in pieces if not isinstance(piece, Table) or piece.rows or self.is_always_shown]


def _forecasts(report: SpendReport) -> Piece | tuple[()]:
    # help pages list the parts of a report, and do not wait for what forecasts rest on
    from harness.reports.forecasts.forecast_tables import forecast_lines

    lines = forecast_lines(report.forecasts)
    return Sentences(title="Forecast and bill", lines=lines) if lines else ()


def _compared(table: Table) -> Table:
    return without_repeated(table, "suite")


REPORTS: dict[str, ReportPart] = {
    part.name: part
    for part in (
        ReportPart(
            name="verdict",
            make=lambda shown: Sentences(title=HEADING, lines=verdict(shown.report, shown.pairs)),
            on={"terminal", "markdown", "page"},
        ),
        ReportPart(
            name="summary",
            make=lambda shown: summary_table(shown.report),
            on={"terminal", "markdown", "night"},
            is_always_shown=True,
        ),
        ReportPart(
            name="scaled",
            make=lambda shown: scaled_table(shown.report),
            on={"terminal", "markdown", "page", "night"},
        ),
        ReportPart(
            name="index",
            make=lambda shown: _compared(index_table(shown.report)),
            on={"terminal", "markdown", "page", "night"},
        ),
        ReportPart(
            name="conversations",
            make=lambda shown: map(_compared, shown_tables(shown.report)),
            on={"terminal", "markdown", "page", "night"},
        ),
        ReportPart(
            name="precision",
            make=lambda shown: _compared(precision_table(shown.report)),
            on={"terminal", "markdown", "page", "night"},
        ),
        ReportPart(
            name="differences",
            make=lambda shown: _compared(differences_table(shown.report)),
            on={"terminal", "markdown", "page", "night"},
        ),
        ReportPart(
            name="totals",
            make=lambda shown: totals_table(shown.report),
            on={"terminal", "markdown", "page", "night"},
            closes={"terminal", "markdown"},
            is_always_shown=True,
        ),
        ReportPart(
            name="forecasts",
            make=lambda shown: _forecasts(shown.report),
            on={"terminal", "markdown", "page"},
            closes={"terminal", "markdown"},
        ),
        ReportPart(
            name="pairs",
            make=lambda shown: _compared(pairs_table(shown.report, shown.pairs)) if shown.has("reasoning") else (),
            on={"terminal", "markdown", "page"},
        ),
        ReportPart(
            name="ladder",
            make=lambda shown: _compared(ladder_table(shown.report, shown.pairs)) if shown.has("effort") else (),
            on={"terminal", "markdown", "page"},
        ),
        ReportPart(
            name="task_scores",
            make=lambda shown: task_score_tables(shown.report, width=shown.width),
            on={"terminal", "markdown"},
        ),
        ReportPart(
            name="cost_statistics", make=lambda shown: _compared(statistics_table(shown.report)), on={"page"}
        ),
        ReportPart(name="pass_at_k", make=lambda shown: _compared(repeats_table(shown.report)), on={"page"}),
        ReportPart(name="charts", make=lambda shown: report_charts(shown.report), on={"page", "chart files"}),
        ReportPart(name="tasks", make=lambda shown: tasks_table(shown.report), on={"page details"}),
        ReportPart(
            name="prices_used",
            make=lambda shown: prices_table(shown.report),
            on={"markdown", "page details"},
            closes={"markdown"},
            is_always_shown=True,
        ),
        ReportPart(name="runs", make=lambda shown: runs_table(shown.report), on={"page details"}),
        ReportPart(name="report", make=lambda shown: spend_table(shown.report), on={"export"}, is_always_shown=True),
        ReportPart(
            name="role_spend", make=lambda shown: role_spend_table(shown.report), on={"export"}, is_always_shown=True
        ),
    )
}  # fmt: skip
"""By name, in the order in which they are shown."""


def parts_on(place: Place) -> list[ReportPart]:
    """Give the parts of a place in their order."""
    return sorted((part for part in REPORTS.values() if place in part.on), key=lambda part: place in part.closes)


def pieces_on(place: Place, shown: Shown) -> list[Piece]:
    """Make everything that a place shows."""
    return [piece for part in parts_on(place) for piece in part.pieces(shown)]


def tables_on(place: Place, shown: Shown) -> list[Table]:
    """Make the tables that a place shows."""
    return [piece for piece in pieces_on(place, shown) if isinstance(piece, Table)]


def paragraphs_on(place: Place, shown: Shown) -> list[Table | Sentences]:
    """Make the tables and sentences that a place shows."""
    return [piece for piece in pieces_on(place, shown) if isinstance(piece, Table | Sentences)]


def charts_in(pieces: Iterable[Piece]) -> tuple[Chart, ...]:
    """Choose the charts."""
    return tuple(piece for piece in pieces if not isinstance(piece, Table | Sentences))


def report_document(report: SpendReport) -> dict[str, Any]:
    """Write the JSON document of `benchtab report --json`: `report_object`, the verdict and its pairs.

    Rows that were asked in waves have `precision` besides, those of conversations `trajectories`, and those of tasks
    with a scale of their own `scaled`.

    Parts shown in `json` stand under `tables`, row by row.
    """
    from harness.reports.forecasts.forecast_tables import forecast_object

    shown = Shown(report=report)
    document = {
        **report_object(report),
        "verdict": list(verdict(report, shown.pairs)),
        "forecasts": [forecast_object(one) for one in report.forecasts],
        "pairs": [pair_object(found) for pairs in shown.pairs.values() for found in pairs],
    }
    steps = [found for pairs in shown.pairs.values() for found in pairs if found.kind == "effort"]
    document["warnings"] = [*document["warnings"], *ladder_warnings(steps)]
    for row, written in zip(report.rows, document["rows"], strict=True):
        if row.facts.drawn is not None:
            written["precision"] = precision_object(row, row.facts.drawn)
        figures = task_figures(row)
        if figures is not None:
            written["trajectories"] = trajectory_object(figures)
        if row.facts.verdicts:
            written["scaled"] = scaled_objects(row)
    if tables := tables_on("json", shown):
        document["tables"] = {table.name: [_row_object(table, row) for row in table.rows] for table in tables}
    return document


def _row_object(table: Table, row: Sequence[object]) -> dict[str, object]:
    return {column.name: value for column, value in zip(table.columns, row, strict=True)}
