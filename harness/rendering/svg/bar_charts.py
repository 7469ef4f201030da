"""Bars and distributions -> SVG: one row per model, its name at the left or, on phones, above."""

from __future__ import annotations

from collections.abc import Sequence

from harness.documents.chart import Bars, Spread, Spreads, Unit
from harness.rendering.printable import as_xml
from harness.rendering.short_names import short_names
from harness.rendering.svg.axes import (
    COLOURS,
    LETTER,
    OTHER,
    REASONING,
    TOP,
    Frame,
    LogScale,
    amount,
    legend,
    log_axis,
    precise,
    square,
    text_at,
    ticks,
)

BAR, GAP, NAME = 18, 12, 17
"""Height of a bar, space below it, and of a name above it."""


def draw_bars(chart: Bars, frame: Frame) -> tuple[str, int]:
    """Draw the body of a bar chart; gives its height too."""
    per_row = 1 if chart.stacked else max(1, len(chart.series))
    thick = BAR if chart.stacked else 10
    above = NAME if frame.is_narrow else 0
    step = above + per_row * thick + GAP
    key, key_y = legend([(part.name, square(COLOURS[part.role])) for part in chart.series], frame)
    top = key_y + TOP - 16
    floor = top + step * len(chart.categories)
    ends = _ends(chart)
    most = max(ends, default=0.0)
    space = frame.width - frame.labels - 20 - LETTER * max(map(len, chart.totals), default=0)
    scale = space / most if most > 0 else 0.0
    parts = [key]
    parts.append(_axis(chart, most, scale, (top, floor), frame))
    for row, name in enumerate(short_names(chart.categories, frame.letters)):
        y = top + row * step + GAP / 2
        middle = y + above + per_row * thick / 2 + 4
        parts.append(_name(name, chart.categories[row], y + 12 if frame.is_narrow else middle, frame))
        parts.append(_bar(chart, row, y + above, thick, scale, frame.labels))
        parts.append(text_at(frame.labels + ends[row] * scale + 8, middle, chart.totals[row]))
    return "".join(parts), int(floor + 30)


def _axis(chart: Bars, most: float, scale: float, ends: tuple[float, float], frame: Frame) -> str:
    top, floor = ends
    parts = []
    for tick in ticks(most, 3 if frame.is_narrow else 5):
        x = frame.labels + tick * scale
        parts.append(f'<line class="g" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{floor}"/>')
        anchor = "start" if frame.is_narrow and not tick else "middle"
        parts.append(text_at(x, floor + 18, amount(tick, chart.unit), anchor=anchor, kind="m"))
    return "".join(parts)


def _ends(chart: Bars) -> list[float]:
    rows = [[part.values[row] or 0.0 for part in chart.series] for row in range(len(chart.categories))]
    return [sum(values) if chart.stacked else max(values, default=0.0) for values in rows]


def _name(name: str, whole: str, y: float, frame: Frame) -> str:
    tip = f"<title>{as_xml(whole)}</title>" if name != whole else ""
    x, anchor = (8, "start") if frame.is_narrow else (frame.labels - 8, "end")
    return f"<g>{tip}{text_at(x, y, name, anchor=anchor)}</g>" if tip else text_at(x, y, name, anchor=anchor)


def _bar(chart: Bars, row: int, y: float, thick: int, scale: float, start: float) -> str:
    parts, x = [], float(start)
    for place, series in enumerate(chart.series):
        value = series.values[row]
        if not value:
            continue
        top, left = (y, x) if chart.stacked else (y + place * thick, float(start))
        tip = f"{chart.categories[row]}: {series.name} {precise(value, chart.unit)}"
        parts.append(
            f'<rect x="{left:.2f}" y="{top:.1f}" width="{max(value * scale, 0.6):.2f}" height="{thick}" '
            f'fill="{COLOURS[series.role]}"><title>{as_xml(tip)}</title></rect>'
        )
        x += value * scale
    return "".join(parts)


def draw_spreads(chart: Spreads, frame: Frame) -> tuple[str, int]:
    """Draw the body of a chart of distributions; gives its height too."""
    above = NAME if frame.is_narrow else 0
    step = 28 + above
    x = LogScale(_above_zero(chart.spreads), frame.labels, frame.width - 16)
    words = ("thin: 5 to 95 %, thick: middle half,", "bar: median, diamond: mean")
    lines = words if frame.is_narrow else (" ".join(words),)
    parts = [text_at(8, 16 + 16 * place, line, kind="m") for place, line in enumerate(lines)]
    top = TOP + 16 * (len(lines) - 1)
    floor = top + step * len(chart.spreads)
    parts.append(log_axis(x, chart.unit, top, floor, frame))
    names = short_names([spread.label for spread in chart.spreads], frame.letters)
    for row, (spread, name) in enumerate(zip(chart.spreads, names, strict=True)):
        y = top + row * step + above + 14
        parts.append(_name(name, spread.label, y - 12 if frame.is_narrow else y + 4, frame))
        parts.append(_spread(spread, x, y, chart.unit))
    return "".join(parts), int(floor + 30)


def _above_zero(spreads: Sequence[Spread]) -> list[float]:
    values = (value for spread in spreads for value in (*spread.quantiles, spread.mean))
    return [value for value in values if value > 0]


def _spread(spread: Spread, x: LogScale, y: float, unit: Unit) -> str:
    low, quarter, median, three, high = map(x, spread.quantiles)
    mean = x(spread.mean)
    colour = REASONING if spread.reasoning else OTHER
    return (
        f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="2"/>'
        f'<rect x="{quarter:.1f}" y="{y - 6}" width="{max(three - quarter, 1):.1f}" height="12" fill="{colour}">'
        f"<title>{as_xml(spread.label)}: median {precise(spread.quantiles[2], unit)}</title></rect>"
        f'<rect class="b" x="{median - 1:.1f}" y="{y - 8}" width="2.5" height="16"/>'
        f'<path class="d" d="M{mean:.1f} {y - 6}l6 6l-6 6l-6 -6z"/>'
    )
