"""Answers whose programs others are to run: a worker that only asks leaves them unscored, and says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from harness.errors import InputError
from harness.ledger.leases.lease_records import WorkerKind
from harness.runner.plan import PlannedItem, PreparedRun
from harness.runner.requests.attempt_ends import PaidAnswer
from harness.runner.scoring.checks import ScoringChecks
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


def unfit(kind: WorkerKind, prepared: PreparedRun) -> str | None:
    """Say where a worker cannot share work as it was told, because the run keeps no transcripts; None = it can."""
    if prepared.spec.keep_transcripts or kind == "all":
        return None
    if kind == "ask":
        return "the run keeps no transcripts, which others would score: this worker scores what it asks by itself"
    return "the run keeps no transcripts: those who ask score by themselves, and nothing comes to this worker"


async def refuse_to_score(checks: ScoringChecks) -> None:
    """Refuse to score for others where programs cannot be run: their answers would stay unscored for good.

    Raises:
        InputError: says what is missing on this machine.
    """
    if (problem := await checks.program_problem()) is not None:
        raise InputError(f"programs cannot be run here: {problem.problem}", where="--only score", fix=problem.fix)


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
