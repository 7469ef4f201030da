"""What a person types in a price file: the tables [[price]], [[price.when]], [[alias]] and [[provider_alias]].

Data flows a parsed TOML table -> a checked row here -> price_files, which makes the book's values of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, ValidationError, model_validator

from harness.errors import Finding
from harness.instants import parse_instant
from harness.money import EXACT
from harness.pricing.rows import ANY_MODEL, TOKEN_METERS, WEEKDAY_NAMES, Adjustment, Alias, DayWindow, Price, tier_name
from harness.typed_files import Strict
from harness.usage.values import Meter

_AMOUNT = re.compile(r"[0-9]{1,9}(\.[0-9]{1,18})?\Z")
_LONGEST_SHOWN = 40
_CLOCK = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9])(?::([0-5][0-9]))?\Z")
_CONFIDENCE = re.compile(r"(high|medium|low|declared|imported)\b")


def _amount(value: object) -> Decimal:
    if not isinstance(value, str):
        raise ValueError(f'write amounts as strings, as published: "{value}"')
    if not _AMOUNT.match(value):
        shown = value if len(value) <= _LONGEST_SHOWN else f"{value[:_LONGEST_SHOWN]}..."
        raise ValueError(f"not a plain decimal number: {shown!r}")
    return Decimal(value)


def instant(value: object) -> datetime:
    """Take a date (00:00 UTC of that day) or an RFC 3339 instant with a zone."""
    if isinstance(value, datetime):
        moment = value
    elif isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    elif isinstance(value, str):
        return parse_instant(value, zoneless="days")
    else:
        raise ValueError(f"not a date: {value!r}")
    if moment.tzinfo is None:
        raise ValueError(f"has no time zone: {value!r}; write Z for UTC")
    return moment.astimezone(UTC)


def _start(value: object) -> datetime | None:
    return None if value == "open" else instant(value)


def _window(value: object) -> DayWindow:
    first, _, last = str(value).partition("-")
    start_s, end_s = _second(first), _second(last)
    if start_s == end_s or start_s >= 86_400:
        raise ValueError(f"an empty stretch of the day: {value!r}")
    return DayWindow(start_s=start_s, end_s=end_s)


def _second(text: str) -> int:
    found = _CLOCK.match(text.strip())
    second = int(found[1]) * 3600 + int(found[2]) * 60 + int(found[3] or 0) if found else 86_401
    if second > 86_400:
        raise ValueError(f'not a UTC time of day like "16:30": {text!r}')
    return second


def _weekday(value: object) -> int:
    if value not in WEEKDAY_NAMES:
        raise ValueError(f"not a weekday ({', '.join(WEEKDAY_NAMES)}): {value!r}")
    return WEEKDAY_NAMES.index(str(value))


def _confidence(value: str) -> str:
    if not _CONFIDENCE.match(value):
        raise ValueError(f"starts with high, medium, low, declared or imported: {value!r}")
    return value


def _filled(value: str) -> str:
    if not value.strip():
        raise ValueError("is empty")
    return value


Amount = Annotated[Decimal, BeforeValidator(_amount)]
Instant = Annotated[datetime, BeforeValidator(instant)]
Start = Annotated[datetime | None, BeforeValidator(_start)]
Window = Annotated[DayWindow, PlainValidator(_window)]
Weekday = Annotated[int, BeforeValidator(_weekday)]
Text = Annotated[str, AfterValidator(_filled)]


_PER_THOUSAND = {
    "web_search_per_1k": Meter.WEB_SEARCH,
    "web_fetch_per_1k": Meter.WEB_FETCH,
    "file_search_per_1k": Meter.FILE_SEARCH,
    "grounding_per_1k": Meter.GROUNDING,
    "grounded_prompt_per_1k": Meter.GROUNDED_PROMPT,
    "maps_grounding_per_1k": Meter.MAPS_GROUNDING,
    "request_per_1k": Meter.REQUEST,
}
_EACH = {"image_each": Meter.IMAGE, "code_session_each": Meter.CODE_SESSION}
_KEY_OF = {meter: (meter.value, 0) for meter in TOKEN_METERS}
_KEY_OF |= {meter: (key, -3) for key, meter in _PER_THOUSAND.items()}
_KEY_OF |= {meter: (key, 0) for key, meter in _EACH.items()}
_KEYS = tuple((meter, *_KEY_OF[meter]) for meter in Meter if meter in _KEY_OF)
"""Meter, its key in a price file, and the power of ten that makes the published amount one unit's."""


