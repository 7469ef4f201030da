"""Reads price files (TOML) into a `PriceBook`, and reports every mistake in them at once with file, row and key.

Data flows pricing/*.toml (shipped), then the user's folder laid over it -> records -> `PriceBook`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.errors import Finding, InputError
from harness.pricing.book import IMPORTED_LAYER, LONGEST_ALIAS_CHAIN, SHIPPED_LAYER, USER_LAYER, PriceBook, PriceFile
from harness.pricing.rows import Alias, Price
from harness.pricing.shelves import FOLDER, Shelf, Shelves, is_imported, read_shelves
from harness.pricing.typed_rows import AliasRow, PriceRow, ProviderAliasRow, findings_of, price_of
from harness.resources import shipped
from harness.typed_files import parse_toml


@dataclass(slots=True)
class _Layer:
    """What one folder holds, with the mistakes found in it."""

    prices: list[Price] = field(default_factory=list)
    aliases: list[Alias] = field(default_factory=list)
    providers: dict[str, str] = field(default_factory=dict)
    files: list[PriceFile] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    shelves: list[Shelf] = field(default_factory=list)


def load_price_book(override_dir: Path | None = None) -> PriceBook:
    """Read the shipped price files, and a user's folder over them.

    A row of the user's folder wins over a shipped row wherever both are in force for the same provider and model;
    imported rows (files that say `layer = "imported"`, in any folder) count where neither says anything.

    Raises:
        InputError: with every mistake found in any file.
    """
    layers = [_read_folder(shipped("pricing"), SHIPPED_LAYER)]
    if override_dir is not None:
        layers.append(_read_folder(override_dir, USER_LAYER))
    return _book(layers)


def read_price_book(folder: Path) -> PriceBook:
    """Read one folder of price files, and the imported rows in it and in its `imported`.

    Raises:
        InputError: with every mistake found in any file.
    """
    return _book([_read_folder(folder, SHIPPED_LAYER)])


def _book(layers: list[_Layer]) -> PriceBook:
    shelves = Shelves(shelf for layer in layers for shelf in layer.shelves)
    prices = tuple(price for layer in layers for price in layer.prices)
    aliases = tuple(alias for layer in layers for alias in layer.aliases)
    findings = [finding for layer in layers for finding in layer.findings]
    findings += _clashes(prices, aliases) if not findings else []
    findings += _dangling(prices, aliases, shelves) if not findings else []
    if findings:
        mistakes = "mistake" if len(findings) == 1 else "mistakes"
        message = f"{len(findings)} {mistakes} in the price files"
        raise InputError(message, findings=findings, fix="correct the rows named")
    providers = {name: provider for layer in layers for name, provider in layer.providers.items()}
    files = tuple(file for layer in layers for file in layer.files)
    if shelves.providers:
        files += (PriceFile(name=FOLDER, sha256=shelves.sha256, layer=IMPORTED_LAYER),)
    return PriceBook(rows=prices, aliases=aliases, provider_aliases=providers, sources=files, imported=shelves)


def _read_folder(folder: Path, number: int) -> _Layer:
    layer = _Layer()
    paths = sorted(folder.glob("*.toml"))
    layer.shelves = read_shelves(folder)
    if not paths and not layer.shelves:
        raise InputError(
            "there are no price files (*.toml) here", where=str(folder), fix="pass a folder that has some to --pricing"
        )
    for path in paths:
        raw = path.read_bytes()
        if is_imported(raw):
            continue
        layer.files.append(PriceFile(name=path.name, sha256=hashlib.sha256(raw).hexdigest(), layer=number))
        try:
            content = parse_toml(raw)
        except ValueError as error:
            layer.findings.append(Finding(where=str(path), message=f"not a TOML file: {error}"))
            continue
        _read_file(path, content, number, layer)
    return layer


def _read_file(path: Path, content: Mapping[str, Any], number: int, layer: _Layer) -> None:
    unknown = sorted(content.keys() - {"provider", "price", "alias", "provider_alias"})
    layer.findings += [Finding(where=str(path), message=f"unknown key {key!r}") for key in unknown]
    provider = content.get("provider")
    for where, row in _rows(path, content, "price", PriceRow, layer.findings):
        if owner := _owner(row.provider or provider, where, layer.findings):
            layer.prices.append(price_of(row, owner, f"{path.name} {where}", number))
    for where, row in _rows(path, content, "alias", AliasRow, layer.findings):
        if owner := _owner(row.provider or provider, where, layer.findings):
            layer.aliases.append(_alias(row, owner, f"{path.name} {where}", number))
    for _, row in _rows(path, content, "provider_alias", ProviderAliasRow, layer.findings):
        layer.providers[row.name] = row.provider


def _rows(
    path: Path, content: Mapping[str, Any], table: str, schema: type[Any], findings: list[Finding]
) -> Iterator[tuple[str, Any]]:
    rows = content.get(table, [])
    if not isinstance(rows, list):
        findings.append(Finding(where=str(path), message=f"write [[{table}]], not [{table}]"))
        return
    for number, raw in enumerate(rows, start=1):
        label = raw.get("model") or raw.get("name") if isinstance(raw, dict) else None
        where = f"[[{table}]] {number}" + (f" ({label})" if label else "")
        try:
            yield where, schema.model_validate(raw)
        except ValidationError as error:
            findings.extend(findings_of(f"{path} {where}", error))


def _owner(provider: object, where: str, findings: list[Finding]) -> str | None:
    if isinstance(provider, str) and provider:
        return provider
    findings.append(Finding(where=where, message='names no provider: write provider = "..." at the top of the file'))
    return None


def _alias(row: AliasRow, provider: str, where: str, layer: int) -> Alias:
    return Alias(
        provider=provider,
        model=row.model,
        to_provider=row.to_provider or provider,
        to_model=row.to,
        multiply=row.multiply,
        effective_from=row.effective_from,
        effective_until=row.effective_until,
        source=row.source,
        corrected_on=row.corrected_on,
        note=row.note,
        where=where,
        layer=layer,
    )


def _clashes(prices: Iterable[Price], aliases: Iterable[Alias]) -> Iterator[Finding]:
    """Find rows that start at the same instant for the same name: which one holds would depend on their order.

    A row that corrects another has its start and a day of its own.
    """
    seen: dict[tuple[Any, ...], str] = {}
    records: list[Price | Alias] = [*prices, *aliases]
    for record in records:
        announced = isinstance(record, Price) and record.status == "announced"
        key = (record.provider, record.model, record.effective_from, announced, record.layer, record.corrected_on)
        if key in seen:
            yield Finding(where=record.where, message=f"the same name and start as {seen[key]}")
        seen.setdefault(key, record.where)


def _dangling(prices: Iterable[Price], aliases: tuple[Alias, ...], shelves: Shelves) -> Iterator[Finding]:
    """Find aliases that lead nowhere, or in a circle."""
    priced = {(price.provider, price.model) for price in prices}
    targets = {(alias.provider, alias.model): (alias.to_provider, alias.to_model) for alias in aliases}
    for alias in aliases:
        name: tuple[str, str] | None = (alias.to_provider, alias.to_model)
        for _ in range(LONGEST_ALIAS_CHAIN - 1):
            if name is None or name in priced or name[1] in shelves.names(name[0]):
                break
            name = targets.get(name)
        if name is None or (name not in priced and name[1] not in shelves.names(name[0])):
            yield Finding(where=alias.where, message=f"leads to no price: {alias.to_provider}/{alias.to_model}")
