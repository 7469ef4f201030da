"""What a token cost, when, and who says so: dated rows, looked up by exact name or listed alias."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.instants import utc_text
from harness.pricing.book import (
    IMPORTED_LAYER,
    LONGEST_ALIAS_CHAIN,
    SHIPPED_LAYER,
    USER_LAYER,
    ImportedRows,
    Match,
    PriceBook,
    PriceFile,
)
from harness.pricing.rows import (
    ANY_MODEL,
    TOKEN_METERS,
    WEEKDAY_NAMES,
    Adjustment,
    Alias,
    DayWindow,
    Price,
    tier_name,
)

if TYPE_CHECKING:
    from harness.pricing.price_files import load_price_book

__all__ = [
    "ANY_MODEL",
    "IMPORTED_LAYER",
    "LONGEST_ALIAS_CHAIN",
    "SHIPPED_LAYER",
    "TOKEN_METERS",
    "USER_LAYER",
    "WEEKDAY_NAMES",
    "Adjustment",
    "Alias",
    "DayWindow",
    "ImportedRows",
    "Match",
    "Price",
    "PriceBook",
    "PriceFile",
    "load_price_book",
    "tier_name",
    "utc_text",
]


def __getattr__(name: str) -> Any:
    """Load what reads files only when it is asked for: the book itself needs none."""
    if name == "load_price_book":
        from harness.pricing.price_files import load_price_book

        return load_price_book
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
