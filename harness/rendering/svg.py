"""Chart values -> SVG: one look for page and files, colours of Okabe & Ito (2008) that colour-blind readers tell apart.

Text and grid lines carry classes (`t`, `g`, ...), so that a page sets them for light and dark; `standalone` adds them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from harness.charts import Bars, Chart, Point, Role, Scatter, Spreads, Timeline, Unit
from harness.rendering.printable import as_xml
from harness.rendering.timeline import draw_timeline

COLOURS: dict[Role, str] = {
    "input": "#56B4E9",
    "cache": "#009E73",
    "reasoning": "#D55E00",
    "answer": "#0072B2",
    "output": "#8C8C8C",
    "fees": "#CC79A7",
    "first": "#0072B2",
    "second": "#E69F00",
}
REASONING, OTHER = "#D55E00", "#0072B2"
LIGHT = (
    "text{font-family:system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif;font-size:12px}"
    ".t{fill:#1f2328}.m{fill:#59636e}.g{stroke:#d1d9e0}.a{stroke:#59636e}.b{fill:#ffffff}"
    ".h{paint-order:stroke;stroke:#ffffff;stroke-width:3px;stroke-linejoin:round}"
)
WIDTH, BAR, GAP, TOP = 620, 18, 12, 34
HEADING = 28
LABELS = 204
"""Width kept for the names of bars."""


def to_svg(chart: Chart, *, standalone: bool = False) -> str:
    """Draw a chart; `standalone` makes a complete file with its own style and background."""
    if isinstance(chart, Bars):
        body, height = _bars(chart)
    elif isinstance(chart, Scatter):
        body, height = _scatter(chart)
    elif isinstance(chart, Timeline):
        body, height = draw_timeline(chart)
    else:
        body, height = _spreads(chart)
    shift = HEADING if standalone else 0
    height += shift
    heading = ""
    if standalone:
        heading = f'<style>{LIGHT}</style><rect class="b" width="{WIDTH}" height="{height}"/>'
        heading += _text(8, 20, chart.title, extra=' font-weight="600"')
    ident = f"chart-{chart.name}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-labelledby="{ident}-title {ident}-description" width="{WIDTH}" height="{height}">'
        f'<title id="{ident}-title">{as_xml(chart.title)}</title>'
        f'<desc id="{ident}-description">{as_xml(chart.description)}</desc>{heading}'
        f'<g transform="translate(0 {shift})">{body}</g></svg>'
    )


def _text(x: float, y: float, text: str, *, anchor: str = "start", kind: str = "t", extra: str = "") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{extra}>{as_xml(text)}</text>'


def _short(text: str, letters: int = 29) -> str:
    return text if len(text) <= letters else text[: letters - 1] + "…"


def amount(value: float, unit: Unit) -> str:
    """Write an axis value shortly."""
    if unit == "percent":
        return f"{value:g}"
    if unit == "usd":
        return f"${value:,.0f}" if value >= 10 else f"${value:.3g}" if value >= 1e-4 or value == 0 else f"${value:.0e}"
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{suffix}"
    return f"{value:g}"


def _legend(entries: Sequence[tuple[str, str]], y: float) -> str:
    """Draw coloured squares with names from left to right."""
    parts, x = [], 8.0
    for name, colour in entries:
        parts.append(f'<rect x="{x}" y="{y - 10}" width="12" height="12" rx="2" fill="{colour}"/>')
        parts.append(_text(x + 17, y, name))
        x += 34 + 6.6 * len(name)
    return "".join(parts)


def _ticks(top: float) -> list[float]:
    """Choose about five round values from zero."""
    if top <= 0:
        return [0.0]
    step = 10 ** math.floor(math.log10(top / 4))
    step *= next(factor for factor in (1, 2, 2.5, 5, 10) if top / (step * factor) <= 5)
    return [step * place for place in range(int(top / step) + 1)]


def _bars(chart: Bars) -> tuple[str, int]:
    per_row = 1 if chart.stacked else max(1, len(chart.series))
    thick = BAR if chart.stacked else 10
    step = per_row * thick + GAP
    height = TOP + step * len(chart.categories) + 30
    sums = [
        sum(part.values[row] or 0.0 for part in chart.series)
        if chart.stacked
        else max([part.values[row] or 0.0 for part in chart.series], default=0.0)
        for row in range(len(chart.categories))
    ]
    top = max(sums, default=0.0)
    space = WIDTH - LABELS - 8 - 7.2 * max((len(total) for total in chart.totals), default=0) - 12
    scale = space / top if top > 0 else 0.0
    parts = [_legend([(part.name, COLOURS[part.role]) for part in chart.series], 16)]
    floor = TOP + step * len(chart.categories)
    for tick in _ticks(top):
        x = LABELS + tick * scale
        parts.append(f'<line class="g" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{floor}"/>')
        parts.append(_text(x, floor + 18, amount(tick, chart.unit), anchor="middle", kind="m"))
    for row, category in enumerate(chart.categories):
        y = TOP + row * step + GAP / 2
        parts.append(_text(LABELS - 8, y + per_row * thick / 2 + 4, _short(category), anchor="end"))
        parts.append(_bar(chart, row, y, thick, scale))
        end = LABELS + sums[row] * scale
        parts.append(_text(end + 8, y + per_row * thick / 2 + 4, chart.totals[row]))
    return "".join(parts), height


def _bar(chart: Bars, row: int, y: float, thick: int, scale: float) -> str:
    parts, x = [], float(LABELS)
    for place, series in enumerate(chart.series):
        value = series.values[row]
        if not value:
            continue
        top, left = (y, x) if chart.stacked else (y + place * thick, float(LABELS))
        tip = f"{chart.categories[row]}: {series.name} {_precise(value, chart.unit)}"
        parts.append(
            f'<rect x="{left:.2f}" y="{top:.1f}" width="{max(value * scale, 0.6):.2f}" height="{thick}" '
            f'fill="{COLOURS[series.role]}"><title>{as_xml(tip)}</title></rect>'
        )
        x += value * scale
    return "".join(parts)


def _precise(value: float, unit: Unit) -> str:
    return f"${value:,.6g}" if unit == "usd" else f"{value:,.0f} tokens" if unit == "tokens" else f"{value:.1f} %"


def _log_ticks(low: float, high: float) -> list[float]:
    """Choose 1, 2 and 5 of every decade, or the decades alone where there are many."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    factors = (1, 2, 5) if last - first <= 3 else (1,)
    return [f * 10.0**e for e in range(first, last + 1) for f in factors if low <= f * 10.0**e <= high]


