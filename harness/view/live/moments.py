"""A run at one moment: what was counted and charged, put beside forecasts, budgets and batches.

Data flows `Seen` and a few small tables -> `LiveState`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.ledger import CellRecord, Ledger, RunRecord
from harness.ledger.batch_states import open_batches
from harness.ledger.reading.attempt_rows import AttemptRow
from harness.models import ModelSpec
from harness.reports.facts.report_facts import NOTHING, Spend
from harness.reports.underway.running_bill import RunningBill, whole_spend
from harness.runner.budgets import budget_scopes
from harness.runner.forecast.bills import BillForecast
from harness.view.live.answer_pace import Pace, TimeLeft
from harness.view.live.live_values import LiveBatches, LiveBudget, LiveCell, LiveFailure, LiveState, LiveTask
from harness.view.live.tally import Tally
from harness.waves.design_record import DESIGN


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a reader knows of a run.

    Attributes:
        failures: requests that failed lately, the latest first.
    """

    run: RunRecord
    at_us: int
    tally: Tally
    bill: RunningBill
    failures: Sequence[AttemptRow]


def state_of(still: Ledger, seen: Seen, holder: str | None) -> LiveState:
    """Say how a run stands."""
    run, spends = seen.run, seen.bill.spends()
    is_running = run.status == "running"
    records, batches = still.cells(run.run_id), open_batches(still, run.run_id)
    forecasts: Mapping[int | None, BillForecast] = {
        one.cell_id: BillForecast.from_record(one) for one in still.forecasts([run.run_id])
    }
    is_going_on = is_running and holder is not None
    cells = [_cell(seen, record, spends, forecasts, is_going_on=is_going_on) for record in records]
    return LiveState(
        run_id=run.run_id,
        status=run.status,
        holder=holder,
        created_at_us=run.created_at_us,
        finished_at_us=None if is_running else run.finished_at_us,
        as_of_us=seen.at_us,
        is_open_ended=is_running and DESIGN in run.config,
        is_simulated=bool(records) and all(record.simulated for record in records),
        spend=whole_spend(spends.values()),
        n_retries=sum(seen.tally.retries.values()),
        cells=cells,
        time_left=None if batches else _together(cells),
        forecast=forecasts.get(None),
        budgets=_budgets(still, records, seen),
        batches=LiveBatches(n_batches=len(batches), n_lines=sum(batch.n_lines for batch in batches)),
        failures=[_failure(row) for row in seen.failures],
    )


def _cell(
    seen: Seen,
    record: CellRecord,
    spends: Mapping[int, Spend],
    forecasts: Mapping[int | None, BillForecast],
    *,
    is_going_on: bool,
) -> LiveCell:
    cell_id = record.cell_id or 0
    pace = seen.tally.paces.get(cell_id, Pace()) if is_going_on else None
    tasks = [
        LiveTask(task=task, n_planned=n_planned, n_answered=n_answered, n_failed=n_failed)
        for task, n_planned, n_answered, n_failed in seen.tally.plan.counts(cell_id, record.suite)
    ]
    n_left = sum(task.n_planned - task.n_answered - task.n_failed for task in tasks)
    return LiveCell(
        suite=record.suite,
        model=str(ModelSpec.of(record)),
        spend=spends.get(cell_id, NOTHING),
        n_retries=seen.tally.retries[cell_id],
        tasks=tasks,
        answers_per_minute=None if pace is None else pace.per_minute(seen.at_us, since_us=seen.tally.since_us),
        time_left=None if pace is None else pace.time_left(n_left, seen.at_us, since_us=seen.tally.since_us),
        forecast=forecasts.get(cell_id),
    )


def _together(cells: Sequence[LiveCell]) -> TimeLeft | None:
    """The time that the slowest needs; None when one of them cannot tell, or nothing is planned."""
    found = [cell.time_left for cell in cells]
    known = [one for one in found if one is not None]
    if not known or len(known) < len(found):
        return None
    highs = [one.high_s for one in known if one.high_s is not None]
    return TimeLeft(
        expected_s=max(one.expected_s for one in known),
        low_s=max(one.low_s for one in known),
        high_s=max(highs) if len(highs) == len(known) else None,
    )


def _budgets(still: Ledger, records: Sequence[CellRecord], seen: Seen) -> list[LiveBudget]:
    scopes = dict.fromkeys(
        scope
        for record in records
        for scope in budget_scopes(seen.run.run_id, ModelSpec.of(record), seen.at_us, simulated=record.simulated)
    )
    return [
        LiveBudget(scope=scope, cap=cap, left=cap - one.spent_pico_usd - one.reserved_pico_usd)
        for scope, one in still.budgets(scopes).items()
        if (cap := one.cap_pico_usd) is not None
    ]


def _failure(row: AttemptRow) -> LiveFailure:
    status = f"HTTP {row.http_status}" if row.http_status else ""
    said = ": ".join(filter(None, (row.error_class or row.status, status, row.error_message)))
    sample = "" if row.sample_id is None else f"{row.task}/{row.sample_id}"
    repeat = f", repeat {row.epoch}" if row.epoch else ""
    return LiveFailure(
        attempt_id=row.attempt_id,
        at_us=row.finished_at_us or row.started_at_us,
        cell_id=row.cell_id,
        planned_id=row.planned_id,
        model=str(ModelSpec(provider=row.provider, model=row.model, setting=row.setting)),
        sample=f"{sample}{repeat}",
        try_number=row.try_number,
        reason=said,
    )
