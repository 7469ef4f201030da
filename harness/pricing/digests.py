"""Holds old price rows to their digests: a row may be added, never changed or removed.

Data flows `PriceBook` -> one line per row -> a recorded file, and back: recorded lines that the book no longer has.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from harness.instants import utc_text
from harness.pricing.book import ImportedRows, PriceBook
from harness.pricing.rows import Alias, Price

HEADER = (
    "# Digests of price rows and aliases: what money depends on. Old lines must stay true; new rows are accepted with\n"
    "#     benchtab prices check --digests tests/data/pricing_digests.txt --accept\n"
)


def row_digests(book: PriceBook) -> tuple[str, ...]:
    """List a line per row: digest, kind, name, start and end; sorted, so that the order of rows never matters.

    Imported rows have a line per provider: the digest of its first rows, and how many they are.
    """
    records: list[Price | Alias] = [*book.rows, *book.aliases]
    lines = [_line(record) for record in records]
    if book.imported is not None:
        lines += [_imported_line(book.imported, provider) for provider in book.imported.providers]
    return tuple(sorted(lines))


def read_digests(path: Path) -> tuple[str, ...]:
    """Read recorded lines; a missing file has none."""
    if not path.exists():
        return ()
    return tuple(line for line in path.read_text("utf-8").splitlines() if line and not line.startswith("#"))


def write_digests(path: Path, lines: Iterable[str]) -> None:
    """Write the lines with the header that says how they are kept."""
    path.write_text(HEADER + "".join(f"{line}\n" for line in sorted(lines, key=_name)), "utf-8")


def broken_digests(recorded: Iterable[str], book: PriceBook) -> tuple[str, ...]:
    """List recorded rows that were changed or removed since."""
    current = set(row_digests(book))
    return tuple(line for line in recorded if line not in current and not _still_begins(line, book.imported))


def _still_begins(line: str, imported: ImportedRows | None) -> bool:
    """Tell whether the imported rows of a recorded line are still the first ones of their file."""
    _, kind, *name = line.split(" ")
    if kind != "imported" or imported is None:
        return False
    provider, n_rows = name
    return _imported_line(imported, provider, int(n_rows)) == line


def _imported_line(imported: ImportedRows, provider: str, n_rows: int | None = None) -> str:
    first = imported.texts(provider)[:n_rows]
    digest = hashlib.sha256("\n".join(first).encode()).hexdigest()
    return f"{digest} imported {provider} {len(first)}"


def _name(line: str) -> tuple[str, ...]:
    return tuple(line.split(" ")[1:])


def _line(record: Price | Alias) -> str:
    kind = "alias" if isinstance(record, Alias) else record.status
    start, end = utc_text(record.effective_from) or "open", utc_text(record.effective_until) or ""
    return f"{record.sha256} {kind} {record.provider}/{record.model} {start}..{end}"
