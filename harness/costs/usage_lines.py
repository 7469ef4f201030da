"""Prices usage payloads given as JSON Lines: one object in, one object out, in the same order.

Pure. Data flows a line -> record -> `Usage` -> `Cost` -> a dict of JSON values with exact decimal strings.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import NotRequired, TypedDict

from harness.costs.charge import Charge
from harness.costs.cost import Cost, price_request, without_tokens
from harness.costs.served import Served
from harness.errors import InputError
from harness.instants import ZonelessInstantError, parse_instant, utc_text
from harness.money import plain
from harness.pricing.book import PriceBook
from harness.pricing.rows import Price
from harness.usage import Meter, Usage, parse_json, read_usage
from harness.usage.refusals import is_unbilled_refusal
from harness.usage.tool_calls import TOOLS, called_tools, calls_in_output, offered_tools, with_tool_fees

_REGION_KEYS = ("inference_geo", "data_residency", "region", "data_zone")


class LineFacts(TypedDict):
    """One line of a bill; `model` only where another model inside the payload was charged."""

    meter: str
    quantity: int
    unit: str
    usd_per_unit: str
    usd: str
    model: NotRequired[str]


class PriceFacts(TypedDict):
    """The row that priced something, so that the amount can be explained later."""

    provider: str
    model: str
    effective_from: str | None
    effective_until: str | None
    rates: dict[str, str]
    free: bool
    source: str
    checked_on: str | None
    confidence: str
    note: str
    row: str
    row_sha256: str
    via: list[str]
    book_sha256: str


class PricedLine(TypedDict):
    """What one line of usage cost: JSON values, amounts as decimal strings, null where not known."""

    id: object
    status: str
    usd: str | None
    lines: list[LineFacts]
    price: PriceFacts | None
    list_usd: str | None
    warnings: list[str]
    cost_is_lower_bound: bool
    error: str | None


def price_line(book: PriceBook, text: str | bytes, *, line_number: int, assume_utc: bool = False) -> PricedLine:
    """Price one line; what is wrong with it becomes status `error` with the line's number, never an exception.

    Args:
        assume_utc: instants without a time zone are in UTC; without it they are an error.
    """
    record: object = None
    try:
        record = parse_json(text)
        return price_record(book, _mapping(record, "the line"), assume_utc=assume_utc)
    except (InputError, ValueError, ArithmeticError) as error:
        known_id = record.get("id") if isinstance(record, dict) else None
        what = error.message if isinstance(error, InputError) else str(error) or type(error).__name__
        return _unread(known_id, f"line {line_number}: {what}")


def price_record(book: PriceBook, record: Mapping[str, object], *, assume_utc: bool = False) -> PricedLine:
    """Price one payload.

    Args:
        record: `provider`, `model`, `at`, `usage_kind`, `usage`; optional `id`, `service_tier`, `mode`, `request`,
            `served_model` (or `model_served`), `started_at`, `stop_reason`, `output` (the response's output items).
            What the payload itself says wins over all of them.
        assume_utc: instants without a time zone are in UTC.

    Raises:
        InputError: a key is missing or has the wrong type.
    """
    request = _mapping(record.get("request") or {}, "request")
    kind = _text(record, "usage_kind")
    calls = _tool_calls(record, request)
    usage = with_tool_fees(read_usage(kind, _payload(record)), kind=kind, offered=offered_tools(request), calls=calls)
    started = record.get("started_at")
    served = Served(
        provider=_text(record, "provider"),
        model=_text(record, "model"),
        at=_instant(record, "at", assume_utc=assume_utc),
        started_at=None if started is None else _instant(record, "started_at", assume_utc=assume_utc),
        service_tier=_optional(record, "service_tier") or _optional(request, "service_tier"),
        mode=_mode(record, request),
        thinking=_thinking(request),
        model_served=_optional(record, "served_model") or _optional(record, "model_served"),
        speed=_optional(record, "speed") or _optional(request, "speed"),
        inference_geo=_region(record) or _region(request),
    )
    cost = price_request(book, usage, served)
    stop_reason = _optional(record, "stop_reason") or _optional(record, "finish_reason")
    if is_unbilled_refusal(kind, stop_reason, usage):
        cost = without_tokens(cost)
    return _priced(record.get("id"), book, usage, cost)


def _price_facts(price: Price, *, book_sha256: str, via: tuple[str, ...]) -> PriceFacts:
    return {
        "provider": price.provider,
        "model": price.model,
        "effective_from": utc_text(price.effective_from),
        "effective_until": utc_text(price.effective_until),
        "rates": {meter.value: plain(rate) for meter, rate in price.rates.items()},
        "free": price.free,
        "source": price.source,
        "checked_on": None if price.checked_on is None else price.checked_on.isoformat(),
        "confidence": price.confidence,
        "note": price.note,
        "row": price.where,
        "row_sha256": price.sha256,
        "via": list(via),
        "book_sha256": book_sha256,
    }


def _priced(record_id: object, book: PriceBook, usage: Usage, cost: Cost) -> PricedLine:
    flags = [f"{flag.name}: {flag.detail}" for flag in usage.flags]
    return {
        "id": record_id,
        "status": cost.status,
        "usd": _amount(cost.usd),
        "lines": [_line(line) for line in cost.lines],
        "price": None if cost.price is None else _price_facts(cost.price, book_sha256=book.sha256, via=cost.via),
        "list_usd": _amount(cost.list_usd),
        "warnings": [*cost.warnings, *flags],
        "cost_is_lower_bound": cost.is_lower_bound,
        "error": None,
    }


def _unread(record_id: object, error: str) -> PricedLine:
    return {
        "id": record_id,
        "status": "error",
        "usd": None,
        "lines": [],
        "price": None,
        "list_usd": None,
        "warnings": [],
        "cost_is_lower_bound": False,
        "error": error,
    }


def _line(line: Charge) -> LineFacts:
    facts: LineFacts = {
        "meter": line.meter.value,
        "quantity": line.quantity,
        "unit": line.unit,
        "usd_per_unit": plain(line.usd_per_unit),
        "usd": plain(line.usd),
    }
    return facts if line.model is None else {**facts, "model": line.model}


def _amount(amount: Decimal | None) -> str | None:
    return None if amount is None else plain(amount)


def _mapping(value: object, name: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise InputError(f"{name} is not a JSON object")
    return value


def _payload(record: Mapping[str, object]) -> Mapping[str, object] | None:
    if "usage" not in record:
        raise InputError("key 'usage' is missing (write null when the provider sent none)")
    return None if record["usage"] is None else _mapping(record["usage"], "usage")


def _text(record: Mapping[str, object], key: str) -> str:
    value = record.get(key)
    if not isinstance(value, str) or not value:
        raise InputError(f"key {key!r} is missing or no text")
    return value


def _optional(record: Mapping[str, object], key: str) -> str | None:
    value = record.get(key)
    if value is not None and not isinstance(value, str):
        raise InputError(f"key {key!r} is no text")
    return value


def _instant(record: Mapping[str, object], key: str, *, assume_utc: bool) -> datetime:
    text = _text(record, key)
    try:
        return parse_instant(text, zoneless="utc" if assume_utc else "refused")
    except ZonelessInstantError as error:
        raise InputError(f"key {key!r} {error}, or pass --assume-utc") from None
    except ValueError:
        raise InputError(f"key {key!r} is not an RFC 3339 instant: {text!r}") from None


def _tool_calls(record: Mapping[str, object], request: Mapping[str, object]) -> dict[Meter, int]:
    """Count calls of tools with a fee: as given by name, or among the response's output items."""
    given = record.get("tool_calls") if record.get("tool_calls") is not None else request.get("tool_calls")
    if given is not None:
        return called_tools(_mapping(given, "tool_calls"))
    items = record.get("output")
    if items is not None and not isinstance(items, list):
        raise InputError("key 'output' is not a list of the response's output items")
    if items is None:
        return {}
    return {**dict.fromkeys(TOOLS.values(), 0), **calls_in_output(items)}


def _mode(record: Mapping[str, object], request: Mapping[str, object]) -> str | None:
    if record.get("batch") is True or request.get("batch") is True:
        return "batch"
    return _optional(record, "mode") or _optional(request, "mode")


def _thinking(request: Mapping[str, object]) -> bool | None:
    """Read what was asked: a truth value, or Anthropic's object with a `type`."""
    asked = request.get("thinking")
    if isinstance(asked, dict):
        return asked.get("type") != "disabled"
    if asked is not None and not isinstance(asked, bool):
        raise InputError("key 'request.thinking' is neither true nor false")
    return asked


def _region(record: Mapping[str, object]) -> str | None:
    for key in _REGION_KEYS:
        if (region := _optional(record, key)) is not None:
            return region
    return None
