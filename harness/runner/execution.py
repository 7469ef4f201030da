"""A whole run: lock, ledger, providers, budget, session, and where it ended.

Data flows `RunSpec` + ledger + price book -> attempts and scores in the ledger -> `RunResult`. The same call with the
same run id goes on where the last one stopped; a complete run sends nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import os
import re
import secrets
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from harness.errors import LedgerError
from harness.instants import from_us, now_us
from harness.ledger import Ledger
from harness.ledger.reading.causes import failure_causes, over_cells
from harness.ledger.records import NO_BASELINE_NOTE, Purpose
from harness.ledger.writing.writer import Writer
from harness.models import ModelSpec
from harness.money import from_pico, plain, to_pico_ceiling
from harness.pricing.book import PriceBook
from harness.providers import make_provider
from harness.providers.base import Provider
from harness.providers.catalogue import SIMULATED
from harness.runner.attempts import Asker, Clocks, LedgerWriter, Question
from harness.runner.budgets import budget_scopes, capped_scopes, refuse_unbounded
from harness.runner.endings import FINISHED, Ending, ModelResult, RunResult, model_result, run_result, status_of
from harness.runner.event_loop import fast_loop, frozen_garbage, interrupted_by_signals
from harness.runner.expected import ENOUGH, QUANTILE, ExpectedCosts
from harness.runner.failed_samples import Outcomes, with_new_tries
from harness.runner.forecast.remaining import rest_of
from harness.runner.model_queues import Marking, ModelQueue, RunObserver, StoredAnswer
from harness.runner.options.addresses import address_notices
from harness.runner.options.preflight import refuse_another_run, refuse_what_cannot_be_asked
from harness.runner.plan import PlannedItem
from harness.runner.policy import RetryLimits
from harness.runner.preparation import (
    ModelPlan,
    PreparedRun,
    cell_records,
    is_simulated,
    planned_records,
    prepare_run,
    question_for,
    run_record,
    streams,
)
from harness.runner.pricer import Pricer
from harness.runner.retries import Retries
from harness.runner.reuse import Reuse
from harness.runner.scoring.checks import ScoringChecks
from harness.runner.scoring.judges import Judge
from harness.runner.scoring.scores import Faults, Grader
from harness.runner.session import Session
from harness.runner.spec import RunSpec
from harness.runner.traffic.gate import Gate
from harness.runner.traffic.limiter import Lane, Traffic

if TYPE_CHECKING:
    from harness.providers.batch_api.batches import BatchProvider
    from harness.runner.batch.batch_lines import Waits
    from harness.runner.batch.batch_sessions import BatchSession


def new_run_id(spec: RunSpec, now: datetime) -> str:
    """Make a run id that sorts by time and says what was run."""
    first = re.sub(r"[^A-Za-z0-9._-]", "_", spec.suites[0].rsplit("/", 1)[-1].removesuffix(".toml"))[:80]
    return f"{now:%Y%m%dT%H%M%S}-{first}-{secrets.token_hex(2)}"


def run_suites(
    spec: RunSpec,
    *,
    ledger: Ledger,
    book: PriceBook,
    run_id: str | None = None,
    observe: Callable[[PreparedRun], contextlib.AbstractContextManager[RunObserver]],
    wall_us: Callable[[], int] = now_us,
    handle_signals: bool = False,
    limits: RetryLimits | None = None,
    batch_waits: Waits | None = None,
    retry_failed: bool = False,
    places: Sequence[str] = (),
) -> RunResult:
    """Run suites on models, or go on with a run.

    Args:
        run_id: an existing run is resumed; None = a new id.
        observe: makes the observer of the session once the plan is known.
        limits: how long a sample is tried; `max_attempts` is always the spec's.
        wall_us: the clock, in microseconds since the epoch.
        handle_signals: let Ctrl-C drain instead of raising (command line only).
        batch_waits: how often batches are looked at; None = from a few seconds to the spec's `batch_poll_s`.
        retry_failed: ask samples that failed for good once more, each with all its tries; False = they stay failed.
        places: words of a command line that say where the ledger and the prices are, for the command that goes on.

    Raises:
        InputError: options, suites or data are wrong, or the stored run is another one; nothing was sent.
        LedgerError: the ledger cannot be used; what was acknowledged is in it.
    """
    started = from_us(wall_us())
    chosen = run_id or new_run_id(spec, started)
    prepared = prepare_run(spec, run_id=chosen, book=book, now=started)
    stored = ledger.run(chosen)
    refuse_another_run(prepared, stored)
    refuse_unbounded(prepared, ledger, book, started)
    refuse_what_cannot_be_asked(prepared)
    with ledger.run_lock(chosen):
        stored = ledger.run(chosen)  # another process may have made or changed it a moment ago
        if stored is None:
            ledger.create_run(run_record(prepared, book=book, now=started))
        refuse_another_run(prepared, stored)
        cell_ids = ledger.add_cells(chosen, cell_records(prepared))
        planned_ids = ledger.add_planned(chosen, planned_records(prepared))
        _set_budget(ledger, prepared)
        execution = _Execution(prepared, ledger, book, cell_ids, planned_ids, wall_us, limits or RetryLimits())
        execution.outcomes = _outcomes(ledger, chosen, is_new=stored is None, retry_failed=retry_failed)
        execution.batch_waits = batch_waits
        models = execution.standing() if stored is not None and stored.status in FINISHED else None
        if models is None or (retry_failed and any(model.n_to_ask for model in models)):
            if stored is not None:
                ledger.finish_run(chosen, "running")
            models, ended = _driven(execution, observe, handle_signals=handle_signals)
            if spec.batch:
                from harness.runner.batch.batch_sessions import with_batch_warnings

                prepared = with_batch_warnings(prepared, ledger)
            kept = () if stored is None else stored.warnings
            _finish(ledger, prepared, models, finished_at_us=wall_us(), kept=kept)
        else:
            ended = Ending()
            _finish(
                ledger, prepared, models, finished_at_us=None if stored is None else stored.finished_at_us, kept=None
            )
    return run_result(
        prepared,
        models,
        dataclasses.replace(ended, places=places, rest=rest_of(ledger, chosen, models)),
        stored_config=prepared.spec.to_json() if stored is None else stored.config,
        causes=over_cells(failure_causes(ledger, [chosen])),
    )


def _driven(
    execution: _Execution,
    observe: Callable[[PreparedRun], contextlib.AbstractContextManager[RunObserver]],
    *,
    handle_signals: bool,
) -> tuple[list[ModelResult], Ending]:
    """Drive a session to its end; a run whose session breaks off is left as partial."""
    with (
        execution.partial_on_failure(),
        observe(execution.prepared) as observer,
        fast_loop() as loop,
        frozen_garbage(),
    ):
        session = loop.run(execution.run(observer, handle_signals=handle_signals))
    most_in_flight, notes = execution.traffic.most_in_flight, execution.notes()
    ended = Ending(interrupted=session.interrupted, most_in_flight=most_in_flight, notes=notes)
    return [model_result(queue) for queue in session.queues], ended


def _finish(
    ledger: Ledger,
    prepared: PreparedRun,
    models: Sequence[ModelResult],
    *,
    finished_at_us: int | None,
    kept: Sequence[str] | None,
) -> None:
    """Write down where the run stands.

    Args:
        kept: warnings that were stored before; those stay that keep a run from being a baseline. None = nothing was
            sent, and all stay.
    """
    warnings = None
    if kept is not None:
        warnings = [*prepared.warnings, *(note for note in kept if note.startswith(NO_BASELINE_NOTE))]
    status = status_of(models, prepared.spec.max_failed)
    ledger.finish_run(prepared.run_id, status, finished_at_us=finished_at_us, warnings=warnings)


def _outcomes(ledger: Ledger, run_id: str, *, is_new: bool, retry_failed: bool) -> Callable[[Purpose], Outcomes]:
    """Where the samples stand; a run that was stored a moment ago need not be asked, which is a slow question."""

    @functools.cache
    def read(purpose: Purpose) -> Outcomes:
        found: Outcomes = {} if is_new else ledger.outcomes(run_id, purpose=purpose)
        return with_new_tries(found) if retry_failed else found

    return read


def _set_budget(ledger: Ledger, prepared: PreparedRun) -> None:
    if prepared.spec.budget_usd is not None:
        ledger.set_budget(f"run:{prepared.run_id}", to_pico_ceiling(prepared.spec.budget_usd))


class _Execution:
    """Builds what a session needs inside its event loop, and closes it."""

    def __init__(
        self,
        prepared: PreparedRun,
        ledger: Ledger,
        book: PriceBook,
        cell_ids: Sequence[int],
        planned_ids: Sequence[int],
        wall_us: Callable[[], int],
        limits: RetryLimits,
    ) -> None:
        self.prepared = prepared
        self._limits = dataclasses.replace(limits, max_attempts=prepared.spec.max_attempts)
        self._ledger = ledger
        self._book = book
        keys = [(loaded.suite.name, model.spec) for loaded in prepared.suites for model in prepared.models]
        self._cell_ids = dict(zip(keys, cell_ids, strict=True))
        self._planned_ids = planned_ids  # in draw order
        self._clocks = Clocks(wall_us=wall_us, monotonic_s=time.monotonic)
        self.traffic = Traffic(prepared.spec.concurrency)
        self._capped = capped_scopes(ledger)
        self._expected = ExpectedCosts() if prepared.spec.budget_mode == "expected" and self._capped else None
        self._reuse: Reuse | None = None
        self._batches: dict[ModelSpec, BatchProvider] = {}
        self.batch_waits: Waits | None = None
        self.outcomes: Callable[[Purpose], Outcomes] = lambda _: {}

    @contextlib.contextmanager
    def partial_on_failure(self) -> Iterator[None]:
        """Leave the run as partial when a session breaks off; where even that cannot be written, it stays running."""
        try:
            yield
        except BaseException:
            with contextlib.suppress(LedgerError):
                self._ledger.finish_run(self.prepared.run_id, "partial", finished_at_us=self._clocks.wall_us())
            raise

    def notes(self) -> tuple[str, ...]:
        """What to say at the end of the session."""
        said = []
        if self._expected is not None:
            most = plain(from_pico(self._expected.most_exposed_pico))
            said.append(
                f"budget mode expected: spending stays below each cap plus ${most}, the most by which the worst cases"
                f" of what was in flight or has an unknown bill exceeded what was reserved for it"
            )
        if self._reuse is not None:
            said.append(f"{self._reuse.count:,} answers were taken from earlier runs, nothing was sent for them")
        return tuple(said)

    async def run(self, observer: RunObserver, *, handle_signals: bool) -> Session | BatchSession:
        spec = self.prepared.spec
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
            for model in self.prepared.models:
                asker = await stack.enter_async_context(self._asker(model.spec, writer, observer, batch=spec.batch))
                queues.append(self._queue(model, asker))
            judge = Judge(
                named=spec.judge,
                make_asker=lambda judge_spec: self._asker(judge_spec, writer, observer),
                stack=stack,
                run_id=self.prepared.run_id,
                retries=retries,
                tries_of=self.outcomes("judge"),
            )
            self._begin(writer, observer)
            marking = Marking(
                Grader(
                    writer=writer,
                    checks=checks,
                    ask_judge=judge.ask,
                    wall_us=self._clocks.wall_us,
                    on_fault=Faults(observer.notice).score,
                ),
                observer=observer,
                stored_answer=self._stored_answer,
                max_attempts=spec.max_attempts,
                reuse=self._reuse,
            )
            session: Session | BatchSession
            if spec.batch:
                session = self._batch_session(queues, marking, writer, observer, stopping)
            else:
                session = Session(
                    queues,
                    marking=marking,
                    retries=retries,
                    stopping=stopping,
                    observer=observer,
                    concurrency=spec.concurrency,
                )
            with interrupted_by_signals(session.interrupt) if handle_signals else contextlib.nullcontext():
                await session.run()
            return session

    def _batch_session(
        self,
        queues: Sequence[ModelQueue],
        marking: Marking,
        writer: LedgerWriter,
        observer: RunObserver,
        stopping: asyncio.Event,
    ) -> BatchSession:
        from harness.runner.batch.batch_lines import Waits
        from harness.runner.batch.batch_sessions import BatchSession
        from harness.runner.batch.batch_work import BatchWork
        from harness.runner.batch.hand_over import Desk

        work = BatchWork(
            run_id=self.prepared.run_id,
            ledger=self._ledger,
            writer=writer,
            marking=marking,
            traffic=self.traffic,
            observer=observer,
            wall_us=self._clocks.wall_us,
            stopping=stopping,
            max_attempts=self.prepared.spec.max_attempts,
            waits=self.batch_waits or Waits.up_to(self.prepared.spec.batch_poll_s),
        )
        desks = [Desk(queue, self._batches[queue.model.spec], work) for queue in queues]
        return BatchSession(desks, stopping=stopping, observer=observer)

    def _begin(self, writer: Writer, observer: RunObserver) -> None:
        """Set up what the options ask for and say what it means."""
        spec, run_id = self.prepared.spec, self.prepared.run_id
        for said in address_notices(spec.models, self.prepared.endpoints, os.environ):
            observer.notice(said)
        if self._expected is not None:
            from harness.ledger.reading.attempt_rows import recent_charges

            self._expected.preload(recent_charges(self._ledger, run_id))
            observer.notice(
                f"budget mode expected: once {ENOUGH} charges of a model are known, their {QUANTILE:.0%} quantile is"
                " reserved instead of the worst case; a cap can be exceeded by at most (worst case - quantile) for"
                f" each of up to {spec.concurrency} requests in flight and for each one whose bill stays unknown"
            )
        if spec.reuse:
            self._reuse = Reuse(
                self._ledger,
                writer,
                run_id=run_id,
                keep_transcripts=spec.keep_transcripts,
                wall_us=self._clocks.wall_us,
            )
            silent = sum(run.config.get("keep_transcripts") is False for run in self._ledger.runs())
            if silent:
                observer.notice(f"{silent} stored runs kept no transcripts: their answers cannot be reused")

    @contextlib.asynccontextmanager
    async def _asker(
        self, spec: ModelSpec, writer: LedgerWriter, observer: RunObserver, *, batch: bool = False
    ) -> AsyncIterator[Asker]:
        options = self.prepared.spec
        provider = self._batch_only(spec) if batch else self._provider(spec)
        simulated = is_simulated(spec, self._book, from_us(self._clocks.wall_us()))
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
                pricer=Pricer(self._book, spec, service_tier=options.service_tier, mode="batch" if batch else None),
                observer=observer,
                clocks=self._clocks,
                timeout_s=options.timeout_s,
                keep_transcripts=options.keep_transcripts,
                budget_scopes=lambda wall_us: budget_scopes(self.prepared.run_id, spec, wall_us, simulated=simulated),
                capped=self._capped,
                expected=self._expected,
            )
        finally:
            await provider.aclose()

    def _batch_only(self, spec: ModelSpec) -> Provider:
        from harness.runner.batch.batch_lines import BatchOnly, batch_provider

        batches = self._batches[spec] = batch_provider(self.prepared.spec, spec, self.prepared.endpoints.of(spec))
        return BatchOnly(batches)

    def _provider(self, spec: ModelSpec) -> Provider:
        options = self.prepared.spec
        key = _answer_key(self.prepared) if spec.provider == SIMULATED else None
        plan = next((model for model in self.prepared.models if model.spec == spec), None)
        return make_provider(
            spec,
            base_url=self.prepared.endpoints.of(spec),
            concurrency=options.concurrency,
            answer_key=key,
            stream=plan is not None and streams(self.prepared, plan),
        )

    def _queue(self, model: ModelPlan, asker: Asker) -> ModelQueue:
        def question(item: PlannedItem) -> Question:
            return question_for(
                self.prepared,
                item,
                model,
                cell_id=self._cell_ids[item.suite.name, model.spec],
                planned_id=self._planned_ids[item.draw_order],
            )

        for chain in self.prepared.chains[:1]:
            asker.prepare(question(chain[0]))  # a setting that the provider cannot take ends the command here
        outcomes = self.outcomes("solve")
        mine = self._cells_of(model.spec)
        return ModelQueue(
            model=model,
            asker=asker,
            pending=deque(self.prepared.chains),
            question=question,
            outcomes=outcomes,
            n_samples=sum(map(len, self.prepared.chains)),
            has_answered=any(one.status == "succeeded" and key[0] in mine for key, one in outcomes.items()),
        )

    def _cells_of(self, spec: ModelSpec) -> frozenset[int]:
        return frozenset(cell_id for (_, model), cell_id in self._cell_ids.items() if model == spec)

    def standing(self) -> list[ModelResult]:
        """How the models of a finished run stand, from the ledger alone."""
        n_samples = sum(map(len, self.prepared.chains))
        answered = Counter(key[0] for key, one in self.outcomes("solve").items() if one.attempt_id is not None)
        return [
            ModelResult(
                spec=model.spec,
                n_failed=n_samples - sum(answered[cell_id] for cell_id in self._cells_of(model.spec)),
                n_left=0,
                stopped_by=None,
                n_samples=n_samples,
            )
            for model in self.prepared.models
        ]

    def _stored_answer(self, attempt_id: int) -> StoredAnswer | None:
        from harness.ledger.reading.attempt_rows import transcript_of

        found = transcript_of(self._ledger, attempt_id)
        if found is None:
            return None
        return StoredAnswer(text=found.answer, finish_reason=found.finish_reason, refused=found.refused)


def _answer_key(prepared: PreparedRun) -> Any:
    from harness.simulation.simulated_models import AnswerKey

    return AnswerKey.from_samples((item.sample, item.task.scorer.name) for item in prepared.items if item.epoch == 0)
