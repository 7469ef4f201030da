"""The conversations of a run: how many turns and calls each sample took, how long, and which limit ended it.

Data flows columns of attempts, counts of calls, limits -> one entry per sample -> `TurnFigures` by cell.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from harness.ledger.connections import Readable
from harness.ledger.reading.conversations.turn_columns import TurnColumn, call_counts, limits_reached, turn_columns
from harness.ledger.reading.sample_rows import PURPOSES_BY_NUMBER
from harness.reports.facts.samples.turn_figures import TurnFigures

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ints: TypeAlias = NDArray[np.int64]
    Flags: TypeAlias = NDArray[np.bool_]

_SOLVE, _USER = PURPOSES_BY_NUMBER.index("solve"), PURPOSES_BY_NUMBER.index("user_simulator")
UNKNOWN = -1


class CellTurns(NamedTuple):
    """The conversations of a cell.

    Attributes:
        lost: planned answers whose newest request failed: without a score such a sample is not under way.
    """

    cell_id: int
    figures: TurnFigures
    lost: Ints


class SampleFigures(NamedTuple):
    """The conversation of one sample; None = not known.

    Attributes:
        limit: that ended it; None = none did.
        is_lost: its newest request failed.
    """

    n_turns: int
    n_tool_calls: int | None
    n_user_tool_calls: int | None
    wall_s: float | None
    limit: str | None
    is_lost: bool


@dataclass(frozen=True, slots=True)
class SampleTurns:
    """The samples of a run that are conversations, in columns of equal length, by cell and planned answer.

    Attributes:
        cell, planned: ids.
        n_turns: answers of the model under test in the conversation that stands.
        n_calls, n_user_calls: tool calls in it of the model and of the simulated user; -1 = texts were not kept.
        wall_us: from the first request sent to the last answer; -1 = not known.
        n_timed: answers whose duration says something of the model.
        is_lost: its newest request failed.
        limits: names by place.
    """

    cell: Ints
    planned: Ints
    n_turns: Ints
    n_calls: Ints
    n_user_calls: Ints
    wall_us: Ints
    n_timed: Ints
    is_lost: Flags
    limits: Mapping[int, str]

    def by_cell(self) -> Iterator[CellTurns]:
        """Add the samples of each cell up."""
        import numpy as np

        for cell_id in np.unique(self.cell).tolist():
            at = np.flatnonzero(self.cell == cell_id)
            yield CellTurns(cell_id, self._figures(at), self.planned[at[self.is_lost[at]]])

    def of_cell(self, cell_id: int) -> dict[int, SampleFigures]:
        """Give the samples of a cell by planned answer."""
        import numpy as np

        at = np.flatnonzero(self.cell == cell_id)
        columns = (self.n_turns, self.n_calls, self.n_user_calls, self.wall_us, self.is_lost)
        rows = zip(at.tolist(), self.planned[at].tolist(), *(column[at].tolist() for column in columns), strict=True)
        return {
            planned: SampleFigures(turns, _known(calls), _known(user_calls), None if wall < 0 else wall / 1e6,
                                   self.limits.get(place), lost)
            for place, planned, turns, calls, user_calls, wall, lost in rows
        }  # fmt: skip

    def _figures(self, at: Ints) -> TurnFigures:
        turns, calls, walls, timed = self.n_turns[at], self.n_calls[at], self.wall_us[at], self.n_timed[at]
        known, walls = calls >= 0, walls[walls >= 0]
        return TurnFigures(
            n_samples=len(at),
            n_turns=int(turns.sum()),
            most_turns=int(turns.max(initial=0)),
            n_calls_known=int(known.sum()),
            n_tool_calls=int(calls[known].sum()),
            most_tool_calls=int(calls[known].max(initial=0)),
            n_user_tool_calls=int(self.n_user_calls[at][known].sum()),
            n_walls=len(walls),
            wall_s=int(walls.sum()) / 1e6,
            most_wall_s=int(walls.max(initial=0)) / 1e6,
            n_timed=int((timed > 0).sum()),
            n_timed_answers=int(timed.sum()),
            limits=dict(Counter(self.limits[place] for place in at.tolist() if place in self.limits)),
        )


def _known(count: int) -> int | None:
    return None if count < 0 else count


def sample_turns(ledger: Readable, run_id: str) -> SampleTurns | None:
    """Read the conversations of a run; None = all its samples are single requests."""
    import numpy as np

    slices = [np.stack([np.fromstring(text, dtype=np.int64, sep=",") for text in texts])
              for texts in turn_columns(ledger, run_id)]  # fmt: skip
    if not slices:
        return None
    return _Conversations.of(np.concatenate(slices, axis=1)).added_up(
        call_counts(ledger, run_id), limits_reached(ledger, run_id)
    )


@dataclass(frozen=True, slots=True)
class _Conversations:
    """Turns of samples, sample by sample in the order sent.

    Attributes:
        keys: cell and planned answer of each sample; `sample` = of each turn, the place of its sample there.
        newest: whether it is of its sample's newest conversation: one begins anew where the first turn is asked that
            was answered.
    """

    rows: Ints
    keys: Ints
    sample: Ints
    newest: Flags

    @classmethod
    def of(cls, rows: Ints) -> _Conversations:
        import numpy as np

        rows = rows[:, np.lexsort(rows[[TurnColumn.ATTEMPT, TurnColumn.PLANNED, TurnColumn.CELL]])]
        keys = rows[[TurnColumn.CELL, TurnColumn.PLANNED]]
        is_first = np.append(True, (keys[:, 1:] != keys[:, :-1]).any(axis=0))
        keys, sample = keys[:, is_first], np.cumsum(is_first) - 1
        begins = rows[TurnColumn.TURN] == 0
        ends = begins & (rows[TurnColumn.ANSWERED] == 1)
        number = np.cumsum(ends) - ends  # of the conversation that a first turn is of
        last = np.full(keys.shape[1], UNKNOWN)
        np.maximum.at(last, sample[begins], number[begins])
        of_newest = begins & (number == last[sample])
        first = np.full(keys.shape[1], len(sample))
        np.minimum.at(first, sample[of_newest], np.flatnonzero(of_newest))
        return cls(rows, keys, sample, np.arange(len(sample)) >= first[sample])

    def added_up(self, calls: Mapping[int, int], limits: Mapping[int, str]) -> SampleTurns:
        """Make one entry of each sample."""
        import numpy as np

        rows, stands = self.rows, self.newest & (self.rows[TurnColumn.ANSWERED] == 1)
        solve, user = (stands & (rows[TurnColumn.PURPOSE] == purpose) for purpose in (_SOLVE, _USER))
        counts = np.array([calls.get(attempt, UNKNOWN) for attempt in rows[TurnColumn.ATTEMPT].tolist()])
        is_told = self._count((solve | user) & (counts < 0)) == 0
        return SampleTurns(
            cell=self.keys[0],
            planned=self.keys[1],
            n_turns=self._count(solve),
            n_calls=np.where(is_told, self._sum(solve, counts), UNKNOWN),
            n_user_calls=np.where(is_told, self._sum(user, counts), UNKNOWN),
            wall_us=self._walls(stands),
            n_timed=self._count(rows[TurnColumn.TIMED] == 1),
            is_lost=self._lost(),
            limits=self._limits(limits),
        )

    def _count(self, chosen: Flags) -> Ints:
        import numpy as np

        return np.bincount(self.sample[chosen], minlength=self.keys.shape[1])

    def _sum(self, chosen: Flags, values: Ints) -> Ints:
        import numpy as np

        total = np.zeros(self.keys.shape[1], np.int64)
        np.add.at(total, self.sample[chosen], values[chosen])
        return total

    def _walls(self, stands: Flags) -> Ints:
        """Microseconds of each sample from the first request of its newest conversation to its last answer."""
        import numpy as np

        rows, sample, n = self.rows, self.sample, self.keys.shape[1]
        started, ended = np.full(n, np.iinfo(np.int64).max), np.full(n, UNKNOWN)
        np.minimum.at(started, sample[self.newest], rows[TurnColumn.STARTED][self.newest])
        np.maximum.at(ended, sample[stands], rows[TurnColumn.FINISHED][stands])
        is_reused = self._count(stands & (rows[TurnColumn.REUSED] == 1)) > 0
        return np.where(is_reused | (ended < started), UNKNOWN, ended - started)

    def _newest_rows(self, chosen: Flags) -> tuple[Ints, Ints]:
        """Find the newest of chosen turns of each sample that has one: samples, and places of the turns."""
        import numpy as np

        places = np.flatnonzero(chosen)
        newest = np.full(self.keys.shape[1], UNKNOWN)
        newest[self.sample[places]] = places  # in the order sent: the last one stays
        found = np.flatnonzero(newest >= 0)
        return found, newest[found]

    def _lost(self) -> Flags:
        import numpy as np

        found, places = self._newest_rows(np.ones(len(self.sample), dtype=bool))
        lost = np.zeros(self.keys.shape[1], dtype=bool)
        lost[found] = self.rows[TurnColumn.FAILED][places] == 1
        return lost

    def _limits(self, limits: Mapping[int, str]) -> Mapping[int, str]:
        """Name the limit that ended each sample, as the score says that counts: of its newest answer, else of its
        newest request."""
        rows = self.rows
        solve = rows[TurnColumn.PURPOSE] == _SOLVE
        standing: dict[int, int] = {}
        for chosen in (solve, solve & (rows[TurnColumn.ANSWERED] == 1)):
            samples, places = self._newest_rows(chosen)
            standing.update(zip(samples.tolist(), rows[TurnColumn.ATTEMPT][places].tolist(), strict=True))
        return {place: limits[attempt] for place, attempt in standing.items() if attempt in limits}
