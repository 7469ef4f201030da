"""The nights of a job -> one self-contained HTML page: a list of nights and trend lines as inline SVG.

Needs no network and no script; light and dark; a night's verdict is told by shape and by word, not by colour alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain

from harness.documents.trend import Night, Trend, TrendPoint
from harness.rendering.printable import as_xml
from harness.rendering.svg.axes import BLUE, SKY, VERMILION, LinearScale

WIDTH, HEIGHT, LEFT, TOP, FLOOR = 352, 150, 78, 14, 120
STYLE = """
:root { --text: #1f2328; --mute: #59636e; --line: #d1d9e0; --back: #ffffff; --card: #f6f8fa; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6edf3; --mute: #9aa4af; --line: #3d444d; --back: #0d1117; --card: #161b22; }
}
body { margin: 0 auto; max-width: 1180px; padding: 24px 20px 48px; color: var(--text); background: var(--back);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 4px; } h2 { font-size: 1.12rem; margin: 34px 0 10px; }
p { color: var(--mute); margin: 0 0 14px; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 320px), 1fr)); gap: 14px; }
figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 10px; }
figcaption { font-weight: 600; font-size: .9rem; } figure svg { width: 100%; height: auto; display: block; }
svg text { fill: var(--mute); font-size: 11px; font-family: inherit; } svg .g { stroke: var(--line); }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: .875rem; }
th, td { padding: 5px 12px 5px 0; text-align: left; border-bottom: 1px solid var(--line); white-space: nowrap; }
@media print { figure { break-inside: avoid; } }
"""

Value = Callable[[TrendPoint], float | None]


def to_history_page(name: str, nights: Sequence[Night], trends: Sequence[Trend]) -> str:
    """Write the page; every text from the ledger is escaped."""
    body = "".join(_section(trend, nights) for trend in trends)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
        'img-src data:">'
        f"<title>{as_xml(name)}: nights</title><style>{STYLE}</style></head><body>"
        f"<h1>{as_xml(name)}: {len(nights)} nights</h1>"
        "<p>Dots are nights whose run is a good baseline, diamonds are all others. Whiskers are 95 % intervals.</p>"
        f"{body}<h2>Nights</h2>{_night_table(nights)}</body></html>\n"
    )


def _section(trend: Trend, nights: Sequence[Night]) -> str:
    charts: list[tuple[str, Value, Callable[[float], str]]] = [
        ("dollars per answer", lambda point: point.usd_per_answer, lambda value: f"${value:.3g}"),
        ("score, %", lambda point: None if point.score is None else 100 * point.score, lambda value: f"{value:.3g}"),
        ("output tokens per answer", lambda point: point.output_tokens_per_answer, lambda value: f"{value:,.0f}"),
    ]
    figures = "".join(
        f"<figure><figcaption>{title}</figcaption>{_line(trend, nights, title, value, write)}</figure>"
        for title, value, write in charts
    )
    return f'<h2>{as_xml(trend.suite)}: {as_xml(trend.model)}</h2><div class="charts">{figures}</div>'


def _line(trend: Trend, nights: Sequence[Night], title: str, value: Value, write: Callable[[float], str]) -> str:
    known = [(point, found) for point in trend.points if (found := value(point)) is not None]
    if not known:
        return "<p>not known</p>"
    limits = _limits(trend.points) if title.startswith("score") else {}
    low, high = _range([*(found for _, found in known), *chain.from_iterable(limits.values())])
    x = LinearScale(0, max(1, len(nights) - 1), LEFT + 6, WIDTH - 10)
    y = LinearScale(low, high, FLOOR, TOP)
    parts = [_tick(y(tick), write(tick)) for tick in (low, (low + high) / 2, high)]
    path = " ".join(f"{x(point.night):.1f},{y(found):.1f}" for point, found in known)
    parts.append(f'<polyline points="{path}" fill="none" stroke="{BLUE}" stroke-width="2"/>')
    for point, found in known:
        if ends := limits.get(point.night):
            parts.append(_whisker(x(point.night), y(ends[0]), y(ends[1])))
        parts.append(_mark(x(point.night), y(found), nights[point.night], write(found), bound=point.is_lower_bound))
    parts.append(_dates(nights, x(len(nights) - 1)))
    told = f"{title} of {trend.model} on {trend.suite}: from {write(known[0][1])} to {write(known[-1][1])}"
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{as_xml(told)}">{"".join(parts)}</svg>'


def _limits(points: Sequence[TrendPoint]) -> dict[int, tuple[float, float]]:
    """Intervals of scores in percent, by night."""
    return {point.night: (100 * point.score_low, 100 * point.score_high) for point in points
            if point.score is not None and point.score_low is not None and point.score_high is not None}  # fmt: skip


def _tick(y: float, text: str) -> str:
    return (
        f'<line class="g" x1="{LEFT}" x2="{WIDTH - 6}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{as_xml(text)}</text>'
    )


def _whisker(x: float, low: float, high: float) -> str:
    return f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}" stroke="{SKY}"/>'


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    spread = (high - low) or abs(high) or 1.0
    return max(0.0, low - 0.1 * spread) if low >= 0 else low - 0.1 * spread, high + 0.1 * spread


def _mark(x: float, y: float, night: Night, text: str, *, bound: bool) -> str:
    tip = f"{night.started_at:%Y-%m-%d %H:%M}: {'at least ' if bound else ''}{text}, {night.verdict}"
    tip = f"<title>{as_xml(tip)}</title>"
    if night.verdict == "good":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{BLUE}">{tip}</circle>'
    return f'<path d="M{x:.1f} {y - 6:.1f}l6 6l-6 6l-6 -6z" fill="{VERMILION}">{tip}</path>'


def _dates(nights: Sequence[Night], end: float) -> str:
    first = f'<text x="{LEFT}" y="{HEIGHT - 8}">{nights[0].started_at:%m-%d}</text>'
    if len(nights) < 2:
        return first
    return first + f'<text x="{end:.1f}" y="{HEIGHT - 8}" text-anchor="end">{nights[-1].started_at:%m-%d}</text>'


def _night_table(nights: Sequence[Night]) -> str:
    rows = "".join(
        f"<tr><td>{night.started_at:%Y-%m-%d %H:%M}</td><td>{as_xml(night.run_id)}</td>"
        f"<td>{as_xml(night.verdict)}</td></tr>"
        for night in reversed(nights)
    )
    head = '<th scope="col">started (UTC)</th><th scope="col">run</th><th scope="col">verdict</th>'
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="Nights"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )
