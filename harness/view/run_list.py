"""Stored runs as lines of a list: chosen by words, sorted by any column, with the figures of each.

Pure. Data flows `RunRecord` + `RunSummary` -> `RunLine` -> the table of people and the one of files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from harness.documents.table import Column
from harness.imports.log_runs import IMPORTED
from harness.instants import from_us
from harness.ledger import RunRecord
from harness.money import from_pico
from harness.rendering.progress import duration
from harness.reports.forecasts.kept_forecasts import KeptForecast
from harness.reports.spend import wording
from harness.runner.forecast.bill_words import forecast_words
from harness.view.run_summaries import RunSummary
from harness.waves.design_record import DESIGN

PENDING = "…"
"""What stands for figures that are still being added up."""


@dataclass(frozen=True, slots=True)
class RunLine:
    """One run of the list; its summary is None while that is being added up."""

    run: RunRecord
    summary: RunSummary | None

    @property
    def suites(self) -> str:
        """The names of its suites."""
        return ", ".join(suite.name for suite in self.run.suites)

    @property
    def started(self) -> datetime:
        """When it began."""
        return from_us(self.run.created_at_us)

    @property
    def duration_s(self) -> float | None:
        """How long it took; None while it goes on."""
        ended = self.run.finished_at_us
        return None if ended is None else max(0.0, (ended - self.run.created_at_us) / 1e6)

    @property
    def scores(self) -> list[float]:
        """The scores of its rows that have one, the lowest first."""
        return sorted(value for _, value in self.summary.scores if value is not None) if self.summary else []

    @property
    def forecast(self) -> KeptForecast | None:
        """The telling forecast of its bill; None = there was none, or its summary is not there."""
        return self.summary.forecast if self.summary else None

    @property
    def known_usd(self) -> Decimal | None:
        """What it cost, a lower bound where parts are missing; None likewise, or nothing of it has a price."""
        return self.summary.spend.known_usd if self.summary else None

    @property
    def charged_usd(self) -> Decimal | None:
        """What providers and accounts state that they charged, else the list price; None likewise."""
        return self.summary.spend.part("charged") if self.summary else None

    @property
    def marks(self) -> tuple[str, ...]:
        """What to know of it at a glance: where it comes from, how it was asked, whose numbers it has."""
        origin = self.run.config.get(IMPORTED)
        found = (
            [f"imported from {origin.get('format')}" if isinstance(origin, Mapping) else "imported"] if origin else []
        )
        found += ["in waves"] * (DESIGN in self.run.config)
        return (*found, *(self.summary.marks if self.summary else ()))


def score_words(line: RunLine) -> str:
    """Say the score, or the lowest and the highest of several, in percent."""
    if line.summary is None:
        return PENDING
    scores = line.scores
    if not scores:
        return wording.NOT_KNOWN
    low, high = wording.percent(scores[0]), wording.percent(scores[-1])
    return high if len(line.summary.scores) == 1 else f"{low} to {high}"


def _cost_words(line: RunLine) -> str:
    """Say the cost as the report's table does, and beside it what was charged where that is another amount."""
    if line.summary is None:
        return PENDING
    spend = line.summary.spend
    words = wording.whole(spend)
    is_charged_otherwise = line.charged_usd is not None and line.charged_usd != line.known_usd
    return f"{words}, charged {wording.spent(spend, usd=line.charged_usd)}" if is_charged_otherwise else words


def _forecast_words(line: RunLine) -> str:
    if line.summary is None:
        return PENDING
    return wording.NOT_KNOWN if line.forecast is None else forecast_words(line.forecast.forecast)


