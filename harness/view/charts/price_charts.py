"""A model's list prices over time, as steps.

Pure. Data flows price book -> steps of each rate -> `VegaChart`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from harness.money import plain
from harness.pricing.book import PriceBook
from harness.reports.prices.price_history import rate_steps
from harness.usage.values import Meter
from harness.view.charts.marks import BLUE, GREEN, ORANGE, Datum, layered, tooltips
from harness.view.charts.vega_parts import amount_axis, log_scale
from harness.view.page_values import VegaChart

SHOWN = {Meter.INPUT: "input", Meter.CACHE_READ: "cached input", Meter.OUTPUT: "output"}
_TITLE = "USD per million tokens"
_COLOURS = [BLUE, GREEN, ORANGE]
_BEFORE = timedelta(days=60)
"""Shown before the first dated change, where what held until then has no beginning."""

Steps = Sequence[tuple[datetime | None, Decimal | None]]


def price_chart(book: PriceBook, provider: str, model: str, now: datetime) -> VegaChart | None:
    """Draw input, cached input and output over time up to an instant; None where none of them has a rate."""
    known = _known_steps(book, provider, model)
    if not known:
        return None
    data = list(_data(known, now))
    rates = [datum["rate"] for datum in data if datum["rate"] is not None]
    x = {"field": "at", "type": "temporal", "title": None, "scale": {"type": "utc"}, "axis": {"format": "%Y-%m-%d",
         "labelOverlap": "greedy", "tickCount": {"expr": "narrow ? 3 : 6"}}}  # fmt: skip
    amounts = {"type": "quantitative", "axis": amount_axis("usd", title=_TITLE)}
    y = {"field": "rate", **(log_scale(rates, "usd", title=_TITLE) if all(rates) else amounts)}
    colour = {"field": "meter", "type": "nominal", "title": None, "sort": None,
              "scale": {"domain": list(SHOWN.values()), "range": _COLOURS}}  # fmt: skip
    lines = {
        "mark": {
            "type": "line",
            "interpolate": "step-after",
            "strokeWidth": 2.5,
            "invalid": "break-paths-show-domains",
        },
        "encoding": {"x": x, "y": y, "color": colour},
    }
    changes = {
        "transform": [{"filter": "datum.said && isValid(datum.rate)"}],
        "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1},
        "encoding": {"x": x, "y": y, "color": colour, "tooltip": tooltips(meter="rate", said="price", since="since")},
    }
    return VegaChart(
        name="price-history",
        title="List price over time",
        spec=layered(data, lines, changes),
        description="; ".join(f"{word}: {_in_words(found)}" for word, found in known.items()),
        height_px=340,
    )


def _known_steps(book: PriceBook, provider: str, model: str) -> dict[str, Steps]:
    """Give the steps of each meter that has a rate at any time, by its word."""
    steps = {word: rate_steps(book, provider, model, meter) for meter, word in SHOWN.items()}
    return {word: found for word, found in steps.items() if any(rate is not None for _, rate in found)}


def _data(known: Mapping[str, Steps], now: datetime) -> Iterator[Datum]:
    dated = [since for found in known.values() for since, _ in found if since is not None]
    first, last = min([*dated, now - _BEFORE]) - _BEFORE, max([*dated, now])
    for word, found in known.items():
        yield from _points(word, found, first, last)


def _points(word: str, steps: Steps, first: datetime, last: datetime) -> Iterator[Datum]:
    for since, rate in steps:
        yield {
            "meter": word,
            "at": (since or first).isoformat(),
            "rate": None if rate is None else float(rate),
            "said": "no price" if rate is None else f"${plain(rate)} per million tokens",
            "since": "open" if since is None else f"{since:%Y-%m-%d}",
        }
    rate = steps[-1][1]
    yield {"meter": word, "at": last.isoformat(), "rate": None if rate is None else float(rate), "said": ""}


def _in_words(steps: Steps) -> str:
    return ", ".join(
        ("no price" if rate is None else f"${plain(rate)}") + ("" if since is None else f" from {since:%Y-%m-%d}")
        for since, rate in steps
    )