class Rates(Strict):
    """Rates as published: USD per million tokens, fees per thousand calls or each."""

    input: Amount | None = None
    cache_read: Amount | None = None
    cache_write_5m: Amount | None = None
    cache_write_1h: Amount | None = None
    input_audio: Amount | None = None
    input_image: Amount | None = None
    cache_read_audio: Amount | None = None
    cache_read_image: Amount | None = None
    output: Amount | None = None
    reasoning: Amount | None = None
    output_audio: Amount | None = None
    output_image: Amount | None = None
    citation: Amount | None = None
    search_reasoning: Amount | None = None
    web_search_per_1k: Amount | None = None
    web_fetch_per_1k: Amount | None = None
    file_search_per_1k: Amount | None = None
    grounding_per_1k: Amount | None = None
    grounded_prompt_per_1k: Amount | None = None
    maps_grounding_per_1k: Amount | None = None
    request_per_1k: Amount | None = None
    image_each: Amount | None = None
    code_session_each: Amount | None = None

    def by_meter(self) -> dict[Meter, Decimal]:
        """Give the rates by meter, in the order of the meters: USD per million tokens, or USD per unit."""
        rates: dict[Meter, Decimal] = {}
        given = self.model_fields_set
        for meter, key, scale in _KEYS:
            if key in given and (published := getattr(self, key)) is not None:
                rates[meter] = published.scaleb(scale, EXACT) if scale else published
        return rates


class When(Rates):
    """One [[price.when]]: conditions, and the rates or the factor that hold under them."""

    multiply: Amount | None = None
    spare: tuple[Meter, ...] = ()
    tier: tuple[Text, ...] = ()
    speed: tuple[Text, ...] = ()
    geo: tuple[Text, ...] = ()
    thinking: bool | None = None
    over: int | None = Field(default=None, ge=0)
    at_least: int | None = Field(default=None, ge=1)
    up_to: int | None = Field(default=None, ge=0)
    hours: tuple[Window, ...] = ()
    weekdays: tuple[Weekday, ...] = ()
    except_dates: tuple[date, ...] = ()
    effective_from: Instant | None = None
    effective_until: Instant | None = None
    note: str = ""

    @model_validator(mode="after")
    def _makes_sense(self) -> When:
        if self.multiply is None and not self.by_meter():
            raise ValueError("changes nothing: give rates or multiply")
        if self.over is not None and self.at_least is not None:
            raise ValueError("give over (>) or at_least (>=), not both")
        if self.spare and self.multiply is None:
            raise ValueError("spare has no meaning without multiply")
        _check_order(self.effective_from, self.effective_until)
        return self

    def adjustment(self) -> Adjustment:
        """Make the value that the cost engine applies."""
        least = self.over + 1 if self.over is not None else self.at_least or 0
        return Adjustment(
            rates=self.by_meter(),
            multiply=self.multiply,
            spared=frozenset(self.spare),
            tiers=frozenset(map(tier_name, self.tier)),
            speeds=frozenset(self.speed),
            geos=frozenset(self.geo),
            thinking=self.thinking,
            least_context_tokens=least,
            most_context_tokens=self.up_to,
            hours=self.hours,
            weekdays=frozenset(self.weekdays),
            except_dates=frozenset(self.except_dates),
            effective_from=self.effective_from,
            effective_until=self.effective_until,
            note=self.note,
        )


