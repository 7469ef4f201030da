"""Timeline -> SVG: list prices as steps above, runs as marks below, on one time axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from harness.documents.chart import TimeLine, Timeline
from harness.rendering.printable import as_xml
from harness.rendering.short_names import short_names
from harness.rendering.svg.drawing import Frame

REASONING_SHADES = ("#D55E00", "#E69F00", "#A63603", "#CC79A7")
OTHER_SHADES = ("#0072B2", "#56B4E9", "#009E73", "#4B5D8C")
"""Warm for reasoning models and cold for the others, as in every chart."""
DASHES = ("", "6 3", "2 3", "8 3 2 3")
LEFT = 56
UPPER, LOWER, PANEL = 52, 268, 168
LONGEST = timedelta(days=3 * 365)
SHORTEST = timedelta(days=60)


class _Log:
    """Maps dollars to y on a logarithmic axis of one panel."""

    def __init__(self, values: Sequence[float], top: float) -> None:
        low, high = min(values), max(values)
        if high / low < 4:
            low, high = low / 2, high * 2
        self.low, self.high, self.top = low / 1.3, high * 1.3, top

    def __call__(self, value: float) -> float:
        share = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        return self.top + PANEL * (1 - share)

    def ticks(self) -> list[float]:
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        factors = (1, 2, 5) if last - first <= 2 else (1,)
        found = [factor * 10.0**power for power in range(first, last + 1) for factor in factors]
        return [value for value in found if self.low <= value <= self.high]


class _Time:
    """Maps instants to x, from the first known price (at most three years back) to the last run."""

    def __init__(self, lines: Sequence[TimeLine], frame: Frame) -> None:
        self.right = frame.width - 16
        self.most_ticks = 4 if frame.is_narrow else 7
        runs = [when for line in lines for when, _ in line.points]
        self.last = max(runs) + timedelta(days=1)
        dated = [step.at for line in lines for step in line.steps if step.at is not None]
        first = min((at for at in dated if at < self.last), default=min(runs))
        self.first = max(min(first, min(runs), self.last - SHORTEST), self.last - LONGEST)

    def __call__(self, at: datetime | None) -> float:
        if at is None:
            return LEFT
        share = (at - self.first) / (self.last - self.first)
        return LEFT + (self.right - LEFT - 8) * min(max(share, 0.0), 1.0)

    def ticks(self) -> list[tuple[datetime, str]]:
        """Choose the first days of months, as many as fit."""
        months = (self.last.year - self.first.year) * 12 + self.last.month - self.first.month
        step = next(step for step in (1, 2, 3, 6, 12) if months / step <= self.most_ticks or step == 12)
        found = []
        for number in range(months + 1):
            year, month = divmod(self.first.year * 12 + self.first.month - 1 + number, 12)
            at = datetime(year, month + 1, 1, tzinfo=UTC)
            if month % step == 0 and self.first <= at <= self.last:
                found.append((at, f"{at:%Y-%m}"))
        return found or [(self.first, f"{self.first:%Y-%m-%d}")]


def draw_timeline(chart: Timeline, frame: Frame) -> tuple[str, int]:
    """Draw the body of a timeline; gives its height too."""
    x = _Time(chart.lines, frame)
    colours = _colours(chart.lines)
    prices = [step.value for line in chart.lines for step in line.steps if step.value]
    upper = _Log(prices or [1.0], UPPER)
    lower = _Log([usd for line in chart.lines for _, usd in line.points], LOWER)
    parts = [_axes(x, upper, chart.upper_title, frame), _axes(x, lower, chart.lower_title, frame)]
    for place, (line, colour) in enumerate(zip(chart.lines, colours, strict=True)):
        parts.append(_steps(line, place, colour, x, upper))
        parts += [_run(line, place, colour, (x(when), lower(usd)), when, usd) for when, usd in line.points]
    legend, height = _legend(chart.lines, colours, LOWER + PANEL + 44, frame)
    return "".join((*parts, legend)), height


def _colours(lines: Sequence[TimeLine]) -> list[str]:
    counts = {True: 0, False: 0}
    found = []
    for line in lines:
        shades = REASONING_SHADES if line.reasoning else OTHER_SHADES
        found.append(shades[counts[line.reasoning] % len(shades)])
        counts[line.reasoning] += 1
    return found


def _axes(x: _Time, y: _Log, title: str, frame: Frame) -> str:
    floor = y.top + PANEL
    title = title.replace("USD per million output tokens", "USD per Mtok of output") if frame.is_narrow else title
    parts = [f'<text class="m" x="{LEFT - 48}" y="{y.top - 10}">{as_xml(title)}</text>']
    for tick in y.ticks():
        at = y(tick)
        parts.append(f'<line class="g" x1="{LEFT}" x2="{x.right}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(f'<text class="m" x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{_dollars(tick)}</text>')
    for moment, name in x.ticks():
        at = x(moment)
        parts.append(f'<line class="g" x1="{at:.1f}" x2="{at:.1f}" y1="{y.top}" y2="{floor}"/>')
        parts.append(f'<text class="m" x="{at:.1f}" y="{floor + 16}" text-anchor="middle">{name}</text>')
    return "".join(parts)


def _dollars(value: float) -> str:
    return f"${value:,.0f}" if value >= 1 else f"${value:.2g}" if value >= 1e-4 else f"${value:.0e}"


def _steps(line: TimeLine, place: int, colour: str, x: _Time, y: _Log) -> str:
    """Draw a price as level stretches; one that is not known or nothing leaves a gap."""
    ends = [step.at for step in line.steps[1:]] + [x.last]
    path, before = [], None
    for step, end in zip(line.steps, ends, strict=True):
        if not step.value or (end is not None and end <= x.first):
            before = None
            continue
        height = y(step.value)
        begin = f"{x(step.at):.1f} {height:.1f}"
        path.append(f"{'M' if before is None else 'L'}{begin}L{x(end):.1f} {height:.1f}")
        before = height
    dashes = DASHES[place % len(DASHES)]
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return (
        f'<path d="{"".join(path)}" fill="none" stroke="{colour}" stroke-width="2"{dashed}>'
        f"<title>{as_xml(line.label)}</title></path>"
    )


def _run(line: TimeLine, place: int, colour: str, at: tuple[float, float], when: datetime, usd: float) -> str:
    tip = f"<title>{as_xml(line.label)}, {when:%Y-%m-%d}: ${usd:,.6g}</title>"
    return _mark(place, colour, *at, tip)


def _mark(place: int, colour: str, x: float, y: float, inside: str = "") -> str:
    """Shapes as well as colours tell models apart."""
    shapes = (
        "m-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0z",
        "m-5-5h10v10h-10z",
        "m0-6l6 6l-6 6l-6-6z",
        "m0-6l6 11h-12z",
    )
    return f'<path d="M{x:.1f} {y:.1f}{shapes[place % len(shapes)]}" fill="{colour}">{inside}</path>'


def _legend(lines: Sequence[TimeLine], colours: Sequence[str], y: float, frame: Frame) -> tuple[str, int]:
    parts, x = [], 16.0
    names = short_names([line.label for line in lines], (frame.width - 48) // 7)
    for place, (name, colour) in enumerate(zip(names, colours, strict=True)):
        width = 28 + 6.6 * len(name)
        if x + width > frame.width and x > 16:
            x, y = 16.0, y + 20
        parts.append(_mark(place, colour, x, y - 4))
        parts.append(f'<text class="t" x="{x + 10:.1f}" y="{y:.1f}">{as_xml(name)}</text>')
        x += width
    return "".join(parts), int(y + 14)
