"""Scores of drawn units as columns, one row a sample: all that estimates and plans ever look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitResult:
    """What came of one unit.

    Attributes:
        unit: its name, the same for every model and run.
        scores: per sample the scores of its attempts, each in [0, 1]. An answer that was cut, refused or failed for
            good is an attempt with the score that the report gives it (0 unless it says otherwise); a sample without
            any score is an empty tuple and is left out.
        predictions: the bank's prediction per sample; None without a bank.
    """

    unit: str
    scores: tuple[tuple[float, ...], ...]
    predictions: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Observed:
    """Sums per sample, in draw order.

    Attributes:
        unit: number of the sample's unit, 0 first, never falling; units without any score have no row.
        attempts: scored attempts, at least 1.
        total: sum of their scores.
        squares: sum of their squared scores.
        predictions: the bank's prediction; None without a bank.
    """

    unit: Integers
    attempts: Floats
    total: Floats
    squares: Floats
    predictions: Floats | None = None

    @property
    def n_units(self) -> int:
        """Units with a score."""
        return int(self.unit[-1]) + 1 if len(self.unit) else 0

    @property
    def n_attempts(self) -> int:
        """Scored attempts."""
        return int(self.attempts.sum())

    @property
    def means(self) -> Floats:
        """Mean score of each sample."""
        return self.total / self.attempts

    def passes(self) -> tuple[int, ...]:
        """Units whose first sample has at least 1, 2, ... attempts."""
        import numpy as np

        if not len(self.unit):
            return ()
        first = self.attempts[np.flatnonzero(np.diff(self.unit, prepend=-1))]
        return tuple(int((first >= number).sum()) for number in range(1, int(first.max()) + 1))

    def first(self, n_units: int) -> Observed:
        """The first units of the order alone."""
        import numpy as np

        end = int(np.searchsorted(self.unit, n_units))
        return Observed(
            unit=self.unit[:end],
            attempts=self.attempts[:end],
            total=self.total[:end],
            squares=self.squares[:end],
            predictions=None if self.predictions is None else self.predictions[:end],
        )


def observed(results: Sequence[UnitResult]) -> Observed:
    """Lay out results as columns. Predictions count only where every scored sample has one."""
    import numpy as np

    scored = [result for result in results if any(result.scores)]
    rows = [
        (number, len(scores), sum(scores), sum(score * score for score in scores))
        for number, result in enumerate(scored)
        for scores in result.scores
        if scores
    ]
    table = np.array(rows, dtype=float).reshape(-1, 4)
    predictions = [
        prediction
        for result in scored
        for scores, prediction in zip(result.scores, result.predictions or (), strict=False)
        if scores
    ]
    return Observed(
        unit=table[:, 0].astype(np.int64),
        attempts=table[:, 1],
        total=table[:, 2],
        squares=table[:, 3],
        predictions=np.array(predictions, dtype=float) if rows and len(predictions) == len(rows) else None,
    )
