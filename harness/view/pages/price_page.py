"""The page of one model's prices: history with sources, what decides today, and the runs that asked it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from harness.documents.table import Column, Table
from harness.instants import from_us
from harness.ledger.reading.viewed.model_uses import ModelUse, model_uses
from harness.models import ModelSpec
from harness.pricing.book import PriceBook
from harness.pricing.known_names import nearest, where_prices_go
from harness.pricing.rates import Terms
from harness.rendering.export_files import stream_of
from harness.reports.prices.explanation import explain, explanation_lines
from harness.reports.prices.price_tables import history_facts, history_table
from harness.view.charts.price_charts import price_chart
from harness.view.page_addresses import run_address
from harness.view.page_values import Asked, Grid, NotThere, Shown

_ADDRESS = re.compile(r"https?://[A-Za-z0-9][A-Za-z0-9.-]*(?::\d{1,5})?(?:/[^\s;,()<>\"'\\]*)?")
_USES = (
    Column(name="run", whole=True),
    Column(name="suite"),
    Column(name="model"),
    Column(name="status"),
    Column(name="started", kind="timestamp"),
)


def price_page(asked: Asked) -> Shown:
    """Show the dated prices of one name; `NotThere` where the book does not know it."""
    book, now = asked.sources.book, datetime.now(UTC)
    provider, model = asked.names["provider"], asked.names["model"]
    name = f"{provider}/{model}"
    known = history_facts(book, provider, model)
    if not known and not book.reachable(provider, model):
        raise _unknown(book, provider, model, now)
    history = history_table(book, provider, model)
    uses = _uses_table(asked, provider, model)
    explained = explain(book, provider, model, Terms(at=now), [])
    today = [*explanation_lines(replace(explained, passed_over=()))]
    return Shown(
        template="price.html.j2",
        title=f"Prices of {name}",
        values={
            "name": name,
            "chart": price_chart(book, provider, model, now),
            "grid": Grid(table=replace(history, notes=())) if history.rows else None,
            "said": [list(linked(note)) for note in history.notes],
            "today": [list(linked(line)) for line in today],
            "passed_over": explained.passed_over,
            "uses": Grid(table=uses, links={"run": [run_address(row[0]) for row in uses.rows]}),
        },
        downloads={"price_history": lambda: stream_of(history), "uses": lambda: stream_of(uses)},
    )


def linked(text: str) -> Iterator[tuple[str, str | None]]:
    """Take a text of a price file apart: pieces, each with where it leads; only web addresses lead anywhere."""
    end = 0
    for found in _ADDRESS.finditer(text):
        address = found[0].rstrip(".:")
        yield text[end : found.start()], None
        yield address, address
        end = found.start() + len(address)
    yield text[end:], None


def _uses_table(asked: Asked, provider: str, model: str) -> Table:
    book = asked.sources.book
    listed = book.provider(provider)
    names = sorted({provider, listed, *(name for name, of in book.provider_aliases.items() if of == listed)})
    uses = model_uses(asked.sources.ledger, names, model)
    rows = [_use(one, provider, model) for one in uses]
    return Table(name="uses", title="Runs of this ledger that asked it", columns=_USES, rows=rows)


def _use(one: ModelUse, provider: str, model: str) -> tuple[object, ...]:
    asked = ModelSpec(provider=provider, model=model, setting=one.setting)
    return one.run_id, one.suite, str(asked), one.status, from_us(one.created_at_us)


def _unknown(book: PriceBook, provider: str, model: str, now: datetime) -> NotThere:
    near = nearest(book, provider, model, now)
    return NotThere(
        f"the price book knows no {provider}/{model}" + (f"; listed are {'; '.join(near)}" if near else ""),
        where=provider,
        fix=where_prices_go(book, provider),
    )
