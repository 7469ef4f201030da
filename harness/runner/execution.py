"""A whole run: lock, ledger, providers, budget, session, and where it ended.

Data flows `RunSpec` + ledger + price book -> attempts and scores in the ledger -> `RunResult`. The same call with the
same run id goes on where the last one stopped; a complete run sends nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import gc
import secrets
import shlex
import signal
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from harness.errors import BudgetReached, HarnessError, InputError
from harness.ledger import Ledger
from harness.ledger.instants import from_us, to_us
from harness.ledger.records import RunRecord, RunStatus
from harness.ledger.stream import transcript_of
from harness.models import ModelSpec
from harness.money import plain, to_pico_ceiling
from harness.pricing import PriceBook
from harness.providers import make_provider
from harness.providers.base import Provider
from harness.runner.attempts import Asker, Clocks, LedgerWriter, Question
from harness.runner.charging import Pricer
from harness.runner.checks import ScoringChecks
from harness.runner.grading import Grader
from harness.runner.judging import Judge
from harness.runner.pacing import Gate
from harness.runner.plan import PlannedItem
from harness.runner.policy import RetryLimits
from harness.runner.preparation import (
    ModelPlan,
    PreparedRun,
    cell_records,
    planned_records,
    prepare_run,
    question_for,
    run_record,
)
from harness.runner.retries import Retries
from harness.runner.session import ModelQueue, RunObserver, Session, StoredAnswer
from harness.runner.spec import RunSpec
from harness.runner.traffic import Lane, Traffic

_DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelResult:
    """How one model of a run ended in this session.

    Attributes:
        n_failed: samples given up after their last attempt.
        n_left: samples not finished, for a later session.
        stopped_by: why this model stopped early; None when it did not.
    """

    spec: ModelSpec
    n_failed: int
    n_left: int
    stopped_by: HarnessError | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """How a session of a run ended.

    Attributes:
        status: `complete` when every planned sample is finished.
        warnings: what a reader of the results must know.
        exit_code: 0 complete, 1 a model stopped or samples are left, 3 budget reached, 130 interrupted.
        resume_command: what goes on with the run; None when it is complete.
        most_in_flight: requests that were under way at once, at most.
    """

    run_id: str
    status: RunStatus
    models: tuple[ModelResult, ...]
    warnings: tuple[str, ...]
    exit_code: int
    resume_command: str | None
    most_in_flight: int = 0


def new_run_id(spec: RunSpec, now: datetime) -> str:
    """Make a run id that sorts by time and says what was run."""
    first = spec.suites[0].rsplit("/", 1)[-1].removesuffix(".toml")
    return f"{now:%Y%m%dT%H%M%S}-{first}-{secrets.token_hex(2)}"


def run_suites(
    spec: RunSpec,
    *,
    ledger: Ledger,
    book: PriceBook,
    run_id: str | None = None,
    observe: Callable[[PreparedRun], contextlib.AbstractContextManager[RunObserver]],
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    handle_signals: bool = False,
    limits: RetryLimits | None = None,
) -> RunResult:
    """Run suites on models, or go on with a run.

    Args:
        run_id: an existing run is resumed; None = a new id.
        observe: makes the observer of the session once the plan is known.
        limits: how long a sample is tried; `max_attempts` is always the spec's.
        handle_signals: let Ctrl-C drain instead of raising (command line only).

    Raises:
        InputError: options, suites or data are wrong, or the stored run is another one; nothing was sent.
        LedgerError: the ledger cannot be used; what was acknowledged is in it.
    """
    started = now()
    chosen = run_id or new_run_id(spec, started)
    prepared = prepare_run(spec, run_id=chosen, book=book, now=started)
    with ledger.run_lock(chosen):
        stored = _opened(ledger, prepared, book, started)
        cell_ids = ledger.add_cells(chosen, cell_records(prepared))
        planned_ids = ledger.add_planned(chosen, planned_records(prepared))
        _set_budget(ledger, prepared)
        if stored is not None and stored.status == "complete":
            return _result(prepared, "complete", [], interrupted=False, most_in_flight=0)
        execution = _Execution(prepared, ledger, book, cell_ids, planned_ids, now, limits or RetryLimits())
        with observe(prepared) as observer, _fast_loop() as loop, _frozen_garbage():
            session = loop.run(execution.run(observer, handle_signals=handle_signals))
        left = sum(queue.n_left for queue in session.queues)
        stopped = any(queue.stopped_by is not None for queue in session.queues)
        status: RunStatus = "partial" if left or stopped else "complete"
        ledger.finish_run(chosen, status, finished_at_us=to_us(now()), warnings=prepared.warnings)
    results = [
        ModelResult(spec=queue.model.spec, n_failed=queue.n_failed, n_left=queue.n_left, stopped_by=queue.stopped_by)
        for queue in session.queues
    ]
    return _result(
        prepared, status, results, interrupted=session.interrupted, most_in_flight=execution.traffic.most_in_flight
    )


def _opened(ledger: Ledger, prepared: PreparedRun, book: PriceBook, now: datetime) -> RunRecord | None:
    stored = ledger.run(prepared.run_id)
    if stored is None:
        ledger.create_run(run_record(prepared, book=book, now=now))
    elif stored.plan_sha256 != prepared.plan_sha256:
        raise InputError(
            f"run {prepared.run_id} asked something else (other suites, models, data or parameters)",
            where="--run-id",
            fix="repeat the first command exactly, or choose another --run-id",
        )
    elif stored.status != "complete":
        ledger.finish_run(prepared.run_id, "running")
    return stored


def _set_budget(ledger: Ledger, prepared: PreparedRun) -> None:
    if prepared.spec.budget_usd is not None:
        ledger.set_budget(f"run:{prepared.run_id}", to_pico_ceiling(prepared.spec.budget_usd))


def _result(
    prepared: PreparedRun, status: RunStatus, models: Sequence[ModelResult], *, interrupted: bool, most_in_flight: int
) -> RunResult:
    reached = any(isinstance(model.stopped_by, BudgetReached) for model in models)
    if interrupted:
        exit_code = 130
    elif reached:
        exit_code = 3
    else:
        exit_code = 0 if status == "complete" else 1
    return RunResult(
        run_id=prepared.run_id,
        status=status,
        models=tuple(models),
        warnings=prepared.warnings,
        exit_code=exit_code,
        resume_command=None if status == "complete" else resume_command(prepared, raise_budget=reached),
        most_in_flight=most_in_flight,
    )


def resume_command(prepared: PreparedRun, *, raise_budget: bool) -> str:
    """The command that goes on with a run."""
    words = ["benchtab", "run", "--resume", prepared.run_id]
    budget = prepared.spec.budget_usd
    if raise_budget and budget is not None:
        words += ["--budget-usd", plain(budget * 2)]
    return shlex.join(words)


@contextlib.contextmanager
def _fast_loop() -> Iterator[asyncio.Runner]:
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        yield runner


@contextlib.contextmanager
def _frozen_garbage() -> Iterator[None]:
    """Keep the collector from walking the plan again and again while requests fly, which hardly make any cycles."""
    usual = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*usual)
        gc.unfreeze()


class _Execution:
    """Builds what a session needs inside its event loop, and closes it."""

    def __init__(
        self,
        prepared: PreparedRun,
        ledger: Ledger,
        book: PriceBook,
        cell_ids: Sequence[int],
        planned_ids: Sequence[int],
        now: Callable[[], datetime],
        limits: RetryLimits,
    ) -> None:
        self._prepared = prepared
        self._limits = dataclasses.replace(limits, max_attempts=prepared.spec.max_attempts)
        self._ledger = ledger
        self._book = book
        keys = [(loaded.suite.name, model.spec) for loaded in prepared.suites for model in prepared.models]
        self._cell_ids = dict(zip(keys, cell_ids, strict=True))
        self._planned_ids = dict(zip((item.key for item in prepared.items), planned_ids, strict=True))
        self._clocks = Clocks(wall_us=lambda: to_us(now()), monotonic_s=time.monotonic)
        self.traffic = Traffic(prepared.spec.concurrency)

    async def run(self, observer: RunObserver, *, handle_signals: bool) -> Session:
        spec = self._prepared.spec
        async with contextlib.AsyncExitStack() as stack:
            writer = await stack.enter_async_context(self._ledger.writer())
            checks = await stack.enter_async_context(
                ScoringChecks(unsafe_exec=spec.unsafe_exec, notice=observer.notice)
            )
            stopping = asyncio.Event()
            retries = Retries(
                self._limits,
                jitter_seed=spec.sample_seed,
                monotonic_s=self._clocks.monotonic_s,
                stopping=stopping,
            )
            queues = []
            for model in self._prepared.models:
                asker = await stack.enter_async_context(self._asker(model.spec, writer, observer))
                queues.append(self._queue(model, asker))
            judge = Judge(
                named=spec.judge,
                make_asker=lambda judge_spec: self._asker(judge_spec, writer, observer),
                stack=stack,
                run_id=self._prepared.run_id,
                retries=retries,
                tries_of=self._ledger.outcomes(self._prepared.run_id, purpose="judge"),
            )
            session = Session(
                queues,
                grader=Grader(writer=writer, checks=checks, ask_judge=judge.ask, wall_us=self._clocks.wall_us),
                retries=retries,
                stopping=stopping,
                observer=observer,
                concurrency=spec.concurrency,
                stored_answer=self._stored_answer,
            )
            with _signals(session) if handle_signals else contextlib.nullcontext():
                await session.run()
            return session

    @contextlib.asynccontextmanager
    async def _asker(self, spec: ModelSpec, writer: LedgerWriter, observer: RunObserver) -> AsyncIterator[Asker]:
        options = self._prepared.spec
        provider = self._provider(spec)
        gate = Gate(
            options.concurrency,
            clock=self._clocks.monotonic_s,
            requests_per_minute=options.requests_per_minute,
            tokens_per_minute=options.tokens_per_minute,
        )
        try:
            yield Asker(
                spec=spec,
                provider=provider,
                writer=writer,
                traffic=self.traffic,
                lane=Lane(gate),
                pricer=Pricer(self._book, spec, service_tier=options.service_tier),
                observer=observer,
                clocks=self._clocks,
                timeout_s=options.timeout_s,
                keep_transcripts=options.keep_transcripts,
                budget_scopes=lambda wall_us: budget_scopes(self._prepared.run_id, spec, wall_us),
            )
        finally:
            await provider.aclose()

    def _provider(self, spec: ModelSpec) -> Provider:
        options = self._prepared.spec
        key = _answer_key(self._prepared) if spec.provider == "sim" else None
        return make_provider(spec, base_url=options.base_url, concurrency=options.concurrency, answer_key=key)

    def _queue(self, model: ModelPlan, asker: Asker) -> ModelQueue:
        def question(item: PlannedItem) -> Question:
            return question_for(
                self._prepared,
                item,
                model,
                cell_id=self._cell_ids[item.suite.name, model.spec],
                planned_id=self._planned_ids[item.key],
            )

        for chain in self._prepared.chains[:1]:
            asker.prepare(question(chain[0]))  # a setting that the provider cannot take ends the command here
        return ModelQueue(
            model=model,
            asker=asker,
            pending=deque(self._prepared.chains),
            question=question,
            outcomes=self._ledger.outcomes(self._prepared.run_id),
        )

    def _stored_answer(self, attempt_id: int) -> StoredAnswer | None:
        found = transcript_of(self._ledger, attempt_id)
        if found is None:
            return None
        return StoredAnswer(text=found.answer, finish_reason=found.finish_reason, refused=found.refused)


def budget_scopes(run_id: str, spec: ModelSpec, wall_us: int) -> tuple[str, ...]:
    """The budgets that an attempt counts against: its run, its model, its day and its month (UTC)."""
    return _scopes_of_day(run_id, spec.name, wall_us // _DAY_US)


@functools.lru_cache(maxsize=1_000)
def _scopes_of_day(run_id: str, model: str, day_number: int) -> tuple[str, ...]:
    day = from_us(day_number * _DAY_US)
    return (f"run:{run_id}", f"model:{model}", f"day:{day:%Y-%m-%d}", f"month:{day:%Y-%m}")


def _answer_key(prepared: PreparedRun) -> Any:
    from harness.simulation import AnswerKey

    return AnswerKey.from_samples((item.sample, item.task.scorer.name) for item in prepared.items if item.epoch == 0)


@contextlib.contextmanager
def _signals(session: Session) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, session.interrupt)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
