"""Forecasts of bills as people read them: a line under a report, and the two tables of `benchtab forecasts`.

Pure. Data flows `KeptForecast` -> sentences, tables, JSON values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from harness.documents.table import Column, Table
from harness.instants import from_us
from harness.money import from_pico
from harness.reports.forecasts.kept_forecasts import Calibration, KeptForecast, telling
from harness.runner.forecast.bill_words import bill_words, forecast_words, stage_words
from harness.runner.forecast.bills import SHARES
from harness.stats.totals_to_come import FORECAST_LEVEL

MOST_LINES = 3
"""Runs of a report whose forecasts it tells; `benchtab forecasts` has all."""
_ENOUGH = 10
"""Intervals below which their share says little."""

_COLUMNS = (
    Column(name="run_id", title="run", whole=True),
    Column(name="made_at", title="made (UTC)", drops=3),
    Column(name="stage", title="when"),
    Column(name="forecast", title="forecast [90 %]"),
    Column(name="ceiling", title="ceiling", kind="usd", drops=2),
    Column(name="bill", title="bill", kind="usd"),
    Column(
        name="miss", title="miss", kind="decimal", drops=1, description="Bill less forecast, as a share of the bill."
    ),
    Column(name="held", title="held"),
    Column(name="sources", title="from", drops=4),
)
_NOTES = (
    "miss: bill less forecast, as a share of the bill",
    "without a bill: the run has not ended, or the bills of some requests are not known",
)
_RECORD = (
    Column(name="stage", title="forecasts made"),
    Column(name="kind", title="dollars"),
    Column(name="n_forecasts", title="of ended runs", kind="integer"),
    Column(name="held", title="intervals that held"),
    Column(name="median_miss", title="median miss", kind="decimal"),
    Column(name="exceeded", title="ceilings exceeded", drops=1),
)


def forecast_lines(forecasts: Sequence[KeptForecast]) -> tuple[str, ...]:
    """Say what the bills of runs were forecast to be, and what they were: one line a run, the newest first."""
    found = telling(forecasts)[::-1]
    named = len(found) > 1
    lines = [_line(one, named=named) for one in found[:MOST_LINES]]
    if len(found) > MOST_LINES:
        lines.append(f"{len(found) - MOST_LINES} more runs: benchtab forecasts")
    return tuple(lines)


def _line(one: KeptForecast, *, named: bool) -> str:
    name = f"{one.run.run_id}: " if named else ""
    made = f"{name}forecast {forecast_words(one.forecast)} {stage_words(one.forecast)}"
    missing = f" (without {', '.join(one.forecast.unpriced)}: no price)" if one.forecast.unpriced else ""
    if one.bill is not None:
        return f"{made}, was {bill_words(one.bill)}{missing}"
    least = "at least " if one.is_lower_bound else ""
    return f"{made}, {least}{bill_words(one.spent_now)} {_until_now(one)}{missing}"


def _until_now(one: KeptForecast) -> str:
    return "in the end" if one.run.status in ("complete", "failed") else "spent so far"


def forecasts_table(forecasts: Sequence[KeptForecast]) -> Table:
    """List the forecasts of whole runs beside their bills."""
    rows = [_row(one) for one in forecasts if one.cell is None]
    return Table(
        name="forecasts",
        title="Forecasts of bills",
        columns=_COLUMNS,
        rows=rows,
        notes=_NOTES if any(one.bill is None for one in forecasts) else _NOTES[:1],
    )


def _row(one: KeptForecast) -> tuple[object, ...]:
    return (
        one.run.run_id,
        f"{from_us(one.made_at_us):%Y-%m-%d %H:%M}",
        stage_words(one.forecast),
        forecast_words(one.forecast),
        None if one.forecast.ceiling is None else bill_words(one.forecast.ceiling),
        None if one.bill is None else bill_words(one.bill),
        None if one.miss is None else f"{one.miss:+.1%}",
        {True: "yes", False: "NO", None: ""}[one.held],
        ", ".join(one.forecast.sources),
    )


Record: TypeAlias = tuple[str, bool, Calibration]
"""How forecasts were made, whether their dollars are made up, and how good they were."""
ONE_A_RUN = "one a run"


def records(forecasts: Sequence[KeptForecast]) -> list[Record]:
    """Count forecasts of ended runs by when they were made; dollars that are made up stand apart from real ones."""
    found: list[Record] = []
    for is_simulated in (False, True):
        of_kind = [one for one in forecasts if one.cell is None and one.is_simulated == is_simulated]
        groups = {ONE_A_RUN: telling(of_kind)}
        for one in of_kind:
            groups.setdefault(_group(one), []).append(one)
        names = sorted(groups, key=lambda name: _order(groups[name], name))
        counted = ((name, is_simulated, Calibration.of(groups[name])) for name in names)
        found += [record for record in counted if record[2].n_forecasts]
    return found


def _order(alike: Sequence[KeptForecast], name: str) -> tuple[int, float]:
    """Order groups by when their forecasts were made, after what is told of whole runs."""
    if name == ONE_A_RUN:
        return 0, 0.0
    stage = alike[0].forecast.stage
    return ("start", "pilot", "share", "wave").index(stage) + 1, alike[0].forecast.share if stage == "share" else 0.0


def record_table(forecasts: Sequence[KeptForecast]) -> Table:
    """State how good forecasts were, by when they were made, real ones first."""
    made = [(name, _kind(is_simulated), found) for name, is_simulated, found in records(forecasts)]
    notes = [f"{ONE_A_RUN}: that after its pilot, else the first with an interval, else the first"]
    notes += [
        f"{name}, {kind}: fewer intervals held than the {FORECAST_LEVEL:.0%} that were promised"
        for name, kind, found in made
        if found.is_below_promise
    ]
    rows = [_record_row(*record) for record in made]
    return Table(name="record", title="How good they were", columns=_RECORD, rows=rows, notes=tuple(notes))


def record_sentence(found: Calibration) -> str:
    """Say how good forecasts were: how many intervals held, and by how much they missed."""
    if not found.n_forecasts:
        return "no run has ended whose bill was forecast"
    held, few = f"none of {found.n_forecasts:,} had an interval", ""
    if found.n_intervals:
        share = f"{found.n_held / found.n_intervals:.0%}, promised {FORECAST_LEVEL:.0%}"
        held = f"{found.n_held:,} of {found.n_intervals:,} intervals held the bill ({share})"
        few = f"; fewer than {_ENOUGH} intervals say little" if found.n_intervals < _ENOUGH else ""
        few = "; fewer than chance explains" if found.is_below_promise else few
    miss = "" if found.median_miss is None else f"; the median miss was {found.median_miss:.1%} of the bill"
    ceilings = f"; {found.n_exceeded:,} of {found.n_ceilings:,} ceilings were exceeded" if found.n_ceilings else ""
    return f"{held}{few}{miss}{ceilings}"


def _kind(is_simulated: bool) -> str:
    return "simulated" if is_simulated else "real"


def _group(one: KeptForecast) -> str:
    """Forecasts that were made alike."""
    if one.forecast.stage == "share":
        return f"after {_nearest(one.forecast.share):.0%} of the answers"
    return {"start": "at the start", "pilot": "after a pilot", "wave": "after later waves"}[one.forecast.stage]


def _nearest(share: float) -> float:
    return min(SHARES, key=lambda known: abs(known - share))


def _record_row(name: str, kind: str, found: Calibration) -> tuple[object, ...]:
    few = "" if found.n_intervals >= _ENOUGH else ", few"
    share = f"{found.n_held / found.n_intervals:.0%}{few}" if found.n_intervals else ""
    held = f"{found.n_held} of {found.n_intervals} ({share})" if share else "none made"
    return (
        name,
        kind,
        found.n_forecasts,
        held,
        None if found.median_miss is None else f"{found.median_miss:.1%}",
        f"{found.n_exceeded} of {found.n_ceilings}",
    )


def forecast_object(one: KeptForecast) -> dict[str, object]:
    """Write a forecast as JSON values."""
    forecast = one.forecast

    def usd(pico: int | None) -> object:
        return None if pico is None else from_pico(pico)

    return {
        "run_id": one.run.run_id,
        "run_status": one.run.status,
        "simulated": one.is_simulated,
        "suite": None if one.cell is None else one.cell[0],
        "model": None if one.cell is None else one.cell[1],
        "made_at": from_us(one.made_at_us),
        "stage": forecast.stage,
        "wave": forecast.wave,
        "share": forecast.share,
        "n_seen": forecast.n_seen,
        "sources": list(forecast.sources),
        "unpriced": list(forecast.unpriced),
        "level": FORECAST_LEVEL,
        "spent_then_usd": usd(forecast.spent),
        "expected_usd": usd(forecast.expected),
        "low_usd": usd(forecast.low),
        "high_usd": usd(forecast.high),
        "ceiling_usd": usd(forecast.ceiling),
        "spent_usd": usd(one.spent_now),
        "spent_is_lower_bound": one.is_lower_bound,
        "bill_usd": usd(one.bill),
        "miss": one.miss,
        "held": one.held,
        "ceiling_exceeded": one.was_exceeded,
    }


def calibration_object(forecasts: Sequence[KeptForecast]) -> dict[str, object]:
    """Write how good forecasts were, one a run, as JSON values."""
    return record_object(Calibration.of(telling(forecasts)))


def record_object(found: Calibration) -> dict[str, object]:
    """Write how good forecasts of one kind were, as JSON values."""
    return {
        "n_forecasts": found.n_forecasts,
        "n_intervals": found.n_intervals,
        "n_held": found.n_held,
        "level": FORECAST_LEVEL,
        "is_below_promise": found.is_below_promise,
        "median_miss": found.median_miss,
        "n_ceilings": found.n_ceilings,
        "n_exceeded": found.n_exceeded,
    }