class PriceRow(Rates):
    """One [[price]]."""

    provider: Text | None = None
    model: Text
    effective_from: Start
    effective_until: Instant | None = None
    free: bool = False
    hardware_per_hour: Amount | None = None
    power_kw: Amount | None = None
    usd_per_kwh: Amount | None = None
    source: Text
    checked_on: date
    confidence: Annotated[str, AfterValidator(_confidence)]
    status: Literal["effective", "announced", "unpriced"] = "effective"
    corrected_on: date | None = None
    note: str = ""
    when: tuple[When, ...] = ()

    @model_validator(mode="after")
    def _makes_sense(self) -> PriceRow:
        _check_order(self.effective_from, self.effective_until)
        self._check_hardware()
        self._check_kind()
        if ANY_MODEL in self.model[1:]:
            raise ValueError(f"{ANY_MODEL!r} stands first or not at all")
        if self.model.startswith(ANY_MODEL) and not (self.free or self.status == "unpriced"):
            raise ValueError(f"only a free row (or an unpriced one) may hold for many models ({self.model!r})")
        if hidden := _hidden_tiers(self.when):
            raise ValueError(f"rates of when {hidden} would hide a context tier above them: use multiply there")
        return self

    def _check_kind(self) -> None:
        """A row costs by the hour, or is unpriced, or free, or has rates."""
        rates = self.by_meter()
        kinds = {
            "costs by the hour: no other rate, and neither free nor unpriced": self.hardware_per_hour is not None,
            "is unpriced and has rates or is free: give one or the other": self.status == "unpriced",
            "is free and has rates: give one or the other": self.free,
            "has rates": bool(rates or self.when),
        }
        true = [kind for kind, is_so in kinds.items() if is_so]
        if len(true) > 1:
            raise ValueError(true[0])
        if not rates and true in ([], ["has rates"]):
            raise ValueError('has no rate; write free = true when it costs nothing, or status = "unpriced"')

    def _check_hardware(self) -> None:
        if (self.power_kw is None) != (self.usd_per_kwh is None):
            raise ValueError("power_kw and usd_per_kwh go together")
        if self.power_kw is not None and self.hardware_per_hour is None:
            raise ValueError('power needs hardware_per_hour, "0" for hardware that is paid for')
        if self.hardware_per_hour is not None and not self.confidence.startswith("declared"):
            raise ValueError('costs by the hour, which you declare: write confidence = "declared"')

    def usd_per_hour(self) -> Decimal | None:
        """Give what an hour of the user's own hardware costs, power included; None for a row by the token."""
        if self.hardware_per_hour is None:
            return None
        power = EXACT.multiply(self.power_kw or Decimal(0), self.usd_per_kwh or Decimal(0))
        return EXACT.add(self.hardware_per_hour, power)


class AliasRow(Strict):
    """One [[alias]]: a name that stands for another model."""

    provider: Text | None = None
    model: Text
    to: Text
    to_provider: Text | None = None
    multiply: Amount | None = None
    effective_from: Start
    effective_until: Instant | None = None
    source: Text
    checked_on: date
    corrected_on: date | None = None
    note: str = ""

    @model_validator(mode="after")
    def _makes_sense(self) -> AliasRow:
        _check_order(self.effective_from, self.effective_until)
        return self


class ProviderAliasRow(Strict):
    """One [[provider_alias]]: another name of a provider."""

    name: Text
    provider: Text


def _check_order(start: datetime | None, end: datetime | None) -> None:
    if start is not None and end is not None and end <= start:
        raise ValueError("effective_until is not after effective_from")


def _hidden_tiers(whens: tuple[When, ...]) -> int | None:
    """Find a service tier with its own token rates that stands after a context tier and ignores the size."""
    sized = False
    for number, when in enumerate(whens, start=1):
        ignores_size = when.over is None and when.at_least is None and when.up_to is None
        if sized and ignores_size and when.tier and when.by_meter().keys() & TOKEN_METERS:
            return number
        sized = sized or not ignores_size
    return None


_TOKENS_FREE = {meter: Decimal(0) for meter in TOKEN_METERS}


def price_of(row: PriceRow, provider: str, where: str, layer: int) -> Price:
    """Make the value that the book keeps."""
    return Price(
        provider=provider,
        model=row.model,
        rates=row.by_meter() if (hourly := row.usd_per_hour()) is None else _TOKENS_FREE,
        usd_per_hour=hourly,
        adjustments=tuple(when.adjustment() for when in row.when),
        effective_from=row.effective_from,
        effective_until=row.effective_until,
        free=row.free,
        source=row.source,
        checked_on=row.checked_on,
        confidence=row.confidence,
        note=row.note,
        status=row.status,
        corrected_on=row.corrected_on,
        where=where,
        layer=layer,
    )


def alias_of(row: AliasRow, provider: str, where: str, layer: int) -> Alias:
    """Make the value that the book keeps."""
    return Alias(
        provider=provider,
        model=row.model,
        to_provider=row.to_provider or provider,
        to_model=row.to,
        multiply=row.multiply,
        effective_from=row.effective_from,
        effective_until=row.effective_until,
        source=row.source,
        corrected_on=row.corrected_on,
        note=row.note,
        where=where,
        layer=layer,
    )


def findings_of(where: str, error: ValidationError) -> Iterable[Finding]:
    """Say what is wrong with a row, key by key."""
    for detail in error.errors():
        key = ".".join(str(part) for part in detail["loc"])
        message = str(detail["msg"]).removeprefix("Value error, ")
        if detail["type"] == "extra_forbidden":
            message = "unknown key"
        yield Finding(where=f"{where} {key}".rstrip(), message=message)
