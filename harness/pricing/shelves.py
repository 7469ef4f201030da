"""Imported rows: files of one row a line, each line read when its model is asked for.

Thousands of rows would take a second to parse, and a run needs three of them. So a file of imported rows is ordinary
TOML in which every row stands on its own line: the lines are found by name, and only those of a model are parsed and
checked. Data flows pricing/imported/<provider>.toml, the user's folder over it -> `Shelves` -> `PriceBook.imported`.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydantic import ValidationError

from harness.errors import Finding, InputError
from harness.pricing.book import IMPORTED_LAYER
from harness.pricing.rows import Price
from harness.pricing.typed_rows import PriceRow, findings_of, price_of

FOLDER = "imported"
MARK = 'layer = "imported"\n'
_ROW = re.compile(r'\{ model = ("(?:[^"\\]|\\.)*"), .* \},?')
_TIER = re.compile(r"\b(over|at_least) = (\d+)")


@dataclass(frozen=True)
class Shelf:
    """One file of imported rows; its text is read when its rows are asked for, which most files' never are.

    Attributes:
        label: names it in messages.
        digest: of the provider and of the bytes that it had at first: it must not change while it is in use.
    """

    provider: str
    path: Path
    label: str
    digest: bytes

    def _text(self) -> str:
        raw = self.path.read_bytes()
        if _digest(self.provider, raw) != self.digest:
            raise InputError("changed while it was in use", where=self.label, fix="start again with the file as it is")
        return raw.decode("utf-8")

    @cached_property
    def lines(self) -> tuple[tuple[str, int, str], ...]:
        """Model, number of the line and the row's text, in the order of the file."""
        found: list[tuple[str, int, str]] = []
        inside = False
        for number, line in enumerate(self._text().splitlines(), start=1):
            if not inside:
                inside = line == "price = ["
            elif line == "]":
                inside = False
            elif row := _ROW.fullmatch(line):
                name: str = tomllib.loads(f"model = {row[1]}")["model"] if "\\" in row[1] else row[1][1:-1]
                found.append((name, number, line.removesuffix(",")))
            else:
                where = f"{self.label} line {number}"
                raise InputError(
                    "not an imported row", where=where, fix='write each row on one line: { model = "..." }'
                )
        return tuple(found)

    @cached_property
    def _by_model(self) -> dict[str, list[tuple[int, str]]]:
        found: dict[str, list[tuple[int, str]]] = {}
        for model, number, text in self.lines:
            found.setdefault(model, []).append((number, text))
        return found

    @property
    def models(self) -> Collection[str]:
        """Every model that has a row here."""
        return self._by_model.keys()

    def rows(self, model: str | None = None) -> Iterator[Price]:
        """Read the rows of a model, or all.

        Raises:
            InputError: a row is not one of a price file.
        """
        lines = ((number, text) for _, number, text in self.lines) if model is None else self._by_model.get(model, ())
        for number, text in lines:
            yield self._read(number, text)

    def _read(self, number: int, text: str) -> Price:
        where = f"{self.label} line {number}"
        try:
            row = PriceRow.model_validate(tomllib.loads(f"row = {text}")["row"])
        except ValidationError as error:
            findings = tuple(findings_of(where, error))
        except tomllib.TOMLDecodeError as error:
            findings = (Finding(where=where, message=f"not TOML: {error}"),)
        else:
            if row.confidence.startswith("imported") or row.status == "unpriced":
                return price_of(row, self.provider, where, IMPORTED_LAYER)
            findings = (Finding(where=where, message='confidence begins with "imported" in a file of imported rows'),)
        raise InputError("a mistake in the imported prices", findings=findings, fix="import them again")

    def least_tier_tokens(self) -> int | None:
        """Give the smallest prompt at which a context tier begins; None without tiers."""
        found = _TIER.findall(self._text())
        return min((int(size) + (word == "over") for word, size in found), default=None)


class Shelves:
    """All files of imported rows; those of a user's folder come before the shipped ones of the same provider."""

    def __init__(self, shelves: Iterable[Shelf]) -> None:
        self._shelves: dict[str, list[Shelf]] = {}
        for shelf in shelves:
            self._shelves.setdefault(shelf.provider, []).insert(0, shelf)

    @cached_property
    def sha256(self) -> str:
        """Digest of all files."""
        whole = hashlib.sha256()
        for provider in sorted(self._shelves):
            for shelf in self._shelves[provider]:
                whole.update(shelf.digest)
        return whole.hexdigest()

    @property
    def providers(self) -> Collection[str]:
        """Providers that have any."""
        return self._shelves.keys()

    def names(self, provider: str) -> Collection[str]:
        """List a provider's models."""
        return {model for shelf in self._shelves.get(provider, ()) for model in shelf.models}

    def rows(self, provider: str, model: str | None = None) -> tuple[Price, ...]:
        """Read the rows of one model, or all of a provider; of two with the same start the user's counts."""
        found: dict[tuple[object, ...], Price] = {}
        for shelf in self._shelves.get(provider, ()):
            for row in shelf.rows(model):
                found.setdefault((row.model, row.status == "announced", row.effective_from, row.corrected_on), row)
        return tuple(found.values())

    def texts(self, provider: str) -> tuple[str, ...]:
        """Give a provider's rows as they are written, in their order."""
        return tuple(text for shelf in self._shelves.get(provider, ()) for _, _, text in shelf.lines)

    def least_tier_tokens(self, provider: str) -> int | None:
        """Give the smallest prompt at which any context tier of a provider begins; None without tiers."""
        tiers = (shelf.least_tier_tokens() for shelf in self._shelves.get(provider, ()))
        return min((tier for tier in tiers if tier is not None), default=None)


def read_shelves(folder: Path) -> list[Shelf]:
    """Read the files of imported rows in a folder and in its `imported`; the name of a file is its provider's."""
    own = (path for path in sorted(folder.glob("*.toml")) if is_imported(path))
    return [
        shelf_in(path, f"{path.parent.name}/{path.name}") for path in (*own, *sorted((folder / FOLDER).glob("*.toml")))
    ]


def shelf_in(path: Path, label: str) -> Shelf:
    """Find a file of imported rows; its name is its provider's."""
    return Shelf(path.stem, path, label, _digest(path.stem, path.read_bytes()))


def _digest(provider: str, raw: bytes) -> bytes:
    return hashlib.sha256(f"{provider}\n".encode() + raw).digest()


def is_imported(path: Path) -> bool:
    """Tell whether a price file says that its rows are imported ones."""
    with path.open("rb") as file:
        return f"\n{MARK}".encode() in file.read(2000)
