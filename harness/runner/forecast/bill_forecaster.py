"""Forecasts of one run's bill while it goes, from its ledger; each is stored before anybody sees it.

Data flows plan + stored answers -> the forecast at the start; charges of this run's answers -> the later ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from threading import Lock
from typing import NamedTuple

from harness.instants import from_us
from harness.ledger import Ledger
from harness.ledger.reading.forecast_rows import cell_bills
from harness.models import ModelSpec
from harness.money import to_pico_ceiling
from harness.pricing.book import PriceBook
from harness.runner.forecast.bills import Amounts, BillForecast, Stage, TaskCharges, bill_in_the_end, with_unsure_counts
from harness.runner.forecast.cost_estimates import CostEstimate, spread
from harness.runner.forecast.estimates import Estimator, items_by_suite
from harness.runner.forecast.stored_history import stored_history
from harness.runner.forecast.task_charges import CellKey, RunCharges, StillToAsk, TaskKey, answer_prices
from harness.runner.plan import PlannedItem, PreparedRun

_PICO_PER_USD = 1_000_000_000_000
THIS_RUN = "this run"


class RunForecasts(NamedTuple):
    """Forecasts that were made at one time: of the whole run, and of its cells that have a price."""

    whole: BillForecast
    cells: Mapping[CellKey, BillForecast]


class BillForecaster:
    """Forecasts the bill of one run, and stores every forecast; one at a time, from any thread.

    Args:
        cell_ids: the ledger's ids of the cells, by model and suite.
        planned_ids: the ledger's ids of planned samples, in draw order.
        wall_us: the clock, in microseconds since the epoch.
    """

    def __init__(
        self,
        prepared: PreparedRun,
        ledger: Ledger,
        book: PriceBook,
        *,
        cell_ids: Mapping[ModelSpec, Mapping[str, int]],
        planned_ids: Sequence[int],
        wall_us: Callable[[], int],
    ) -> None:
        self._run = prepared
        self._ledger = ledger
        self._book = book
        self._cells: dict[CellKey, int] = {
            (model, suite): cell_id for model, suites in cell_ids.items() for suite, cell_id in suites.items()
        }
        self._planned_ids = planned_ids
        self._wall_us = wall_us
        self._one_at_a_time = Lock()

    def at_start(self, planned_usd: Mapping[CellKey, float] | None = None) -> RunForecasts | None:
        """Forecast before the first request, once in the life of a run; None where no model has a price.

        Args:
            planned_usd: what cells are expected to cost that will not be asked all that is planned; None = they will.
        """
        with self._one_at_a_time:
            if self.made():
                return None
            found = {
                (one.model.spec, one.suite): forecast
                for one in self._estimates
                if (forecast := _estimated(one)) is not None
            }
            if planned_usd is not None:
                found = {cell: _partly(one, planned_usd[cell]) for cell, one in found.items() if cell in planned_usd}
            return self._stored(found, _sum(list(found.values()), self._unpriced)) if found else None

    def renewed(
        self, stage: Stage, *, wave: int = 0, first: int | None = None, to_come: StillToAsk | None = None
    ) -> RunForecasts | None:
        """Forecast from what this run's answers cost.

        Args:
            first: rest on this many first samples of the draw, all of which are answered; None = on all answers.
            to_come: what is still asked; None = all that is planned.

        Returns:
            None where no model has a price, or too little is answered for an interval.
        """
        with self._one_at_a_time:
            charges = self._charges.by_cell(len(self._planned_ids) if first is None else first, to_come)
            n_waves = None if to_come is None else wave
            amounts = _amounts(list(charges.values()), n_waves=n_waves)
            if not charges or amounts is None or amounts.low is None:
                return None
            spent = self._spent()

            def forecast(found: Amounts, tasks: Sequence[TaskCharges], so_far: int) -> BillForecast:
                return _forecast(found, tasks, so_far, stage=stage, wave=wave, unpriced=self._unpriced)

            cells = {
                cell: forecast(found, tasks, spent.get(self._cells[cell], 0))
                for cell, tasks in charges.items()
                if (found := _amounts([tasks], n_waves=n_waves)) is not None
            }
            every_task = [task for tasks in charges.values() for task in tasks]
            return self._stored(cells, forecast(amounts, every_task, sum(spent.values())))

    def expected_pico(self) -> Mapping[tuple[ModelSpec, str, str], float]:
        """What an answer is expected to cost before any is seen, by model, suite and task; none without a price."""
        with self._one_at_a_time:
            return {key: price.expected for key, price in self._charges.prices.items()}

    def made(self) -> list[BillForecast]:
        """Forecasts of the whole run that are stored, in the order in which they were made."""
        stored = self._ledger.forecasts([self._run.run_id])
        return [BillForecast.from_record(one) for one in stored if one.cell_id is None]

    def has_seen(self, n_first: int) -> bool:
        """Whether a forecast rests on so many answers of each model already."""
        return any(one.stage != "start" and one.share * len(self._planned_ids) >= n_first - 0.5 for one in self.made())

    def after_wave(self, wave: int) -> RunForecasts | None:
        """The forecast that was made after this wave; None = none was."""
        stored = [one for one in self._ledger.forecasts([self._run.run_id]) if one.wave == wave > 0]
        cells = {cell_id: cell for cell, cell_id in self._cells.items()}
        found = {cells[one.cell_id]: BillForecast.from_record(one) for one in stored if one.cell_id is not None}
        whole = next((BillForecast.from_record(one) for one in stored if one.cell_id is None), None)
        return None if whole is None else RunForecasts(whole, found)

    def spent(self) -> int:
        """What the run was charged so far."""
        return sum(self._spent().values())

    def _spent(self) -> dict[int, int]:
        bills = cell_bills(self._ledger, [self._run.run_id]).get(self._run.run_id, ())
        return {bill.cell_id: bill.pico_usd for bill in bills}

    def _stored(self, cells: Mapping[CellKey, BillForecast], whole: BillForecast) -> RunForecasts:
        run_id, now_us = self._run.run_id, self._wall_us()
        records = [whole.to_record(run_id, now_us, cell_id=None)]
        records += [found.to_record(run_id, now_us, cell_id=self._cells[cell]) for cell, found in cells.items()]
        self._ledger.add_forecasts(records)
        return RunForecasts(whole, cells)

    @cached_property
    def _now(self) -> datetime:
        return from_us(self._wall_us())

    @cached_property
    def _estimator(self) -> Estimator:
        history = stored_history(self._run, self._ledger, but_run=self._run.run_id)
        return Estimator(self._run, self._book, self._now, history, at_once=True)

    @cached_property
    def _estimates(self) -> list[CostEstimate]:
        found = []
        for name, items in items_by_suite(self._run).items():
            tokens = self._estimator.tokens(items)
            found += [self._estimator.estimate(name, items, tokens, model) for model in self._run.models]
        return found

    @cached_property
    def _unpriced(self) -> tuple[str, ...]:
        return tuple(str(model.spec) for model in self._run.models if self._estimator.usd(model, 1, 1) is None)

    @cached_property
    def _charges(self) -> RunCharges:
        planned: dict[TaskKey, list[PlannedItem]] = {}
        for item in self._run.items:
            planned.setdefault((item.suite.name, item.task.name), []).append(item)
        return RunCharges(
            self._run,
            self._ledger,
            cells={cell_id: cell for cell, cell_id in self._cells.items()},
            planned_ids=self._planned_ids,
            prices=answer_prices(planned, self._estimates, self._estimator),
        )


def _estimated(one: CostEstimate) -> BillForecast | None:
    """The forecast of a cell before anything is asked; None without a price."""
    if one.estimated_usd is None:
        return None
    return BillForecast(
        stage="start",
        share=0.0,
        n_seen=one.output.n_answers,
        sources=tuple(sorted(set(one.output.sources.values()))),
        spent=0,
        expected=to_pico_ceiling(one.estimated_usd),
        low=_pico(one.low_usd),
        high=_pico(one.high_usd),
        ceiling=_pico(one.ceiling_usd),
    )


def _partly(whole: BillForecast, usd: float) -> BillForecast:
    """The forecast of a cell of which only a part will be asked: how much is a guess, so that there is no interval."""
    return replace(whole, expected=round(usd * _PICO_PER_USD), low=None, high=None, ceiling=None)


def _pico(usd: Decimal | None) -> int | None:
    return None if usd is None else to_pico_ceiling(usd)


def _sum(cells: Sequence[BillForecast], unpriced: tuple[str, ...]) -> BillForecast:
    """The forecast of a run from those of its cells."""
    expected = sum(one.expected for one in cells)
    low, high = _ends(cells, expected)
    ceilings = [one.ceiling for one in cells if one.ceiling is not None]
    return BillForecast(
        stage="start",
        share=0.0,
        n_seen=sum(one.n_seen for one in cells),
        sources=tuple(sorted({source for one in cells for source in one.sources})),
        spent=0,
        expected=expected,
        low=low,
        high=high,
        ceiling=sum(ceilings) if len(ceilings) == len(cells) else None,
        unpriced=unpriced,
    )


def _ends(cells: Sequence[BillForecast], expected: int) -> tuple[int | None, int | None]:
    """The ends of the interval of a run's bill; None where a cell has none."""
    below = spread((Decimal(one.expected), _decimal(one.low)) for one in cells)
    above = spread((_decimal(one.high), Decimal(one.expected)) for one in cells)
    if below is None or above is None:
        return None, None
    return expected - int(below), expected + int(above)


