"""Chart values -> Vega-Lite, for pages that draw their charts themselves: exact numbers on hover, marks that lead on.

Pure; for every page of the view. Data flows reports -> `documents.chart` -> `VegaChart` -> the `chart` macro and
`assets/charts.js`. Colours and roles are those of the charts in files (`harness.rendering.svg`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from harness.documents.chart import Bars, Chart, Scatter, Timeline
from harness.view.charts.vega_bars import bars_chart, spreads_chart
from harness.view.charts.vega_scatter import scatter_chart
from harness.view.charts.vega_timeline import timeline_charts
from harness.view.page_values import VegaChart


def vega_charts(charts: Iterable[Chart], links: Mapping[str, str] | None = None) -> tuple[VegaChart, ...]:
    """Write charts for pages; a timeline becomes two, one for each of its panels that has something in it.

    Args:
        links: where a click on a model's mark leads, by the label or category that the chart has for it.
    """
    return tuple(made for chart in charts for made in _drawn(chart, links or {}))


def _drawn(chart: Chart, links: Mapping[str, str]) -> tuple[VegaChart, ...]:
    if isinstance(chart, Bars):
        has_any = any(value is not None for part in chart.series for value in part.values)
        return (bars_chart(chart, links),) if has_any else ()  # an axis of nothing is drawn at infinity
    if isinstance(chart, Scatter):
        return (scatter_chart(chart, links),)
    if isinstance(chart, Timeline):
        return timeline_charts(chart, links)
    return (spreads_chart(chart, links),)
