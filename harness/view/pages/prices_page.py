"""The page of what every model costs now, searched, sorted and a page at a time."""

from __future__ import annotations

from datetime import UTC, datetime

from harness.rendering.export_files import stream_of
from harness.reports.prices.current_prices import SORTS, current_prices, current_table, providers, sort_prices
from harness.view.page_addresses import price_address
from harness.view.page_values import Asked, Grid, Shown
from harness.view.paging import paging


def prices_page(asked: Asked) -> Shown:
    """Show current prices: `?q=` searches names, `?provider=` chooses one, `?sort=` a column (`-` = descending)."""
    book, now = asked.sources.book, datetime.now(UTC)
    found = current_prices(book, now, provider=asked.one("provider"), containing=asked.one("q"))
    by, descending = _sorting(asked)
    prices = sort_prices(found, by, descending=descending)
    pages = paging(asked, len(prices))
    shown = prices[pages.rows]
    grid = Grid(
        table=current_table(shown),
        links={"model": [price_address(one.provider, one.model) for one in shown]},
        sorting={name: asked.address(sort=_turned(name, by, descending=descending), page="") for name in SORTS},
        sorted_by=(by, "descending" if descending else "ascending"),
    )
    return Shown(
        template="prices.html.j2",
        title="Prices",
        values={"grid": grid, "pages": pages, "providers": providers(book), "now": now},
        downloads={"prices": lambda: stream_of(current_table(prices))},
    )


def _sorting(asked: Asked) -> tuple[str, bool]:
    wanted = asked.one("sort")
    name = wanted.removeprefix("-")
    return (name, wanted.startswith("-")) if name in SORTS else ("provider", False)


def _turned(name: str, by: str, *, descending: bool) -> str:
    """Name the order that a click on a column gives: the other way round where rows are sorted by it already."""
    return f"-{name}" if name == by and not descending else name
