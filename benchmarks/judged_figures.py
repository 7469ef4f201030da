"""Measured figures beside the bars that they must reach, as the proofs print them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value with the least or the most that it may be."""

    id: str
    what: str
    value: float
    at_least: float | None = None
    at_most: float | None = None
    percent: bool = True

    @property
    def held(self) -> bool:
        """Whether the bar is reached."""
        low = self.at_least is None or self.value >= self.at_least
        return low and (self.at_most is None or self.value <= self.at_most)

    def shown(self, value: float) -> str:
        """A value in this figure's unit."""
        return f"{100 * value:.2f} %" if self.percent else f"{value:.3f}"

    @property
    def bar(self) -> str:
        """The bar in words."""
        if self.at_least is not None and self.at_most is not None:
            if self.at_least == -self.at_most:
                return f"within {self.shown(self.at_most)}"
            return f"{self.shown(self.at_least)} to {self.shown(self.at_most)}"
        if self.at_least is not None:
            return f">= {self.shown(self.at_least)}"
        return "" if self.at_most is None else f"<= {self.shown(self.at_most)}"


def print_figures(figures: Sequence[Figure]) -> int:
    """Print figures with their verdicts; gives how many missed their bar."""
    table = Table("id", "figure", "measured", "bar", "", box=SIMPLE_HEAD)
    for figure in figures:
        verdict = "" if not figure.bar else "met" if figure.held else "MISSED"
        table.add_row(figure.id, figure.what, figure.shown(figure.value), figure.bar, verdict)
    Console(width=120).print(table)
    return sum(not figure.held for figure in figures)
