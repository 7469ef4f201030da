"""Scatter -> Vega-Lite: scores with intervals against a logarithmic axis, with fronts and ladders through them."""

from __future__ import annotations

from collections.abc import Mapping

from harness.documents.chart import Point, Scatter
from harness.rendering.short_names import short_names
from harness.rendering.svg.scatter_charts import score_range
from harness.view.charts.vega_parts import (
    KINDS,
    LETTERS,
    NARROW_LETTERS,
    Spec,
    kind_colour,
    leads_to,
    log_scale,
    pointer,
    shown_on_hover,
    written,
)
from harness.view.page_values import VegaChart

_HEIGHT = 400
_LINES: dict[str, Spec] = {
    "ladder": {"strokeWidth": 1.5},
    "front": {"strokeWidth": 1.5, "strokeDash": [5, 4]},
    "hull": {"strokeWidth": 1},
}


def scatter_chart(chart: Scatter, links: Mapping[str, str]) -> VegaChart:
    """Draw points; `assets/charts.js` writes their names where there is room (`usermeta.names`)."""
    across = {"field": "x", **log_scale((point.x for point in chart.points), chart.x_unit, title=chart.x_title)}
    low, high = score_range(chart.points)
    up = {"field": "y", "type": "quantitative", "scale": {"domain": [low, high], "nice": False, "zero": False},
          "axis": {"title": chart.y_title}}  # fmt: skip
    kinds = {point.reasoning for point in chart.points}
    colour = kind_colour(kinds)
    tips = shown_on_hover("model", "score", "interval", "cost" if chart.x_unit == "usd" else "output")
    shapes = ["circle" if kind else "square" for kind in sorted(kinds, reverse=True)]
    shape = {**colour, "scale": {"domain": colour["scale"]["domain"], "range": shapes}}
    points = {
        "name": "points",
        "mark": {"type": "point", "filled": True, "size": 110, "opacity": 1, **pointer(links)},
        "encoding": {"x": across, "y": up, "color": colour, "shape": shape, "tooltip": tips},
    }
    whiskers = {
        "transform": [{"filter": "isValid(datum.low)"}],
        "mark": {"type": "rule", "strokeWidth": 1.5, "opacity": 0.75},
        "encoding": {
            "x": across,
            "y": {**up, "field": "low"},
            "y2": {"field": "high"},
            "color": colour,
            "tooltip": tips,
        },
    }
    labels = [point.label for point in chart.points]
    names = zip(chart.points, short_names(labels, LETTERS), short_names(labels, NARROW_LETTERS), strict=True)
    spec = {
        "usermeta": {"names": True},
        "data": {
            "values": [
                {**_point(chart, point, links), "name": name, "narrow_name": narrow} for point, name, narrow in names
            ]
        },
        "layer": [*_lines(chart, across, up), whiskers, points],
    }
    signs = ["whiskers: 95 % intervals"] + ["dashed: Pareto front, solid: convex hull"] * bool(chart.front)
    return VegaChart(name=chart.name, title=chart.title, spec=spec, description=chart.description, height_px=_HEIGHT,
                     note="; ".join(signs))  # fmt: skip


def _point(chart: Scatter, point: Point, links: Mapping[str, str]) -> Spec:
    has_interval = point.low is not None and point.high is not None
    words = f"{written(point.low, 'percent')} to {written(point.high, 'percent')}" if has_interval else "not known"
    return {
        "x": point.x,
        "y": point.y,
        "low": point.low if has_interval else None,
        "high": point.high if has_interval else None,
        "model": point.label,
        "kind": KINDS[point.reasoning],
        "score": written(point.y, "percent"),
        "interval": words,
        "cost" if chart.x_unit == "usd" else "output": f"{written(point.x, chart.x_unit)} per task",
        **leads_to(links, point.label),
    }


def _lines(chart: Scatter, across: Spec, up: Spec) -> list[Spec]:
    """Draw one layer per line, below the points."""
    lines = [("ladder", places) for places in chart.ladders] + [("front", chart.front), ("hull", chart.hull)]
    return [
        {
            "data": {"values": [{"x": chart.points[place].x, "y": chart.points[place].y} for place in places]},
            "mark": {"type": "line", "color": "var(--mute)", **_LINES[kind]},
            "encoding": {"x": across, "y": up},
        }
        for kind, places in lines
        if len(places) > 1
    ]
