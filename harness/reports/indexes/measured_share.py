"""What a score covers of its index, as a value that every report of a score carries. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from harness.ledger.records import MissingRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexShare:
    """What a row's score covers of its index.

    Attributes:
        measured: share of the whole index' weight that has scores, 0 to 1; the score is renormalised over it.
        missing: evaluations of the index that the suite does not measure.
        unanswered: tasks of the run without an answer; where there are some, the score is a plain mean and no index.
    """

    measured: float
    missing: tuple[MissingRecord, ...] = ()
    unanswered: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether everything that the index consists of was measured."""
        return not self.missing and not self.unanswered

    @property
    def words(self) -> str:
        """The mark of a row: `90 % of the index`; empty for a whole one."""
        if self.unanswered:
            return "not the index"
        return "" if self.is_whole else f"{100 * self.measured:.4g} % of the index"
