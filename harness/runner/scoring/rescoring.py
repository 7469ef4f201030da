"""Scoring stored answers again with the suite's present scorer; old scores stay, the newest of an attempt counts.

Data flows ledger (plan, transcripts) + suites as they are now -> `AnswerScorer` -> new scores -> `Rescored`. Nothing
is sent unless a scorer is a judge; its requests take the same path into the ledger as ever, with purpose `judge`.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from harness.environments.hosting import EnvironmentHost
from harness.errors import BudgetReached, HarnessError, InputError, ProviderError
from harness.instants import to_us
from harness.ledger import Ledger
from harness.ledger.reading.attempt_rows import score_rows, transcript_rows
from harness.ledger.records import PlannedRecord, RunRecord, SampleOutcome, TranscriptRow
from harness.ledger.writing.writer import Writer
from harness.models import ModelSpec
from harness.money import to_pico_ceiling
from harness.pricing.book import PriceBook
from harness.providers import make_provider
from harness.providers.base import Provider
from harness.providers.endpoints import SIMULATED, BaseUrls, endpoints
from harness.runner.budgets import capped_scopes
from harness.runner.plan import BY_END_STATE, PlannedItem, sample_sha256
from harness.runner.preparation import load_suites
from harness.runner.requests.attempt_ends import PaidAnswer, Spent
from harness.runner.requests.policy import ACTIONS, Action, RetryLimits, RetryPolicy
from harness.runner.requests.session_context import Clocks, SessionContext
from harness.runner.scoring.checks import ScoringChecks
from harness.runner.scoring.judges import Judge
from harness.runner.scoring.scores import NO_JUDGE, AnswerScorer, CannotScore
from harness.runner.senders import OtherSenders, open_sender
from harness.runner.spec import RunSpec
from harness.runner.traffic.limiter import ConcurrencyLimiter, SampleLeft
from harness.runner.trajectories.judged_again import judged_again
from harness.runner.trajectories.limits import is_at_limit
from harness.scorers import JudgeCall, MathCheck, ProgramCheck, Score
from harness.suites.prompts import with_earlier_answers
from harness.suites.sample import Sample
from harness.suites.suite import Suite, Task

Value = tuple[int | None, str | None]
"""A score as stored: millionths, or the reason why there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RescoreOptions:
    """What a rescoring may differ in from its run; None = as the run had it.

    Attributes:
        judge: model for judged tasks.
        budget_usd: the most that the judge may cost now; None = no cap of its own.
        data_dir: where local data sets lie.
        base_url: address of the judge, alone or as NAME=URL.
    """

    judge: ModelSpec | None = None
    budget_usd: Decimal | None = None
    data_dir: Path | None = None
    base_url: BaseUrls = None
    concurrency: int = 16
    unsafe_exec: bool = False


@dataclass(slots=True)
class Changes:
    """What rescoring did to one cell."""

    n_scored: int = 0
    n_higher: int = 0
    n_lower: int = 0
    n_other_reason: int = 0

    def add(self, before: Value, after: Score) -> None:
        """Count one new score against the one that counted before."""
        self.n_scored += 1
        old = before[0] or 0
        new = 0 if after.value is None else round(after.value * 1_000_000)
        self.n_higher += new > old
        self.n_lower += new < old
        self.n_other_reason += new == old and before[1] != after.reason


@dataclass(slots=True)
class Rescored:
    """What came of a rescoring.

    Attributes:
        cells: by cell id.
        kept: why scores were left as they were -> how many.
        problems: what stopped a judge or a sandbox, in words.
    """

    cells: dict[int, Changes] = field(default_factory=dict)
    kept: Counter[str] = field(default_factory=Counter)
    problems: dict[str, None] = field(default_factory=dict)
    budget_reached: bool = False

    @property
    def exit_code(self) -> int:
        """0 good, 1 some judgement failed, 3 budget reached."""
        return 3 if self.budget_reached else 1 if self.problems else 0


