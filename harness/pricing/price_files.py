"""Reads price files (TOML) into a `PriceBook`, and reports every mistake in them at once with file, row and key.

Data flows pricing/*.toml (shipped), then the user's folder laid over it -> what each file holds -> `PriceBook`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, reduce
from pathlib import Path
from threading import Lock
from typing import TypeVar

from pydantic import ValidationError

from harness.errors import Finding, InputError
from harness.pricing.book import IMPORTED_LAYER, LONGEST_ALIAS_CHAIN, SHIPPED_LAYER, USER_LAYER, PriceBook, PriceFile
from harness.pricing.rows import Alias, Price
from harness.pricing.shelves import FOLDER, Shelf, Shelves, is_imported, read_shelves
from harness.pricing.typed_rows import AliasRow, PriceRow, ProviderAliasRow, alias_of, findings_of, price_of
from harness.resources import shipped
from harness.typed_files import Strict, parse_toml

_TABLES = ("price", "alias", "provider_alias")
_Row = TypeVar("_Row", bound=Strict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What files hold, with the mistakes in them."""

    files: tuple[PriceFile, ...] = ()
    prices: tuple[Price, ...] = ()
    aliases: tuple[Alias, ...] = ()
    providers: Mapping[str, str] = field(default_factory=dict)
    shelves: tuple[Shelf, ...] = ()
    findings: tuple[Finding, ...] = ()

    def plus(self, later: _Found) -> _Found:
        return _Found(
            files=self.files + later.files,
            prices=self.prices + later.prices,
            aliases=self.aliases + later.aliases,
            providers={**self.providers, **later.providers},
            shelves=self.shelves + later.shelves,
            findings=self.findings + later.findings,
        )


def load_price_book(override_dir: Path | None = None) -> PriceBook:
    """Read the shipped price files, and a user's folder over them.

    A row of the user's folder wins over a shipped row wherever both are in force for the same provider and model;
    imported rows (files that say `layer = "imported"`, in any folder) count where neither says anything.

    Raises:
        InputError: with every mistake found in any file.
    """
    found = _read_folder(shipped("pricing"), SHIPPED_LAYER)
    if override_dir is not None:
        found = found.plus(_read_folder(override_dir, USER_LAYER))
    return _assembled(_Read(files=found.files, shelves=found.shelves, found=found))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """What was read, the same as something else that was read from files of the same bytes."""

    files: tuple[PriceFile, ...]
    shelves: tuple[Shelf, ...]
    found: _Found = field(compare=False)


@lru_cache(maxsize=8)  # a process that runs or reports often would check, index and digest the same rows each time
def _assembled(read: _Read) -> PriceBook:
    found, shelves = read.found, Shelves(read.shelves)
    findings = found.findings or (*_clashes((*found.prices, *found.aliases)), *_dangling(found, shelves))
    if findings:
        mistakes = "mistake" if len(findings) == 1 else "mistakes"
        message = f"{len(findings)} {mistakes} in the price files"
        raise InputError(message, findings=findings, fix="correct the rows named")
    imported = PriceFile(name=FOLDER, sha256=shelves.sha256, layer=IMPORTED_LAYER)
    return PriceBook(
        rows=found.prices,
        aliases=found.aliases,
        provider_aliases=found.providers,
        sources=(*found.files, imported) if found.shelves else found.files,
        imported=shelves,
    )


class PriceFiles:
    """The price book for those who run for long: read again when one of its files changed."""

    def __init__(self, override_dir: Path | None = None) -> None:
        self._override_dir = override_dir
        self._lock = Lock()
        self._read: tuple[object, PriceBook] | None = None

    def book(self) -> PriceBook:
        """Give the book as its files are now; several threads may ask.

        Raises:
            InputError: as `load_price_book`.
        """
        with self._lock:
            folders = (shipped("pricing"), self._override_dir)
            seen = sorted(_stamp(path) for folder in folders if folder for path in folder.rglob("*"))
            if self._read is None or self._read[0] != seen:
                self._read = (seen, load_price_book(self._override_dir))
            return self._read[1]


def _stamp(path: Path) -> tuple[str, int, int]:
    try:
        found = path.stat()
    except FileNotFoundError:  # between the listing and now
        return (str(path), 0, 0)
    return (str(path), found.st_mtime_ns, found.st_size)


