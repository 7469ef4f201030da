"""The page of forecasts: each beside what its run cost, and how good they were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

from harness.rendering.export_files import stream_of
from harness.reports.forecasts.forecast_tables import (
    ONE_A_RUN,
    forecasts_table,
    record_sentence,
    record_table,
    records,
)
from harness.reports.forecasts.kept_forecasts import Calibration, KeptForecast
from harness.reports.forecasts.stored_forecasts import kept_forecasts
from harness.reports.forecasts.typed_forecasts import forecast_rows, record_rows
from harness.view.charts.forecast_charts import forecast_chart, record_chart
from harness.view.page_addresses import run_address
from harness.view.page_values import Asked, Grid, Rows, Shown, VegaChart
from harness.view.paging import Paging, paging

KINDS = {"real": "Real dollars", "simulated": "Made-up dollars of simulated models"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Forecasts in real or in made-up dollars.

    Attributes:
        said: how good they were, in words.
        grid: the page of them, newest first.
    """

    name: str
    title: str
    said: str
    charts: Sequence[VegaChart]
    grid: Grid
    pages: Paging


def forecasts_page(asked: Asked) -> Shown:
    """Show forecasts, newest first: real dollars, then made-up ones; `?kind=` and `?run=` choose some."""
    chosen = list(asked.many("run"))
    found = kept_forecasts(asked.sources.ledger, chosen or None)
    of_kind = _by_kind([one for one in found if one.cell is None], asked.one("kind"))
    shown = [one for some in of_kind.values() for one in some]
    record = record_table(shown)
    downloads: dict[str, Rows] = {
        "forecasts": lambda: stream_of(forecast_rows([*chain.from_iterable(map(_newest_first, of_kind.values()))])),
        "record": lambda: stream_of(record_rows(shown)),
    }
    return Shown(
        template="forecasts.html.j2",
        title="Forecasts",
        values={
            "sections": [_part(asked, name, some) for name, some in of_kind.items()],
            "record": Grid(table=record) if record.rows else None,
            "kinds": KINDS,
            "runs": chosen,
        },
        downloads=downloads if shown else {},
    )


def _by_kind(forecasts: Sequence[KeptForecast], wanted: str) -> dict[str, list[KeptForecast]]:
    """Tell real from made-up dollars; a kind that is not wanted, or of which there are none, is left out."""
    of_kind = {name: [one for one in forecasts if one.is_simulated == (name == "simulated")] for name in KINDS}
    return {name: some for name, some in of_kind.items() if some and wanted in ("", name)}


def _newest_first(forecasts: Sequence[KeptForecast]) -> list[KeptForecast]:
    return sorted(forecasts, key=lambda one: one.made_at_us, reverse=True)


def _part(asked: Asked, name: str, forecasts: Sequence[KeptForecast]) -> Part:
    made = records(forecasts)
    calibration = next((found for stage, _, found in made if stage == ONE_A_RUN), Calibration.of(()))
    charts = (
        forecast_chart(forecasts, f"{name}-forecasts", "Forecast and bill"),
        record_chart(made, f"{name}-record", "Intervals that held"),
    )
    table = forecasts_table(_newest_first(forecasts))
    pages = paging(asked, len(table.rows))
    table = replace(table, name=f"{name}_forecasts", title=KINDS[name], rows=table.rows[pages.rows])
    return Part(
        name=name,
        title=KINDS[name],
        said=record_sentence(calibration),
        charts=[chart for chart in charts if chart is not None],
        grid=Grid(table=table, links={"run_id": [run_address(row[0]) for row in table.rows]}),
        pages=pages,
    )
