"""How large a pilot is, and how it is divided over tasks: where forecasts of a bill are most uncertain for their money.

Pure. Data flows `--pilot N|P%` + units and expected costs of tasks -> units of each task.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt

from harness.errors import InputError
from harness.stats.totals_to_come import FEWEST_SEEN

_HALVINGS = 60
_SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<percent>%?)")


@dataclass(frozen=True, slots=True, kw_only=True)
class PilotTask:
    """One task of a run.

    Attributes:
        n_units: samples, or groups that are drawn together, that can be asked once.
        unit_items: mean number of samples in a unit.
        n_answers: answers that the run plans, repeats included.
        cost: of an answer, in any unit.
    """

    n_units: int
    unit_items: float
    n_answers: int
    cost: float


def parse_pilot(text: str, where: str = "--pilot") -> str:
    """Read the size of a pilot, in samples or in percent of the answers planned; gives it as it is stored.

    Raises:
        InputError: it is neither.
    """
    found = _SIZE.fullmatch(text.strip())
    number = float(found["number"]) if found else 0.0
    is_share = bool(found and found["percent"])
    if found and ((is_share and 0 < number < 100) or (not is_share and number >= 1 and number.is_integer())):
        return f"{number:g}%" if is_share else f"{number:.0f}"
    raise InputError(
        f"not the size of a pilot: {text!r}",
        where=where,
        fix="write 2% (of the answers that each model is to give) or 200 (samples of each model)",
    )


def wanted_answers(size: str, n_answers: int) -> int:
    """How many answers of each model a pilot of this size asks for, out of those that are planned."""
    if size.endswith("%"):
        return ceil(n_answers * float(size[:-1]) / 100)
    return min(int(size), n_answers)


def pilot_units(tasks: Sequence[PilotTask], n_answers: int) -> list[int]:
    """Divide a pilot: units of each task ~ answers to come * sqrt(cost), at least eight, at most all.

    The spread of costs grows with their mean, so that Neyman's n ~ M S / sqrt(c) becomes M sqrt(c).
    """
    least = [min(task.n_units, FEWEST_SEEN) for task in tasks]
    most = [task.n_units for task in tasks]
    pull = [task.n_answers * sqrt(task.cost) / task.unit_items if task.cost > 0 else 0.0 for task in tasks]
    if not any(pull):
        pull = [task.n_answers / task.unit_items for task in tasks]
    low, high = 0.0, 1.0 + max(units / part for units, part in zip(most, pull, strict=True) if part)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        units = _clipped(pull, middle, least, most)
        asked = sum(number * task.unit_items for number, task in zip(units, tasks, strict=True))
        low, high = (middle, high) if asked < n_answers else (low, middle)
    return _clipped(pull, high, least, most)


def _clipped(pull: Sequence[float], factor: float, least: Sequence[int], most: Sequence[int]) -> list[int]:
    return [max(low, min(high, round(factor * part))) for part, low, high in zip(pull, least, most, strict=True)]
