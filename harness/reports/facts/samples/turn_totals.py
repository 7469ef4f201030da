"""The conversations of a run: how many turns and calls each sample took, how long, and which limit ended it.

Data flows columns of attempts (`turn_rows`), counts of calls, limits -> one entry per sample -> `TurnFigures` by cell.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from harness.ledger.connections import Readable
from harness.ledger.reading.conversations.turn_rows import TurnColumn, call_counts, limits_reached, turn_columns
from harness.ledger.reading.sample_rows import PURPOSES_BY_NUMBER
from harness.reports.facts.samples.turn_figures import TurnFigures

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ints: TypeAlias = NDArray[np.int64]
    Flags: TypeAlias = NDArray[np.bool_]

_SOLVE, _USER = PURPOSES_BY_NUMBER.index("solve"), PURPOSES_BY_NUMBER.index("user_simulator")
UNKNOWN = -1


@dataclass(frozen=True, slots=True)
class SampleTurns:
    """The samples of a run that are conversations, in columns of equal length, by cell and planned answer.

    Attributes:
        cell, planned: ids.
        n_turns: answers of the model under test in the conversation that stands.
        n_calls, n_user_calls: tool calls in it of the model and of the simulated user; -1 = texts were not kept.
        wall_us: from the first request sent to the last answer; -1 = not known.
        n_timed: answers whose duration says something of the model.
        limits: names by place.
    """

    cell: Ints
    planned: Ints
    n_turns: Ints
    n_calls: Ints
    n_user_calls: Ints
    wall_us: Ints
    n_timed: Ints
    limits: Mapping[int, str]

    def by_cell(self) -> Iterator[tuple[int, TurnFigures]]:
        """Add the samples of each cell up."""
        import numpy as np

        for cell_id in np.unique(self.cell).tolist():
            yield cell_id, self._figures(np.flatnonzero(self.cell == cell_id))

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
            limits=Counter(self.limits[place] for place in at.tolist() if place in self.limits),
        )


def sample_turns(ledger: Readable, run_id: str) -> SampleTurns | None:
    """Read the conversations of a run; None = all its samples are single requests."""
    import numpy as np

    slices = [np.stack([np.fromstring(text, dtype=np.int64, sep=",") for text in texts])
              for texts in turn_columns(ledger, run_id)]  # fmt: skip
    if not slices:
        return None
    rows = np.concatenate(slices, axis=1)
    rows = rows[:, np.argsort(rows[TurnColumn.ATTEMPT])]
    return _Conversations.of(rows).added_up(call_counts(ledger, run_id), limits_reached(ledger, run_id))


@dataclass(frozen=True, slots=True)
class _Conversations:
    """Attempts in the order sent.

    Attributes:
        keys: cell and planned answer of each sample; `sample` = of each attempt, the place of its sample there.
        stands: whether it is the newest answer of its turn, in a turn that its sample's newest answer had come to.
    """

    rows: Ints
    keys: Ints
    sample: Ints
    stands: Flags

    @classmethod
    def of(cls, rows: Ints) -> _Conversations:
        import numpy as np

        keys, sample = np.unique(rows[[TurnColumn.CELL, TurnColumn.PLANNED]], axis=1, return_inverse=True)
        sample = sample.reshape(-1)
        answered = np.flatnonzero(rows[TurnColumn.ANSWERED] == 1)
        turn = rows[TurnColumn.TURN][answered]
        last_turn = np.full(keys.shape[1], UNKNOWN)
        last_turn[sample[answered]] = turn  # in the order sent: the last one stays
        kinds = np.stack([sample[answered], turn, rows[TurnColumn.PURPOSE][answered]])
        # counted from the end, the first of each kind is the newest
        newest = len(answered) - 1 - np.unique(kinds[:, ::-1], axis=1, return_index=True)[1]
        stands = np.zeros(rows.shape[1], dtype=bool)
        stands[answered[newest]] = turn[newest] <= last_turn[sample[answered[newest]]]
        return cls(rows, keys, sample, stands)

    def added_up(self, calls: Mapping[int, int], limits: Mapping[int, str]) -> SampleTurns:
        """Make one entry of each sample."""
        import numpy as np

        rows, n = self.rows, self.keys.shape[1]
        asked = np.isin(rows[TurnColumn.PURPOSE], (_SOLVE, _USER))
        solve = self.stands & (rows[TurnColumn.PURPOSE] == _SOLVE)
        user = self.stands & (rows[TurnColumn.PURPOSE] == _USER)
        attempts = rows[TurnColumn.ATTEMPT].tolist()
        counts = np.array([calls.get(attempt, UNKNOWN) for attempt in attempts])
        n_untold = self._count(self.stands & asked & (counts < 0))
        return SampleTurns(
            cell=self.keys[0],
            planned=self.keys[1],
            n_turns=self._count(solve),
            n_calls=np.where(n_untold > 0, UNKNOWN, self._sum(solve, counts)),
            n_user_calls=np.where(n_untold > 0, UNKNOWN, self._sum(user, counts)),
            wall_us=self._walls(n),
            n_timed=self._count(rows[TurnColumn.TIMED] == 1),
            limits=self._limits(attempts, limits),
        )

    def _count(self, chosen: Flags) -> Ints:
        import numpy as np

        return np.bincount(self.sample[chosen], minlength=self.keys.shape[1])

    def _sum(self, chosen: Flags, values: Ints) -> Ints:
        import numpy as np

        total = np.zeros(self.keys.shape[1], np.int64)
        np.add.at(total, self.sample[chosen], values[chosen])
        return total

    def _walls(self, n: int) -> Ints:
        """Microseconds of each sample from its first request to its last answer.

        Requests before the conversation that stands, where it was begun anew, are not in it.
        """
        import numpy as np

        rows, sample, stands = self.rows, self.sample, self.stands
        first_standing = np.full(n, np.iinfo(np.int64).max)
        np.minimum.at(first_standing, sample[stands], rows[TurnColumn.ATTEMPT][stands])
        left = (rows[TurnColumn.ANSWERED] == 1) & ~stands & (rows[TurnColumn.ATTEMPT] < first_standing[sample])
        last_left = np.full(n, UNKNOWN)
        np.maximum.at(last_left, sample[left], rows[TurnColumn.ATTEMPT][left])
        own = (rows[TurnColumn.TURN] == 0) & (rows[TurnColumn.ATTEMPT] > last_left[sample])
        started = np.full(n, np.iinfo(np.int64).max)
        np.minimum.at(started, sample[own], rows[TurnColumn.STARTED][own])
        ended = np.full(n, UNKNOWN)
        np.maximum.at(ended, sample[stands], rows[TurnColumn.FINISHED][stands])
        is_reused = self._count(stands & (rows[TurnColumn.REUSED] == 1)) > 0
        return np.where(is_reused | (ended < started), UNKNOWN, ended - started)

    def _limits(self, attempts: list[int], limits: Mapping[int, str]) -> Mapping[int, str]:
        """Name the limit that ended each sample, as the score of its newest answer says."""
        import numpy as np

        if not limits:
            return {}
        rows = self.rows
        answered = np.flatnonzero((rows[TurnColumn.ANSWERED] == 1) & (rows[TurnColumn.PURPOSE] == _SOLVE))
        newest = dict(zip(self.sample[answered].tolist(), answered.tolist(), strict=True))
        found = {place: limits.get(attempts[at]) for place, at in newest.items()}
        return {place: limit for place, limit in found.items() if limit is not None}
