"""From an answer to a stored score: the pure scorer, then whatever has to carry out its check.

Data flows answer -> `harness.scorers.score` -> score | program (sandbox) | mathematics (worker process) | judge (asked
like any other model, purpose `judge`) -> `ScoreRecord` in the ledger.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol

from harness.errors import BudgetReached, HarnessError, ProviderError
from harness.ledger.encoding import canonical_json
from harness.ledger.records import ScoreRecord
from harness.runner.plan import BY_END_STATE, PlannedItem
from harness.runner.requests.attempt_ends import PaidAnswer
from harness.runner.requests.policy import ACTIONS, Action
from harness.runner.trajectories.limits import score_at
from harness.scorers import SCORERS, JudgeCall, MathCheck, ProgramCheck, Score, finish_judgement, score

LONGEST_SCORED_AT_ONCE = 20_000
"""Characters; longer replies are read beside the event loop, so that other requests and Ctrl-C are served meanwhile."""


class Checks(Protocol):
    """Carries out what the pure scorers cannot: programs and bounded mathematics."""

    async def run_program(self, check: ProgramCheck) -> Score: ...

    async def run_math(self, check: MathCheck) -> Score: ...


class ScoreWriter(Protocol):
    """Where scores go."""

    async def add_score(self, score: ScoreRecord) -> None: ...


class CannotScore(Exception):
    """A check that could not be carried out now; an old score keeps counting.

    Attributes:
        why: in the words of a count of such answers.
        problem: what a person has to mend, None when there is nothing.
    """

    def __init__(self, why: str, problem: str | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.problem = problem


class ScoringStopped(Exception):
    """The judge cannot be asked any more: answers wait unscored for a later session.

    Attributes:
        reason: a budget without room, or what the judge's provider refuses for good.
    """

    def __init__(self, reason: HarnessError) -> None:
        super().__init__(reason.message)
        self.reason = reason


NO_JUDGE = "no judge model was named (--judge)"
"""Why an answer that a judge was to score is not scored, where nobody named one."""

AskJudge = Callable[[JudgeCall, PlannedItem, PaidAnswer], Awaitable[str | None]]
"""Asks the judge about an answer: its reply, or None where no judge is named."""


class Faults:
    """Answers that a scorer failed on: each stays unscored with the reason, the first of a kind is told."""

    def __init__(self, notice: Callable[[str], None]) -> None:
        self._notice = notice
        self._told: set[tuple[str, str]] = set()

    def score(self, scorer: str, error: Exception) -> Score:
        """Say that there is no score and why."""
        said = f"{type(error).__name__}: {error}"[:300]
        if (kind := (scorer, type(error).__name__)) not in self._told:
            self._told.add(kind)
            self._notice(
                f"the scorer {scorer} failed on an answer ({said}); such answers are kept, stay unscored (undecided),"
                " and are scored again by `benchtab score RUN`"
            )
        return Score(reason="undecided", explanation=f"the scorer {scorer} failed: {said}")


class AnswerScorer:
    """Scores answers of one run.

    Args:
        on_fault: what to do with an answer that a scorer or a check fails on: its score, or CannotScore.
    """

    def __init__(
        self,
        *,
        writer: ScoreWriter,
        checks: Checks,
        ask_judge: AskJudge,
        wall_us: Callable[[], int],
        on_fault: Callable[[str, Exception], Score],
    ) -> None:
        self._writer = writer
        self._checks = checks
        self._ask_judge = ask_judge
        self._wall_us = wall_us
        self._on_fault = on_fault
        self._judges_stopped: dict[str | None, HarnessError] = {}

    async def score(self, item: PlannedItem, answer: PaidAnswer) -> Score:
        """Score one answer and store the score; a judge or scorer that fails leaves it unscored, with the reason.

        Raises:
            ScoringStopped: the judge cannot be asked any more; nothing was stored.
        """
        ref = item.task.scorer
        if answer.limit is not None:
            found = score_at(answer.limit, item.task.solver)
        elif ref.name == BY_END_STATE:
            found = _by_end_state(answer)
        elif answer.text is None:
            found = Score(reason="failed", explanation="the answer was not stored and cannot be scored any more")
        else:
            outcome = await self._decided(item, answer, answer.text)
            found = await self._judged(outcome, item, answer) if isinstance(outcome, JudgeCall) else outcome
        await self._writer.add_score(
            ScoreRecord(
                attempt_id=answer.attempt_id,
                planned_id=answer.planned_id,
                cell_id=answer.cell_id,
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

    async def _decided(self, item: PlannedItem, answer: PaidAnswer, text: str) -> Score | JudgeCall:
        """Let the scorer decide, or the check that it asks for; whatever they raise concerns this answer alone."""
        ref = item.task.scorer
        try:
            work = partial(
                score,
                ref,
                text=text,
                sample=item.sample,
                finish_reason=answer.finish_reason,
                refused=answer.refused,
            )
            outcome = work() if len(text) <= LONGEST_SCORED_AT_ONCE else await asyncio.to_thread(work)
            match outcome:
                case ProgramCheck():
                    outcome = await self._checks.run_program(outcome)
                case MathCheck():
                    outcome = await self._checks.run_math(outcome)
                case _:
                    pass
            return outcome if isinstance(outcome, JudgeCall) else _possible(outcome)
        except CannotScore:
            raise
        except Exception as error:  # noqa: BLE001  # one answer's fault must not end a run that others paid for
            return self._on_fault(ref.name, error)

    async def _judged(self, call: JudgeCall, item: PlannedItem, answer: PaidAnswer) -> Score:
        try:
            if (stopped := self._judges_stopped.get(call.model)) is not None:
                raise ScoringStopped(stopped)
            reply = await self._ask_judge(call, item, answer)
        except BudgetReached as error:
            if error.scope is not None and error.scope == answer.sample_scope:
                return score_at("usd", item.task.solver)
            raise self._stop_judge(call, error) from error
        except ProviderError as error:
            if ACTIONS[error.error_class] is Action.STOP_MODEL:
                raise self._stop_judge(call, error) from error
            return Score(reason="undecided", answer=call.answer, explanation=f"no verdict: {error.message}")
        if reply is None:
            return Score(reason="undecided", answer=call.answer, explanation=NO_JUDGE)
        try:
            return _possible(finish_judgement(call, reply))
        except Exception as error:  # noqa: BLE001  # as above
            return self._on_fault(item.task.scorer.name, error)

    def _stop_judge(self, call: JudgeCall, reason: HarnessError) -> ScoringStopped:
        """Remember that a judge cannot be asked any more, whosever answers it is to judge."""
        return ScoringStopped(self._judges_stopped.setdefault(call.model, reason))


def _by_end_state(answer: PaidAnswer) -> Score:
    """Score a conversation by what its environment says of its end state."""
    verdict = answer.verdict
    if verdict is None:
        why = answer.problem or "its conversation was not played to its end"
        return Score(reason="undecided", explanation=f"the environment gave no verdict: {why}")
    if not 0 <= verdict.value <= 1:  # nan is not either
        said = f"the environment gave no verdict: {verdict.value} is outside 0 to 1"
        return Score(reason="undecided", explanation=said)
    parts = canonical_json(dict(verdict.parts)) if verdict.parts else None
    return Score(value=verdict.value, explanation=verdict.explanation, answer=parts, rule=f"ended:{answer.ended}")


def _possible(found: Score) -> Score:
    if found.value is not None and not 0 <= found.value <= 1:  # nan is not either
        raise ValueError(f"a score of {found.value} is outside 0 to 1")
    return found
