"""What all charts are drawn from: frames of two widths, colours with one meaning each, text, legends and axes.

Colours are those of Okabe & Ito (2008), which colour-blind readers tell apart. Text and grid lines carry classes (`t`,
`g`, ...), so that a page sets them for light and dark.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.documents.chart import Role, Unit
from harness.rendering.printable import as_xml

COLOURS: dict[Role, str] = {
    "input": "#56B4E9",
    "cache": "#009E73",
    "reasoning": "#D55E00",
    "answer": "#0072B2",
    "output": "#8C8C8C",
    "fees": "#CC79A7",
    "first": "#6A4C93",
    "second": "#B79FD1",
}
REASONING, OTHER = "#D55E00", "#0072B2"
"""Of reasoning models and of the others, in every chart that tells models apart."""
LETTER = 7.2
"""Widest that a letter of a label is taken to be, on average."""
TOP = 34


@dataclass(frozen=True, slots=True)
class Frame:
    """The width of a chart; a narrow one is for phones, where names stand above their bars and beside numbers."""

    width: int
    is_narrow: bool = False

    @property
    def labels(self) -> int:
        """Width kept for names at the left of bars."""
        return 8 if self.is_narrow else 204

    @property
    def letters(self) -> int:
        """Letters of a name that fit."""
        return int((self.width - 16 if self.is_narrow else self.labels - 12) / LETTER)


WIDE, NARROW = Frame(620), Frame(348, is_narrow=True)


def text_at(x: float, y: float, text: str, *, anchor: str = "start", kind: str = "t", extra: str = "") -> str:
    """Write text at a place."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{extra}>{as_xml(text)}</text>'


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


def precise(value: float, unit: Unit) -> str:
    """Write a value in a tip."""
    return f"${value:,.6g}" if unit == "usd" else f"{value:,.0f} tokens" if unit == "tokens" else f"{value:.1f} %"


def legend(entries: Sequence[tuple[str, str]], frame: Frame, y: float = 16) -> tuple[str, float]:
    """Draw coloured squares with names, over several lines where needed; gives the height of the last line."""
    parts, x = [], 8.0
    for name, colour in entries:
        wide = 34 + 6.6 * len(name)
        if x + wide > frame.width + 12 and x > 8:
            x, y = 8.0, y + 18
        parts.append(f'<rect x="{x}" y="{y - 10}" width="12" height="12" rx="2" fill="{colour}"/>')
        parts.append(text_at(x + 17, y, name))
        x += wide
    return "".join(parts), y


def ticks(top: float, most: int = 5) -> list[float]:
    """Choose about five round values from zero."""
    if top <= 0:
        return [0.0]
    step = 10 ** math.floor(math.log10(top / most)) if top / most > 0 else 1.0
    step *= next(factor for factor in (1, 2, 2.5, 5, 10, 20) if top / (step * factor) <= most)
    return [step * place for place in range(int(top / step) + 1)]


def log_ticks(low: float, high: float, *, few: bool = False) -> list[float]:
    """Choose 1, 2 and 5 of every decade, or the decades alone where there are many."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    factors = (1, 2, 5) if last - first <= (2 if few else 3) else (1,)
    return [f * 10.0**e for e in range(first, last + 1) for f in factors if low <= f * 10.0**e <= high]


class LogScale:
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


def log_axis(x: LogScale, unit: Unit, top: float, floor: float, frame: Frame) -> str:
    """Draw the grid lines and values of a logarithmic axis; values that would touch are left out."""
    parts, last = [], -4.0
    for tick in log_ticks(x.low, x.high, few=frame.is_narrow):
        at, name = x(tick), amount(tick, unit)
        parts.append(f'<line class="g" x1="{at:.1f}" x2="{at:.1f}" y1="{top}" y2="{floor}"/>')
        half = LETTER * len(name) / 2
        if at - half > last + 4 and at + half < frame.width + 8:
            parts.append(text_at(at, floor + 18, name, anchor="middle", kind="m"))
            last = at + half
    return "".join(parts)
