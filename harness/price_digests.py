"""Holds old price rows to their digests: a row may be added, never changed or removed.

Data flows `PriceBook` -> one line per row -> a recorded file, and back: recorded lines that the book no longer has.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from harness.pricing import Alias, Price, PriceBook, utc_text

HEADER = (
    "# Digests of price rows and aliases: what money depends on. Old lines must stay true; new rows are accepted with\n"
    "#     benchtab prices check --digests tests/data/pricing_digests.txt --accept\n"
)


def row_digests(book: PriceBook) -> tuple[str, ...]:
    """List a line per row: digest, kind, name, start and end; sorted, so that the order of rows never matters."""
    records: list[Price | Alias] = [*book.rows, *book.aliases]
    return tuple(sorted(_line(record) for record in records))


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
    return tuple(line for line in recorded if line not in current)


def _name(line: str) -> tuple[str, ...]:
    return tuple(line.split(" ")[1:])


def _line(record: Price | Alias) -> str:
    kind = "alias" if isinstance(record, Alias) else record.status
    start, end = utc_text(record.effective_from) or "open", utc_text(record.effective_until) or ""
    return f"{record.sha256} {kind} {record.provider}/{record.model} {start}..{end}"