class _LogScale:
    """Maps values to x on a logarithmic axis with a little room on both sides."""

    def __init__(self, values: Sequence[float], left: float, right: float) -> None:
        low, high = min(values), max(values)
        if high / low < 4:
            low, high = low / 2, high * 2
        self.low, self.high = low / 1.25, high * 1.25
        self.left, self.right = left, right

    def __call__(self, value: float) -> float:
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return self.left + share * (self.right - self.left)


def _scatter(chart: Scatter) -> tuple[str, int]:
    left, right, top, bottom, height = 52, WIDTH - 16, TOP + 6, 372, 424
    x = _LogScale([point.x for point in chart.points], left, right)
    lows = [point.y if point.low is None else point.low for point in chart.points]
    highs = [point.y if point.high is None else point.high for point in chart.points]
    y_low, y_high = max(0.0, math.floor(min(lows) / 10 - 0.2) * 10), min(100.0, math.ceil(max(highs) / 10 + 0.2) * 10)
    y_high = max(y_high, y_low + 10)

    def y(value: float) -> float:
        return bottom - (value - y_low) / (y_high - y_low) * (bottom - top)

    parts = [_scatter_axes(chart, x, y, y_low, y_high, top, bottom)]
    parts += [_line(chart.points, ladder, x, y, "stroke-width='1.5'") for ladder in chart.ladders]
    parts.append(_line(chart.points, chart.front, x, y, "stroke-dasharray='5 4' stroke-width='1.5'"))
    parts.append(_hull(chart, x, y))
    parts += [_marker(point, x(point.x), y) for point in chart.points]
    parts.append(_point_labels(chart.points, x, y))
    entries = [("reasoning models", REASONING), ("other models", OTHER)]
    parts.append(_legend([entry for entry, kind in zip(entries, (True, False), strict=True)
                          if any(point.reasoning is kind for point in chart.points)], 16))  # fmt: skip
    if chart.front:
        parts.append(_text(WIDTH - 12, 16, "dashed: Pareto front, solid: convex hull", anchor="end", kind="m"))
    return "".join(parts), height


def _scatter_axes(
    chart: Scatter, x: _LogScale, y: object, y_low: float, y_high: float, top: float, bottom: float
) -> str:
    assert callable(y)
    parts = []
    for tick in _log_ticks(x.low, x.high):
        parts.append(f'<line class="g" x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{top}" y2="{bottom}"/>')
        parts.append(_text(x(tick), bottom + 18, amount(tick, chart.x_unit), anchor="middle", kind="m"))
    step = 20 if y_high - y_low > 50 else 10 if y_high - y_low > 20 else 5
    for tick in range(int(y_low), int(y_high) + 1, step):
        parts.append(f'<line class="g" x1="{x.left}" x2="{x.right}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>')
        parts.append(_text(x.left - 8, y(tick) + 4, f"{tick}", anchor="end", kind="m"))
    parts.append(_text((x.left + x.right) / 2, bottom + 40, chart.x_title, anchor="middle", kind="m"))
    middle = (top + bottom) / 2
    parts.append(_text(14, middle, chart.y_title, anchor="middle", kind="m",
                       extra=f' transform="rotate(-90 14 {middle})"'))  # fmt: skip
    return "".join(parts)


