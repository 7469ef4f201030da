"""Timeline -> SVG: list prices as steps above, runs as marks below, on one time axis."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from harness.documents.chart import TimeLine, Timeline
from harness.rendering.printable import as_xml
from harness.rendering.short_names import short_names
from harness.rendering.svg.axes import OTHER_SHADES, REASONING_SHADES, Frame, LogScale, legend

DASHES = ("", "6 3", "2 3", "8 3 2 3")
LEFT = 56
UPPER, LOWER, PANEL = 52, 268, 168
LONGEST = timedelta(days=3 * 365)
SHORTEST = timedelta(days=60)


def time_span(lines: Sequence[TimeLine]) -> tuple[datetime, datetime]:
    """Choose the ends of a time axis: from the first dated price (at most three years back) to the last run, or to the
    last price where there was no run.

    Raises:
        ValueError: nothing has a date.
    """
    runs = [when for line in lines for when, _ in line.points]
    dated = [step.at for line in lines for step in line.steps if step.at is not None]
    last = max(runs or dated) + timedelta(days=1)
    began = min(runs, default=last)
    first = min((at for at in dated if at < last), default=began)
    return max(min(first, began, last - SHORTEST), last - LONGEST), last


class _Time:
    """Maps instants to x, from the first known price (at most three years back) to the last run."""

    def __init__(self, lines: Sequence[TimeLine], frame: Frame) -> None:
        self.right = frame.width - 16
        self.most_ticks = 4 if frame.is_narrow else 7
        self.first, self.last = time_span(lines)

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
    colours = colours_of(chart.lines)
    upper, lower = _panels(chart.lines)
    parts = [_axes(x, upper, chart.upper_title, frame), _axes(x, lower, chart.lower_title, frame)]
    for place, (line, colour) in enumerate(zip(chart.lines, colours, strict=True)):
        parts.append(_steps(line, place, colour, x, upper))
        parts += [_run(line, place, colour, (x(when), lower(usd)), when, usd) for when, usd in line.points]
    names = short_names([line.label for line in chart.lines], (frame.width - 48) // 7)
    marks = [partial(_mark, place, colour) for place, colour in enumerate(colours)]
    key, below = legend(list(zip(names, marks, strict=True)), frame, LOWER + PANEL + 44)
    return "".join((*parts, key)), int(below + 14)


def _panels(lines: Sequence[TimeLine]) -> tuple[LogScale, LogScale]:
    prices = [step.value for line in lines for step in line.steps if step.value]
    return _panel(prices or [1.0], UPPER), _panel([usd for line in lines for _, usd in line.points], LOWER)


def _panel(values: Sequence[float], top: float) -> LogScale:
    """Map dollars to y in one of the panels."""
    return LogScale(values, top + PANEL, top, room=1.3)


def colours_of(lines: Sequence[TimeLine]) -> list[str]:
    """Give every line a colour: warm for reasoning models, cold for the others."""
    counts = {True: 0, False: 0}
    found = []
    for line in lines:
        shades = REASONING_SHADES if line.reasoning else OTHER_SHADES
        found.append(shades[counts[line.reasoning] % len(shades)])
        counts[line.reasoning] += 1
    return found


def _axes(x: _Time, y: LogScale, title: str, frame: Frame) -> str:
    top, floor = y.end, y.start
    title = title.replace("USD per million output tokens", "USD per Mtok of output") if frame.is_narrow else title
    parts = [f'<text class="m" x="{LEFT - 48}" y="{top - 10}">{as_xml(title)}</text>']
    for tick in y.ticks(few=True):
        at = y(tick)
        parts.append(f'<line class="g" x1="{LEFT}" x2="{x.right}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(f'<text class="m" x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{_dollars(tick)}</text>')
    for moment, name in x.ticks():
        at = x(moment)
        parts.append(f'<line class="g" x1="{at:.1f}" x2="{at:.1f}" y1="{top}" y2="{floor}"/>')
        parts.append(f'<text class="m" x="{at:.1f}" y="{floor + 16}" text-anchor="middle">{name}</text>')
    return "".join(parts)


def _dollars(value: float) -> str:
    return f"${value:,.0f}" if value >= 1 else f"${value:.2g}" if value >= 1e-4 else f"${value:.0e}"


def _steps(line: TimeLine, place: int, colour: str, x: _Time, y: LogScale) -> str:
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
