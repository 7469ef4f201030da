"""The rows of the price book: a dated price with its adjustments, a dated alias; frozen values with their digests.

Pure. Data flows price files -> these values (price_files, shelves) -> the book.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Literal

from harness.instants import utc_text
from harness.money import plain
from harness.usage.values import Meter

Status = Literal["effective", "announced", "unpriced"]

ANY_MODEL = "*"
"""The model name of a row that holds for every model of a provider (local servers); with an ending, `*:free`, for every
model whose name ends so. The longest ending wins. Allowed for free and unpriced rows only."""

_TIER_NAMES = {"fast": "priority"}

WEEKDAY_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

TOKEN_METERS = frozenset(
    {
        Meter.INPUT,
        Meter.CACHE_READ,
        Meter.CACHE_WRITE_5M,
        Meter.CACHE_WRITE_1H,
        Meter.INPUT_AUDIO,
        Meter.INPUT_IMAGE,
        Meter.CACHE_READ_AUDIO,
        Meter.CACHE_READ_IMAGE,
        Meter.OUTPUT,
        Meter.REASONING,
        Meter.OUTPUT_AUDIO,
        Meter.OUTPUT_IMAGE,
        Meter.CITATION,
        Meter.SEARCH_REASONING,
    }
)
"""Meters that count tokens; their rates are USD per million, every other meter's rate is USD per unit."""


def tier_name(word: str) -> str:
    """Give the one name of a service tier: OpenAI renamed `priority` to `fast` on 2026-07-30 and echoes either."""
    return _TIER_NAMES.get(word, word)


