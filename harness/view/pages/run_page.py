"""The page of one run: its report, with charts that answer to the mouse and tables that lead to samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from harness.documents.stream import RowStream
from harness.documents.table import Table
from harness.instants import asked_instant, from_us
from harness.ledger import RunRecord
from harness.rendering.export_files import stream_of, table_stream
from harness.rendering.progress import duration
from harness.reports.questions import joined
from harness.reports.spend.report import SpendReport
from harness.reports.spend.spend_tables import label, rows_shown, spend_table
from harness.view.charts.vega_charts import vega_charts
from harness.view.live.live_route import live_part
from harness.view.page_addresses import price_address, samples_address
from harness.view.page_values import Asked, Grid, Rows, Shown
from harness.view.run_list import RunLine

WHOLE_EXPORTS = ("samples", "attempts", "scores", "charges")
"""What can be had of a run besides what its page shows: `benchtab export` by the same names."""
_MOST_OFFERED = 100


def run_page(asked: Asked) -> Shown:
    """Show one run, as it was or at other prices."""
    sources, run_id = asked.sources, asked.names["run_id"]
    run = sources.run(run_id)
    asked_as_of, questions = asked.one("as_of"), [text for text in asked.many("what_if") if text]
    as_of = asked_instant(asked_as_of, where="as_of", zoneless="utc") if asked_as_of else None
    made = sources.report(run, as_of=as_of, what_if=joined(questions))
    report, page = made.report, made.page
    leads = _Leads.of(run_id, report)
    sections = [(section, leads.grid(section.table)) for section in page.sections]
    main = replace(page.main, name="report")
    names = [leads.names[label(row)] for row in rows_shown(report)]
    sources.samples.begin(sources.ledger, sources.book, run_id)  # they are likely to be looked at
    return Shown(
        template="run.html.j2",
        title=run_id,
        values={
            "run": run,
            "live": live_part(sources, run),
            "page": page,
            "facts": _facts(run),
            "marks": _marks(run, page.marks),
            "charts": vega_charts(page.charts, leads.addresses),
            "main": replace(leads.grid(main), selecting=("models", names) if len(set(names)) > 1 else None),
            "sections": sections,
            "others": _others(asked, run),
            "what_if": report.what_if,
            "as_of": asked_as_of,
            "asked_of_rows": [text for text in questions if "=" in text],
            "whole_exports": WHOLE_EXPORTS,
        },
        downloads=_downloads(asked, report, [grid.table for _, grid in sections]),
    )


def _facts(run: RunRecord) -> str:
    line = RunLine(run, None)
    took = "" if line.duration_s is None else f", took {duration(line.duration_s)}"
    suites = ", ".join(f"{suite.name} {suite.version}" for suite in run.suites)
    return f"{suites}; started {from_us(run.created_at_us):%Y-%m-%d %H:%M} UTC{took}; benchtab {run.harness_version}"


def _marks(run: RunRecord, of_rows: Sequence[str]) -> list[tuple[str, str]]:
    """Give words to show beside the heading, each with how good the news is."""
    news = {"complete": "good", "failed": "bad"}.get(run.status, "")
    return [(run.status, news), *((word, "") for word in (*RunLine(run, None).marks, *of_rows))]


def _others(asked: Asked, run: RunRecord) -> list[str]:
    """Name the runs that can be compared with this one, the newest first."""
    suites = {suite.name for suite in run.suites}
    found = (
        other.run_id
        for other in reversed(asked.sources.ledger.runs())
        if other.run_id != run.run_id and suites & {suite.name for suite in other.suites}
    )
    return [run_id for run_id, _ in zip(found, range(_MOST_OFFERED), strict=False)]


def _downloads(asked: Asked, report: SpendReport, tables: Sequence[Table]) -> Mapping[str, Rows]:
    """Give the report's table as `benchtab export` writes it, the other tables as shown, and whole exports."""
    run_id = asked.names["run_id"]
    return {
        "report": lambda: stream_of(spend_table(report)),
        **{table.name: partial(_worded, table) for table in tables},
        **{name: partial(_export, asked, name, run_id) for name in WHOLE_EXPORTS},
    }


def _worded(table: Table) -> RowStream:
    """Give a table as it is shown: a column of numbers that are written as words, as in `>= $1.33`, is text."""
    is_words = [any(isinstance(value, str) for value in values) for values in zip(*table.rows, strict=True)]
    columns = tuple(
        replace(column, kind="text") if words else column
        for column, words in zip(table.columns, is_words or [False] * len(table.columns), strict=True)
    )
    return stream_of(replace(table, columns=columns))


def _export(asked: Asked, name: str, run_id: str) -> RowStream:
    return table_stream(asked.sources.ledger, asked.sources.book, name, [run_id])


@dataclass(frozen=True, slots=True)
class _Leads:
    """Where the rows of a run's report lead.

    Attributes:
        names: of models as addresses have them, by the label of a row.
        addresses: of the samples of a row, by its label, and by that with its suite.
    """

    run_id: str
    names: Mapping[str, str]
    addresses: Mapping[str, str]

    @classmethod
    def of(cls, run_id: str, report: SpendReport) -> _Leads:
        names: dict[str, str] = {}
        addresses: dict[str, str] = {}
        for row in report.rows:
            names[label(row)] = row.facts.name
            addresses.setdefault(label(row), samples_address(run_id, model=row.facts.name))
            addresses[f"{label(row)}, {row.facts.suite}"] = samples_address(
                run_id, suite=row.facts.suite, model=row.facts.name
            )
        return cls(run_id, names, addresses)

    def grid(self, table: Table) -> Grid:
        """Let the models of a table lead to their samples, those of its suite and task where it has them."""
        places = {column.name: place for place, column in enumerate(table.columns)}
        links: dict[str, list[str | None]] = {
            name: [self._samples(row, places, row[places[name]]) for row in table.rows]
            for name in ("model", "reasoning", "other")
            if name in places
        }
        if table.name == "prices_used":
            links = {"model": [_price(row[places["provider"]], row[places["model"]]) for row in table.rows]}
        return Grid(table=table, links=links)

    def _samples(self, row: Sequence[object], places: Mapping[str, int], model: object) -> str | None:
        name = self.names.get(str(model))
        if name is None:
            return None
        chosen = {column: str(row[places[column]]) for column in ("suite", "task") if column in places}
        return samples_address(self.run_id, **chosen, model=name)


def _price(provider: object, model: object) -> str | None:
    return price_address(str(provider), str(model)) if provider and model else None
