"""What a command would do: everything that a run decides and refuses before its first request, and what that may cost.

Data flows `RunSpec` (+ the ledger, for a stored run) -> the run's own preparation and refusals -> estimates of what is
left to ask. Nothing is sent and nothing is written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from harness.ledger import Ledger
from harness.models import ModelSpec
from harness.pricing.book import PriceBook
from harness.runner.budgets import refuse_unbounded
from harness.runner.failed_samples import given_up, with_new_tries
from harness.runner.forecast.cost_estimates import CostEstimate
from harness.runner.forecast.estimates import estimate_run
from harness.runner.forecast.stored_history import stored_history
from harness.runner.options.precision_options import target_of
from harness.runner.options.preflight import missing_keys, refuse_another_run
from harness.runner.plan import PlannedItem, PreparedRun
from harness.runner.precision.designing import design_run
from harness.runner.precision.expected_bill import expected_usd
from harness.runner.precision.goals import Known
from harness.runner.precision.outlook import Outlook
from harness.runner.precision.planned_bill import WavesPlan, plan_of
from harness.runner.preparation import prepare_run
from harness.runner.spec import RunSpec
from harness.runner.trajectories.cap_refusals import refuse_capped

Left = set[tuple[ModelSpec, tuple[str, str, str, int]]]
"""(model, key of the planned item) of what needs no request any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """What would be sent, and what a reader must know: warnings of the run, and keys that it would refuse for.

    Attributes:
        estimates: of everything, or what is left of it.
        waves: what of that a precision will probably need; None = everything is asked.
    """

    estimates: list[CostEstimate]
    warnings: tuple[str, ...]
    waves: WavesPlan | None = None


def dry_run(
    spec: RunSpec,
    *,
    ledger: Ledger | None,
    book: PriceBook,
    now: datetime,
    run_id: str | None,
    retry_failed: bool,
) -> DryRun:
    """Prepare a run and estimate it.

    Args:
        ledger: where a run of this id may be stored, and whose answers tell how long answers are; None = there is none.
        run_id: None = a new run.
        retry_failed: samples that failed for good would be asked again.

    Raises:
        InputError: what the run would refuse, too; only a missing key is a warning here, as an estimate needs none.
    """
    prepared = prepare_run(spec, run_id=run_id or "dry-run", book=book, now=now)
    stored = None if ledger is None or run_id is None else ledger.run(run_id)
    refuse_another_run(prepared, stored)
    refuse_unbounded(prepared, ledger, book, now)
    refuse_capped(prepared, book, now)
    done = set() if ledger is None or stored is None else _done(prepared, ledger, retry_failed=retry_failed)

    def asks(model: ModelSpec, item: PlannedItem) -> bool:
        return (model, item.key) not in done

    lacking = [f"{error.message}: the run would refuse to start ({error.fix})" for error in missing_keys(prepared)]
    history = {} if ledger is None else stored_history(prepared, ledger)
    estimates = estimate_run(prepared, book, now, history=history, asks=asks)
    return DryRun(
        estimates=estimates,
        warnings=(*prepared.warnings, *lacking),
        waves=_waves(
            prepared, ledger, is_stored=stored is not None, known=lambda: expected_usd(prepared, history, book, now)
        ),
    )


def _waves(
    prepared: PreparedRun, ledger: Ledger | None, *, is_stored: bool, known: Callable[[], Known]
) -> WavesPlan | None:
    if target_of(prepared.spec) is None:
        return None
    if ledger is not None and is_stored:
        return Outlook.of(ledger, prepared.run_id).plan(known())
    design = design_run(prepared, ledger, known)
    return None if design is None else plan_of(design, known())


def _done(prepared: PreparedRun, ledger: Ledger, *, retry_failed: bool) -> Left:
    """Items of a stored run that are answered, or given up for good."""
    outcomes = ledger.outcomes(prepared.run_id)
    if retry_failed:
        outcomes = dict(with_new_tries(outcomes))
    cells = {cell.cell_id: ModelSpec.of(cell) for cell in ledger.cells(prepared.run_id)}
    items = {one.planned_id: (one.suite, one.task, one.sample_id, one.epoch) for one in ledger.planned(prepared.run_id)}
    return {
        (cells[cell_id], items[planned_id])
        for (cell_id, planned_id), outcome in outcomes.items()
        if outcome.attempt_id is not None or given_up(outcome, prepared.spec.max_attempts)
    }
