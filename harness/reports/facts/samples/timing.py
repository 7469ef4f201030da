"""How long answers took, added up. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from harness.reports.facts.samples.turn_figures import TurnFigures


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Durations of answered solving requests, added up; batch answers are not among them: they say nothing of a model.

    Attributes:
        n_tasks: samples that these answered: as many as answers, where a sample is one request.
        answered_s: from sending a request to its whole answer.
        n_first_bytes, first_byte_s: answers of which the time to the first byte is known, and their sum.
    """

    n_answers: int = 0
    n_tasks: int = 0
    answered_s: float = 0.0
    n_first_bytes: int = 0
    first_byte_s: float = 0.0

    def plus(self, other: Timing) -> Timing:
        """Add the durations of two cells."""
        return Timing(
            n_answers=self.n_answers + other.n_answers,
            n_tasks=self.n_tasks + other.n_tasks,
            answered_s=self.answered_s + other.answered_s,
            n_first_bytes=self.n_first_bytes + other.n_first_bytes,
            first_byte_s=self.first_byte_s + other.first_byte_s,
        )

    def with_turns(self, turns: TurnFigures) -> Timing:
        """Count the answers of a conversation as one sample."""
        return replace(self, n_tasks=self.n_tasks - turns.n_timed_answers + turns.n_timed)

    @property
    def mean_s(self) -> float | None:
        """Mean seconds that the model took for a sample: to its whole answer, or to all answers of its conversation;
        None = nothing was answered."""
        return self.answered_s / self.n_tasks if self.n_tasks else None

    @property
    def mean_first_byte_s(self) -> float | None:
        """Mean seconds to the first byte of the answer; None = not known."""
        return self.first_byte_s / self.n_first_bytes if self.n_first_bytes else None