def _line(points: Sequence[Point], places: Sequence[int], x: _LogScale, y: object, style: str) -> str:
    assert callable(y)
    if len(places) < 2:
        return ""
    path = " ".join(f"{x(points[place].x):.1f},{y(points[place].y):.1f}" for place in places)
    return f'<polyline class="a" points="{path}" fill="none" {style}/>'


def _hull(chart: Scatter, x: _LogScale, y: object) -> str:
    """Draw mixtures of neighbours: straight on a plain axis, so curved on this one."""
    assert callable(y)
    corners = [chart.points[place] for place in chart.hull]
    path = [
        f"{x(a.x + (b.x - a.x) * part / 24):.1f},{y(a.y + (b.y - a.y) * part / 24):.1f}"
        for a, b in pairwise(corners)
        for part in range(25)
    ]
    return f'<polyline class="a" points="{" ".join(path)}" fill="none" stroke-width="1"/>' if path else ""


def _marker(point: Point, x: float, y: object) -> str:
    """A circle for reasoning models, a square for the others: shape as well as colour tells them apart."""
    assert callable(y)
    colour, at = (REASONING if point.reasoning else OTHER), y(point.y)
    whisker = ""
    if point.low is not None and point.high is not None:
        ends = f'y1="{y(point.low):.1f}" y2="{y(point.high):.1f}"'
        whisker = f'<line x1="{x:.1f}" x2="{x:.1f}" {ends} stroke="{colour}" stroke-width="1.5" opacity="0.6"/>'
    tip = f"<title>{as_xml(point.label)}: {point.y:.1f} %, {point.x:,.6g}</title>"
    if point.reasoning:
        return f'{whisker}<circle cx="{x:.1f}" cy="{at:.1f}" r="5.5" fill="{colour}">{tip}</circle>'
    return f'{whisker}<rect x="{x - 5:.1f}" y="{at - 5:.1f}" width="10" height="10" fill="{colour}">{tip}</rect>'


def _point_labels(points: Sequence[Point], x: _LogScale, y: object) -> str:
    """Write names beside points, moved down where they would overlap; none where there are too many."""
    assert callable(y)
    if len(points) > MOST_LABELS:
        return ""
    parts: list[str] = []
    taken: list[tuple[float, float, float]] = []
    for point in sorted(points, key=lambda p: y(p.y)):
        name, at, height = _short(point.label, 30), x(point.x), y(point.y) - 5
        width = 6.4 * len(name)
        left = at + 8 if at + 12 + width < WIDTH else at - 8 - width
        while any(abs(height - h) < 13 and left < other_left + w and other_left < left + width
                  for other_left, h, w in taken):  # fmt: skip
            height += 4
        taken.append((left, height, width))
        parts.append(_text(left, height, name, kind="t h"))
    return "".join(parts)


MOST_LABELS = 30


def _spreads(chart: Spreads) -> tuple[str, int]:
    step, right = 28, WIDTH - 16
    values = [value for spread in chart.spreads for value in (*spread.quantiles, spread.mean)]
    x = _LogScale([value for value in values if value > 0], LABELS, right)
    floor = TOP + step * len(chart.spreads)
    parts = [_text(8, 16, "thin: 5 to 95 %, thick: middle half, bar: median, diamond: mean", kind="m")]
    for tick in _log_ticks(x.low, x.high):
        parts.append(f'<line class="g" x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{TOP}" y2="{floor}"/>')
        parts.append(_text(x(tick), floor + 18, amount(tick, chart.unit), anchor="middle", kind="m"))
    for row, spread in enumerate(chart.spreads):
        y = TOP + row * step + step / 2
        low, quarter, median, three, high = (x(max(value, x.low)) for value in spread.quantiles)
        mean = x(max(spread.mean, x.low))
        blue, orange = OTHER, REASONING
        parts.append(_text(LABELS - 8, y + 4, _short(spread.label), anchor="end"))
        parts.append(f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{y}" y2="{y}" stroke="{blue}" stroke-width="2"/>')
        parts.append(
            f'<rect x="{quarter:.1f}" y="{y - 6}" width="{max(three - quarter, 1):.1f}" height="12" fill="{blue}">'
            f"<title>{as_xml(spread.label)}: median {_precise(spread.quantiles[2], chart.unit)}</title></rect>"
        )
        parts.append(f'<rect class="b" x="{median - 1:.1f}" y="{y - 8}" width="2.5" height="16"/>')
        parts.append(f'<path d="M{mean:.1f} {y - 6}l6 6l-6 6l-6 -6z" fill="{orange}"/>')
    return "".join(parts), floor + 30
