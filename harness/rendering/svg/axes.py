"""What all charts are drawn from: frames of two widths, colours with one meaning each, text, scales, legends and axes.

Colours are those of Okabe & Ito (2008), which colour-blind readers tell apart. Text and grid lines carry classes (`t`,
`g`, ...), so that a page sets them for light and dark.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.documents.chart import Role, Unit
from harness.rendering.printable import as_xml

SKY, GREEN, VERMILION, BLUE, PINK, ORANGE = "#56B4E9", "#009E73", "#D55E00", "#0072B2", "#CC79A7", "#E69F00"
COLOURS: dict[Role, str] = {
    "input": SKY,
    "cache": GREEN,
    "reasoning": VERMILION,
    "answer": BLUE,
    "output": "#8C8C8C",
    "fees": PINK,
    "first": "#6A4C93",
    "second": "#B79FD1",
}
REASONING, OTHER = VERMILION, BLUE
"""Of reasoning models and of the others, in every chart that tells models apart."""
REASONING_SHADES, OTHER_SHADES = (VERMILION, ORANGE, "#A63603", PINK), (BLUE, SKY, GREEN, "#4B5D8C")
"""Warm and cold, where each model has a colour of its own."""
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


Mark = Callable[[float, float], str]
"""Draws the sign of a legend's entry around a point."""


def square(colour: str) -> Mark:
    """Make the sign of a part of bars, or of a kind of models."""
    return lambda x, y: f'<rect x="{x - 6}" y="{y - 6}" width="12" height="12" rx="2" fill="{colour}"/>'


def legend(entries: Sequence[tuple[str, Mark]], frame: Frame, y: float = 16) -> tuple[str, float]:
    """Draw signs with names, over several lines where needed; gives the height of the last line."""
    parts, x = [], 8.0
    for name, mark in entries:
        wide = 34 + 6.6 * len(name)
        if x + wide > frame.width + 12 and x > 8:
            x, y = 8.0, y + 18
        parts.append(mark(x + 6, y - 4))
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


class LinearScale:
    """Maps values to places between the start and the end of an axis."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        self.low, self.high, self.start, self.end = low, high, start, end

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


class LogScale:
    """Maps values to places on a logarithmic axis with a little room on both sides; what lies below is at its start."""

    def __init__(self, values: Sequence[float], start: float, end: float, *, room: float = 1.25) -> None:
        low, high = min(values), max(values)
        if high / low < 4:
            low, high = low / 2, high * 2
        self.low, self.high = low / room, high * room
        self.start, self.end = start, end

    def __call__(self, value: float) -> float:
        share = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self, *, few: bool = False) -> list[float]:
        """Choose 1, 2 and 5 of every decade, or the decades alone where there are many."""
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        factors = (1, 2, 5) if last - first <= (2 if few else 3) else (1,)
        found = [factor * 10.0**power for power in range(first, last + 1) for factor in factors]
        return [value for value in found if self.low <= value <= self.high]


def log_axis(x: LogScale, unit: Unit, top: float, floor: float, frame: Frame) -> str:
    """Draw the grid lines and values of a logarithmic axis; values that would touch are left out."""
    parts, last = [], -4.0
    for tick in x.ticks(few=frame.is_narrow):
        at, name = x(tick), amount(tick, unit)
        parts.append(f'<line class="g" x1="{at:.1f}" x2="{at:.1f}" y1="{top}" y2="{floor}"/>')
        half = LETTER * len(name) / 2
        if at - half > last + 4 and at + half < frame.width + 8:
            parts.append(text_at(at, floor + 18, name, anchor="middle", kind="m"))
            last = at + half
    return "".join(parts)