def hit_words(line: RunLine) -> str:
    """Say whether the bill lay in the forecast's interval, and by how much the forecast missed it."""
    if line.summary is None:
        return PENDING
    one = line.forecast
    if one is None or one.miss is None:
        return wording.NOT_KNOWN
    verdict = {True: "hit, ", False: "MISS, ", None: ""}[one.held]
    return f"{verdict}{one.miss:+.1%}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A column of the list.

    Attributes:
        key: what it is sorted by; None comes last either way.
        needs_figures: whether its values take adding up.
    """

    column: Column
    read: Callable[[RunLine], object]
    key: Callable[[RunLine], Any]
    needs_figures: bool = False


def _text(name: str, read: Callable[[RunLine], str], title: str = "", *, whole: bool = False) -> Listed:
    return Listed(column=Column(name=name, title=title, whole=whole), read=read, key=lambda line: read(line).lower())


def _figure(name: str, title: str, read: Callable[[RunLine], str], key: Callable[[RunLine], Any], told: str) -> Listed:
    return Listed(column=Column(name=name, kind="decimal", title=title, description=told), read=read, key=key,
                  needs_figures=True)  # fmt: skip


LISTED: tuple[Listed, ...] = (
    _text("run", lambda line: line.run.run_id, whole=True),
    _figure("score", "score %", score_words, lambda line: line.scores[-1] if line.scores else None,
            "Score in percent; of several models the lowest and the highest, sorted by the highest."),
    _figure("cost", "cost", _cost_words, lambda line: line.known_usd,
            "What the run cost at list price, judges included, and what was charged for it where providers state"
            " another amount; >= where something of it is not known."),
    _text("status", lambda line: line.run.status),
    _text("suites", lambda line: line.suites),
    _text("models", lambda line: ", ".join(line.run.models)),
    _figure("forecast", "forecast [90 %]", _forecast_words,
            lambda line: line.forecast and line.forecast.forecast.expected,
            "What the bill was forecast to be: after the pilot, else the first forecast with an interval."),
    _figure("hit", "hit or miss", hit_words, lambda line: line.forecast and line.forecast.miss,
            "Whether the bill lay in the interval; bill less forecast as a share of the bill."),
    Listed(column=Column(name="started", kind="timestamp", title="started (UTC)"), read=lambda line: line.started,
           key=lambda line: line.run.created_at_us),
    Listed(column=Column(name="duration", kind="decimal", title="took"), key=lambda line: line.duration_s,
           read=lambda line: wording.NOT_KNOWN if line.duration_s is None else duration(line.duration_s)),
    _text("marks", lambda line: ", ".join(line.marks)),
)  # fmt: skip
"""The columns that people see, in order."""

Written = tuple[Column, Callable[[RunLine], object]]


def _forecast_usd(name: str) -> Callable[[RunLine], object]:
    def read(line: RunLine) -> object:
        pico = getattr(line.forecast.forecast, name) if line.forecast else None
        return None if pico is None else from_pico(pico)

    return read


WRITTEN: tuple[Written, ...] = (
    (Column(name="run", whole=True), lambda line: line.run.run_id),
    (Column(name="suites"), lambda line: line.suites),
    (Column(name="models"), lambda line: ", ".join(line.run.models)),
    (Column(name="status"), lambda line: line.run.status),
    (Column(name="score_low", kind="ratio"), lambda line: line.scores[0] if line.scores else None),
    (Column(name="score_high", kind="ratio"), lambda line: line.scores[-1] if line.scores else None),
    (Column(name="cost_usd", kind="usd", unit="USD"), lambda line: line.known_usd),
    (Column(name="cost_is_lower_bound", kind="boolean"),
     lambda line: line.summary and line.summary.spend.is_lower_bound),
    (Column(name="forecast_usd", kind="usd", unit="USD"), _forecast_usd("expected")),
    (Column(name="forecast_low_usd", kind="usd", unit="USD"), _forecast_usd("low")),
    (Column(name="forecast_high_usd", kind="usd", unit="USD"), _forecast_usd("high")),
    (Column(name="forecast_held", kind="boolean"), lambda line: line.forecast and line.forecast.held),
    (Column(name="forecast_miss", kind="ratio"), lambda line: line.forecast and line.forecast.miss),
    (Column(name="started", kind="timestamp"), lambda line: line.started),
    (Column(name="duration_s", kind="decimal", unit="s"), lambda line: line.duration_s),
    (Column(name="marks"), lambda line: ", ".join(line.marks)),
    (Column(name="charged_usd", kind="usd", unit="USD"), lambda line: line.charged_usd),
)  # fmt: skip
"""The columns of files: the same figures, exact and typed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which runs are wanted; empty = any.

    Attributes:
        words: found in the id, a suite or a model, whatever their case.
        since: date, `YYYY-MM-DD` in UTC.
    """

    words: str = ""
    suite: str = ""
    model: str = ""
    status: str = ""
    since: datetime | None = None

    def takes(self, run: RunRecord) -> bool:
        """Say whether a run is wanted."""
        suites = [suite.name for suite in run.suites]
        # no line end is in a name, nor in what a field for words sends
        named = "\n".join((run.run_id, *suites, *run.models)).lower()
        return (
            self.words.lower() in named
            and (not self.suite or self.suite in suites)
            and (not self.model or self.model in run.models)
            and (not self.status or run.status == self.status)
            and (self.since is None or from_us(run.created_at_us) >= self.since)
        )


def ordered(lines: Sequence[RunLine], by: Listed, *, falling: bool) -> list[RunLine]:
    """Sort lines by a column, what is not known last; equal ones stay newest first."""
    known = [line for line in lines if by.key(line) is not None]
    rest = [line for line in lines if by.key(line) is None]
    return [*sorted(known, key=by.key, reverse=falling), *rest]
