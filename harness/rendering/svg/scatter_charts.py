"""Scatter -> SVG: scores with whiskers on a logarithmic axis, fronts and ladders through them, names in free places.

On phones, points carry numbers and their names stand below.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from harness.documents.chart import Point, Scatter
from harness.rendering.printable import as_xml
from harness.rendering.short_names import short_names
from harness.rendering.svg.axes import (
    LETTER,
    OTHER,
    REASONING,
    TOP,
    Frame,
    LinearScale,
    LogScale,
    legend,
    log_axis,
    square,
    text_at,
)

MOST_LABELS = 30
_KINDS = ((True, "reasoning models", REASONING), (False, "other models", OTHER))
_LINES = "dashed: Pareto front, solid: convex hull"
Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


def draw_scatter(chart: Scatter, frame: Frame) -> tuple[str, int]:
    """Draw the body of a scatter; gives its height too."""
    key, key_y = _key(chart, frame)
    top = key_y + TOP - 10
    bottom = top + (220 if frame.is_narrow else 332)
    left, right = (40 if frame.is_narrow else 52), frame.width - 16
    x = LogScale([point.x for point in chart.points], left, right)
    y = LinearScale(*score_range(chart.points), bottom, top)
    parts = [key, _axes(chart, x, y, frame)]
    lines = [[(x(chart.points[place].x), y(chart.points[place].y)) for place in places]
             for places in (*chart.ladders, chart.front, chart.hull)]  # fmt: skip
    styles = ["stroke-width='1.5'"] * len(chart.ladders)
    styles += ["stroke-dasharray='5 4' stroke-width='1.5'", "stroke-width='1'"]
    parts += [_line(line, style) for line, style in zip(lines, styles, strict=True)]
    parts += [_marker(point, x(point.x), y, chart.x_unit == "usd") for point in chart.points]
    if frame.is_narrow:
        listed, height = _numbers(chart.points, x, y, bottom + 62, frame)
        return "".join((*parts, listed)), height
    parts.append(_names(chart.points, x, y, lines, (left, top, frame.width - 4.0, bottom)))
    return "".join(parts), int(bottom + 52)


def _key(chart: Scatter, frame: Frame) -> tuple[str, float]:
    """Draw the legend, with what the lines mean; gives the height of its last line."""
    kinds = {point.reasoning for point in chart.points}
    entries = [(name, square(colour)) for kind, name, colour in _KINDS if kind in kinds]
    key, y = legend(entries, frame)
    if not chart.front:
        return key, y
    if frame.is_narrow:
        return key + text_at(8, y + 18, _LINES, kind="m"), y + 18
    return key + text_at(frame.width - 12, y, _LINES, anchor="end", kind="m"), y


def score_range(points: Sequence[Point]) -> tuple[float, float]:
    """Choose the ends of an axis of scores: whole tens around all intervals."""
    lows = [point.y if point.low is None else point.low for point in points]
    highs = [point.y if point.high is None else point.high for point in points]
    low, high = max(0.0, math.floor(min(lows) / 10 - 0.2) * 10), min(100.0, math.ceil(max(highs) / 10 + 0.2) * 10)
    return low, max(high, low + 10)


def _axes(chart: Scatter, x: LogScale, y: LinearScale, frame: Frame) -> str:
    low, high, top, bottom = y.low, y.high, y.end, y.start
    parts = [log_axis(x, chart.x_unit, top, bottom, frame)]
    step = 20 if high - low > 50 else 10 if high - low > 20 else 5
    for tick in range(int(low), int(high) + 1, step):
        parts.append(f'<line class="g" x1="{x.start}" x2="{x.end}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>')
        parts.append(text_at(x.start - 8, y(tick) + 4, f"{tick}", anchor="end", kind="m"))
    parts.append(text_at((x.start + x.end) / 2, bottom + 40, chart.x_title, anchor="middle", kind="m"))
    middle = (top + bottom) / 2
    parts.append(text_at(12, middle, chart.y_title, anchor="middle", kind="m",
                         extra=f' transform="rotate(-90 12 {middle})"'))  # fmt: skip
    return "".join(parts)


def _line(points: Sequence[tuple[float, float]], style: str) -> str:
    if len(points) < 2:
        return ""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline class="a" points="{path}" fill="none" {style}/>'


def _marker(point: Point, x: float, y: LinearScale, in_usd: bool) -> str:
    """A circle for reasoning models, a square for the others: shape as well as colour tells them apart."""
    colour, at = (REASONING if point.reasoning else OTHER), y(point.y)
    whisker = ""
    if point.low is not None and point.high is not None:
        ends = f'y1="{y(point.low):.1f}" y2="{y(point.high):.1f}"'
        whisker = f'<line x1="{x:.1f}" x2="{x:.1f}" {ends} stroke="{colour}" stroke-width="1.5" opacity="0.75"/>'
    tip = f"<title>{as_xml(point.label)}: {point.y:.1f} %, {'$' if in_usd else ''}{point.x:,.6g}</title>"
    if point.reasoning:
        return f'{whisker}<circle cx="{x:.1f}" cy="{at:.1f}" r="5.5" fill="{colour}">{tip}</circle>'
    return f'{whisker}<rect x="{x - 5:.1f}" y="{at - 5:.1f}" width="10" height="10" fill="{colour}">{tip}</rect>'


def _numbers(points: Sequence[Point], x: LogScale, y: LinearScale, below: float, frame: Frame) -> tuple[str, int]:
    """Number the points from the left, and list their names below the axis."""
    parts = []
    names = short_names([point.label for point in points], frame.letters - 4)
    ordered = sorted(zip(points, names, strict=True), key=lambda entry: entry[0].x)
    places = _Places(points, x, y, [], (x.start, 0.0, float(frame.width), below))
    for number, (point, name) in enumerate(ordered, 1):
        at_x, at_y = places.put(f"{number}", x(point.x), y(point.y))
        parts.append(text_at(at_x, at_y, f"{number}", kind="t h", extra=' font-weight="600"'))
        parts.append(text_at(8, below, f"{number}", extra=' font-weight="600"') + text_at(32, below, name))
        below += 18
    return "".join(parts), int(below - 4)


def _names(
    points: Sequence[Point], x: LogScale, y: LinearScale, lines: Sequence[Sequence[tuple[float, float]]], plot: Box
) -> str:
    """Write names beside their points where they cover least; none where there are too many."""
    if len(points) > MOST_LABELS:
        return ""
    places = _Places(points, x, y, lines, plot)
    names = short_names([point.label for point in points], 32)
    parts = []
    for point, name in sorted(zip(points, names, strict=True), key=lambda entry: y(entry[0].y)):
        left, base = places.put(name, x(point.x), y(point.y))
        parts.append(text_at(left, base, name, kind="t h"))
    return "".join(parts)


@dataclass
class _Places:
    """What is drawn already, so that a name is put where it covers least of it."""

    points: Sequence[Point]
    x: LogScale
    y: LinearScale
    lines: Sequence[Sequence[tuple[float, float]]]
    plot: Box
    taken: list[Box] = field(default_factory=list)

    def put(self, name: str, x: float, y: float) -> tuple[float, float]:
        """Choose a place for a name near a point; gives the left end of its base line."""
        wide = (LETTER - 0.6) * len(name)

        def burden(place: tuple[float, float]) -> float:
            left, base = place
            away = math.hypot(max(left - x, x - left - wide, 0.0), base - 4 - y)
            return self._cost(_box(left, base, wide)) + 0.02 * away

        best = min(_candidates(x, y, wide), key=burden)
        self.taken.append(_box(best[0], best[1], wide))
        return best

    def _cost(self, box: Box) -> float:
        left, top, right, bottom = self.plot
        outside = (
            max(0.0, left - box[0]) + max(0.0, box[2] - right) + max(0.0, top - box[1]) + max(0.0, box[3] - bottom)
        )
        cost = 3.0 * outside + sum(12.0 for other in self.taken if _meet(box, other))
        for point in self.points:
            x, y = self.x(point.x), self.y(point.y)
            cost += 8.0 * _meet(box, (x - 6, y - 6, x + 6, y + 6))
            if point.low is not None and point.high is not None:
                cost += 2.0 * _meet(box, (x - 1, self.y(point.high), x + 1, self.y(point.low)))
        return cost + sum(_crossed(box, line) for line in self.lines)


def _candidates(x: float, y: float, wide: float) -> list[tuple[float, float]]:
    """Beside, above and below a point, ever farther away."""
    found = []
    for shift in (0, -10, 10, -18, 18, -30, 30, -44, 44, -58, 58):
        found += [(x + 9, y + 4 + shift), (x - 9 - wide, y + 4 + shift)]
        if abs(shift) > 12:
            found.append((x - wide / 2, y + 4 + shift))
    return found


def _box(left: float, base: float, wide: float) -> Box:
    return left, base - 10, left + wide, base + 3


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _crossed(box: Box, line: Sequence[tuple[float, float]]) -> float:
    """Count how much of a line runs under a box."""
    under = 0
    for (x1, y1), (x2, y2) in pairwise(line):
        steps = [(x1 + (x2 - x1) * part / 20, y1 + (y2 - y1) * part / 20) for part in range(21)]
        under += sum(box[0] <= x <= box[2] and box[1] <= y <= box[3] for x, y in steps)
    return 0.5 * under
