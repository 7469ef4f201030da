"""Where each planned answer of each cell stands: open, answered, or failed at its last try.

A conversation is one answer, however many requests it takes: it is open until it has a score.
Pure. Data flows attempts in the order they were sent and settled -> one byte for each planned answer -> counts by task.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from harness.ledger.reading.underway.live_rows import DrawnCount, PlannedTask, TrackedRow

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ints: TypeAlias = NDArray[np.int64]

UNTRIED, OPEN, FAILED, ANSWERED = range(4)
_ANSWERED = ("succeeded", "reused")


@dataclass(slots=True)
class AnswerStates:
    """The answers that a run planned, and where they stand.

    Attributes:
        first: the lowest planned id; the others follow it closely.
        tasks: (suite, task), by number.
        task_of: number of the task of each planned id less `first`; -1 = an id of another run.
        n_planned: by the number of a task.
        drawn: what waves have drawn, by cell and task; None = all that is planned is asked.
    """

    first: int
    tasks: list[tuple[str, str]]
    task_of: list[int]
    n_planned: Mapping[int, int]
    drawn: Mapping[tuple[int, str], int] | None = None
    _states: dict[int, bytearray] = field(default_factory=dict)
    _counts: dict[int, Counter[tuple[int, int]]] = field(default_factory=dict)

    @classmethod
    def of(cls, planned: Iterable[PlannedTask]) -> AnswerStates:
        """Take a plan, in the order of its ids."""
        numbers: dict[tuple[str, str], int] = {}
        first, task_of = 0, list[int]()
        for planned_id, suite, task in planned:
            number = numbers.setdefault((suite, task), len(numbers))
            if not task_of:
                first = planned_id
            task_of += [-1] * (planned_id - first - len(task_of))
            task_of.append(number)
        return cls(first=first, tasks=list(numbers), task_of=task_of, n_planned=Counter(task_of))

    @property
    def is_empty(self) -> bool:
        """Whether nothing is planned yet."""
        return not self.task_of

    def draw(self, counts: Iterable[DrawnCount]) -> None:
        """Take what waves have drawn so far."""
        self.drawn = {(one.cell_id, one.task): one.n_drawn for one in counts}

    def take(self, row: TrackedRow) -> None:
        """Take an attempt as it stands; of one answer, in the order they were sent."""
        place = None if row.planned_id is None else row.planned_id - self.first
        is_told = row.purpose == "solve" or row.is_of_conversation
        if not is_told or place is None or not 0 <= place < len(self.task_of):
            return
        now = OPEN if row.status == "sent" else ANSWERED if row.status in _ANSWERED else FAILED
        self._change(row.cell_id, place, OPEN if row.is_of_conversation and now == ANSWERED else now)

    def end(self, cell_id: int, planned_id: int) -> bool:
        """Take a sample that has a score as answered; tells whether it was not yet."""
        place = planned_id - self.first
        return 0 <= place < len(self.task_of) and self._change(cell_id, place, ANSWERED)

    def _change(self, cell_id: int, place: int, now: int) -> bool:
        states = self._of(cell_id)
        before = states[place]
        if before in (ANSWERED, now):
            return False
        states[place] = now
        counts, task = self._counts[cell_id], self.task_of[place]
        counts[task, before] -= 1
        counts[task, now] += 1
        return True

    def take_all(self, cell_id: int, planned: Ints, stands: NDArray[np.uint8]) -> None:
        """Take many attempts of a cell, in the order they were sent; `count` then adds them up."""
        import numpy as np

        place = planned - self.first
        known = (place >= 0) & (place < len(self.task_of))
        place, stands = place[known], stands[known]
        states = np.frombuffer(self._of(cell_id), dtype=np.uint8)
        answered = stands == ANSWERED
        others = place[~answered]
        states[others] = np.where(states[others] == ANSWERED, ANSWERED, stands[~answered])
        states[place[answered]] = ANSWERED

    def count(self) -> None:
        """Count anew where all answers stand."""
        import numpy as np

        tasks = np.array(self.task_of, dtype=np.int64)
        for cell_id, states in self._states.items():
            pairs = np.bincount(tasks[tasks >= 0] * 4 + np.frombuffer(states, dtype=np.uint8)[tasks >= 0])
            found = np.flatnonzero(pairs).tolist()
            self._counts[cell_id] = Counter({divmod(pair, 4): int(pairs[pair]) for pair in found})

    def _of(self, cell_id: int) -> bytearray:
        if cell_id not in self._states:
            self._states[cell_id] = bytearray(len(self.task_of))
            self._counts[cell_id] = Counter()
        return self._states[cell_id]

    def counts(self, cell_id: int, suite: str) -> list[tuple[str, int, int, int]]:
        """Give (task, planned, answered, failed at the last try) of the tasks of a cell."""
        counts: Mapping[tuple[int, int], int] = self._counts.get(cell_id, Counter())
        return [
            (task, self._planned(cell_id, number), counts[number, ANSWERED], counts[number, FAILED])
            for number, (of, task) in enumerate(self.tasks)
            if of == suite
        ]

    def _planned(self, cell_id: int, number: int) -> int:
        if self.drawn is None:
            return self.n_planned[number]
        return self.drawn.get((cell_id, self.tasks[number][1]), 0)
