"""Answers whose programs others are to run: a worker that only asks leaves them unscored, and says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from harness.runner.plan import PlannedItem
from harness.runner.requests.attempt_ends import PaidAnswer
from harness.runner.scoring.scores import AnswerScorer, AskJudge, CannotScore, Checks, ScoreWriter
from harness.scorers import MathCheck, ProgramCheck, Score


class _RunElsewhere:
    """Carries out mathematics, and leaves programs to others."""

    def __init__(self, checks: Checks) -> None:
        self._checks = checks

    async def run_program(self, check: ProgramCheck) -> Score:  # noqa: ARG002  # the interface
        raise CannotScore("its program is run by another worker")

    async def run_math(self, check: MathCheck) -> Score:
        return await self._checks.run_math(check)


class _LaterScorer(AnswerScorer):
    """Scores what needs no program."""

    waiting: set[int]

    async def score(self, item: PlannedItem, answer: PaidAnswer) -> Score:
        """Score one answer, or remember that another worker has to."""
        try:
            return await super().score(item, answer)
        except CannotScore as left:
            self.waiting.add(answer.planned_id)
            return Score(reason="undecided", explanation=left.why)


@dataclass(frozen=True, slots=True)
class LaterScores:
    """Makes the scorer of a worker, and knows what it left to others.

    Attributes:
        leaves_programs: programs are run by other workers.
        waiting: planned samples whose answers wait for that.
    """

    leaves_programs: bool
    waiting: set[int] = field(default_factory=set)

    def make(
        self,
        *,
        writer: ScoreWriter,
        checks: Checks,
        ask_judge: AskJudge,
        wall_us: Callable[[], int],
        on_fault: Callable[[str, Exception], Score],
    ) -> AnswerScorer:
        """Make the scorer."""
        if not self.leaves_programs:
            return AnswerScorer(writer=writer, checks=checks, ask_judge=ask_judge, wall_us=wall_us, on_fault=on_fault)
        made = _LaterScorer(
            writer=writer, checks=_RunElsewhere(checks), ask_judge=ask_judge, wall_us=wall_us, on_fault=on_fault
        )
        made.waiting = self.waiting
        return made

    def take(self, planned_ids: list[int]) -> bool:
        """Say whether any of a chain's samples waits to be scored, and forget them."""
        waits = not self.waiting.isdisjoint(planned_ids)
        self.waiting.difference_update(planned_ids)
        return waits
