"""Reads the forecasts that a ledger keeps, each beside what its run or cell was charged by now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.errors import InputError
from harness.ledger import CellRecord, Ledger, RunRecord
from harness.ledger.reading.forecast_rows import CellBill, cell_bills
from harness.ledger.records import ForecastRecord
from harness.models import ModelSpec
from harness.reports.forecasts.kept_forecasts import KeptForecast
from harness.runner.forecast.bills import BillForecast


def kept_forecasts(ledger: Ledger, run_ids: Sequence[str] | None = None) -> list[KeptForecast]:
    """Read the forecasts of runs in the order in which they were made, those of cells among them.

    Args:
        run_ids: None = of all runs.

    Raises:
        InputError: there is no such run.
    """
    runs = {run.run_id: run for run in ledger.runs(run_ids)}
    if missing := [run_id for run_id in run_ids or () if run_id not in runs]:
        raise InputError(f"there is no run {', '.join(missing)}", where=ledger.database, fix="see: benchtab runs list")
    stored = ledger.forecasts(run_ids)
    if not stored:
        return []
    told = dict.fromkeys(one.run_id for one in stored)
    bills = cell_bills(ledger, list(told))
    standing = {run_id: _Standing(ledger.cells(run_id), bills.get(run_id, ())) for run_id in told}
    return [_kept(one, runs[one.run_id], standing[one.run_id]) for one in stored]


@dataclass(frozen=True, slots=True)
class _Standing:
    """The cells of a run, and what they were charged."""

    cells: Sequence[CellRecord]
    bills: Sequence[CellBill]


def _kept(stored: ForecastRecord, run: RunRecord, standing: _Standing) -> KeptForecast:
    forecast = BillForecast.from_record(stored)
    cells = [cell for cell in standing.cells if stored.cell_id in (None, cell.cell_id)]
    # a model without a price is in no amount of the forecast, and its unknown bills say nothing of the others'
    unpriced = {cell.cell_id for cell in cells if str(ModelSpec.of(cell)) in forecast.unpriced}
    bills = [bill for bill in standing.bills if stored.cell_id in (None, bill.cell_id) and bill.cell_id not in unpriced]
    return KeptForecast(
        run=run,
        made_at_us=stored.made_at_us,
        forecast=forecast,
        cell=None if stored.cell_id is None else (cells[0].suite, str(ModelSpec.of(cells[0]))),
        spent_now=sum(bill.pico_usd for bill in bills),
        is_lower_bound=any(bill.n_unknown for bill in bills),
        is_simulated=all(cell.simulated for cell in cells),
    )
