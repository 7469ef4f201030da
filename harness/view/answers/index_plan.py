"""Where a sample stands in an index: every planned question on every model of its suite has one place.

Data flows planned samples + cells -> places by (suite, task, draw order, repeat, model); that is the order of rows that
are equal in what they are sorted by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from harness.ledger import CellRecord, Ledger
from harness.ledger.reading.viewed.indexed_rows import plan_rows, sample_ids

Ints: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class IndexPlan:
    """The questions and models of a run.

    Attributes:
        cells: by suite, then as stored; every suite's cells stand together.
        tasks: (suite, task), in the order of questions.
        planned: planned id of each question; repeats of a sample are questions of their own.
        task: place of each question's task.
        sample: number of each question's sample, from 0; its repeats have the same.
        first: place of each question's first entry; its entries are those of its suite's cells.
        suite_first: place of the first cell of each question's suite.
        n: entries.
    """

    cells: Sequence[CellRecord]
    tasks: Sequence[tuple[str, str]]
    planned: Ints
    task: Ints
    sample: Ints
    first: Ints
    suite_first: Ints
    n: int
    _by_planned: Ints
    _by_cell: Ints
    _cell_ids: Ints

    @classmethod
    def read(cls, ledger: Ledger, run_id: str) -> IndexPlan:
        """Read what a run planned."""
        cells = sorted(ledger.cells(run_id), key=lambda cell: (cell.suite, cell.cell_id or 0))
        numbers: dict[tuple[object, object], int] = {}
        planned, task, repeats = [np.empty(0, np.int64)], [np.empty(0, np.int64)], False
        for ids, suites, tasks, epochs in plan_rows(ledger, run_id):
            named = zip(suites, tasks, strict=True)
            task.append(np.array([numbers.setdefault(name, len(numbers)) for name in named], np.int64))
            planned.append(np.array(ids, np.int64))
            repeats |= any(epochs)
        places = np.concatenate(task)
        sample = _samples(ledger, run_id, places) if repeats else np.arange(len(places))
        names = [(str(suite), str(name)) for suite, name in numbers]
        return cls.of(cells, names, np.concatenate(planned), places, sample)

    @classmethod
    def of(
        cls, cells: Sequence[CellRecord], tasks: Sequence[tuple[str, str]], planned: Ints, task: Ints, sample: Ints
    ) -> IndexPlan:
        """Work out the places."""
        suites = [cell.suite for cell in cells]
        n_models = np.array([suites.count(suite) for suite, _ in tasks] or [0], np.int64)
        starts = np.array([suites.index(suite) if suite in suites else 0 for suite, _ in tasks] or [0], np.int64)
        widths = n_models[task] if len(task) else np.empty(0, np.int64)
        stops = np.cumsum(widths)
        ids = np.array([cell.cell_id for cell in cells], np.int64)
        return cls(
            cells=cells,
            tasks=tasks,
            planned=planned,
            task=task,
            sample=sample,
            first=stops - widths,
            suite_first=starts[task] if len(task) else widths,
            n=int(stops[-1]) if len(stops) else 0,
            _by_planned=np.argsort(planned),
            _by_cell=np.argsort(ids),
            _cell_ids=ids,
        )

    def questions(self) -> NDArray[np.int32]:
        """Give the question of every entry."""
        widths = np.diff(np.append(self.first, self.n))
        return np.repeat(np.arange(len(self.planned), dtype=np.int32), widths)

    def models(self, questions: NDArray[np.int32]) -> NDArray[np.int16]:
        """Give the place of every entry's cell."""
        places = np.arange(self.n) - self.first[questions] + self.suite_first[questions]
        return places.astype(np.int16)

    def question_of(self, planned_id: int) -> int | None:
        """Find a question; None = it is not of this run."""
        found = self._questions(np.array([planned_id], np.int64))
        return None if found[0] < 0 else int(found[0])

    def _questions(self, planned: Ints) -> Ints:
        return _places(self.planned, self._by_planned, planned)

    def entries(self, cell_ids: Ints, planned: Ints) -> Ints:
        """Find the entries of cells and planned ids; -1 = there is none."""
        question, cell = self._questions(planned), _places(self._cell_ids, self._by_cell, cell_ids)
        known = (question >= 0) & (cell >= 0)
        question = np.where(known, question, 0)
        if not len(self.planned):
            return np.full(len(planned), -1)
        widths = np.diff(np.append(self.first, self.n))
        rank = cell - self.suite_first[question]
        known &= (rank >= 0) & (rank < widths[question])
        return np.where(known, self.first[question] + rank, -1)

    def entry(self, cell_id: int, planned_id: int) -> int | None:
        """Find one entry; None = there is none."""
        found = int(self.entries(np.array([cell_id]), np.array([planned_id]))[0])
        return None if found < 0 else found


def _samples(ledger: Ledger, run_id: str, task: Ints) -> Ints:
    """Number samples, so that repeats can be told from other questions."""
    numbers: dict[tuple[int, object], int] = {}
    tasks = iter(task.tolist())
    found: list[int] = []
    for (names,) in sample_ids(ledger, run_id):
        found.extend(numbers.setdefault((next(tasks), name), len(numbers)) for name in names)
    return np.array(found, np.int64)


def _places(values: Ints, order: Ints, wanted: Ints) -> Ints:
    """Find values in an array by its sorted order; -1 = not there."""
    if not len(values):
        return np.full(len(wanted), -1)
    at = np.minimum(np.searchsorted(values, wanted, sorter=order), len(values) - 1)
    place = order[at]
    return np.where(values[place] == wanted, place, -1)
