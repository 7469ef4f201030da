"""Which samples changed sides between two runs, or two models of one: right before and wrong now, and so on.

Data flows the indexes of two runs + pairs of planned questions -> sides as arrays -> those that differ. One index is
held at a time, so that two pages that compare the same runs both ways never wait for each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from harness.errors import InputError
from harness.ledger import CellRecord, Ledger
from harness.ledger.reading.viewed.paired_plans import paired_plans
from harness.view.answers.index_plan import Flags, Ints
from harness.view.answers.sample_choice import RIGHT, model_name
from harness.view.answers.sample_index import SampleIndex
from harness.view.page_values import Sources

SIDES = ("no score", "no answer", "wrong", "partly right", "right")
"""What became of a sample, from the least to the most; `no answer` counts as wrong in scores."""
KEYS = ("unscored", "unanswered", "wrong", "partial", "right")
"""The same in addresses."""
Side: TypeAlias = NDArray[np.int8]
CellPair: TypeAlias = tuple[CellRecord, CellRecord]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """The samples of one suite that changed sides between two models or runs.

    Attributes:
        n_common: questions that both were planned to be asked, repeats counted.
        n_other_text: of those, questions of one name whose text or reference differs.
        base_planned, head_planned: of the changed ones, in the order of the earlier run.
        before, now: their sides, places in `SIDES`.
        task: their tasks, places in `tasks`.
    """

    cells: CellPair
    n_common: int
    n_other_text: int
    base_planned: Ints
    head_planned: Ints
    before: Side
    now: Side
    task: Ints
    tasks: Sequence[str]

    def directions(self) -> Mapping[str, int]:
        """Count the changed samples by direction, as `direction_key` names them; the most frequent first."""
        places, counts = np.unique(self.before.astype(np.int64) * len(SIDES) + self.now, return_counts=True)
        order = np.argsort(-counts, kind="stable")
        return {direction_key(*divmod(int(places[at]), len(SIDES))): int(counts[at]) for at in order}

    def chosen(self, direction: str, task: str) -> Flags:
        """Tell which of the changed samples have a direction and a task; empty = any."""
        kept = np.ones(len(self.before), bool)
        if direction:
            before, _, now = direction.partition("-")
            kept &= np.isin(self.before, _places(before)) & np.isin(self.now, _places(now))
        if task:
            kept &= np.isin(self.task, [place for place, name in enumerate(self.tasks) if name == task])
        return kept


def _places(key: str) -> list[int]:
    return [KEYS.index(key)] if key in KEYS else []


def direction_key(before: int, now: int) -> str:
    """Name a direction in addresses: `right-wrong`."""
    return f"{KEYS[before]}-{KEYS[now]}"


def direction_words(key: str) -> str:
    """Say a direction: `right, now wrong`."""
    before, _, now = key.partition("-")
    return f"{SIDES[KEYS.index(before)]}, now {SIDES[KEYS.index(now)]}"


def compared_cells(ledger: Ledger, runs: tuple[str, str], models: tuple[str, str] | None) -> list[CellPair]:
    """Pair the cells of two runs, suite by suite: each model with itself, or the two that are named.

    Raises:
        InputError: no such model in its run.
    """
    base, head = (ledger.cells(run) for run in runs)
    if models is None:
        own = {(cell.suite, cell.suite_version, model_name(cell)): cell for cell in base}
        keys = [((cell.suite, cell.suite_version, model_name(cell)), cell) for cell in head]
        return [(own[key], cell) for key, cell in keys if key in own]
    before = {cell.suite: cell for cell in _named(base, models[0], runs[0])}
    return [(before[cell.suite], cell) for cell in _named(head, models[1], runs[1]) if cell.suite in before]


def _named(cells: Sequence[CellRecord], model: str, run: str) -> list[CellRecord]:
    names = {model_name(cell) for cell in cells}
    wanted = {model} & names or {name for name in names if name.partition("/")[2] == model}
    if len(wanted) != 1:
        raise InputError(f"run {run} has no model {model!r}", where="models", fix=f"one of: {', '.join(sorted(names))}")
    return [cell for cell in cells if model_name(cell) in wanted]


def changed_sides(
    sources: Sources, runs: tuple[str, str], pairs: Sequence[CellPair], *, is_patient: bool = False
) -> list[Changed]:
    """Find the samples that changed sides, pair of cells by pair of cells.

    Raises:
        NotYet: the samples of a run are still being read.
    """
    asked = {"is_patient": is_patient}
    with sources.samples.of(sources.ledger, sources.book, runs[0], **asked) as index:
        planned = _planned_pairs(sources.ledger, index, runs)
        tasks = [(suite, task) for suite, task in index.plan.tasks]
        suites = [cell.suite for cell, _ in pairs]
        parts = {suite: planned[:, _of_suite(index, planned[0], suite)] for suite in dict.fromkeys(suites)}
        before = [_sides(index, base, parts[base.suite][0]) for base, _ in pairs]
        task = {suite: _tasks(index, part[0]) for suite, part in parts.items()}
    with sources.samples.of(sources.ledger, sources.book, runs[1], **asked) as index:
        now = [_sides(index, head, parts[base.suite][1]) for base, head in pairs]
    names = [name for _, name in tasks]
    return [
        _changed(pair, parts[pair[0].suite], (was, became), task[pair[0].suite], names)
        for pair, was, became in zip(pairs, before, now, strict=True)
    ]


def _changed(pair: CellPair, planned: Ints, sides: tuple[Side, Side], task: Ints, names: Sequence[str]) -> Changed:
    differs = sides[0] != sides[1]
    return Changed(
        cells=pair,
        n_common=planned.shape[1],
        n_other_text=int((planned[2] == 0).sum()),
        base_planned=planned[0][differs],
        head_planned=planned[1][differs],
        before=sides[0][differs],
        now=sides[1][differs],
        task=task[differs],
        tasks=names,
    )


def _planned_pairs(ledger: Ledger, index: SampleIndex, runs: tuple[str, str]) -> Ints:
    """Give the planned ids of questions of both runs, and whether they are the same: three rows."""
    base, head = runs
    if base == head:
        own = index.plan.planned
        return np.stack((own, own, np.ones(len(own), np.int64)))

    def read() -> Ints:
        parts = [np.empty((0, 3), np.int64), *(np.array(rows, np.int64) for rows in paired_plans(ledger, base, head))]
        return np.concatenate(parts).T

    return index.remember(("paired", head), read)


def _questions(index: SampleIndex, planned: Ints) -> Ints:
    order = np.argsort(index.plan.planned)
    return order[np.searchsorted(index.plan.planned, planned, sorter=order)]


def _tasks(index: SampleIndex, planned: Ints) -> Ints:
    return index.plan.task[_questions(index, planned)]


def _of_suite(index: SampleIndex, planned: Ints, suite: str) -> Flags:
    own = np.array([name == suite for name, _ in index.plan.tasks] or [False])
    found: Flags = own[_tasks(index, planned)] if len(planned) else np.zeros(0, bool)
    return found


def _sides(index: SampleIndex, cell: CellRecord, planned: Ints) -> Side:
    """Say on which side the planned questions of a cell are."""
    entries = index.plan.entries(np.full(len(planned), cell.cell_id, np.int64), planned)
    is_known = entries >= 0
    places = np.where(is_known, entries, 0)
    if not index.plan.n:
        return np.zeros(len(planned), np.int8)
    score = index.remember("counted", index.counted)[places]
    value = index.columns["value"][places]
    sides = np.where(score >= RIGHT, 4, np.where(score > 0, 3, 2))
    sides = np.where((score == 0) & (value < 0), 1, sides)
    return np.where(is_known & (score >= 0), sides, 0).astype(np.int8)
