"""Sets one session of a run up inside its event loop, drives it, and says how it ended.

Data flows a run as it stands in the ledger -> context, senders, queues, judge, scorer -> `Session` (or `BatchSession`)
-> how each model stands. What is opened here is closed here.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from harness.environments.hosting import EnvironmentHost
from harness.instants import now_us
from harness.ledger import Ledger
from harness.ledger.reading.attempt_rows import recent_charges, transcript_of
from harness.ledger.records import Purpose, TranscriptRow
from harness.models import ModelSpec
from harness.money import from_pico, plain
from harness.pricing.book import PriceBook
from harness.providers.base import Provider
from harness.runner.budgets import capped_scopes
from harness.runner.endings import Ending, ModelResult
from harness.runner.event_loop import interrupted_by_signals
from harness.runner.failed_samples import Outcomes
from harness.runner.forecast.bill_forecaster import BillForecaster
from harness.runner.forecast.consent import PilotConsent
from harness.runner.forecast.session_forecasts import SessionForecasts
from harness.runner.model_queues import ModelQueue, RunObserver
from harness.runner.options.addresses import address_notices
from harness.runner.options.precision_options import target_of
from harness.runner.plan import Chain, ModelPlan, PreparedRun
from harness.runner.precision.goals import Known
from harness.runner.precision.outlook import Outlook
from harness.runner.precision.stored_base import RunGoals
from harness.runner.precision.wave_planner import PrecisionWaves
from harness.runner.requests.expected_costs import ENOUGH, QUANTILE, ExpectedCosts
from harness.runner.requests.policy import USUAL_LIMITS, RetryLimits, RetryPolicy
from harness.runner.requests.session_context import Clocks, LedgerWriter, OtherWorkers, SessionContext
from harness.runner.reuse import Reuse
from harness.runner.sample_work import OnFailed, SampleWork, stop_if_hopeless
from harness.runner.scoring.checks import ScoringChecks
from harness.runner.scoring.judges import Judge
from harness.runner.scoring.scores import AnswerScorer, AskJudge, Checks, Faults, ScoreWriter
from harness.runner.senders import OtherSenders, open_sender, provider_of
from harness.runner.session import Session
from harness.runner.traffic.limiter import ConcurrencyLimiter
from harness.runner.trajectories.sample_caps import SampleCaps
from harness.runner.trajectories.trajectory_work import TrajectoryWork
from harness.runner.trajectories.user_models import user_model
from harness.runner.wave_loop import WavePlanner, WholeRun
from harness.scorers import Score

if TYPE_CHECKING:
    from harness.runner.batch.batch_lines import Waits
    from harness.runner.batch.batch_sessions import BatchSession
    from harness.runner.workers.engines import Engine


class MakeScorer(Protocol):
    """Makes what scores the answers of a run; `AnswerScorer` has the arguments."""

    def __call__(
        self,
        *,
        writer: ScoreWriter,
        checks: Checks,
        ask_judge: AskJudge,
        wall_us: Callable[[], int],
        on_fault: Callable[[str, Exception], Score],
    ) -> AnswerScorer: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInLedger:
    """A run as it stands in the ledger, as far as its samples are asked and scored.

    Attributes:
        cell_ids: the ledger's ids of the cells, by model and suite.
        planned_ids: the ledger's ids of planned samples, in draw order.
        outcomes: what earlier sessions left, by (cell id, planned id).
        adapter: makes what reaches a model or judge.
    """

    prepared: PreparedRun
    ledger: Ledger
    cell_ids: Mapping[ModelSpec, Mapping[str, int]]
    planned_ids: Sequence[int]
    outcomes: Callable[[Purpose], Outcomes]
    adapter: Callable[[PreparedRun, ModelSpec], Provider] = provider_of


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPlan(RunInLedger):
    """A run as it stands in the ledger, with what decides how far it goes.

    Attributes:
        usd_per_attempt: what an attempt is expected to cost before any is made.
        goals: what a run in waves goes on for.
    """

    usd_per_attempt: Callable[[], Known]
    goals: Callable[[], RunGoals]

    def outlook(self) -> Outlook:
        """Where a run in waves stands now."""
        return Outlook(self.ledger, self.goals())


def usual_planner(plan: StoredPlan) -> WavePlanner:
    """Ask in waves until a precision is reached, or everything at once where none is asked for."""
    if target_of(plan.prepared.spec) is None:
        return WholeRun(plan.prepared)
    return PrecisionWaves(plan.prepared, plan.ledger, plan.goals(), plan.planned_ids, plan.usd_per_attempt)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOptions:
    """How a session is driven, whatever the run asks.

    Attributes:
        limits: how long a sample is tried; `max_attempts` is always the run's.
        wall_us: the clock, in microseconds since the epoch.
        handle_signals: let Ctrl-C drain instead of raising (command line only).
        batch_waits: how often batches are looked at; None = from a few seconds to the run's `batch_poll_s`.
        retry_failed: ask samples that failed for good once more, each with all its tries; False = they stay failed.
        can_ask: whether a person sits there who can be asked, and wants to be.
        places: words of a command line that say where the ledger and the prices are, for the command that goes on.
        who_asks: words that say which workers ask, for the same command.
        planner: makes what decides the waves of the run.
        engine: starts workers that ask the run, by its id; None = this process asks it.
    """

    limits: RetryLimits = USUAL_LIMITS
    wall_us: Callable[[], int] = now_us
    handle_signals: bool = False
    batch_waits: Waits | None = None
    retry_failed: bool = False
    can_ask: bool = False
    places: Sequence[str] = ()
    who_asks: Sequence[str] = ()
    planner: Callable[[StoredPlan], WavePlanner] = usual_planner
    engine: Callable[[str], Engine] | None = None


USUAL_SESSION = SessionOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleHooks:
    """What else than usual is done with the samples of a session.

    Attributes:
        scorer: makes what scores them.
        on_chain, on_failed: as of `SampleWork`.
    """

    scorer: MakeScorer = AnswerScorer
    on_chain: Callable[[ModelSpec, Chain], None] = lambda *_: None
    on_failed: OnFailed = stop_if_hopeless


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionParts:
    """What works the samples of a run, opened; what it is opened in closes it."""

    context: SessionContext
    queues: Sequence[ModelQueue]
    work: SampleWork
    reuse: Reuse | None
    checks: ScoringChecks


async def session_parts(
    stack: contextlib.AsyncExitStack,
    plan: RunInLedger,
    context: SessionContext,
    observer: RunObserver,
    writer: ScoreWriter,
    hooks: SampleHooks,
) -> SessionParts:
    """Open senders, queues, judge, checks and scorer of a run."""
    prepared, spec, ledger = plan.prepared, plan.prepared.spec, plan.ledger
    checks = await stack.enter_async_context(ScoringChecks(unsafe_exec=spec.unsafe_exec, notice=observer.notice))
    queues = [await _queue(plan, model, context, stack) for model in prepared.models]
    others = OtherSenders(lambda other: open_sender(context, other, plan.adapter(prepared, other)), stack)

    def transcript(attempt_id: int) -> TranscriptRow | None:
        return transcript_of(ledger, attempt_id)

    judge = Judge(prepared.run_id, named=spec.judge, senders=others, tries_of=plan.outcomes("judge"), stored=transcript)
    worlds = await stack.enter_async_context(EnvironmentHost())
    conversations = TrajectoryWork(
        ledger, context, worlds=worlds, others=others, user_of=lambda solver: user_model(solver, spec)
    )
    reuse = Reuse(ledger, context) if spec.reuse else None
    work = SampleWork(
        hooks.scorer(
            writer=writer,
            checks=checks,
            ask_judge=judge.ask,
            wall_us=context.clocks.wall_us,
            on_fault=Faults(observer.notice).score,
        ),
        observer=observer,
        transcript=transcript,
        max_attempts=spec.max_attempts,
        caps=SampleCaps(ledger, prepared.run_id, spec.max_usd_per_sample),
        conversations=conversations,
        reuse=None if reuse is None else reuse.take,
        on_chain=hooks.on_chain,
        on_failed=hooks.on_failed,
    )
    return SessionParts(context=context, queues=queues, work=work, reuse=reuse, checks=checks)


async def run_session(
    plan: StoredPlan, book: PriceBook, observer: RunObserver, options: SessionOptions
) -> tuple[list[ModelResult], Ending]:
    """Ask what is left to ask of every model, and have it scored; says how each model stands then."""
    prepared, ledger = plan.prepared, plan.ledger
    spec = prepared.spec
    async with contextlib.AsyncExitStack() as stack:
        writer = await stack.enter_async_context(ledger.writer())
        context = session_context(plan, book, writer, observer, options)
        forecasts = session_forecasts(plan, book, context.stopping, observer, options)
        hooks = SampleHooks(on_chain=forecasts.chain_finished)
        parts = await session_parts(stack, plan, context, observer, writer, hooks)
        learn_costs(plan, context)
        tell_beginning(plan, observer)
        stack.push_async_callback(forecasts.renewals.finish)
        planner = forecasts.planned(options.planner(plan))
        forecasts.begin()
        session: Session | BatchSession
        if spec.batch:
            session = _batch_session(parts.queues, planner, parts.work, ledger, context, observer, options.batch_waits)
        else:
            session = Session(
                parts.queues,
                planner,
                work=parts.work,
                stopping=context.stopping,
                observer=observer,
                concurrency=spec.concurrency,
            )
        with interrupted_by_signals(session.interrupt) if options.handle_signals else contextlib.nullcontext():
            await session.run()
    ending = Ending(
        interrupted=session.interrupted,
        most_in_flight=context.limiter.most_in_flight,
        notes=tuple(
            ending_notes(
                None if context.expected is None else context.expected.most_exposed_pico,
                None if parts.reuse is None else parts.reuse.count,
            )
        ),
    )
    return [_model_result(queue) for queue in parts.queues], ending


def _model_result(queue: ModelQueue) -> ModelResult:
    return ModelResult(
        spec=queue.model.spec,
        n_failed=queue.n_failed,
        n_left=queue.n_left,
        stopped_by=queue.stopped_by,
        n_samples=queue.n_samples,
    )


def session_context(
    plan: RunInLedger,
    book: PriceBook,
    writer: LedgerWriter,
    observer: RunObserver,
    options: SessionOptions,
    others: OtherWorkers | None = None,
) -> SessionContext:
    """Make what all requests of a session share."""
    spec, capped = plan.prepared.spec, capped_scopes(plan.ledger)
    return SessionContext(
        run_id=plan.prepared.run_id,
        options=spec,
        book=book,
        writer=writer,
        limiter=ConcurrencyLimiter(spec.concurrency),
        observer=observer,
        clocks=Clocks(wall_us=options.wall_us, monotonic_s=time.monotonic),
        retries=RetryPolicy(
            limits=replace(options.limits, max_attempts=spec.max_attempts),
            jitter=random.Random(spec.sample_seed),
            clock=time.monotonic,
        ),
        stopping=asyncio.Event(),
        capped=capped,
        expected=ExpectedCosts() if spec.budget_mode == "expected" and capped else None,
        others=others,
    )


async def _queue(
    plan: RunInLedger, model: ModelPlan, context: SessionContext, stack: contextlib.AsyncExitStack
) -> ModelQueue:
    prepared, spec = plan.prepared, plan.prepared.spec
    provider = provider_of(prepared, model.spec, batch=True) if spec.batch else plan.adapter(prepared, model.spec)
    sender = open_sender(
        context, model.spec, provider, service_tier=spec.service_tier, mode="batch" if spec.batch else None
    )
    outcomes, cell_ids = plan.outcomes("solve"), plan.cell_ids[model.spec]
    cells = frozenset(cell_ids.values())
    return ModelQueue(
        model=model,
        sender=await stack.enter_async_context(sender),
        run_id=prepared.run_id,
        options=spec,
        cell_ids=cell_ids,
        planned_ids=plan.planned_ids,
        outcomes=outcomes,
        has_answered=any(one.status == "succeeded" and key[0] in cells for key, one in outcomes.items()),
    )


def session_forecasts(
    plan: StoredPlan, book: PriceBook, stopping: asyncio.Event, observer: RunObserver, options: SessionOptions
) -> SessionForecasts:
    """Make what forecasts the bill of a session."""
    spec = plan.prepared.spec
    consent = PilotConsent(observer, budget_usd=spec.budget_usd, can_ask=options.can_ask, is_over=stopping.is_set)
    return SessionForecasts(
        plan.prepared,
        plan.ledger,
        BillForecaster(
            plan.prepared,
            plan.ledger,
            book,
            cell_ids=plan.cell_ids,
            planned_ids=plan.planned_ids,
            wall_us=options.wall_us,
        ),
        observer,
        cell_ids=plan.cell_ids,
        planned_ids=plan.planned_ids,
        consent=None if spec.pilot is None else consent,
        usd_per_attempt=plan.usd_per_attempt,
        outlook=plan.outlook,
    )


def _batch_session(
    queues: Sequence[ModelQueue],
    planner: WavePlanner,
    work: SampleWork,
    ledger: Ledger,
    context: SessionContext,
    observer: RunObserver,
    waits: Waits | None,
) -> BatchSession:
    from harness.runner.batch.batch_context import BatchContext
    from harness.runner.batch.batch_lines import Waits
    from harness.runner.batch.batch_sessions import BatchSession

    shared = BatchContext(
        ledger=ledger,
        samples=work,
        session=context,
        observer=observer,
        waits=waits or Waits.up_to(context.options.batch_poll_s),
    )
    return BatchSession(queues, planner, shared)


def learn_costs(plan: RunInLedger, context: SessionContext) -> None:
    """Learn what answers cost from earlier sessions, where that decides what is reserved."""
    if context.expected is not None:
        context.expected.preload(recent_charges(plan.ledger, context.run_id))


def tell_beginning(plan: RunInLedger, observer: RunObserver) -> None:
    """Say what the options of a session mean."""
    spec = plan.prepared.spec
    for said in address_notices(spec.models, plan.prepared.endpoints, os.environ):
        observer.notice(said)
    if spec.budget_mode == "expected" and capped_scopes(plan.ledger):
        observer.notice(
            f"budget mode expected: once {ENOUGH} charges of a model are known, their {QUANTILE:.0%} quantile is"
            " reserved instead of the worst case; a cap can be exceeded by at most (worst case - quantile) for"
            f" each of up to {spec.concurrency} requests in flight and for each one whose bill stays unknown"
        )
    if spec.reuse:
        silent = sum(run.config.get("keep_transcripts") is False for run in plan.ledger.runs())
        if silent:
            observer.notice(f"{silent} stored runs kept no transcripts: their answers cannot be reused")


def ending_notes(most_exposed_pico: int | None, n_reused: int | None) -> list[str]:
    """What to say at the end of a session.

    Args:
        most_exposed_pico: the most that went beyond reservations; None = worst cases were reserved.
        n_reused: answers taken from earlier runs; None = that was not asked for.
    """
    said = []
    if most_exposed_pico is not None:
        said.append(
            f"budget mode expected: spending stays below each cap plus ${plain(from_pico(most_exposed_pico))}, the most"
            " by which the worst cases of what was in flight or has an unknown bill exceeded what was reserved for it"
        )
    if n_reused is not None:
        said.append(f"{n_reused:,} answers were taken from earlier runs, nothing was sent for them")
    return said
