"""A report says on whose word its prices rest, and which of them were old when the requests were made."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from harness.pricing import IMPORTED_LAYER
from harness.reports.prices.price_standing import Charged, price_warnings
from tests.support.price_cases import row, utc


def charged(layer: int = 0, *, model: str = "m", at: str = "2026-11-27", confidence: str = "high") -> Charged:
    price = replace(row(model), layer=layer, checked_on=date(2026, 8, 1), confidence=confidence)
    return Charged(price=price, n_attempts=40, last_at=utc(at))


def test_imported_prices_are_counted_and_named() -> None:
    used = [charged(IMPORTED_LAYER, at="2026-08-02"), charged(model="own", at="2026-08-02")]
    assert list(price_warnings(used)) == [
        "1 of 2 prices used are imported from other projects' lists: p/m (40 attempts); "
        "benchtab prices explain MODEL says whose"
    ]


def test_a_price_is_old_after_ninety_days_at_the_time_of_the_request() -> None:
    assert list(price_warnings([charged(at="2026-10-30")])) == []
    (warning,) = price_warnings([charged(at="2026-10-31")])
    assert warning.startswith("the price of p/m was looked up on 2026-08-01, 91 days before the last of 40 attempts")


def test_declared_prices_do_not_age() -> None:
    assert list(price_warnings([charged(confidence="declared")])) == []
