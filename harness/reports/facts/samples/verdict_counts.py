"""How many answers of a task with a scale of its own were right, wrong, and neither.

Pure. Data flows scores of answers (`read_verdicts`) -> `VerdictCounts` -> reports.
"""

from __future__ import annotations

from dataclasses import dataclass

Scale = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictCounts:
    """Answers by verdict; those without one, or whose request failed, are in none.

    Attributes:
        scale: what a score of 0 and of 1 is shown as.
        right, wrong: with the highest and the lowest score; replies without an answer that count as wrong are wrong.
        neither: with a score between: answers that abstain.
    """

    scale: Scale
    right: int = 0
    wrong: int = 0
    neither: int = 0

    @property
    def n(self) -> int:
        """All answers with a verdict."""
        return self.right + self.wrong + self.neither

    @property
    def accuracy(self) -> float | None:
        """Share of the answers that are right; None without answers."""
        return self.right / self.n if self.n else None

    @property
    def hallucination_rate(self) -> float | None:
        """Of the answers that are not right, the share that is wrong where it could have abstained; None without any.

        Source: Jackson et al. 2025, AA-Omniscience, arXiv:2511.13029.
        """
        not_right = self.wrong + self.neither
        return self.wrong / not_right if not_right else None

    def plus(self, other: VerdictCounts) -> VerdictCounts:
        """Add the answers of another run."""
        return VerdictCounts(
            scale=self.scale,
            right=self.right + other.right,
            wrong=self.wrong + other.wrong,
            neither=self.neither + other.neither,
        )
