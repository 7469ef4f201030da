"""What can be drawn: the units of each task in their fixed order, and the strata that they are divided into.

Pure. Data flows planned samples + sizes of units -> `TaskFrame` -> layers of units, the same for who plans and for who
reads the plan again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from harness.errors import InputError
from harness.ledger.records import PlannedRecord, SuiteRecord
from harness.precision import Bank, Layer, Stratum, layered


@dataclass(frozen=True, kw_only=True)
class TaskFrame:
    """The samples of a task in units that are drawn whole.

    Attributes:
        units: in draw order, by the id of its first sample the samples of each unit.
        repeats: epochs that were planned.
    """

    task: str
    units: Mapping[str, tuple[str, ...]]
    repeats: int

    @property
    def n_items(self) -> int:
        """Samples of the task."""
        return sum(map(len, self.units.values()))

    @cached_property
    def unit_of(self) -> Mapping[str, str]:
        """By sample the unit that holds it."""
        return {sample: unit for unit, samples in self.units.items() for sample in samples}


def task_frames(
    planned: Iterable[PlannedRecord], suite: str, unit_sizes: Mapping[str, Sequence[int]]
) -> tuple[TaskFrame, ...]:
    """Take the tasks of a suite from the samples that a run planned.

    Args:
        unit_sizes: as in `CellDesign`.
    """
    samples: dict[str, dict[str, int]] = {}
    repeats: dict[str, int] = defaultdict(int)
    for one in planned:
        if one.suite != suite:
            continue
        repeats[one.task] = max(repeats[one.task], one.epoch + 1)
        if one.epoch == 0:
            samples.setdefault(one.task, {})[one.sample_id] = one.draw_order
    return tuple(
        TaskFrame(
            task=task,
            units=_units(task, sorted(places, key=places.__getitem__), unit_sizes.get(task)),
            repeats=repeats[task],
        )
        for task, places in samples.items()
    )


def _units(task: str, samples: Sequence[str], sizes: Sequence[int] | None) -> dict[str, tuple[str, ...]]:
    if sizes is None:
        return {sample: (sample,) for sample in samples}
    if sum(sizes) != len(samples):
        raise InputError(
            f"{task}: the units of the design hold {sum(sizes)} samples, and {len(samples)} are planned",
            fix="start a new run with another --run-id",
        )
    found, start = {}, 0
    for size in sizes:
        unit = tuple(samples[start : start + size])
        found[unit[0]] = unit
        start += size
    return found


def divided(
    frames: Sequence[TaskFrame], suite: SuiteRecord, banks: Mapping[str, Bank] | None = None
) -> tuple[Layer, ...]:
    """Divide a suite into strata: each task is one, or several layers where a bank tells hard from easy.

    Weights are those of the score that a report shows: the index' where every task has a weight, else all samples count
    alike.

    Args:
        banks: predictions by task.
    """
    weights = score_weights(frames, suite)
    found: list[Layer] = []
    for frame in frames:
        whole = Stratum(
            task=frame.task,
            n_units=len(frame.units),
            n_items=frame.n_items,
            repeats=frame.repeats,
            weight=weights[frame.task],
        )
        bank = (banks or {}).get(frame.task)
        found += [Layer(whole, tuple(frame.units))] if bank is None else layered(whole, frame.units, bank)
    return tuple(found)


def score_weights(frames: Sequence[TaskFrame], suite: SuiteRecord) -> dict[str, float]:
    """Give each task's share of the suite's score; they sum to 1."""
    stated = {task.name: task.weight for task in suite.tasks}
    weights = {frame.task: weight for frame in frames if (weight := stated.get(frame.task)) is not None}
    if len(weights) < len(frames):
        weights = {frame.task: float(frame.n_items) for frame in frames}
    total = sum(weights.values())
    return {task: weight / total for task, weight in weights.items()}