def _decimal(amount: int | None) -> Decimal | None:
    return None if amount is None else Decimal(amount)


def _amounts(cells: Sequence[Sequence[TaskCharges]], *, n_waves: int | None) -> Amounts | None:
    """The bill of cells; `n_waves` = after so many waves it is not known how many are to come, None = it is."""
    found = bill_in_the_end(cells)
    if found is None or n_waves is None:
        return found
    return with_unsure_counts(found, sum(task.spent for cell in cells for task in cell), n_waves=n_waves)


def _forecast(
    found: Amounts,
    tasks: Sequence[TaskCharges],
    spent: int,
    *,
    stage: Stage,
    wave: int,
    unpriced: tuple[str, ...],
) -> BillForecast:
    """The forecast from what was charged; `spent` may be ahead of the answers that it rests on."""
    n_seen, n_to_come = sum(task.n_seen for task in tasks), sum(task.n_to_come for task in tasks)
    unseen = {task.source for task in tasks if task.n_to_come and not task.seen}
    expected = round(found.expected)
    return BillForecast(
        stage=stage,
        share=n_seen / (n_seen + n_to_come) if n_seen else 0.0,
        wave=wave,
        n_seen=n_seen,
        sources=(THIS_RUN, *sorted(unseen)),
        spent=spent,
        expected=expected,
        low=None if found.low is None else min(round(found.low), expected),
        high=None if found.high is None else max(round(found.high), expected),
        ceiling=None if found.ceiling is None else max(round(found.ceiling), expected),
        unpriced=unpriced,
    )
