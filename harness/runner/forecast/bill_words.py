"""How forecasts of bills are said: `$41 [37-46]`, when they were made, and what the bill was."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

from harness.money import from_pico
from harness.runner.forecast.bills import BillForecast

_CENTS_FROM = Decimal("0.995")


def forecast_words(forecast: BillForecast) -> str:
    """Write a forecast with its interval, no finer than the interval allows: `$41 [37-46]`."""
    expected = from_pico(forecast.expected)
    if forecast.low is None or forecast.high is None:
        return f"${_written(expected, _place(expected) - 1)}"
    low, high = from_pico(forecast.low), from_pico(forecast.high)
    half = (high - low) / 2
    finest = min(_place(half) if half else _place(expected) - 2, _place(expected) - 1)
    return f"${_written(expected, finest)} [{_written(low, finest)}-{_written(high, finest)}]"


def bill_words(pico_usd: int) -> str:
    """Write a bill: cents from one dollar up, three significant digits below."""
    return usd_words(from_pico(pico_usd))


def usd_words(amount: Decimal | float) -> str:
    """Write dollars likewise."""
    usd = Decimal(str(amount))
    return f"${_written(usd, -2 if usd >= _CENTS_FROM or not usd else _place(usd) - 2)}"


def stage_words(forecast: BillForecast) -> str:
    """Say when a forecast was made."""
    if forecast.stage == "start":
        return "at the start"
    if forecast.stage == "wave":
        return f"after wave {forecast.wave}"
    share = f"{100 * forecast.share:.2g} % of the answers"
    return f"after the pilot ({share})" if forecast.stage == "pilot" else f"after {share}"


def _place(amount: Decimal) -> int:
    """The power of ten of an amount's first digit; of nothing, that of dollars."""
    return amount.adjusted() if amount else 0


def _written(usd: Decimal, finest: int) -> str:
    """Write dollars down to a power of ten; what has tenths has cents."""
    place = -2 if finest == -1 else min(finest, 0)
    return f"{usd.quantize(Decimal(1).scaleb(place), rounding=ROUND_HALF_EVEN):,f}"
