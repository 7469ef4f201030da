"""Forecasts of bills beside what the runs then cost: how often their intervals held, and by how much they missed.

Pure. Data flows stored forecasts and charges -> `KeptForecast` -> `Calibration`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from harness.ledger.records import RunRecord
from harness.runner.forecast.bills import BillForecast
from harness.stats.totals_to_come import FORECAST_LEVEL, is_below_promise


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptForecast:
    """A stored forecast, and what its run has cost.

    Attributes:
        cell: suite and model that it is about; None = the whole run.
        spent_now: charged so far, or in all, in picodollars.
        is_lower_bound: some requests' bills are not known.
        is_simulated: the dollars are made up.
    """

    run: RunRecord
    made_at_us: int
    forecast: BillForecast
    cell: tuple[str, str] | None
    spent_now: int
    is_lower_bound: bool
    is_simulated: bool

    @property
    def bill(self) -> int | None:
        """What the run cost in the end, in picodollars; None = it has not ended, or not all of it is known."""
        return self.spent_now if self.run.status in ("complete", "failed") and not self.is_lower_bound else None

    @property
    def has_interval(self) -> bool:
        """Whether enough was known for an interval."""
        return self.forecast.low is not None and self.forecast.high is not None

    @property
    def held(self) -> bool | None:
        """Whether the bill lay in the interval; None = not known, or there was none."""
        low, high, bill = self.forecast.low, self.forecast.high, self.bill
        return None if bill is None or low is None or high is None else low <= bill <= high

    @property
    def was_exceeded(self) -> bool | None:
        """Whether the bill was above the ceiling; None likewise."""
        ceiling, bill = self.forecast.ceiling, self.bill
        return None if bill is None or ceiling is None else bill > ceiling

    @property
    def miss(self) -> float | None:
        """Bill less forecast, as a share of the bill; None likewise."""
        return (self.bill - self.forecast.expected) / self.bill if self.bill else None


def telling(forecasts: Iterable[KeptForecast]) -> list[KeptForecast]:
    """Choose one forecast for each whole run: that after its pilot, else the first with an interval, else the first."""
    chosen: dict[str, KeptForecast] = {}
    for one in forecasts:
        if one.cell is None:
            before = chosen.get(one.run.run_id)
            if before is None or _weight(one) > _weight(before):
                chosen[one.run.run_id] = one
    return list(chosen.values())


def _weight(one: KeptForecast) -> int:
    return 2 if one.forecast.stage == "pilot" else int(one.has_interval)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How good forecasts of one kind were, of runs whose bill is known.

    Attributes:
        n_intervals: those that had an interval; `n_held` of them held the bill.
        median_miss: of the distances from forecast to bill, as a share of the bill; None without any.
        n_ceilings: those that had a ceiling; `n_exceeded` of them were below the bill.
    """

    n_forecasts: int
    n_intervals: int
    n_held: int
    median_miss: float | None
    n_ceilings: int
    n_exceeded: int

    @classmethod
    def of(cls, forecasts: Iterable[KeptForecast]) -> Calibration:
        """Count; forecasts of runs that have not ended are left out."""
        known = [one for one in forecasts if one.bill is not None]
        held = [one.held for one in known if one.held is not None]
        exceeded = [one.was_exceeded for one in known if one.was_exceeded is not None]
        misses = [abs(one.miss) for one in known if one.miss is not None]
        return cls(
            n_forecasts=len(known),
            n_intervals=len(held),
            n_held=sum(held),
            median_miss=median(misses) if misses else None,
            n_ceilings=len(exceeded),
            n_exceeded=sum(exceeded),
        )

    @property
    def is_below_promise(self) -> bool:
        """Whether fewer intervals held than chance explains."""
        return is_below_promise(self.n_held, self.n_intervals, FORECAST_LEVEL)
