"""Price rows as tables and a small text chart for people.

Pure. Data flows `PriceBook` -> rows of a name over time -> `Table` and text lines; renderers do the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal

from harness.documents.table import Column, Table
from harness.instants import utc_text
from harness.money import plain
from harness.pricing.book import ImportedRows, PriceBook
from harness.pricing.rows import TOKEN_METERS, WEEKDAY_NAMES, Adjustment, Alias, Price
from harness.usage.values import Meter

SHOWN_METERS = (Meter.INPUT, Meter.CACHE_READ, Meter.CACHE_WRITE_5M, Meter.CACHE_WRITE_1H, Meter.OUTPUT)
CHART_WIDTH = 44
OPEN_START = "(open)"

_PRICE_COLUMNS = (
    Column(name="from", description="first instant, UTC", drops=1),
    Column(name="until", description="first instant at which it no longer holds", drops=3),
    Column(name="input_usd_per_mtok", kind="amount", unit="USD/Mtok", title="input"),
    Column(name="cache_read_usd_per_mtok", kind="amount", unit="USD/Mtok", title="cached", drops=2),
    Column(name="cache_write_5m_usd_per_mtok", kind="amount", unit="USD/Mtok", title="write 5m", drops=5),
    Column(name="cache_write_1h_usd_per_mtok", kind="amount", unit="USD/Mtok", title="write 1h", drops=6),
    Column(name="output_usd_per_mtok", kind="amount", unit="USD/Mtok", title="output"),
    Column(name="other_rates", title="other rates", description="fees and modalities", drops=7),
)


def history_table(book: PriceBook, provider: str, model: str) -> Table:
    """Build the dated rows of a name, and of the models that its aliases led to; sources stand in the notes."""
    rows: list[tuple[object, ...]] = []
    notes: list[str] = []
    for record, shown in _followed(book, provider, model):
        if isinstance(record, Alias):
            notes.append(alias_sentence(record))
            continue
        rows.append((*shown, *_price_cells(record)))
        notes += [f"{shown[0]}: {sentence}" for sentence in _explanation(record)]
    title = f"Prices of {book.provider(provider)}/{model} in USD per million tokens, as published"
    columns, cells = _filled(_PRICE_COLUMNS, rows)
    return Table(name="price_history", title=title, columns=columns, rows=cells, notes=tuple(dict.fromkeys(notes)))


def list_table(book: PriceBook, *, provider: str | None = None, at: datetime | None = None) -> Table:
    """Build a table of all rows, or of those in force at an instant."""
    wanted = None if provider is None else book.provider(provider)
    rows = [
        (price.name, *_span(price), *_price_cells(price), price.confidence)
        for price in _listed(book, wanted)
        if at is None or book.at(price.provider, price.model, at) == price
    ]
    columns = (Column(name="model"), *_PRICE_COLUMNS, Column(name="confidence", drops=4))
    title = "Prices in USD per million tokens; sources and tiers: prices show MODEL"
    notes = () if wanted is not None or book.imported is None else (_imported_note(book.imported),)
    return Table(name="prices", title=title, columns=columns, rows=rows, notes=notes)


def _listed(book: PriceBook, provider: str | None) -> list[Price]:
    """Give every row of a provider, imported ones too, or all that are not imported, by name and date."""
    rows = [row for row in book.rows if provider in (None, row.provider)]
    if provider is not None and book.imported is not None:
        rows += book.imported.rows(provider)
    return sorted(rows, key=lambda row: (row.provider, row.model, utc_text(row.effective_from) or ""))


def _imported_note(imported: ImportedRows) -> str:
    n_rows = sum(len(imported.texts(provider)) for provider in imported.providers)
    return f"besides: {n_rows:,} imported rows of {len(imported.providers)} providers; name one with --provider"


def history_facts(book: PriceBook, provider: str, model: str) -> list[dict[str, object]]:
    """List the same history as JSON values."""
    return [_facts(record) for record, _ in _followed(book, provider, model)]


def price_list_facts(book: PriceBook) -> dict[str, object]:
    """List everything in a book as JSON values."""
    return {
        "price_book_sha256": book.sha256,
        "sources": [{"file": file.name, "sha256": file.sha256, "layer": file.layer} for file in book.sources],
        "prices": [_facts(price) for price in book.rows],
        "aliases": [_facts(alias) for alias in book.aliases],
        "providers": dict(book.provider_aliases),
    }


def price_chart(book: PriceBook, provider: str, model: str) -> list[str]:
    """Draw input and output rates over time as bars, one line a row and side."""
    drawn = list(_bars(book, provider, model))
    highest = max((rate for _, _, rate in drawn), default=Decimal(0))
    if not highest:
        return []
    lines = ["USD per million tokens over time"]
    previous = ""
    for start, side, rate in drawn:
        length = max(1, round(rate / highest * CHART_WIDTH)) if rate else 0
        lines.append(f"{start if start != previous else '':<20}  {side:<6} {'#' * length} {plain(rate)}")
        previous = start
    return lines


def _bars(book: PriceBook, provider: str, model: str) -> Iterator[tuple[str, str, Decimal]]:
    for record, shown in _followed(book, provider, model):
        if isinstance(record, Price) and record.status != "announced":
            for meter in (Meter.INPUT, Meter.OUTPUT):
                if (rate := record.rates.get(meter)) is not None:
                    yield shown[0], meter.value, rate


def adjustment_sentence(adjustment: Adjustment) -> str:
    """Say in one line what an adjustment changes, and when it holds."""
    changes = [_rate_text(meter, rate) for meter, rate in adjustment.rates.items()]
    if adjustment.multiply is not None:
        spared = f" (not {', '.join(sorted(adjustment.spared))})" if adjustment.spared else ""
        changes.insert(0, f"x{plain(adjustment.multiply)}{spared}")
    note = f" ({adjustment.note})" if adjustment.note else ""
    return f"{'; '.join(_conditions(adjustment)) or 'always'}: {', '.join(changes)}{note}"


def _conditions(adjustment: Adjustment) -> Iterator[str]:
    for word, values in (("tier", adjustment.tiers), ("speed", adjustment.speeds), ("region", adjustment.geos)):
        if values:
            yield f"{word} {' or '.join(sorted(values))}"
    if adjustment.thinking is not None:
        yield "thinking on" if adjustment.thinking else "thinking off"
    if adjustment.least_context_tokens:
        yield f"prompt of {adjustment.least_context_tokens:,} tokens or more"
    if adjustment.most_context_tokens is not None:
        yield f"prompt of at most {adjustment.most_context_tokens:,} tokens"
    yield from _times(adjustment)


def _times(adjustment: Adjustment) -> Iterator[str]:
    if adjustment.hours:
        yield f"{', '.join(map(str, adjustment.hours))} UTC"
    if adjustment.weekdays:
        yield f"on {', '.join(WEEKDAY_NAMES[day] for day in sorted(adjustment.weekdays))}"
    if adjustment.except_dates:
        yield f"except {', '.join(day.isoformat() for day in sorted(adjustment.except_dates))}"
    if adjustment.effective_from is not None:
        yield f"from {_day(adjustment.effective_from)}"
    if adjustment.effective_until is not None:
        yield f"until {_day(adjustment.effective_until)}"


def _followed(
    book: PriceBook, provider: str, model: str, *, depth: int = 0
) -> Iterator[tuple[Price | Alias, tuple[str, str]]]:
    """Go through a name's records by date, and into what its aliases led to while they did; with the span shown."""
    for record in book.history(provider, model):
        if isinstance(record, Price):
            yield record, _span(record)
            continue
        yield record, _span(record)
        if depth > 3:
            continue
        for inner, _ in _followed(book, record.to_provider, record.to_model, depth=depth + 1):
            if isinstance(inner, Alias) or _overlap(record, inner):
                yield inner, _common_span(record, inner)


