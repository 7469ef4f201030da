"""The page of one run: its report, with charts that answer to the mouse and tables that lead to samples."""

from __future__ import annotations

from harness.documents.table import Table
from harness.rendering.export_files import stream_of
from harness.reports.facts.assembly import spend_report
from harness.reports.spend.spend_page import report_page
from harness.reports.spend.spend_tables import label, spend_table
from harness.view.charts.vega_charts import vega_charts
from harness.view.live.live_route import live_part
from harness.view.page_addresses import samples_address
from harness.view.page_values import Asked, Grid, NotThere, Shown


def run_page(asked: Asked) -> Shown:
    """Show one run."""
    run_id = asked.names["run_id"]
    run = asked.sources.ledger.run(run_id)
    if run is None:
        raise NotThere(f"there is no run {run_id!r}", where=asked.sources.ledger.database, fix="choose one at /")
    report = spend_report(asked.sources.ledger, asked.sources.book, [run_id])
    page = report_page(report)
    links: dict[str, str] = {}
    for row in report.rows:
        to = samples_address(run_id, model=label(row))
        links |= {label(row): to, f"{label(row)}, {row.facts.suite}": to}

    def grid(table: Table) -> Grid:
        return Grid(table=table)

    return Shown(
        template="run.html.j2",
        title=run_id,
        values={
            "run": run,
            "live": live_part(asked.sources, run),
            "page": page,
            "charts": vega_charts(page.charts, links),
            "main": grid(page.main),
            "sections": [(section, grid(section.table)) for section in page.sections],
        },
        downloads={"report": lambda: stream_of(spend_table(report))},
    )
