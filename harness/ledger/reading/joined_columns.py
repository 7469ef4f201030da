"""Columns of whole numbers, a slice of ids at a time: the database joins each into one text, in half the time of rows.

Data flows tables -> one text per column and slice, numbers with commas -> arrays, where they are used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sqlalchemy import text

from harness.ledger.connections import Readable

Texts: TypeAlias = tuple[str, ...]
"""One text for each column; its numbers stand in the same order in all of them."""
ROWS_PER_SLICE = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Ids between which rows lie, and how many of them are wanted."""

    first: int
    last: int
    n_rows: int

    @property
    def n_ids(self) -> int:
        """Ids from the first to the last."""
        return self.last - self.first + 1

    @property
    def slices(self) -> Iterator[tuple[int, int]]:
        """Cut it into slices of about `ROWS_PER_SLICE` rows: first and last id of each."""
        width = max(ROWS_PER_SLICE, ROWS_PER_SLICE * self.n_ids // max(1, self.n_rows))
        for low in range(self.first, self.last + 1, width):
            yield low, min(self.last, low + width - 1)


def span_of(ledger: Readable, query: str, values: Mapping[str, object]) -> Span | None:
    """Run a query that gives the first id, the last and the number of rows; None where there is no row."""
    with ledger.reading() as connection:
        first, last, n_rows = connection.execute(text(query).bindparams(**values)).one()
    return None if first is None else Span(first=first, last=last, n_rows=n_rows)


def joined_columns(
    ledger: Readable, columns: Sequence[str], source: str, span: Span, values: Mapping[str, object]
) -> Iterator[Texts]:
    """Give columns of the rows of a span, slice by slice; slices without rows are left out.

    Args:
        columns: expressions that are whole numbers, never null.
        source: `FROM ... WHERE ...`, with `:low` and `:high` for the first and last id of a slice.
    """
    with ledger.reading() as connection:
        join = "group_concat({})" if connection.dialect.name == "sqlite" else "string_agg(CAST({} AS text), ',')"
        statement = text(f"SELECT {', '.join(map(join.format, columns))} {source}")
        for low, high in span.slices:
            found = connection.execute(statement, {**values, "low": low, "high": high}).one()
            if found[0] is not None:
                yield tuple(found)
