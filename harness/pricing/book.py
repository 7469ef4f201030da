"""The price book: which dated row holds for a provider's model at an instant, by exact name or listed alias.

Pure. Data flows price files -> `PriceBook` (harness.pricing.price_files) -> `PriceBook.at` -> `Price` -> harness.costs.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cached_property
from typing import Protocol

from harness.money import multiply
from harness.pricing.rows import (
    ANY_MODEL,
    Adjustment,
    Alias,
    Price,
    digest,
)

IMPORTED_LAYER, SHIPPED_LAYER, USER_LAYER = -1, 0, 1
"""Who says so, from the weakest word to the strongest: another project's list, this project's rows, the user's own."""

LONGEST_ALIAS_CHAIN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceFile:
    """A file that a book was read from, with the digest of its bytes."""

    name: str
    sha256: str
    layer: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A price found for a name at an instant.

    Attributes:
        price: the row.
        multiply: factor of the aliases on the way, 1 for none.
        via: the aliases followed, as `provider/model` names.
    """

    price: Price
    multiply: Decimal = Decimal(1)
    via: tuple[str, ...] = ()


class ImportedRows(Protocol):
    """The lowest layer: rows from other projects' price lists, thousands of them, each read when it is asked for."""

    @property
    def sha256(self) -> str:
        """Digest of all of them."""

    @property
    def providers(self) -> Collection[str]:
        """Providers that have any."""

    def names(self, provider: str) -> Collection[str]:
        """List a provider's models."""

    def rows(self, provider: str, model: str | None = None) -> tuple[Price, ...]:
        """Read the rows of one model, or all of a provider."""

    def texts(self, provider: str) -> tuple[str, ...]:
        """Give a provider's rows as they are written, in their order."""

    def least_tier_tokens(self, provider: str) -> int | None:
        """Give the smallest prompt at which any context tier of a provider begins; None without tiers."""


