"""Charts as values: what is drawn, with its words for people who do not see it. Renderers turn them into SVG and PNG.

Pure. Data flows reports -> chart values -> `harness.rendering.svg.svg_charts`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Unit = Literal["usd", "tokens", "percent"]
Role = Literal["input", "cache", "reasoning", "answer", "output", "fees", "first", "second"]
"""What a series stands for; it decides the colour, the same in every chart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One part of stacked bars, a value per category; None = not known."""

    name: str
    role: Role
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """Horizontal bars, stacked or side by side.

    Attributes:
        totals: text at the end of each bar, for example `>= $0.50`.
        description: the chart in words (its text alternative).
    """

    name: str
    title: str
    unit: Unit
    categories: tuple[str, ...]
    series: tuple[Series, ...]
    totals: tuple[str, ...]
    description: str
    stacked: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A point of a scatter; `low` and `high` are its vertical interval."""

    label: str
    x: float
    y: float
    reasoning: bool
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scatter:
    """Points on a logarithmic x axis, with lines through some of them (indices, by rising x)."""

    name: str
    title: str
    x_title: str
    x_unit: Unit
    y_title: str
    points: tuple[Point, ...]
    description: str
    front: tuple[int, ...] = ()
    hull: tuple[int, ...] = ()
    ladders: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Quantiles of one category: 5, 25, 50, 75 and 95 percent, and the mean; `reasoning` decides its colour."""

    label: str
    quantiles: tuple[float, float, float, float, float]
    mean: float
    reasoning: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Spreads:
    """Distributions side by side on a logarithmic axis."""

    name: str
    title: str
    unit: Unit
    spreads: tuple[Spread, ...]
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeStep:
    """A value that holds from an instant on; `at` None = from the beginning, `value` None = not known."""

    at: datetime | None
    value: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLine:
    """One model on a timeline: steps in the upper panel, points in the lower; `reasoning` decides its colour."""

    label: str
    steps: tuple[TimeStep, ...]
    points: tuple[tuple[datetime, float], ...]
    reasoning: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Two panels over one time axis, both in dollars on a logarithmic scale."""

    name: str
    title: str
    upper_title: str
    lower_title: str
    lines: tuple[TimeLine, ...]
    description: str


Chart = Bars | Scatter | Spreads | Timeline
