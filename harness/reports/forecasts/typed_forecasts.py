"""Forecasts and their record as typed rows, for files that programs read: the rows of the tables, in the same order.

Pure. Data flows `KeptForecast` -> JSON values of `forecast_tables` -> `Table`.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.documents.table import Column, Table
from harness.reports.forecasts.forecast_tables import forecast_object, record_object, records
from harness.reports.forecasts.kept_forecasts import KeptForecast

_FORECASTS = (
    Column(name="run_id", description="Run."),
    Column(name="run_status", description="Status of the run."),
    Column(name="simulated", kind="boolean", description="Whether the dollars are made up."),
    Column(name="made_at", kind="timestamp", description="When it was made."),
    Column(name="stage", description="`start`, `share`, `pilot` or `wave`."),
    Column(name="wave", kind="integer", description="Waves that were asked by then."),
    Column(name="share", kind="ratio", description="Of the answers, on which it rests."),
    Column(name="n_seen", kind="integer", description="Answers that it rests on."),
    Column(name="sources", description="Where lengths or costs of answers come from."),
    Column(name="unpriced", description="Models without a price, in no amount."),
    Column(name="level", kind="ratio", description="Level of the interval."),
    Column(name="spent_then_usd", kind="usd", unit="USD", description="Spent when it was made."),
    Column(name="expected_usd", kind="usd", unit="USD", description="Forecast of the whole bill."),
    Column(name="low_usd", kind="usd", unit="USD", description="Lower end; empty = no interval."),
    Column(name="high_usd", kind="usd", unit="USD", description="Upper end, likewise."),
    Column(name="ceiling_usd", kind="usd", unit="USD", description="What runaway answers should not exceed."),
    Column(name="spent_usd", kind="usd", unit="USD", description="Charged so far, or in all."),
    Column(name="spent_is_lower_bound", kind="boolean", description="Whether something of it is not known."),
    Column(name="bill_usd", kind="usd", unit="USD", description="Bill of an ended run; empty = not known."),
    Column(name="miss", kind="ratio", description="Bill less forecast, as a share of the bill."),
    Column(name="held", kind="boolean", description="Whether the bill lay in the interval."),
    Column(name="ceiling_exceeded", kind="boolean", description="Whether the bill was above the ceiling."),
)
_RECORD = (
    Column(name="forecasts_made", description="When forecasts were made."),
    Column(name="simulated", kind="boolean", description="Whether the dollars are made up."),
    Column(name="n_forecasts", kind="integer", description="Of ended runs."),
    Column(name="n_intervals", kind="integer", description="Those with an interval."),
    Column(name="n_held", kind="integer", description="Intervals that held the bill."),
    Column(name="level", kind="ratio", description="Share of intervals that was promised to."),
    Column(name="is_below_promise", kind="boolean", description="Whether fewer held than chance explains."),
    Column(name="median_miss", kind="ratio", description="Of distances from forecast to bill, as a share of the bill."),
    Column(name="n_ceilings", kind="integer", description="Those with a ceiling."),
    Column(name="n_exceeded", kind="integer", description="Ceilings below the bill."),
)


def forecast_rows(forecasts: Sequence[KeptForecast]) -> Table:
    """Give forecasts of whole runs, one row each."""
    found = [forecast_object(one) for one in forecasts if one.cell is None]
    rows = [tuple(_flat(one[column.name]) for column in _FORECASTS) for one in found]
    return Table(name="forecasts", title="Forecasts of bills", columns=_FORECASTS, rows=rows)


def _flat(value: object) -> object:
    """Write a list of names as one text."""
    return ", ".join(map(str, value)) if isinstance(value, list) else value


def record_rows(forecasts: Sequence[KeptForecast]) -> Table:
    """Give how good they were, one row for those made alike."""
    found = [
        {"forecasts_made": name, "simulated": is_simulated, **record_object(record)}
        for name, is_simulated, record in records(forecasts)
    ]
    rows = [tuple(one[column.name] for column in _RECORD) for one in found]
    return Table(name="record", title="How good they were", columns=_RECORD, rows=rows)
