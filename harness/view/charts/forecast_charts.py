"""Charts of forecasts: each beside its bill, and how many of the intervals held.

Pure. Data flows `KeptForecast`s and their record -> `VegaChart`.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.money import from_pico
from harness.reports.forecasts.forecast_tables import Record
from harness.reports.forecasts.kept_forecasts import KeptForecast
from harness.runner.forecast.bill_words import bill_words, forecast_words, stage_words
from harness.stats.totals_to_come import FORECAST_LEVEL
from harness.view.charts.marks import BLUE, GREEN, RED, Datum, layered, tooltips
from harness.view.page_addresses import run_address
from harness.view.page_values import VegaChart

MOST_POINTS = 1_000
"""Points that can still be told apart, and drawn at once."""
_HELD = {True: "held", False: "did not hold", None: "no interval"}


def forecast_chart(forecasts: Sequence[KeptForecast], name: str, title: str) -> VegaChart | None:
    """Draw forecasts of ended runs against their bills, with the line on which the two are equal; None without any.

    Args:
        forecasts: in the order in which they were made; of many the newest are drawn.
    """
    data = [_datum(one) for one in forecasts if one.cell is None and one.bill and one.forecast.expected > 0]
    data = data[-MOST_POINTS:]
    if not data:
        return None
    domain = _domain(data)
    scale = {"type": "log", "domain": domain, "nice": False}
    axis = {"format": "$~g", "grid": True}
    x = {"field": "bill", "type": "quantitative", "scale": scale, "title": "bill, USD (log scale)", "axis": axis}
    y = {"type": "quantitative", "scale": scale, "title": "forecast, USD (log scale)", "axis": axis}
    colour = {"field": "held", "type": "nominal", "title": f"{FORECAST_LEVEL:.0%} interval",
              "scale": {"domain": list(_HELD.values()), "range": [GREEN, RED, BLUE]}}  # fmt: skip
    shape = {"field": "held", "type": "nominal", "scale": {"domain": list(_HELD.values()),
             "range": ["circle", "triangle-up", "square"]}, "title": f"{FORECAST_LEVEL:.0%} interval"}  # fmt: skip
    tips = tooltips(run="run", stage="made", said="forecast", was="bill", held="interval")
    diagonal = {
        "data": {"values": [{"bill": at, "expected": at} for at in domain]},
        "mark": {"type": "line", "strokeDash": [5, 4], "color": "#8a929b"},
        "encoding": {"x": x, "y": {**y, "field": "expected"}},
    }
    spans = {
        "transform": [{"filter": "isValid(datum.low)"}],
        "mark": {"type": "rule", "strokeWidth": 2},
        "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}, "color": colour, "tooltip": tips},
    }
    points = {
        "mark": {"type": "point", "filled": True, "size": 70, "cursor": "pointer", "opacity": 1},
        "encoding": {"x": x, "y": {**y, "field": "expected"}, "color": colour, "shape": shape, "tooltip": tips},
    }
    return VegaChart(
        name=name,
        title=title,
        spec=layered(data, diagonal, spans, points),
        description=_in_words(data),
        height_px=420,
    )


def _domain(data: Sequence[Datum]) -> list[float]:
    """Give the ends of both axes, in dollars: all bills and forecasts with some room around them."""
    ends = [datum[name] for datum in data for name in ("bill", "low", "high", "expected") if datum[name]]
    return [min(ends) / 1.2, max(ends) * 1.2]


def _datum(one: KeptForecast) -> Datum:
    forecast = one.forecast
    assert one.bill is not None
    return {
        "run": one.run.run_id,
        "stage": stage_words(forecast),
        "said": forecast_words(forecast),
        "was": bill_words(one.bill),
        "held": _HELD[one.held],
        "bill": float(from_pico(one.bill)),
        "expected": float(from_pico(forecast.expected)),
        "low": _positive(forecast.low),
        "high": _positive(forecast.high),
        "href": run_address(one.run.run_id),
    }


def _positive(pico: int | None) -> float | None:
    """Give dollars for a logarithmic axis, which has no zero."""
    return float(from_pico(pico)) if pico else None


def _in_words(data: Sequence[Datum]) -> str:
    counts = {word: sum(datum["held"] == word for datum in data) for word in _HELD.values()}
    told = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    bills = [datum["bill"] for datum in data]
    return (
        f"{len(data)} forecasts against bills from ${min(bills):.3g} to ${max(bills):.3g}; intervals: {told}. "
        "Points on the dashed line were right."
    )


def record_chart(found: Sequence[Record], name: str, title: str) -> VegaChart | None:
    """Draw the share of intervals that held, by when forecasts were made, beside the promise; None without intervals.

    Args:
        found: records of dollars of one kind.
    """
    data = [
        {
            "stage": stage,
            "share": record.n_held / record.n_intervals,
            "text": f"{record.n_held:,} of {record.n_intervals:,}",
            "label": f"{stage}: {record.n_held:,} of {record.n_intervals:,}",
        }
        for stage, _, record in found
        if record.n_intervals
    ]
    if not data:
        return None
    y = {"field": "label", "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 0}}
    x = {"field": "share", "type": "quantitative", "scale": {"domain": [0, 1]}, "title": "intervals that held",
         "axis": {"format": ".0%"}}  # fmt: skip
    bars = {
        "mark": {"type": "bar", "color": BLUE, "height": {"band": 0.6}},
        "encoding": {"x": x, "y": y, "tooltip": tooltips(stage="made", text="held")},
    }
    promise = {
        "mark": {"type": "rule", "strokeDash": [5, 4], "strokeWidth": 2, "color": RED},
        "encoding": {"x": {"datum": FORECAST_LEVEL}},
    }
    told = "; ".join(str(one["label"]) for one in data)
    return VegaChart(
        name=name,
        title=title,
        spec=layered(data, bars, promise),
        description=f"Intervals that held, promised {FORECAST_LEVEL:.0%}: {told}",
        height_px=120 + 34 * len(data),
    )
