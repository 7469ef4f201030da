"""What changed in the prices since a day: for which models, by how much, and what stored runs would have cost.

Pure. Data flows (`PriceBook`, two instants) -> `Change`s of one rate each, and models that got their first price.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from harness.pricing.book import PriceBook
from harness.pricing.other_lists import card_of, published_rate
from harness.pricing.rows import Alias, Price
from harness.usage.values import Meter


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One rate of a name before and after; USD per million tokens, or per unit of a fee. None = no such rate then."""

    provider: str
    model: str
    meter: Meter
    before: Decimal | None
    after: Decimal | None
    source: str

    @property
    def share(self) -> Decimal | None:
        """Change as a share of the rate before: 0.5 is half as much again."""
        if not self.before or self.after is None:
            return None
        return self.after / self.before - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What changed between two instants.

    Attributes:
        rates: rates of names that had a price at both.
        began: names that have a price only at the later one.
        ended: names that had a price only at the earlier one.
    """

    rates: tuple[Change, ...]
    began: tuple[str, ...]
    ended: tuple[str, ...]


def changes(book: PriceBook, since: datetime, until: datetime) -> Changes:
    """Compare the price of every name at two instants."""
    rates: list[Change] = []
    began, ended = [], []
    for provider, model in sorted(_names_changed(book, since, until)):
        before, after = book.match(provider, model, since), book.match(provider, model, until)
        if before is None or after is None:
            if after is not None:
                began.append(f"{provider}/{model}")
            elif before is not None:
                ended.append(f"{provider}/{model}")
            continue
        old, new = card_of(before, since), card_of(after, until)
        for meter in sorted({*old.usd_per_unit, *new.usd_per_unit}):
            was, becomes = published_rate(old, meter), published_rate(new, meter)
            if was != becomes:
                rates.append(
                    Change(
                        provider=provider,
                        model=model,
                        meter=meter,
                        before=was,
                        after=becomes,
                        source=after.price.source,
                    )
                )
    return Changes(rates=tuple(rates), began=tuple(began), ended=tuple(ended))


def _names_changed(book: PriceBook, since: datetime, until: datetime) -> Iterator[tuple[str, str]]:
    """Give names at which a row, an alias or an adjustment began or ended in between, and aliases of those."""
    records: list[Price | Alias] = [*book.rows, *book.aliases]
    if book.imported is not None:
        records += [row for provider in book.imported.providers for row in book.imported.rows(provider)]
    names = {(record.provider, record.model) for record in records}
    for provider, model in names:
        if any(since < moment <= until for moment in book.boundaries(provider, model)):
            yield provider, model
