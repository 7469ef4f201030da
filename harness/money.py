"""Exact money: Decimal dollars without rounding, integer picodollars (1e-12 USD) for the ledger, strings at the edges.

Every sum and product of money in this package runs under `EXACT`, which refuses to round.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import (
    ROUND_CEILING,
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
)

from harness.errors import InputError

EXACT = Context(prec=120, rounding=ROUND_HALF_EVEN, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow])
LARGEST_CAP_USD = Decimal(9_000_000)
"""A cap and all that counts against it fit into the ledger's 64-bit picodollars up to 9.22 million dollars."""
_AMOUNT = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_MOST_CHARACTERS = 60
_EXAMPLE = "write for example 5 or 0.25"
TOKENS_PER_MTOK = Decimal(1_000_000)


def parse_usd(text: str, *, where: str, zero_allowed: bool = False) -> Decimal:
    """Read a cap in dollars as a person types it: `5`, `0.25`, `$12.50`.

    Args:
        where: the option, argument or key that it was typed for.
        zero_allowed: zero is an amount, too: a cap that lets nothing through.

    Raises:
        InputError: it is no number in plain digits, not above zero, or more than the ledger can hold.
    """
    plain_text = text.strip().removeprefix("$")
    shown = repr(text if len(text) <= _MOST_CHARACTERS else text[:_MOST_CHARACTERS] + "...")
    if len(plain_text) > _MOST_CHARACTERS or _AMOUNT.fullmatch(plain_text) is None:
        raise InputError(f"not an amount of dollars: {shown}", where=where, fix=_EXAMPLE)
    amount = Decimal(plain_text)
    least = "0 or more" if zero_allowed else "above 0"
    slips = (
        (amount < 0 or not (amount or zero_allowed), f"not an amount of dollars {least}: {shown}", _EXAMPLE),
        (amount > LARGEST_CAP_USD, f"{shown} dollars are more than a budget can hold",
         f"use at most {LARGEST_CAP_USD}"),
        (amount and amount.adjusted() < -12, f"{shown} dollars are less than the ledger can tell from nothing",
         "use 0.000000000001 or more"),
    )  # fmt: skip
    for is_so, message, fix in slips:
        if is_so:
            raise InputError(message, where=where, fix=fix)
    return amount


def add(amounts: Iterable[Decimal]) -> Decimal:
    """Sum amounts exactly; an empty sum is zero."""
    total = Decimal(0)
    for amount in amounts:
        total = EXACT.add(total, amount)
    return total


def multiply(left: Decimal, right: Decimal | int) -> Decimal:
    """Multiply exactly; raises `decimal.Inexact` past 120 digits."""
    return EXACT.multiply(left, right)


def plain(amount: Decimal) -> str:
    """Write an amount as a decimal string: no exponent, no trailing zeros, no negative zero ("0.22755", "0")."""
    if amount == 0:
        return "0"
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def to_pico_ceiling(amount: Decimal) -> int:
    """Convert USD to whole picodollars, rounding up: for reservations and caps, never for facts."""
    return int(amount.scaleb(12, EXACT).to_integral_value(rounding=ROUND_CEILING))


def from_pico(pico_usd: int) -> Decimal:
    """Convert whole picodollars to USD, exactly."""
    return Decimal(pico_usd).scaleb(-12, EXACT)