@dataclass(frozen=True, kw_only=True)
class PriceBook:
    """All prices and aliases, ready to be asked what held at an instant; the order of rows never matters.

    `rows` and `aliases` are this project's and the user's; `imported` is asked where those say nothing.
    """

    rows: tuple[Price, ...] = ()
    aliases: tuple[Alias, ...] = ()
    provider_aliases: Mapping[str, str] = field(default_factory=dict)
    sources: tuple[PriceFile, ...] = ()
    imported: ImportedRows | None = None

    @cached_property
    def sha256(self) -> str:
        """Digest of all prices, aliases and provider names; the same for any order of rows and files."""
        everything: tuple[Price | Alias, ...] = (*self.rows, *self.aliases)
        records = sorted(record.sha256 + str(record.layer) for record in everything)
        imported = {} if self.imported is None else {"imported": self.imported.sha256}
        return digest({"records": records, "providers": dict(self.provider_aliases), **imported})

    @cached_property
    def _records(self) -> dict[tuple[str, str], tuple[_Line, ...]]:
        usable = (row for row in self.rows if row.status != "announced")
        return _index((*usable, *self.aliases))

    @cached_property
    def _endings(self) -> dict[str, tuple[str, ...]]:
        """Names of rows for many models, by provider; the longest ending first."""
        found: dict[str, list[str]] = {}
        for provider, model in self._records:
            if model.startswith(ANY_MODEL):
                found.setdefault(provider, []).append(model)
        return {provider: tuple(sorted(names, key=len, reverse=True)) for provider, names in found.items()}

    def families(self, provider: str) -> frozenset[str]:
        """List the letters that the names of a provider's listed models begin with: `claude`, `gpt`, `o`."""
        found = (_FIRST_LETTERS.match(model.rpartition("/")[2].lower()) for model in self.models(provider))
        return frozenset(letters[0] for letters in found if letters is not None)

    def models(self, provider: str) -> frozenset[str]:
        """List every name of a provider that has a row or an alias at any date."""
        listed = self.provider(provider)
        names = {model for owner, model in self._records if owner == listed}
        return frozenset(names if self.imported is None else names.union(self.imported.names(listed)))

    def provider(self, name: str) -> str:
        """Give the name under which a provider's prices are listed (`gemini` -> `google`)."""
        return self.provider_aliases.get(name, name)

    def match(self, provider: str, model: str, when: datetime) -> Match | None:
        """Find the price in force for an exact name or a listed alias; None when none is known.

        Rows of a higher layer win wherever they are in force; within a layer the latest start on or before `when` wins,
        of prices and aliases alike. Imported rows are asked last, after rows that hold for many models.
        """
        found = self.listed(provider, model, when)
        return None if found is None or found.price.status == "unpriced" else found

    def listed(self, provider: str, model: str, when: datetime) -> Match | None:
        """Find the row that decides, as `match` does, also where it says that the price is not known."""
        name, factor = (self.provider(provider), model), Decimal(1)
        via: list[str] = []
        for _ in range(LONGEST_ALIAS_CHAIN):
            record = self._deciding(name, when)
            if isinstance(record, Price):
                return Match(price=record, multiply=factor, via=tuple(via))
            if record is None:
                break
            via.append(f"{record.provider}/{record.model}")
            name = (record.to_provider, record.to_model)
            factor = factor if record.multiply is None else multiply(factor, record.multiply)
        many = self._of_many_models(self.provider(provider), model, when)
        return None if many is None else Match(price=many)

    def _deciding(self, name: tuple[str, str], when: datetime) -> Price | Alias | None:
        return (
            _latest(self._records.get(name), when)
            or self._of_many_models(*name, when)
            or _latest(self._imported_lines(name), when)
        )

    def _imported_lines(self, name: tuple[str, str]) -> tuple[_Line, ...]:
        if self.imported is None:
            return ()
        if name not in self._imported_read:
            usable = tuple(row for row in self.imported.rows(*name) if row.status != "announced")
            self._imported_read[name] = _lines({IMPORTED_LAYER: usable}) if usable else ()
        return self._imported_read[name]

    @cached_property
    def _imported_read(self) -> dict[tuple[str, str], tuple[_Line, ...]]:
        """Imported rows of the names that were asked for so far."""
        return {}

    def _of_many_models(self, provider: str, model: str, when: datetime) -> Price | None:
        for name in self._names_of_many(provider, model):
            row = _latest(self._records.get((provider, name)), when)
            if isinstance(row, Price):
                return row
        return None

    def _names_of_many(self, provider: str, model: str) -> list[str]:
        return [name for name in self._endings.get(provider, ()) if model.endswith(name[len(ANY_MODEL) :])]

    def at(self, provider: str, model: str, when: datetime) -> Price | None:
        """Find the row in force for an exact name or a listed alias; None when no price is known."""
        found = self.match(provider, model, when)
        return None if found is None else found.price

    def knows(self, provider: str, model: str) -> bool:
        """Tell whether a name is listed at all, at any date."""
        name = (self.provider(provider), model)
        return name in self._records or bool(self._imported_lines(name))

    def history(self, provider: str, model: str) -> tuple[Price | Alias, ...]:
        """List the rows and aliases of a name by date, announced rows included."""
        name = (self.provider(provider), model)
        records: list[Price | Alias] = [row for row in self.rows if (row.provider, row.model) == name]
        records += [alias for alias in self.aliases if (alias.provider, alias.model) == name]
        records += [record for line in self._imported_lines(name) for record in line.records]
        return tuple(sorted(records, key=lambda record: (_start(record), record.layer)))

    def reachable(self, provider: str, model: str) -> tuple[Price | Alias, ...]:
        """List every row and alias that a name may lead to at any instant; announced rows are left out."""
        listed = self.provider(provider)
        todo = [(listed, name) for name in (model, *self._names_of_many(listed, model))]
        seen: set[tuple[str, str]] = set()
        found: list[Price | Alias] = []
        while todo:
            name = todo.pop()
            if name in seen:
                continue
            seen.add(name)
            listed_lines = self._records.get(name, ())
            imported = (line for line in self._imported_lines(name) if not _hidden(line, listed_lines))
            for line in (*listed_lines, *imported):
                found += line.records
                todo += [(row.to_provider, row.to_model) for row in line.records if isinstance(row, Alias)]
        return tuple(found)

    def boundaries(self, provider: str, model: str) -> tuple[datetime, ...]:
        """List every instant at which a name's row, alias or an adjustment's dates may change, in order."""
        moments = {moment for record in self.reachable(provider, model) for moment in _moments(record)}
        return tuple(sorted(moments))

    def least_tier_tokens(self, provider: str) -> int | None:
        """Give the smallest prompt at which a context tier may begin for any name of a provider; None without tiers."""
        listed = self.provider(provider)
        owners = {listed, *(alias.to_provider for alias in self.aliases if alias.provider == listed)}
        tiers = [
            adjustment.least_context_tokens
            for row in self.rows
            if row.provider in owners
            for adjustment in row.adjustments
            if adjustment.least_context_tokens
        ]
        if self.imported is not None:
            tiers += [tier for owner in owners if (tier := self.imported.least_tier_tokens(owner)) is not None]
        return min(tiers, default=None)


