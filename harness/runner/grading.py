"""From an answer to a stored score: the pure scorer, then whatever has to carry out its check.

Data flows answer -> `harness.scorers.score` -> score | program (sandbox) | mathematics (worker process) | judge (asked
like any other model, purpose `judge`) -> `ScoreRecord` in the ledger.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from harness.errors import BudgetReached
from harness.ledger.records import ScoreRecord
from harness.providers.base import FinishReason
from harness.runner.attempts import AttemptFailed
from harness.runner.plan import PlannedItem
from harness.scorers import SCORERS, JudgeCall, MathCheck, Outcome, ProgramCheck, Score, finish_judgement, score


class Checks(Protocol):
    """Carries out what the pure scorers cannot: programs and bounded mathematics."""

    async def run_program(self, check: ProgramCheck) -> Score: ...

    async def run_math(self, check: MathCheck) -> Score: ...


class ScoreWriter(Protocol):
    """Where scores go."""

    async def add_score(self, score: ScoreRecord) -> None: ...


AskJudge = Callable[[JudgeCall, PlannedItem, int, int], Awaitable[str | None]]
"""Asks the judge (call, item, cell id, planned id): its reply, or None where no judge is named."""


class Grader:
    """Scores answers of one run."""

    def __init__(self, *, writer: ScoreWriter, checks: Checks, ask_judge: AskJudge, wall_us: Callable[[], int]) -> None:
        self._writer = writer
        self._checks = checks
        self._ask_judge = ask_judge
        self._wall_us = wall_us

    async def grade(
        self,
        item: PlannedItem,
        *,
        cell_id: int,
        planned_id: int,
        attempt_id: int,
        text: str | None,
        finish_reason: FinishReason | str | None,
        refused: bool,
    ) -> Score:
        """Score one answer and store the score; a judge that fails leaves the sample unscored, with the reason.

        Args:
            text: the answer; None = it was paid, but its transcript was not kept and scoring did not happen then.
        """
        ref = item.task.scorer
        if text is None:
            found = Score(reason="failed", explanation="the answer was not stored and cannot be scored any more")
        else:
            outcome = score(ref, text=text, sample=item.sample, finish_reason=finish_reason, refused=refused)
            found = await self._carried_out(outcome, item, cell_id, planned_id)
        await self._writer.add_score(
            ScoreRecord(
                attempt_id=attempt_id,
                planned_id=planned_id,
                cell_id=cell_id,
                scorer=ref.name,
                scorer_version=str(SCORERS[ref.name].version),
                scored_at_us=self._wall_us(),
                value_millionths=None if found.value is None else round(found.value * 1_000_000),
                reason=found.reason,
                answer=found.answer,
                explanation=found.explanation,
                rule=found.rule,
            )
        )
        return found

    async def _carried_out(self, outcome: Outcome, item: PlannedItem, cell_id: int, planned_id: int) -> Score:
        match outcome:
            case Score():
                return outcome
            case ProgramCheck():
                return await self._checks.run_program(outcome)
            case MathCheck():
                return await self._checks.run_math(outcome)
            case JudgeCall():
                return await self._judged(outcome, item, cell_id, planned_id)

    async def _judged(self, call: JudgeCall, item: PlannedItem, cell_id: int, planned_id: int) -> Score:
        try:
            reply = await self._ask_judge(call, item, cell_id, planned_id)
        except (AttemptFailed, BudgetReached) as error:
            return Score(reason="undecided", answer=call.answer, explanation=f"no verdict: {error.message}")
        if reply is None:
            return Score(reason="undecided", answer=call.answer, explanation="no judge model was named (--judge)")
        return finish_judgement(call, reply)