def _require_utc(moment: datetime | None, name: str) -> None:
    if moment is not None and moment.tzinfo is None:
        raise ValueError(f"{name} has no time zone: {moment!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DayWindow:
    """A stretch of the UTC day in seconds, start included, end excluded; it may wrap midnight."""

    start_s: int
    end_s: int

    def holds(self, second_of_day: int) -> bool:
        """Tell whether a second of the day lies inside."""
        if self.start_s < self.end_s:
            return self.start_s <= second_of_day < self.end_s
        return second_of_day >= self.start_s or second_of_day < self.end_s

    def __str__(self) -> str:
        return f"{_clock(self.start_s)}-{_clock(self.end_s)}"


def _clock(second_of_day: int) -> str:
    hours, rest = divmod(second_of_day, 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours:02d}:{minutes:02d}" + (f":{seconds:02d}" if seconds else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment:
    """Rates that replace or multiply a row's rates while all its conditions hold.

    Attributes:
        rates: rates that replace those of the row, by meter.
        multiply: factor on every token meter except `spared`; None for none. Fees are never multiplied.
        spared: token meters that the factor leaves alone.
        tiers: holds for these served tiers (`flex`, `priority`) or for `batch`; empty = any.
        speeds: holds for these speeds (`fast`); empty = any.
        geos: holds for these regions (`us`, `eu`, or `*` for any named region); empty = any, named or not.
        thinking: holds when the model thought (True) or did not (False); None = either.
        least_context_tokens: holds from this prompt size on; 0 = any size. "> 200000" is 200001 here.
        most_context_tokens: holds up to this prompt size; None = any size.
        hours: holds inside one of these stretches of the UTC day; empty = all day.
        weekdays: holds on these UTC weekdays, Monday is 0; empty = every day.
        except_dates: UTC dates on which it does not hold (public holidays).
        effective_from, effective_until: its own dates within the row's; until is excluded.
        note: what people should know about it.
    """

    rates: Mapping[Meter, Decimal] = field(default_factory=dict)
    multiply: Decimal | None = None
    spared: frozenset[Meter] = frozenset()
    tiers: frozenset[str] = frozenset()
    speeds: frozenset[str] = frozenset()
    geos: frozenset[str] = frozenset()
    thinking: bool | None = None
    least_context_tokens: int = 0
    most_context_tokens: int | None = None
    hours: tuple[DayWindow, ...] = ()
    weekdays: frozenset[int] = frozenset()
    except_dates: frozenset[date] = frozenset()
    effective_from: datetime | None = None
    effective_until: datetime | None = None
    note: str = ""

    def __post_init__(self) -> None:
        _require_utc(self.effective_from, "effective_from")
        _require_utc(self.effective_until, "effective_until")
        object.__setattr__(self, "rates", MappingProxyType(dict(self.rates)))

    @property
    def by_clock(self) -> bool:
        """Whether it holds on some days or at some hours only."""
        return bool(self.hours or self.weekdays or self.except_dates)

    @property
    def by_more_than_tier(self) -> bool:
        """Whether something else than its dates and the tier decides whether it holds."""
        by_size = self.least_context_tokens > 0 or self.most_context_tokens is not None
        return by_size or self.by_clock or bool(self.speeds or self.geos) or self.thinking is not None

    def in_force(self, at: datetime) -> bool:
        """Tell whether its dates, hours and weekdays hold at an instant."""
        if self.effective_from is not None and at < self.effective_from:
            return False
        if self.effective_until is not None and at >= self.effective_until:
            return False
        return not self.by_clock or self._on_the_clock(at.astimezone(UTC))

    def _on_the_clock(self, moment: datetime) -> bool:
        if (self.weekdays and moment.weekday() not in self.weekdays) or moment.date() in self.except_dates:
            return False
        second = moment.hour * 3600 + moment.minute * 60 + moment.second
        return not self.hours or any(window.holds(second) for window in self.hours)

    def canonical(self) -> dict[str, object]:
        """List everything that money depends on, in plain JSON values."""
        return {
            "rates": {meter.value: plain(rate) for meter, rate in self.rates.items()},
            "multiply": None if self.multiply is None else plain(self.multiply),
            "spared": sorted(self.spared),
            "tiers": sorted(self.tiers),
            "speeds": sorted(self.speeds),
            "geos": sorted(self.geos),
            "thinking": self.thinking,
            "least_context_tokens": self.least_context_tokens,
            "most_context_tokens": self.most_context_tokens,
            "hours": [str(window) for window in self.hours],
            "weekdays": sorted(self.weekdays),
            "except_dates": sorted(day.isoformat() for day in self.except_dates),
            "effective_from": utc_text(self.effective_from),
            "effective_until": utc_text(self.effective_until),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a model costs at a provider from one date on.

    Attributes:
        provider, model: exact names; never matched by substring.
        rates: USD per million tokens for token meters, USD per unit for the others, as published.
        adjustments: tiers, modes, windows and multipliers, applied in this order.
        effective_from: first instant; None = open start (the launch day is not known).
        effective_until: first instant at which it no longer holds; None = until a later row starts.
        free: known to cost nothing (not the same as unpriced).
        usd_per_hour: what the user's own hardware costs while it is busy; tokens cost nothing then. None = not by time.
        source, checked_on, confidence, note: who says so, when that was looked up, how sure it is ("high" or a
            weaker word, with its scope where it concerns only a date).
        status: `announced` rows are shown and never used; an `unpriced` row says that the model is charged for and
            that its price is not known, which ends what an older row or one for many models would say.
        corrected_on: the day on which it took the place of rows with the same start, which were wrong and stay listed.
        where: file and row that it came from.
        layer: 0 for shipped rows, higher for rows laid over them, lower for imported rows under them.
    """

    provider: str
    model: str
    rates: Mapping[Meter, Decimal] = field(default_factory=dict)
    adjustments: tuple[Adjustment, ...] = ()
    effective_from: datetime | None = None
    effective_until: datetime | None = None
    free: bool = False
    usd_per_hour: Decimal | None = None
    source: str = ""
    checked_on: date | None = None
    confidence: str = "high"
    note: str = ""
    status: Status = "effective"
    corrected_on: date | None = None
    where: str = ""
    layer: int = 0

    def __post_init__(self) -> None:
        _require_utc(self.effective_from, "effective_from")
        _require_utc(self.effective_until, "effective_until")
        object.__setattr__(self, "rates", MappingProxyType(dict(self.rates)))

    @property
    def name(self) -> str:
        """`provider/model`."""
        return f"{self.provider}/{self.model}"

    def in_force(self, at: datetime) -> bool:
        """Tell whether the row's own dates hold at an instant."""
        started = self.effective_from is None or self.effective_from <= at
        return started and (self.effective_until is None or at < self.effective_until)

    def canonical(self) -> dict[str, object]:
        """List everything that money depends on, in plain JSON values."""
        return {
            "provider": self.provider,
            "model": self.model,
            "effective_from": utc_text(self.effective_from),
            "effective_until": utc_text(self.effective_until),
            "rates": {meter.value: plain(rate) for meter, rate in self.rates.items()},
            "when": [adjustment.canonical() for adjustment in self.adjustments],
            "free": self.free,
            "status": self.status,
            **({} if self.usd_per_hour is None else {"usd_per_hour": plain(self.usd_per_hour)}),
            **_correction(self.corrected_on),
        }

    @property
    def sha256(self) -> str:
        """Digest of everything that money depends on; notes and sources may be improved without changing it."""
        return digest(self.canonical())

    def is_old(self, at: datetime, most_days: int) -> bool:
        """Whether nobody looked the price up in the days before an instant; what is free or unpriced does not age."""
        if self.free or self.status != "effective" or self.checked_on is None:
            return False
        return at.date() - self.checked_on > timedelta(days=most_days)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """A name that stands for another model between two dates.

    Attributes:
        multiply: factor on the target's token rates (a regional profile at +10 %); None for none.
        corrected_on: as in `Price`.
    """

    provider: str
    model: str
    to_provider: str
    to_model: str
    multiply: Decimal | None = None
    effective_from: datetime | None = None
    effective_until: datetime | None = None
    source: str = ""
    corrected_on: date | None = None
    note: str = ""
    where: str = ""
    layer: int = 0

    def __post_init__(self) -> None:
        _require_utc(self.effective_from, "effective_from")
        _require_utc(self.effective_until, "effective_until")

    def in_force(self, at: datetime) -> bool:
        """Tell whether the name stood for its target at an instant."""
        started = self.effective_from is None or self.effective_from <= at
        return started and (self.effective_until is None or at < self.effective_until)

    def canonical(self) -> dict[str, object]:
        """List everything that money depends on, in plain JSON values."""
        return {
            "alias": f"{self.provider}/{self.model}",
            "to": f"{self.to_provider}/{self.to_model}",
            "multiply": None if self.multiply is None else plain(self.multiply),
            "effective_from": utc_text(self.effective_from),
            "effective_until": utc_text(self.effective_until),
            **_correction(self.corrected_on),
        }

    @property
    def sha256(self) -> str:
        """Digest of everything that money depends on."""
        return digest(self.canonical())


def _correction(corrected_on: date | None) -> dict[str, str]:
    """Name the day of a correction; rows that correct nothing keep the digests that they had before there were any."""
    return {} if corrected_on is None else {"corrected_on": corrected_on.isoformat()}


def digest(value: object) -> str:
    """Hash plain JSON values, whatever the order of their keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
