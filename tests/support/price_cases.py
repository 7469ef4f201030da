"""Small price books and usages for the tests of prices and costs, written out by hand."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from harness.costs import Cost, cost_of
from harness.money import plain
from harness.pricing import USER_LAYER, Adjustment, Alias, Price, PriceBook
from harness.pricing.price_files import load_price_book
from harness.pricing.shelves import Shelves, read_shelves
from harness.usage import Meter, Usage

SHIPPED = load_price_book()
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def utc(text: str) -> datetime:
    """Read an instant like 2025-06-10T00:00:00 as UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def rates(**usd_per_mtok: str) -> dict[Meter, Decimal]:
    """Write rates by meter name."""
    return {Meter(name): Decimal(rate) for name, rate in usd_per_mtok.items()}


def row(model: str = "m", *, start: str | None = None, adjustments: Iterable[Adjustment] = (), **usd: str) -> Price:
    """Make a row of provider `p` with an optional start."""
    return Price(
        provider="p",
        model=model,
        rates=rates(**(usd or {"input": "1", "output": "2"})),
        adjustments=tuple(adjustments),
        effective_from=None if start is None else utc(start),
        source="test",
    )


def book(*rows: Price, aliases: Iterable[Alias] = ()) -> PriceBook:
    """Make a book of rows."""
    return PriceBook(rows=rows, aliases=tuple(aliases))


def own_book(folder: Path) -> PriceBook:
    """Read a folder of price files without the shipped rows under them."""
    whole = load_price_book(folder)
    return PriceBook(
        rows=tuple(row for row in whole.rows if row.layer == USER_LAYER),
        aliases=tuple(alias for alias in whole.aliases if alias.layer == USER_LAYER),
        imported=Shelves(read_shelves(folder)),
    )


def tokens(input_tokens: int, output_tokens: int, **parts: int) -> Usage:
    """Make a usage of token counts."""
    return Usage(input_tokens=input_tokens, output_tokens=output_tokens, **parts)  # type: ignore[arg-type]  # all counts


def cost(name: str, usage: Usage, at: str = "2026-11-22T12:00:00", **how: Any) -> Cost:
    """Price a usage of `provider/model` by the shipped book."""
    provider, model = name.split("/", 1)
    return cost_of(SHIPPED, usage, provider=provider, model=model, at=utc(at), **how)


def usd(name: str, usage: Usage, at: str = "2026-11-22T12:00:00", **how: Any) -> str | None:
    """Give what a usage costs as text; None = unpriced."""
    amount = cost(name, usage, at, **how).usd
    return None if amount is None else plain(amount)