def _read_folder(folder: Path, layer: int) -> _Found:
    paths, shelves = sorted(folder.glob("*.toml")), read_shelves(folder)
    if not paths and not shelves:
        raise InputError(
            "there are no price files (*.toml) here", where=str(folder), fix="pass a folder that has some to --pricing"
        )
    files = (_read_file(path, layer) for path in paths if not is_imported(path))
    return reduce(_Found.plus, files, _Found(shelves=tuple(shelves)))


def _read_file(path: Path, layer: int) -> _Found:
    return _read(path, path.read_bytes(), layer)


@lru_cache(maxsize=128)  # by content: a file that was edited is read anew, one that was not is parsed once a process
def _read(path: Path, raw: bytes, layer: int) -> _Found:
    file = PriceFile(name=path.name, sha256=hashlib.sha256(raw).hexdigest(), layer=layer)
    try:
        content: Mapping[str, object] = parse_toml(raw)
    except ValueError as error:
        return _Found(files=(file,), findings=(Finding(where=str(path), message=f"not a TOML file: {error}"),))
    unknown = sorted(content.keys() - {"provider", *_TABLES})
    prices, wrong_prices = _checked(path, content, "price", PriceRow)
    aliases, wrong_aliases = _checked(path, content, "alias", AliasRow)
    providers, wrong_providers = _checked(path, content, "provider_alias", ProviderAliasRow)
    owner = content.get("provider")
    return _Found(
        files=(file,),
        prices=tuple(price_of(row, row.provider or str(owner), f"{path.name} {at}", layer) for at, row in prices),
        aliases=tuple(alias_of(row, row.provider or str(owner), f"{path.name} {at}", layer) for at, row in aliases),
        providers={row.name: row.provider for _, row in providers},
        findings=(
            *(Finding(where=str(path), message=f"unknown key {key!r}") for key in unknown),
            *wrong_prices,
            *wrong_aliases,
            *wrong_providers,
            *_unowned(owner, (*prices, *aliases)),
        ),
    )


def _checked(
    path: Path, content: Mapping[str, object], table: str, schema: type[_Row]
) -> tuple[list[tuple[str, _Row]], list[Finding]]:
    """Give the rows of a table, each with its place in the file, and what is wrong with the others."""
    written = content.get(table, [])
    if not isinstance(written, list):
        return [], [Finding(where=str(path), message=f"write [[{table}]], not [{table}]")]
    rows: list[tuple[str, _Row]] = []
    findings: list[Finding] = []
    for number, raw in enumerate(written, start=1):
        label = raw.get("model") or raw.get("name") if isinstance(raw, dict) else None
        where = f"[[{table}]] {number}" + (f" ({label})" if label else "")
        try:
            rows.append((where, schema.model_validate(raw)))
        except ValidationError as error:
            findings += findings_of(f"{path} {where}", error)
    return rows, findings


def _unowned(owner: object, rows: Iterable[tuple[str, PriceRow | AliasRow]]) -> Iterator[Finding]:
    if isinstance(owner, str) and owner:
        return
    for where, row in rows:
        if row.provider is None:
            message = 'names no provider: write provider = "..." at the top of the file'
            yield Finding(where=where, message=message)


def _clashes(records: Iterable[Price | Alias]) -> Iterator[Finding]:
    """Find rows that start at the same instant for the same name: which one holds would depend on their order.

    A row that corrects another has its start and a day of its own.
    """
    seen: dict[tuple[object, ...], str] = {}
    for record in records:
        announced = isinstance(record, Price) and record.status == "announced"
        key = (record.provider, record.model, record.effective_from, announced, record.layer, record.corrected_on)
        if key in seen:
            yield Finding(where=record.where, message=f"the same name and start as {seen[key]}")
        seen.setdefault(key, record.where)


def _dangling(found: _Found, shelves: Shelves) -> Iterator[Finding]:
    """Find aliases that lead nowhere, or in a circle."""
    priced = {(price.provider, price.model) for price in found.prices}
    targets = {(alias.provider, alias.model): (alias.to_provider, alias.to_model) for alias in found.aliases}
    for alias in found.aliases:
        name: tuple[str, str] | None = (alias.to_provider, alias.to_model)
        for _ in range(LONGEST_ALIAS_CHAIN - 1):
            if name is not None and not _has_price(name, priced, shelves):
                name = targets.get(name)
        if name is None or not _has_price(name, priced, shelves):
            yield Finding(where=alias.where, message=f"leads to no price: {alias.to_provider}/{alias.to_model}")


def _has_price(name: tuple[str, str], priced: Collection[tuple[str, str]], shelves: Shelves) -> bool:
    return name in priced or name[1] in shelves.names(name[0])