def rescore(
    ledger: Ledger,
    run_id: str,
    *,
    book: PriceBook,
    options: RescoreOptions,
    notice: Callable[[str], None],
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Rescored:
    """Score a run's stored answers again.

    Raises:
        InputError: no such run, or its suites or data cannot be loaded; nothing was written.
        RunLockedError: another process works on the run.
    """
    run = ledger.run(run_id)
    if run is None:
        raise InputError(f"there is no run {run_id}", where=ledger.database, fix="see: benchtab runs list")
    spec = _spec(run, options)
    with ledger.run_lock(run_id):
        rescoring = _Rescoring(ledger, run, spec, _present_samples(run, spec, notice), notice)
        clocks = Clocks(wall_us=lambda: to_us(now()), monotonic_s=time.monotonic)
        try:
            return asyncio.run(rescoring.run(book, options, clocks))
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None


def _spec(run: RunRecord, options: RescoreOptions) -> RunSpec:
    if not run.config.get("suites"):
        raise InputError(f"run {run.run_id} was not made by benchtab run: there is no suite to score it with")
    stored = RunSpec.from_json(run.config)
    return dataclasses.replace(
        stored,
        data_dir=options.data_dir or stored.data_dir,
        judge=options.judge or stored.judge,
        base_url=options.base_url or stored.base_url,
        concurrency=options.concurrency,
        requests_per_minute=None,
        tokens_per_minute=None,
        unsafe_exec=options.unsafe_exec,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Present:
    """A sample as its suite gives it now."""

    suite: Suite
    task: Task
    sample: Sample

    @property
    def sha256(self) -> str:
        """What identifies the sample; only that of what was asked is needed, as videos are read for it."""
        return sample_sha256(self.sample)


_Key = tuple[str, str, str]


def _present_samples(run: RunRecord, spec: RunSpec, notice: Callable[[str], None]) -> Mapping[_Key, _Present]:
    found: dict[_Key, _Present] = {}
    digests = {suite.name: suite.sha256 for suite in run.suites}
    for loaded in load_suites(spec.suites, data_dir=spec.data_dir, frames=spec.frames):
        suite = loaded.suite
        if suite.sha256 != digests.get(suite.name, suite.sha256):
            notice(f"suite {suite.name} has changed since run {run.run_id}; its present scorers are used")
        for task in loaded.tasks:
            for sample in task.samples:
                found[suite.name, task.task.name, sample.sample_id] = _Present(
                    suite=suite, task=task.task, sample=sample
                )
    return found


class _Rescoring:
    """One pass over a run's transcripts, in the order in which the requests were sent."""

    def __init__(
        self,
        ledger: Ledger,
        run: RunRecord,
        spec: RunSpec,
        samples: Mapping[_Key, _Present],
        notice: Callable[[str], None],
    ) -> None:
        self._ledger = ledger
        self._run = run
        self._spec = spec
        self._samples = samples
        self._notice = notice
        self._planned = {plan.planned_id: plan for plan in ledger.planned(run.run_id)}
        self._standing = {
            outcome.attempt_id: outcome
            for outcome in ledger.outcomes(run.run_id).values()
            if outcome.attempt_id is not None
        }
        self._before: dict[int, Value] = {}
        self._at_limit: set[int] = set()
        for row in score_rows(ledger, [run.run_id]):
            if row.attempt_id in self._standing:
                self._before[row.attempt_id] = (row.value_millionths, row.reason)
                if is_at_limit(row.rule):
                    self._at_limit.add(row.attempt_id)
        self._answers: dict[tuple[int, int, str], dict[str, str | None]] = {}
        self._result = Rescored()

    async def run(self, book: PriceBook, options: RescoreOptions, clocks: Clocks) -> Rescored:
        async with contextlib.AsyncExitStack() as stack:
            writer = await stack.enter_async_context(self._ledger.writer())
            checks = await stack.enter_async_context(
                ScoringChecks(unsafe_exec=self._spec.unsafe_exec, notice=self._notice)
            )
            context = self._context(book, options, clocks, writer)
            scorer = AnswerScorer(
                writer=writer,
                checks=_DecidedChecks(checks),
                ask_judge=_DecidingJudge(self._judge(context, options, stack), self._result).ask,
                wall_us=clocks.wall_us,
                on_fault=_kept_score,
            )
            worlds = await stack.enter_async_context(EnvironmentHost())
            seen = set(self._at_limit)
            self._keep("the sample ended at a limit", len(seen))
            rows = self._rows(seen)
            async with asyncio.TaskGroup() as tasks:
                for _ in range(4 * self._spec.concurrency):
                    tasks.create_task(self._work(rows, scorer, worlds))
        self._keep("the answer was not stored", len(self._standing) - len(seen))
        return self._result

    def _rows(self, seen: set[int]) -> Iterator[tuple[TranscriptRow, PlannedItem | None]]:
        """Give the answers that count with their samples; earlier answers are filled in as they were known then."""
        for row in transcript_rows(self._ledger, self._run.run_id):
            if row.attempt_id in self._standing and row.attempt_id not in self._at_limit and row.planned_id is not None:
                seen.add(row.attempt_id)
                yield row, self._item(row, self._planned[row.planned_id])

    def _item(self, row: TranscriptRow, plan: PlannedRecord) -> PlannedItem | None:
        present = self._samples.get((plan.suite, plan.task, plan.sample_id))
        if present is None:
            self._keep("the sample is not in the suite any more")
            return None
        sample = present.sample
        if (group := sample.metadata.get("group")) is not None:
            earlier = self._answers.setdefault((row.cell_id, plan.epoch, str(group)), {})
            sample = with_earlier_answers(sample, earlier)
            earlier[plan.sample_id] = row.answer
        if present.sha256 != plan.sample_sha256:
            self._keep("the sample has changed since the run (its text or its reference answer)")
            return None
        return PlannedItem(
            suite=present.suite,
            task=present.task,
            sample=sample,
            epoch=plan.epoch,
            draw_order=plan.draw_order,
            inclusion_probability=plan.inclusion_probability,
        )

    async def _work(
        self,
        rows: Iterator[tuple[TranscriptRow, PlannedItem | None]],
        scorer: AnswerScorer,
        worlds: EnvironmentHost,
    ) -> None:
        for row, item in rows:
            if item is None or row.planned_id is None:
                continue
            try:
                answer = _paid(row, row.planned_id)
                if item.task.scorer.name == BY_END_STATE:
                    answer = await judged_again(self._ledger, worlds, item, answer)
                score = await scorer.score(item, answer)
            except CannotScore as cannot:
                self._keep(cannot.why)
                if cannot.problem is not None:
                    self._result.problems[cannot.problem] = None
            else:
                before = self._before.get(row.attempt_id, (None, None))
                self._result.cells.setdefault(row.cell_id, Changes()).add(before, score)

    def _keep(self, why: str, count: int = 1) -> None:
        if count:
            self._result.kept[why] += count

    def _context(self, book: PriceBook, options: RescoreOptions, clocks: Clocks, writer: Writer) -> SessionContext:
        own_scopes: tuple[str, ...] = ()
        if options.budget_usd is not None:
            own_scopes = (f"score:{self._run.run_id}@{clocks.wall_us()}",)
            self._ledger.set_budget(own_scopes[0], to_pico_ceiling(options.budget_usd))
        return SessionContext(
            run_id=self._run.run_id,
            options=self._spec,
            book=book,
            writer=writer,
            limiter=ConcurrencyLimiter(self._spec.concurrency),
            observer=_Unwatched(),
            clocks=clocks,
            retries=RetryPolicy(
                limits=RetryLimits(max_attempts=self._spec.max_attempts),
                jitter=random.Random(self._spec.sample_seed),
                clock=clocks.monotonic_s,
            ),
            stopping=asyncio.Event(),
            capped=capped_scopes(self._ledger),
            own_scopes=own_scopes,
        )

    def _judge(self, context: SessionContext, options: RescoreOptions, stack: contextlib.AsyncExitStack) -> Judge:
        earlier = self._ledger.outcomes(self._run.run_id, purpose="judge")
        return Judge(
            self._run.run_id,
            named=self._spec.judge,
            senders=OtherSenders(lambda judge: open_sender(context, judge, self._provider(judge, options)), stack),
            tries_of={key: _uncounted(outcome) for key, outcome in earlier.items()},
        )

    def _provider(self, judge: ModelSpec, options: RescoreOptions) -> Provider:
        """Reach a judge: an address given now is its own; those of the run mean what they meant then."""
        models = [judge] if options.base_url else self._spec.models
        endpoint = endpoints(self._spec.base_url, models, [judge], check_names=False).of(judge)
        key = None
        if judge.provider == SIMULATED:
            from harness.simulation.simulated_models import AnswerKey

            key = AnswerKey({})
        return make_provider(judge, base_url=endpoint, concurrency=self._spec.concurrency, answer_key=key)


def _paid(row: TranscriptRow, planned_id: int) -> PaidAnswer:
    return PaidAnswer(
        attempt_id=row.attempt_id,
        cell_id=row.cell_id,
        planned_id=planned_id,
        text=row.answer,
        finish_reason=row.finish_reason,
        refused=row.refused,
    )


def _uncounted(outcome: SampleOutcome) -> SampleOutcome:
    """Verdicts of earlier scorings number the requests on, but this scoring has all its tries."""
    return dataclasses.replace(outcome, n_open=outcome.last_try_number, n_cancelled=0)


def _kept_score(scorer: str, error: Exception) -> Score:
    """Keep the old score of an answer that the present scorer fails on."""
    problem = f"scorer {scorer}: {type(error).__name__}: {error}"[:300]
    raise CannotScore(f"the scorer {scorer} failed", problem) from error


class _DecidedChecks:
    """Checks whose outcome counts only when it says something about the answer."""

    def __init__(self, checks: ScoringChecks) -> None:
        self._checks = checks

    async def run_program(self, check: ProgramCheck) -> Score:
        score = await self._checks.run_program(check)
        if score.reason == "unsandboxed":
            raise CannotScore("programs cannot be run here")
        return score

    async def run_math(self, check: MathCheck) -> Score:
        return await self._checks.run_math(check)


class _DecidingJudge:
    """A judge without whose verdict the old score keeps counting; once it cannot be asked, it is not asked again."""

    def __init__(self, judge: Judge, result: Rescored) -> None:
        self._judge = judge
        self._result = result
        self._stopped_by: HarnessError | None = None

    async def ask(self, call: JudgeCall, item: PlannedItem, answer: PaidAnswer) -> str:
        if self._stopped_by is not None:
            raise CannotScore("the judge could not be asked any more")
        try:
            reply = await self._judge.ask(call, item, answer)
        except BudgetReached as error:
            self._stopped_by = error
            self._result.budget_reached = True
            raise CannotScore("the judge could not be asked any more", str(error)) from error
        except ProviderError as error:
            if ACTIONS[error.error_class] is Action.STOP_MODEL:
                self._stopped_by = error
            raise CannotScore("the judge failed", str(error)) from error
        except SampleLeft as left:
            raise CannotScore("the judge could not be asked any more") from left
        if reply is None:
            raise CannotScore(NO_JUDGE)
        return reply


class _Unwatched:
    """Nobody follows the judge's attempts one by one; they are in the ledger."""

    def attempt_sent(self, model: ModelSpec) -> None: ...

    def attempt_settled(self, model: ModelSpec, *, spent: Spent, error: ProviderError | None) -> None: ...
