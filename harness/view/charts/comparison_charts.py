"""Charts of two runs or models compared: paired differences with their intervals, and what moved the cost.

Pure. Data flows `Comparison` -> `VegaChart`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.reports.compare.comparison import ComparedRow, Comparison
from harness.reports.spend import wording
from harness.reports.spend.spend_tables import label
from harness.stats import Estimate
from harness.view.charts.marks import BLUE, ORANGE, Datum, Spec, layered, tooltips
from harness.view.charts.vega_parts import log_scale, rows_axis
from harness.view.page_values import VegaChart

_ROW_PX, _FRAME_PX = 34, 110


def comparison_charts(made: Comparison) -> tuple[VegaChart, ...]:
    """Draw the score differences, the cost ratios, and price against usage; a chart without values is left out."""
    charts = (
        _intervals(made, "score-differences", "Score difference, points (paired)", is_ratio=False),
        _intervals(made, "cost-ratios", "Cost now over cost before (paired, log scale)", is_ratio=True),
        _moves(made),
    )
    return tuple(chart for chart in charts if chart is not None)


def _name(row: ComparedRow, made: Comparison) -> str:
    several = len({each.head.facts.suite for each in made.rows}) > 1
    return f"{label(row.head)}, {row.head.facts.suite}" if several else label(row.head)


def _interval_data(made: Comparison, *, is_ratio: bool) -> Iterator[Datum]:
    for place, row in enumerate(made.rows):
        found: Estimate = row.cost_ratio if is_ratio else row.score_difference
        if found.value is None or (is_ratio and found.value <= 0):
            continue
        scale = 1.0 if is_ratio else 100.0
        said = wording.ratio(found) if is_ratio else wording.points(found)
        yield {
            "row": place,
            "name": _name(row, made),
            "value": found.value * scale,
            "low": None if found.ci_low is None or (is_ratio and found.ci_low <= 0) else found.ci_low * scale,
            "high": None if found.ci_high is None else found.ci_high * scale,
            "said": said,
            "n": f"{row.n_common:,}",
        }


def _intervals(made: Comparison, name: str, title: str, *, is_ratio: bool) -> VegaChart | None:
    data = list(_interval_data(made, is_ratio=is_ratio))
    if not data:
        return None
    same = 1.0 if is_ratio else 0.0
    ends = [end for datum in data for end in (datum["low"], datum["value"], datum["high"], same) if end is not None]
    scale: Spec = log_scale(ends, "tokens") if is_ratio else {"type": "quantitative", "axis": {"title": None}}
    y, params = rows_axis([_name(row, made) for row in made.rows])
    tips = tooltips(name="model", said="difference", n="common samples")
    spans = {
        "transform": [{"filter": "isValid(datum.low) && isValid(datum.high)"}],
        "mark": {"type": "rule", "strokeWidth": 3, "color": BLUE},
        "encoding": {"x": {"field": "low", **scale}, "x2": {"field": "high"}, "y": y, "tooltip": tips},
    }
    points = {
        "mark": {"type": "point", "filled": True, "size": 90, "opacity": 1, "color": BLUE},
        "encoding": {"x": {"field": "value", **scale}, "y": y, "tooltip": tips},
    }
    equal = {"mark": {"type": "rule", "strokeDash": [5, 4]}, "encoding": {"x": {"datum": same}}}
    return VegaChart(
        name=name,
        title=title,
        spec=layered(data, equal, spans, points, params=params),
        description="; ".join(f"{datum['name']}: {datum['said']}" for datum in data),
        height_px=_FRAME_PX + _ROW_PX * len(made.rows),
    )


def _moves(made: Comparison) -> VegaChart | None:
    data = [datum for place, row in enumerate(made.rows) for datum in _move_data(place, row, made)]
    if not data:
        return None
    y, params = rows_axis([_name(row, made) for row in made.rows])
    colour = {"field": "by", "type": "nominal", "title": None,
              "scale": {"domain": ["usage", "price"], "range": [BLUE, ORANGE]}}  # fmt: skip
    scale = log_scale([*(datum["ratio"] for datum in data), 1.0], "tokens")
    tips = tooltips(name="model", by="moved by", said="ratio")
    bars = {
        "mark": {"type": "bar", "height": {"band": 0.8}},
        "encoding": {"x": {"field": "ratio", **scale}, "x2": {"datum": 1.0}, "y": y, "yOffset": {"field": "by",
                     "sort": ["usage", "price"]}, "color": colour, "tooltip": tips},
    }  # fmt: skip
    equal = {"mark": {"type": "rule"}, "encoding": {"x": {"datum": 1.0}}}
    return VegaChart(
        name="price-and-usage",
        title="Price against usage: times the cost of an answer before (log scale)",
        spec=layered(data, bars, equal, params=params),
        description="; ".join(f"{datum['name']} by {datum['by']}: {datum['said']}" for datum in data),
        height_px=_FRAME_PX + _ROW_PX * len(made.rows),
    )


def _move_data(place: int, row: ComparedRow, made: Comparison) -> Sequence[Datum]:
    ratios = (("usage", row.usage_ratio), ("price", row.price_ratio))
    return [
        {"row": place, "name": _name(row, made), "by": by, "ratio": ratio, "said": f"{ratio:.3g}x"}
        for by, ratio in ratios
        if ratio
    ]
