"""Bars and distributions -> Vega-Lite: one row per model."""

from __future__ import annotations

from collections.abc import Mapping

from harness.documents.chart import Bars, Spread, Spreads
from harness.rendering.svg.axes import COLOURS
from harness.view.charts.vega_parts import (
    KINDS,
    Spec,
    amount_axis,
    kind_colour,
    leads_to,
    log_scale,
    pointer,
    rows_axis,
    shown_on_hover,
    written,
)
from harness.view.page_values import VegaChart

_ROW, _AROUND = 30, 84
"""Height of a row, and of legend and axis, in pixels."""
_SIGNS = "line: 5 to 95 %; box: middle half; bar: median; diamond: mean (log scale)"


def bars_chart(chart: Bars, links: Mapping[str, str]) -> VegaChart:
    """Draw bars, stacked or side by side, with their totals in a column at the right."""
    rows, params = rows_axis(chart.categories)
    names = [part.name for part in chart.series]
    amounts = {"field": "value", "type": "quantitative", "stack": "zero" if chart.stacked else None,
               "axis": amount_axis(chart.unit)}  # fmt: skip
    colour = {"field": "part", "type": "nominal", "sort": None, "legend": {"title": None},
              "scale": {"domain": names, "range": [COLOURS[part.role] for part in chart.series]}}  # fmt: skip
    bars: Spec = {
        "data": {"values": _parts(chart, links)},
        "mark": {"type": "bar", **pointer(links)},
        "encoding": {
            "y": rows,
            "x": amounts,
            "color": colour,
            "order": {"field": "place", "type": "quantitative"},
            "tooltip": shown_on_hover("model", "part", "amount", "total"),
        },
    }
    if not chart.stacked:
        bars["encoding"]["yOffset"] = {"field": "part", "type": "nominal", "sort": names}
    totals = {"title": None, "orient": "right", "labelExpr": "totals[datum.value]", "labelLimit": 0,
              "ticks": False, "domain": False, "grid": False}  # fmt: skip
    spec = {
        "params": [*params, {"name": "totals", "value": list(chart.totals)}],
        "layer": [bars, {"data": {"values": [{"row": row} for row in range(len(chart.categories))]},
                         "mark": {"type": "point", "opacity": 0},
                         "encoding": {"y": {**rows, "axis": totals}}}],
        "resolve": {"axis": {"y": "independent"}},
    }  # fmt: skip
    return VegaChart(name=chart.name, title=chart.title, spec=spec, description=chart.description,
                     height_px=_AROUND + _ROW * len(chart.categories))  # fmt: skip


def _parts(chart: Bars, links: Mapping[str, str]) -> list[Spec]:
    return [
        {
            "row": row,
            "place": place,
            "part": part.name,
            "value": part.values[row] or 0.0,
            "model": category,
            "amount": written(part.values[row], chart.unit),
            "total": chart.totals[row],
            **leads_to(links, category),
        }
        for row, category in enumerate(chart.categories)
        for place, part in enumerate(chart.series)
        if part.values[row] is not None
    ]


def spreads_chart(chart: Spreads, links: Mapping[str, str]) -> VegaChart:
    """Draw distributions: a thin line from 5 to 95 %, a thick one over the middle half, a bar at the median, a diamond
    at the mean."""
    rows, params = rows_axis([spread.label for spread in chart.spreads])
    above_zero = [value for spread in chart.spreads for value in (*spread.quantiles, spread.mean) if value > 0]
    amounts = log_scale(above_zero, chart.unit)
    colour = kind_colour(spread.reasoning for spread in chart.spreads)
    tips = shown_on_hover("model", "median", "mean", "middle half", "5 to 95 %")

    ink = {"color": "var(--text)", "opacity": 1}

    def layer(mark: Spec, field: str, **encoding: Spec) -> Spec:
        across = {"field": field, **amounts}
        return {"mark": {**mark, **pointer(links)}, "encoding": {"y": rows, "x": across, "tooltip": tips, **encoding}}

    spec = {
        "params": params,
        "data": {"values": [_spread(row, spread, chart, links) for row, spread in enumerate(chart.spreads)]},
        "layer": [
            layer({"type": "rule", "strokeWidth": 2}, "q5", x2={"field": "q95"}, color=colour),
            layer({"type": "bar", "height": 12}, "q25", x2={"field": "q75"}, color=colour),
            layer({"type": "tick", "thickness": 2.5, "height": 18, **ink}, "q50"),
            layer({"type": "point", "shape": "diamond", "filled": True, "size": 70, **ink}, "at"),
        ],
    }
    return VegaChart(name=chart.name, title=chart.title, spec=spec, description=chart.description,
                     height_px=_AROUND + _ROW * len(chart.spreads), note=_SIGNS)  # fmt: skip


def _spread(row: int, spread: Spread, chart: Spreads, links: Mapping[str, str]) -> Spec:
    low, quarter, median, three, high = (written(value, chart.unit) for value in spread.quantiles)
    floor = min(value for one in chart.spreads for value in (*one.quantiles, one.mean) if value > 0)
    at = dict(zip(("q5", "q25", "q50", "q75", "q95"), (max(value, floor) for value in spread.quantiles), strict=True))
    return {
        "row": row,
        **at,
        "at": max(spread.mean, floor),
        "model": spread.label,
        "kind": KINDS[spread.reasoning],
        "median": median,
        "mean": written(spread.mean, chart.unit),
        "middle half": f"{quarter} to {three}",
        "5 to 95 %": f"{low} to {high}",
        **leads_to(links, spread.label),
    }