_FIRST_LETTERS = re.compile(r"[a-z]+")
_FIRST = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """The rows of one name in one layer, by start."""

    starts: tuple[datetime, ...]
    records: tuple[Price | Alias, ...]


def _start(record: Price | Alias) -> datetime:
    return record.effective_from or _FIRST


def _moments(record: Price | Alias) -> Iterable[datetime]:
    dated: list[Price | Alias | Adjustment] = [record]
    if isinstance(record, Price):
        dated += record.adjustments
    for item in dated:
        yield from (moment for moment in (item.effective_from, item.effective_until) if moment is not None)


def _index(records: Iterable[Price | Alias]) -> dict[tuple[str, str], tuple[_Line, ...]]:
    """Group records by name; the lines of a name are ordered from the highest layer down."""
    grouped: dict[tuple[str, str], dict[int, list[Price | Alias]]] = {}
    for record in records:
        grouped.setdefault((record.provider, record.model), {}).setdefault(record.layer, []).append(record)
    return {name: _lines(layers) for name, layers in grouped.items()}


def _lines(layers: Mapping[int, Sequence[Price | Alias]]) -> tuple[_Line, ...]:
    lines = []
    for layer in sorted(layers, reverse=True):
        records = tuple(layers[layer])
        if len(records) > 1:  # nearly every name has one row, and a digest takes time
            records = _without_corrected(records)
        lines.append(_Line(starts=tuple(_start(record) for record in records), records=records))
    return tuple(lines)


def _without_corrected(records: Iterable[Price | Alias]) -> tuple[Price | Alias, ...]:
    """Order rows by start, and leave out those that a row with the same start corrects."""
    ordered = sorted(records, key=lambda record: (_start(record), record.corrected_on or date.min, record.sha256))
    corrected = {_start(record): record.corrected_on for record in ordered if record.corrected_on is not None}
    return tuple(record for record in ordered if record.corrected_on == corrected.get(_start(record)))


def _hidden(imported: _Line, listed: tuple[_Line, ...]) -> bool:
    """Tell whether a row without an end was in force before the first imported one began, and so is always asked."""
    records = (record for line in listed for record in line.records)
    return any(_start(record) <= imported.starts[0] and record.effective_until is None for record in records)


def _latest(lines: tuple[_Line, ...] | None, when: datetime) -> Price | Alias | None:
    for line in lines or ():
        for record in reversed(line.records[: bisect_right(line.starts, when)]):
            if record.in_force(when):
                return record
    return None
