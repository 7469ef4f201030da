"""Rows of the lowest layer from other projects' price lists: what both say, or one alone says, and never a guess.

Pure but for `read_imported` and `write_imported`. Data flows `PriceList`s -> `Entry` for each name -> the rows that the
files do not have yet -> pricing/imported/<provider>.toml, at the end: rows are appended, never changed.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import TypeVar

from harness.money import plain
from harness.pricing.book import IMPORTED_LAYER
from harness.pricing.lists.quotes import PriceList, Quote, Refusal, is_fee, rate_keys
from harness.pricing.rows import Price
from harness.pricing.shelves import MARK, Shelf, shelf_in
from harness.pricing.typed_rows import PriceRow, price_of

HEADER = """# Prices of {provider} as other projects' lists state them, by `benchtab prices import`; one row a line.
# They count where no other row says anything. To correct one, write a row of your own; never edit or delete one here.
{mark}provider = {provider}

price = [
"""
_FOOTER = "]\n"
_ANY_DAY = date(2000, 1, 1)
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row to write: the table as a price file has it, and its value."""

    table: Mapping[str, object]
    price: Price

    @property
    def checked_on(self) -> date:
        """The day on which the lists said so."""
        return self.price.checked_on or date.min


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A rate on which two lists differ.

    Attributes:
        key: the rate, and the tier or prompt size that it is for.
        figures: what each list says, by its name and version.
        decides_model: whether the model cannot be priced without it; a disputed fee or tier is left out alone.
    """

    provider: str
    model: str
    key: str
    figures: Mapping[str, Decimal]
    decides_model: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import found.

    Attributes:
        appended: new rows, by provider.
        differences: rates on which the lists differ.
        refusals: entries that a rule leaves out.
        n_models: names that have an imported price now.
    """

    appended: Mapping[str, tuple[Row, ...]] = field(default_factory=dict)
    differences: tuple[Difference, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    n_models: int = 0


def import_lists(lists: Sequence[PriceList], known: Mapping[str, Shelf]) -> Imported:
    """Find the rows that lists add to those already imported.

    Args:
        lists: one or two, of different projects.
        known: the files of imported rows so far, by provider.
    """
    quoted, second = _by_name(lists)
    by_project = {each.project: each for each in lists}
    appended: dict[str, tuple[Row, ...]] = {}
    differences: list[Difference] = []
    for (provider, model), found in sorted(quoted.items()):
        rows, differing = _rows_of(found, by_project)
        differences += differing
        earlier = list(known[provider].rows(model)) if provider in known else []
        if new := tuple(_not_yet(rows, earlier)):
            appended[provider] = (*appended.get(provider, ()), *new)
    undecided = {(item.provider, item.model) for item in differences if item.decides_model}
    return Imported(
        appended=appended,
        differences=tuple(differences),
        refusals=(*chain.from_iterable(each.refusals for each in lists), *second),
        n_models=len(quoted) - len(undecided),
    )


def _by_name(lists: Sequence[PriceList]) -> tuple[dict[tuple[str, str], dict[str, list[Quote]]], list[Refusal]]:
    """Sort quotes by provider and model, then by project; refuse a second entry of a name in one list."""
    quoted: dict[tuple[str, str], dict[str, list[Quote]]] = {}
    refusals = []
    for each in lists:
        for quote in each.quotes:
            quotes = quoted.setdefault(quote.name, {}).setdefault(each.project, [])
            if quotes and quotes[0].listed_as != quote.listed_as:
                refusals.append(_second(quote, quotes[0]))
            else:
                quotes.append(quote)
    return quoted, refusals


def _second(quote: Quote, first: Quote) -> Refusal:
    same = list(rate_keys(quote)) == list(rate_keys(first))
    reason = (
        f"a second entry of the name, {'at the same price' if same else 'at another price'}: {first.listed_as} counts"
    )
    return Refusal(listed_as=quote.listed_as, provider=quote.provider, model=quote.model, reason=reason)


def _rows_of(
    found: Mapping[str, Sequence[Quote]], lists: Mapping[str, PriceList]
) -> tuple[list[Row], list[Difference]]:
    """Make the rows of a name; of two lists that differ, one row that says so in place of a price."""
    if len(found) == 1:
        ((project, quotes),) = found.items()
        return _rows_of_one(quotes, lists[project]), []
    (first, undated), (second, dated) = sorted(found.items(), key=lambda item: any(quote.since for quote in item[1]))
    one, other = lists[first], lists[second]
    then = _in_force(dated, one.stated_on)
    if then is None:  # the dated list begins after the other spoke: there is nothing to compare on one day
        return _rows_of_one(dated, other), []
    differing = _differing(undated[-1], then, one, other)
    if any(item.decides_model for item in differing):
        return [_unpriced(differing, undated[-1], one, other)], differing
    merged, word = _merged(_without(undated[-1], differing), _without(then, differing), one, other)
    begin = min(one.stated_on, other.stated_on)
    rows = [
        _row(merged, quote.since or begin, (one, other), word)
        if quote is then
        else _row(quote, quote.since or begin, (other,), "imported")
        for quote in dated
    ]
    return rows, differing


def _rows_of_one(quotes: Sequence[Quote], listed: PriceList) -> list[Row]:
    return [_row(quote, quote.since or listed.stated_on, (listed,), "imported") for quote in quotes]


def _in_force(quotes: Sequence[Quote], day: date) -> Quote | None:
    """Give the quote that held on a day; quotes are in the order of their dates, an undated one is the only one."""
    begun = [quote for quote in quotes if not quote.announced and (quote.since is None or quote.since <= day)]
    return begun[-1] if begun else None


def _differing(quote: Quote, other: Quote, one: PriceList, two: PriceList) -> list[Difference]:
    ours, theirs = {item.key: item for item in rate_keys(quote)}, {item.key: item for item in rate_keys(other)}
    return [
        Difference(
            provider=quote.provider,
            model=quote.model,
            key=key,
            figures={one.label: item.rate, two.label: theirs[key].rate},
            decides_model=item.sale is None and not is_fee(key),
        )
        for key, item in ours.items()
        if key in theirs and theirs[key].rate != item.rate
    ]


def _without(quote: Quote, differing: Sequence[Difference]) -> Quote:
    """Leave out disputed fees and ways of selling: a request that needs one stays unpriced."""
    disputed = {item.key for item in differing}
    sales = [*dict.fromkeys(item.sale for item in rate_keys(quote) if item.key in disputed and item.sale is not None)]
    names = [*filter(disputed.__contains__, quote.rates), *(word for _, word in sales)]
    return replace(
        quote,
        rates=_but(quote.rates, disputed),
        sales=_but(quote.sales, sales),
        sized_sales=_but(quote.sized_sales, [place for place in quote.sized_sales if place[0] in sales]),
        left_out=(*quote.left_out, *(f"{name} (disputed)" for name in names)),
    )


def _but(whole: Mapping[_Key, _Value], keys: Collection[_Key]) -> dict[_Key, _Value]:
    return {key: value for key, value in whole.items() if key not in keys}


def _merged(quote: Quote, other: Quote, one: PriceList, two: PriceList) -> tuple[Quote, str]:
    """Take all that either says, and name what only one says."""
    alone = {
        one.project: sorted(_parts(quote) - _parts(other)),
        two.project: sorted(_parts(other) - _parts(quote)),
    }
    said = "; ".join(f"{', '.join(parts)}: {project} alone" for project, parts in alone.items() if parts)
    merged = replace(
        other,
        rates={**other.rates, **quote.rates},
        sales={**other.sales, **quote.sales},
        sizes={**other.sizes, **quote.sizes},
        sized_sales={**other.sized_sales, **quote.sized_sales},
        sold_since={sale: day for sale, day in other.sold_since.items() if sale not in quote.sales},
        factors={**other.factors, **quote.factors},
        page=quote.page or other.page,
        left_out=tuple(dict.fromkeys((*quote.left_out, *other.left_out))),
    )
    return merged, "imported, two sources" + (f" ({said})" if said else "")


def _parts(quote: Quote) -> set[str]:
    parts = set(quote.rates) | {word for _, word in quote.sales} | {f"over {size}" for size in quote.sizes}
    return parts | {f"{kind} {word}" for kind, word in quote.factors}


def quoted_price(quote: Quote) -> Price:
    """Make the row that a quote would be on its own."""
    return _row(quote, quote.since or _ANY_DAY, (), "imported").price


def _row(quote: Quote, start: date, sources: Sequence[PriceList], confidence: str) -> Row:
    left_out = _left_out(quote)
    table = {
        "model": quote.model,
        "effective_from": start.isoformat(),
        "effective_until": None if quote.until is None else quote.until.isoformat(),
        "status": "announced" if quote.announced else None,
        **{key: plain(rate) for key, rate in quote.rates.items()},
        "when": quote.whens() or None,
        "source": _source(sources, quote),
        "checked_on": max((each.stated_on for each in sources), default=start),
        "confidence": confidence,
        "note": f"without {left_out}" if left_out else None,
    }
    return _checked({key: value for key, value in table.items() if value is not None}, quote.provider)


def _source(sources: Sequence[PriceList], quote: Quote) -> str:
    return f"{'; '.join(each.label for each in sources)}: {quote.page or 'no page named'}"


def _left_out(quote: Quote) -> str:
    uneven = (f"{word} (not for every size, or uneven)" for word in quote.dropped_sales())
    return ", ".join((*quote.left_out, *uneven))


def _unpriced(differing: Sequence[Difference], quote: Quote, one: PriceList, two: PriceList) -> Row:
    figures = "; ".join(
        f"{item.key}: {', '.join(f'{label} {plain(rate)}' for label, rate in item.figures.items())}"
        for item in differing[:4]
    )
    table = {
        "model": quote.model,
        "effective_from": max(one.stated_on, two.stated_on).isoformat(),
        "status": "unpriced",
        "source": _source((one, two), quote),
        "checked_on": max(one.stated_on, two.stated_on),
        "confidence": "imported, the sources differ",
        "note": f"the sources differ: {figures}; a row of your own decides",
    }
    return _checked(table, quote.provider)


def _checked(table: Mapping[str, object], provider: str) -> Row:
    return Row(table=table, price=price_of(PriceRow.model_validate(table), provider, "", IMPORTED_LAYER))


def _not_yet(rows: Sequence[Row], known: Sequence[Price]) -> Iterator[Row]:
    """Leave out rows that say what the file says already; a second word on the same day corrects the first.

    What a list says of its own day holds from that day, also where an older list said otherwise of a later day than
    the one from which this list now says that its price held.
    """
    said = [price for price in known if price.status != "announced"]
    announced = {_key(price) for price in known if price.status == "announced"}
    for row in (*rows, *_again(rows)):
        if row.price.status == "announced":
            if _key(row.price) not in announced:
                yield row
        elif (new := _appended(row, said)) is not None:
            said.append(new.price)
            yield new


def _again(rows: Sequence[Row]) -> list[Row]:
    """Give the last row that had begun when its list was made once more, from that day on."""
    begun = [row for row in rows if row.price.status != "announced" and _start_day(row) <= row.checked_on]
    return [
        _checked({**row.table, "effective_from": row.checked_on.isoformat()}, row.price.provider) for row in begun[-1:]
    ]


def _appended(row: Row, said: Sequence[Price]) -> Row | None:
    """Give the row as it is to be appended; None when the same is said already, or something newer of its day."""
    start = row.price.effective_from
    begun = [price for price in said if start is not None and _order(price)[0] <= start]
    latest = max(begun, key=_order, default=None)
    if latest is not None and _money(latest) == _money(row.price):
        return None
    if latest is None or latest.effective_from != start:
        return row
    if row.checked_on <= _said_on(latest):
        return None
    return _checked({**row.table, "corrected_on": row.checked_on}, row.price.provider)


def _said_on(price: Price) -> date:
    return max(price.checked_on or date.min, price.corrected_on or date.min)


def _start_day(row: Row) -> date:
    return row.price.effective_from.date() if row.price.effective_from is not None else date.min


def _key(price: Price) -> tuple[datetime | None, str]:
    return price.effective_from, json.dumps(_money(price), sort_keys=True)


def _order(price: Price) -> tuple[datetime, date]:
    return price.effective_from or datetime.combine(date.min, time(), UTC), price.corrected_on or date.min


def _money(price: Price) -> dict[str, object]:
    """What a row charges, whenever it began."""
    dates = ("effective_from", "corrected_on")
    return {key: value for key, value in price.canonical().items() if key not in dates}


def read_imported(folder: Path) -> dict[str, Shelf]:
    """Read the files of imported rows that a folder holds; empty for a new one."""
    return {path.stem: shelf_in(path, path.name) for path in sorted(folder.glob("*.toml"))}


def write_imported(folder: Path, found: Imported) -> None:
    """Append rows at the end of each provider's file."""
    folder.mkdir(parents=True, exist_ok=True)
    for provider, rows in found.appended.items():
        path = folder / f"{provider}.toml"
        empty = HEADER.format(provider=json.dumps(provider), mark=MARK) + _FOOTER
        text = path.read_text("utf-8") if path.exists() else empty
        lines = "".join(f"{toml_line(row.table)},\n" for row in rows)
        path.write_text(text.removesuffix(_FOOTER) + lines + _FOOTER, "utf-8")


def toml_line(value: object) -> str:
    """Write a value of a price file as TOML on one line."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {toml_line(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml_line, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    return json.dumps(str(value), ensure_ascii=False)
