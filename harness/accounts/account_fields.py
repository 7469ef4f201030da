"""Fields of accounts, read strictly: a count that is none and an amount that is none are errors, not zeros."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from harness.declared import Json
from harness.imports.containers.json_values import a_count, a_text
from harness.imports.refusal import ImportRefused
from harness.instants import parse_instant, to_us

Fields = Mapping[str, Json]
CENTS_PER_USD = Decimal(100)


def count(fields: Fields, name: str) -> int | None:
    """Read a whole number of at least zero; None = the field is missing or null.

    Raises:
        ImportRefused: it is something else.
    """
    value = fields.get(name)
    if value is None or value == "":
        return None
    found = a_count(value)
    if found is None or found < 0:
        raise ImportRefused(f"{name} is {value!r}, which is no count")
    return found


def needed_count(fields: Fields, name: str) -> int:
    """Read a count that every such row has."""
    found = count(fields, name)
    if found is None:
        raise ImportRefused(f"{name} is missing")
    return found


def amount(value: Json | Decimal, name: str) -> Decimal | None:
    """Read an amount of money exactly as written, credits below zero included; None = null or empty.

    Raises:
        ImportRefused: it is no finite decimal number.
    """
    if value is None or value == "":
        return None
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        found = Decimal("NaN")
    if isinstance(value, bool) or not found.is_finite() or not -40 < found.adjusted() < 15:
        raise ImportRefused(f"{name} is {value!r}, which is no amount")
    return found


def cents(value: Json, name: str) -> Decimal | None:
    """Read an amount in cents, as Anthropic writes it ("123.45" is $1.2345), into dollars."""
    found = amount(value, name)
    return None if found is None else found / CENTS_PER_USD


def dollars_only(currency: Json, name: str) -> None:
    """Refuse another currency than the dollar: nothing is converted."""
    if str(currency or "USD").upper() != "USD":
        raise ImportRefused(f"{name} is {currency!r}: only amounts in USD are compared")


def instant_us(value: Json, name: str) -> int:
    """Read an instant: seconds since 1970, or a text; one without a zone is UTC.

    Raises:
        ImportRefused: it is neither.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return round(value * 1_000_000)
    try:
        return to_us(parse_instant(str(value).replace(" ", "T"), zoneless="utc"))
    except ValueError:
        raise ImportRefused(f"{name} is {value!r}, which is no instant") from None


def text(fields: Fields, name: str) -> str | None:
    """Read a text; None = missing, null or empty."""
    return a_text(fields.get(name))
