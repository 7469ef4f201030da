"""Timeline -> Vega-Lite: list prices as steps, and what runs cost as points, each as a chart over the same time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from harness.documents.chart import TimeLine, Timeline, TimeStep
from harness.rendering.short_names import short_names
from harness.rendering.svg.timeline import DASHES, colours_of, time_span
from harness.view.charts.vega_parts import LETTERS, Spec, leads_to, log_scale, pointer, shown_on_hover, written
from harness.view.page_values import VegaChart

_HEIGHT, _ENTRY = 300, 22
_SHAPES = ("circle", "square", "diamond", "triangle-up")


def timeline_charts(chart: Timeline, links: Mapping[str, str]) -> tuple[VegaChart, ...]:
    """Draw the upper and the lower panel; one without anything in it is left out, and so are runs of one moment."""
    first, last = time_span(chart.lines)
    steps = [datum for place, line in enumerate(chart.lines) for datum in _steps(place, line, first, last, links)]
    runs = [datum for place, line in enumerate(chart.lines) for datum in _runs(place, line, links)]
    panels = (
        ("prices", chart.upper_title, steps, _price_layers(links), ("model", "price", "since")),
        ("runs", chart.lower_title, runs, [_points(links)], ("model", "cost", "when")),
    )
    return tuple(
        VegaChart(
            name=f"{chart.name}-{part}",
            title=title[:1].upper() + title[1:],
            spec=_panel(chart.lines, data, layers, (first, last), tips),
            description=chart.description,
            height_px=_HEIGHT + _ENTRY * (1 + len(chart.lines) // 3),
        )
        for part, title, data, layers, tips in panels
        if data and (part == "prices" or len({datum["at"] for datum in data}) > 1)
    )


def _panel(
    lines: Sequence[TimeLine],
    data: list[Spec],
    layers: list[Spec],
    span: tuple[datetime, datetime],
    tips: tuple[str, ...],
) -> Spec:
    names = short_names([line.label for line in lines], LETTERS)
    places = list(range(len(lines)))
    label = {"title": None, "labelExpr": "names[datum.value]", "labelLimit": 0, "columns": {"expr": "narrow ? 1 : 3"}}
    ticks = {"format": "%Y-%m-%d", "labelOverlap": "greedy", "tickCount": {"expr": "narrow ? 3 : 5"}}
    across = {"field": "at", "type": "temporal", "title": None, "scale": {"type": "utc", "nice": False}, "axis": ticks}
    values = [datum["value"] for datum in data if datum["value"]]
    return {
        "params": [{"name": "names", "value": names}],
        "data": {"values": data},
        "encoding": {
            "x": across,
            "y": {"field": "value", **log_scale(values, "usd")},
            "color": {"field": "line", "type": "ordinal", "legend": label,
                      "scale": {"domain": places, "range": colours_of(lines)}},
            "tooltip": shown_on_hover(*tips),
        },
        "layer": [*layers, _ends(span)],
    }  # fmt: skip


def _ends(span: tuple[datetime, datetime]) -> Spec:
    """Keep the whole time on the axis: a domain of instants is lost where expressions are interpreted."""
    at = {"field": "at", "type": "temporal"}
    return {
        "data": {"values": [{"at": when.timestamp() * 1000} for when in span]},
        "mark": {"type": "point", "opacity": 0},
        "encoding": {"x": at, "y": {"value": 0}, "color": {"value": "transparent"}, "tooltip": {"value": None}},
    }


def _price_layers(links: Mapping[str, str]) -> list[Spec]:
    dashes = [[int(part) for part in dash.split()] or [1, 0] for dash in DASHES]
    dash = {"field": "line", "type": "ordinal", "legend": None, "scale": {"range": dashes}}
    with_gaps = "break-paths-show-path-domains"
    return [
        {"mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 2, "invalid": with_gaps},
         "encoding": {"strokeDash": dash}},
        {**_points(links), "transform": [{"filter": "isValid(datum.value) && datum.starts"}]},
    ]  # fmt: skip


def _points(links: Mapping[str, str]) -> Spec:
    shape = {"field": "line", "type": "nominal", "legend": None, "scale": {"range": list(_SHAPES)}}
    return {"mark": {"type": "point", "filled": True, "size": 70, "opacity": 1, **pointer(links)},
            "encoding": {"shape": shape}}  # fmt: skip


def _steps(place: int, line: TimeLine, first: datetime, last: datetime, links: Mapping[str, str]) -> Iterator[Spec]:
    """Give the beginning and the end of every stretch; no price, or none to pay, is a gap."""
    ends = [step.at for step in line.steps[1:]] + [last]
    for step, end in zip(line.steps, ends, strict=True):
        if end is None or end <= first:
            continue
        known = {"line": place, "value": step.value or None, **_price_words(line, step), **leads_to(links, line.label)}
        yield {"at": max(step.at or first, first).timestamp() * 1000, "starts": True, **known}
        yield {"at": end.timestamp() * 1000, "starts": False, **known}


def _price_words(line: TimeLine, step: TimeStep) -> Spec:
    since = "the beginning" if step.at is None else f"{step.at:%Y-%m-%d %H:%M} UTC"
    return {"model": line.label, "price": written(step.value, "usd"), "since": since}


def _runs(place: int, line: TimeLine, links: Mapping[str, str]) -> Iterator[Spec]:
    for when, usd in line.points:
        if usd > 0:
            yield {
                "line": place,
                "at": when.timestamp() * 1000,
                "value": usd,
                "model": line.label,
                "cost": written(usd, "usd"),
                "when": f"{when:%Y-%m-%d %H:%M} UTC",
                **leads_to(links, line.label),
            }
