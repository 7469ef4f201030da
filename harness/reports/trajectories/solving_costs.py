"""What a sample and a solved one cost before and now, whoever was asked: beside comparisons of conversations.

Pure. Data flows two `SpendRow`s of one model setting -> JSON values, a sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from harness.reports.spend import wording
from harness.reports.spend.report import SpendRow
from harness.reports.trajectories.task_figures import TaskFigures, task_figures

NAMES = ("whole_cost_per_task_usd", "whole_cost_per_solved_usd")
"""As the columns of the spend table have them; each for the side before and the one now."""


def solving_costs(base: SpendRow, head: SpendRow) -> Mapping[str, Decimal | None]:
    """Give dollars of all roles per sample asked and per sample solved, of both sides; empty for single requests."""
    sides = {"base": task_figures(base), "head": task_figures(head)}
    if all(figures is None for figures in sides.values()):
        return {}
    return {
        f"{side}_{name}": usd
        for side, figures in sides.items()
        for name, usd in zip(NAMES, _costs(figures), strict=True)
    }


def _costs(figures: TaskFigures | None) -> tuple[Decimal | None, Decimal | None]:
    return (None, None) if figures is None else (figures.usd_per_task, figures.usd_per_solved)


def solving_words(base: SpendRow, head: SpendRow) -> str | None:
    """Say the same in a sentence; None for single requests."""
    if not solving_costs(base, head):
        return None
    before, now = (_words(task_figures(row)) for row in (base, head))
    return f"all roles: {before} before, {now} now"


def _words(figures: TaskFigures | None) -> str:
    if figures is None:
        return "not asked in conversations"
    per_task, per_solved = (
        wording.NOT_KNOWN if usd is None else wording.spent(figures.whole, usd=usd) for usd in _costs(figures)
    )
    return f"{per_task} a sample and {per_solved} a solved one"
