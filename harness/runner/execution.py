"""A whole run: plan and lock, ledger, budget, one session, and where it ended.

Data flows `RunSpec` + ledger + price book -> attempts and scores in the ledger -> `RunResult`. The same call with the
same run id goes on where the last one stopped; a complete run sends nothing.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import re
import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from harness.errors import BudgetReached, LedgerError, RunLockedError
from harness.instants import from_us
from harness.ledger import Ledger
from harness.ledger.reading.causes import over_cells
from harness.ledger.reading.sums import failure_causes
from harness.ledger.records import NO_BASELINE_NOTE, Purpose, RunRecord
from harness.models import ModelSpec
from harness.money import to_pico_ceiling
from harness.pricing.book import PriceBook
from harness.runner.budgets import refuse_unbounded
from harness.runner.endings import FINISHED, Ending, ModelResult, RunResult, run_result, status_of
from harness.runner.event_loop import fast_loop, frozen_garbage
from harness.runner.failed_samples import Outcomes, with_new_tries
from harness.runner.forecast.remaining import rest_of
from harness.runner.forecast.stored_history import stored_history
from harness.runner.model_queues import RunObserver
from harness.runner.options.precision_options import target_of
from harness.runner.options.preflight import refuse_another_run, refuse_what_cannot_be_asked
from harness.runner.plan import PreparedRun
from harness.runner.precision.designing import design_run
from harness.runner.precision.expected_bill import expected_usd
from harness.runner.precision.goals import Known
from harness.runner.precision.stored_base import run_goals
from harness.runner.preparation import cell_records, planned_records, prepare_run, run_record
from harness.runner.scoring.verdicts import with_verdicts
from harness.runner.session_setup import USUAL_SESSION, SessionOptions, StoredPlan, run_session
from harness.runner.spec import RunSpec
from harness.runner.trajectories.cap_refusals import refuse_capped

Observe = Callable[[PreparedRun], contextlib.AbstractContextManager[RunObserver]]
"""Makes the observer of a session once the plan is known."""


def new_run_id(spec: RunSpec, now: datetime) -> str:
    """Make a run id that sorts by time and says what was run."""
    first = re.sub(r"[^A-Za-z0-9._-]", "_", spec.suites[0].rsplit("/", 1)[-1].removesuffix(".toml"))[:80]
    return f"{now:%Y%m%dT%H%M%S}-{first}-{secrets.token_hex(2)}"


def run_suites(
    spec: RunSpec,
    *,
    ledger: Ledger,
    book: PriceBook,
    observe: Observe,
    run_id: str | None = None,
    session: SessionOptions = USUAL_SESSION,
) -> RunResult:
    """Run suites on models, or go on with a run.

    Args:
        run_id: an existing run is resumed; None = a new id.
        session: how it is driven: clock, signals, waits, whether failed samples are asked again.

    Raises:
        InputError: options, suites or data are wrong, or the stored run is another one; nothing was sent.
        LedgerError: the ledger cannot be used; what was acknowledged is in it.
    """
    started = from_us(session.wall_us())
    chosen = run_id or new_run_id(spec, started)
    prepared = prepare_run(spec, run_id=chosen, book=book, now=started)
    refuse_another_run(prepared, ledger.run(chosen))
    refuse_unbounded(prepared, ledger, book, started)
    refuse_capped(prepared, book, started)
    refuse_what_cannot_be_asked(prepared)

    @functools.cache
    def usd_per_attempt() -> Known:
        return expected_usd(prepared, stored_history(prepared, ledger), book, started)

    if session.engine is not None:
        from harness.runner.workers.worker_options import refuse_without_workers

        refuse_without_workers(prepared, ledger)
    with ledger.run_lock(chosen):
        stored = ledger.run(chosen)  # another process may have made or changed it a moment ago
        if stored is None:
            design = design_run(prepared, ledger, usd_per_attempt)
            ledger.create_run(run_record(prepared, book=book, now=started, design=design))
        refuse_another_run(prepared, stored)
        plan = _stored_plan(
            prepared,
            ledger,
            is_new=stored is None,
            retry_failed=session.retry_failed,
            usd_per_attempt=usd_per_attempt,
        )
        models = _finished(plan, stored, session)
        if models is None:
            prepared, models, ended = _gone_on(plan, stored, book, observe, session)
        else:
            ended = Ending()
    return run_result(
        prepared,
        models,
        dataclasses.replace(_with_outlook(ended, plan, models), places=session.places, who_asks=session.who_asks),
        stored_config=prepared.spec.to_json() if stored is None else stored.config,
        causes=over_cells(failure_causes(ledger, [chosen])),
    )


def _with_outlook(ended: Ending, plan: StoredPlan, models: Sequence[ModelResult]) -> Ending:
    """Add what the rest of a run needs, and what one in waves came to."""
    run_id, ledger = plan.prepared.run_id, plan.ledger
    if target_of(plan.prepared.spec) is None:
        talks = any(item.task.is_conversation for item in plan.prepared.items)
        return dataclasses.replace(ended, rest=rest_of(ledger, run_id, models, has_conversations=talks))
    outlook = plan.outlook()
    out_of_money = [model.spec for model in models if isinstance(model.stopped_by, BudgetReached)]
    return dataclasses.replace(
        ended,
        notes=(*ended.notes, *outlook.lines(out_of_money)),
        rest=rest_of(ledger, run_id, models, outlook.attempts_to_come()),
    )


def _stored_plan(
    prepared: PreparedRun,
    ledger: Ledger,
    *,
    is_new: bool,
    retry_failed: bool,
    usd_per_attempt: Callable[[], Known],
) -> StoredPlan:
    """Write the plan down, as far as it is not yet, and find where its samples stand."""
    run_id = prepared.run_id
    ids = iter(ledger.add_cells(run_id, cell_records(prepared)))  # suite by suite, each with all models
    cell_ids: dict[ModelSpec, dict[str, int]] = {model.spec: {} for model in prepared.models}
    for loaded in prepared.suites:
        for model in prepared.models:
            cell_ids[model.spec][loaded.suite.name] = next(ids)
    planned_ids = ledger.add_planned(run_id, planned_records(prepared))
    if prepared.spec.budget_usd is not None:
        ledger.set_budget(f"run:{run_id}", to_pico_ceiling(prepared.spec.budget_usd))

    @functools.cache
    def outcomes(purpose: Purpose) -> Outcomes:
        # a run that was stored a moment ago need not be asked, which is a slow question
        found: Outcomes = {} if is_new else ledger.outcomes(run_id, purpose=purpose)
        return with_new_tries(found) if retry_failed else found

    return StoredPlan(
        prepared=prepared,
        ledger=ledger,
        cell_ids=cell_ids,
        planned_ids=planned_ids,
        outcomes=outcomes,
        usd_per_attempt=usd_per_attempt,
        goals=functools.cache(functools.partial(run_goals, ledger, run_id)),
    )


def _finished(plan: StoredPlan, stored: RunRecord | None, session: SessionOptions) -> list[ModelResult] | None:
    """How the models of a finished run stand, from the ledger alone; None when there is something to ask."""
    if stored is None or stored.status not in FINISHED:
        return None
    models = _standing(plan)
    if session.retry_failed and any(model.n_to_ask for model in models):
        return None
    status = status_of(models, plan.prepared.spec.max_failed)
    plan.ledger.finish_run(stored.run_id, status, finished_at_us=stored.finished_at_us)
    return models


def _standing(plan: StoredPlan) -> list[ModelResult]:
    n_samples = _n_samples(plan)
    answered = Counter(key[0] for key, one in plan.outcomes("solve").items() if one.attempt_id is not None)
    models = [
        ModelResult(
            spec=model.spec,
            n_failed=n_samples[model.spec] - sum(answered[cell] for cell in plan.cell_ids[model.spec].values()),
            n_left=0,
            stopped_by=None,
            n_samples=n_samples[model.spec],
        )
        for model in plan.prepared.models
    ]
    return with_verdicts(models, plan.prepared, plan.ledger)


def _n_samples(plan: StoredPlan) -> dict[ModelSpec, int]:
    """Samples that a run asked of each model: all that it planned, or those that its waves drew."""
    if target_of(plan.prepared.spec) is None:
        return dict.fromkeys(plan.cell_ids, sum(map(len, plan.prepared.chains)))
    drawn = Counter(draw.cell_id for draw in plan.ledger.draws(plan.prepared.run_id))
    return {spec: sum(drawn[cell] for cell in cells.values()) for spec, cells in plan.cell_ids.items()}


def _gone_on(
    plan: StoredPlan, stored: RunRecord | None, book: PriceBook, observe: Observe, session: SessionOptions
) -> tuple[PreparedRun, list[ModelResult], Ending]:
    """Drive a session to its end and write down where the run stands then.

    Of the warnings that were stored before, those stay that keep a run from being a baseline.
    """
    prepared, ledger = plan.prepared, plan.ledger
    if stored is not None:
        ledger.finish_run(prepared.run_id, "running")
    with (
        _partial_on_failure(plan, session),
        observe(prepared) as observer,
        fast_loop() as loop,
        frozen_garbage(),
    ):
        if target_of(prepared.spec) is not None:
            observer.waves_planned(plan.outlook().plan(plan.usd_per_attempt()))
        if session.engine is None:
            models, ended = loop.run(run_session(plan, book, observer, session))
        else:
            from harness.runner.workers.driver import drive_workers

            models, ended = loop.run(drive_workers(plan, book, observer, session, session.engine))
    if prepared.spec.batch:
        from harness.runner.batch.batch_sessions import with_batch_warnings

        prepared = with_batch_warnings(prepared, ledger)
    models = with_verdicts(models, prepared, ledger)
    kept = () if stored is None else stored.warnings
    ledger.finish_run(
        prepared.run_id,
        status_of(models, prepared.spec.max_failed),
        finished_at_us=session.wall_us(),
        warnings=[*prepared.warnings, *(note for note in kept if note.startswith(NO_BASELINE_NOTE))],
    )
    return prepared, models, ended


@contextlib.contextmanager
def _partial_on_failure(plan: StoredPlan, session: SessionOptions) -> Iterator[None]:
    """Leave the run as partial when a session breaks off; where even that cannot be written, it stays running."""
    try:
        yield
    except RunLockedError:  # it is another process's run by now, and its workers go by the status
        raise
    except BaseException:
        with contextlib.suppress(LedgerError):
            plan.ledger.finish_run(plan.prepared.run_id, "partial", finished_at_us=session.wall_us())
        raise