def _overlap(alias: Alias, price: Price) -> bool:
    starts_late = alias.effective_until and price.effective_from and price.effective_from >= alias.effective_until
    ended_early = alias.effective_from and price.effective_until and price.effective_until <= alias.effective_from
    return not (starts_late or ended_early)


def _common_span(alias: Alias, record: Price | Alias) -> tuple[str, str]:
    starts = [moment for moment in (alias.effective_from, record.effective_from) if moment is not None]
    ends = [moment for moment in (alias.effective_until, record.effective_until) if moment is not None]
    return _day(max(starts)) if starts else OPEN_START, _day(min(ends)) if ends else ""


def _span(record: Price | Alias) -> tuple[str, str]:
    start = OPEN_START if record.effective_from is None else _day(record.effective_from)
    if isinstance(record, Price) and record.status == "announced":
        start += " (announced)"
    return start, "" if record.effective_until is None else _day(record.effective_until)


def _day(moment: datetime) -> str:
    """Write midnight as a day and every other instant in full."""
    text = utc_text(moment) or ""
    return text.removesuffix("T00:00:00Z")


def _price_cells(price: Price) -> tuple[object, ...]:
    others = [_rate_text(meter, rate) for meter, rate in price.rates.items() if meter not in SHOWN_METERS]
    if price.free:
        others.append("free")
    return (*(price.rates.get(meter) for meter in SHOWN_METERS), ", ".join(others))


def _explanation(price: Price) -> Iterator[str]:
    """Say who says so and how sure it is, then what changes the rates."""
    yield f"source: {price.source}; confidence: {price.confidence}" + (f"; {price.note}" if price.note else "")
    yield from map(adjustment_sentence, price.adjustments)


def _filled(
    columns: tuple[Column, ...], rows: list[tuple[object, ...]]
) -> tuple[tuple[Column, ...], list[tuple[object, ...]]]:
    """Leave out columns in which no row has anything."""
    kept = [index for index in range(len(columns)) if index < 2 or any(row[index] not in (None, "") for row in rows)]
    return tuple(columns[index] for index in kept), [tuple(row[index] for index in kept) for row in rows]


def _rate_text(meter: Meter, rate: Decimal) -> str:
    return f"{meter.value} {plain(rate)}" if meter in TOKEN_METERS else f"{meter.value} {plain(rate)} each"


def alias_sentence(alias: Alias) -> str:
    """Say for what a name stood, since when, and who says so."""
    start, end = _span(alias)
    factor = "" if alias.multiply is None else f" at {plain(alias.multiply)}x"
    span = f"from {start}" + (f" until {end}" if end else "")
    return f"{alias.provider}/{alias.model} is {alias.to_provider}/{alias.to_model}{factor} {span} ({alias.source})"


def _facts(record: Price | Alias) -> dict[str, object]:
    described: Mapping[str, object] = {
        "source": record.source,
        "note": record.note,
        "row": record.where,
        "layer": record.layer,
        "row_sha256": record.sha256,
    }
    if isinstance(record, Price):
        checked = None if record.checked_on is None else record.checked_on.isoformat()
        described = {"confidence": record.confidence, "checked_on": checked, **described}
    return {**record.canonical(), **described}
