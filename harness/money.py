"""Exact money: Decimal dollars without rounding, integer picodollars (1e-12 USD) for the ledger, strings at the edges.

Every sum and product of money in this package runs under `EXACT`, which refuses to round.
"""

from __future__ import annotations

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

EXACT = Context(prec=120, rounding=ROUND_HALF_EVEN, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow])
PICO_PER_USD = 10**12
TOKENS_PER_MTOK = Decimal(1_000_000)


def add(amounts: Iterable[Decimal]) -> Decimal:
    """Sum amounts exactly; an empty sum is zero."""
    total = Decimal(0)
    for amount in amounts:
        total = EXACT.add(total, amount)
    return total


def multiply(left: Decimal, right: Decimal | int) -> Decimal:
    """Multiply exactly; raises `decimal.Inexact` past 120 digits."""
    return EXACT.multiply(left, right)


def per_token(usd_per_mtok: Decimal) -> Decimal:
    """Convert USD per million tokens to USD per token, exactly."""
    return usd_per_mtok.scaleb(-6, EXACT)


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
