"""Rows of a query, streamed in constant memory: one by one, as tuples by the thousand for exports, or for reports as
columns of whole numbers, each of which the database joins into one text: half the time of rows.

Names that many rows share (of cells, samples, parameter sets) are read once and looked up, not joined to every row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from sqlalchemy import TextClause, bindparam, text

from harness.ledger.connections import Readable
from harness.ledger.row_forms import StoredRow

DriverRows: TypeAlias = Sequence[Any]
"""Rows as the driver gives them: sequences of values in the order of the query."""
Texts: TypeAlias = tuple[str, ...]
"""One text for each column; its numbers stand in the same order in all of them."""
ROWS_PER_SLICE = 50_000
ROWS_AT_A_TIME = 1_000
ROWS_PER_BATCH = 20_000
IDS_PER_QUERY = 5_000
OF_RUN = "cell_id IN (SELECT cell_id FROM cells WHERE run_id = :run_id)"
"""What chooses rows of a run by their cell."""


def select_rows(
    ledger: Readable, query: str, run_ids: Sequence[str] | None = None, **values: object
) -> Iterator[StoredRow]:
    """Run a query and stream its rows; `:run_ids` stands for the list of runs."""
    statement = _bound(query, run_ids, values)
    # options of the statement: those of a connection would hold for all that is read at the same moment
    with (
        ledger.reading() as connection,
        connection.execute(statement, execution_options={"yield_per": ROWS_AT_A_TIME}) as found,
    ):
        for rows in found.partitions():
            yield from rows


def rows_by_id(ledger: Readable, query: str, ids: Sequence[int]) -> Iterator[StoredRow]:
    """Run a query for some ids at a time, which `:ids` stands for, and stream its rows."""
    for start in range(0, len(ids), IDS_PER_QUERY):
        yield from select_rows(ledger, query.replace(":ids", listed(ids[start : start + IDS_PER_QUERY])))


def listed(ids: Sequence[int]) -> str:
    """Write ids as SQL takes them after IN."""
    return f"({', '.join(map(str, ids)) or 'NULL'})"


def like_part(part: str) -> str:
    r"""Write the pattern that finds a part of lower-case text; its own signs are escaped for `LIKE ... ESCAPE '\'`."""
    escaped = part.lower()
    for sign in "\\%_":
        escaped = escaped.replace(sign, f"\\{sign}")
    return f"%{escaped}%"


def batches(
    ledger: Readable, query: str, *, run_ids: Sequence[str] | None = None, values: Mapping[str, object] | None = None
) -> Iterator[DriverRows]:
    """Run a query and give its rows a batch at a time; `:run_ids` stands for the list of runs."""
    statement = _bound(query, run_ids, values or {})
    with ledger.reading() as connection:
        if connection.dialect.name != "sqlite":
            # a server-side cursor; its first rows are in SQLAlchemy's buffer already, so the cursor is not for us
            with connection.execute(statement, execution_options={"yield_per": ROWS_PER_BATCH}) as found:
                yield from found.partitions()
            return
        cursor = connection.execute(statement).cursor
        assert cursor is not None
        while rows := cursor.fetchmany(ROWS_PER_BATCH):
            yield rows


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


def span_of_run(ledger: Readable, run_id: str) -> Span | None:
    """Give the first and the last attempt of a run; None where nothing was sent."""
    query = f"SELECT min(attempt_id), max(attempt_id), count(*) FROM attempts WHERE {OF_RUN}"
    return span_of(ledger, query, {"run_id": run_id})


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


def _bound(query: str, run_ids: Sequence[str] | None, values: Mapping[str, object]) -> TextClause:
    statement = text(query).bindparams(**values)
    if run_ids is None:
        return statement
    return statement.bindparams(bindparam("run_ids", list(run_ids), expanding=True))


KEYS = {"cells": "cell_id", "planned_samples": "planned_id", "parameter_sets": "parameter_set_id"}
"""Tables that can be looked up in, with their key."""
MOST_KNOWN = 40_000


@dataclass(slots=True)
class Lookup:
    """Some columns of one table by key; what is not known to be needed again is forgotten when it gets too much."""

    ledger: Readable
    table: str
    columns: tuple[str, ...]
    known: dict[int | None, tuple[object, ...]] = field(default_factory=dict)

    def rows(self, ids: Sequence[int | None]) -> list[tuple[object, ...]]:
        """Give the row of every id; all None where the id is None."""
        wanted = set(ids)
        if len(self.known) > MOST_KNOWN:
            self.known.clear()
        missing = sorted(number for number in wanted if number is not None and number not in self.known)
        if missing and missing[-1] - missing[0] < 2 * len(missing):  # one query for all, whose text is always the same
            self._read("BETWEEN :first AND :last", first=missing[0], last=missing[-1])
        else:
            for start in range(0, len(missing), IDS_PER_QUERY):
                self._read(f"IN {listed(missing[start : start + IDS_PER_QUERY])}")
        self.known[None] = (None,) * len(self.columns)
        return [self.known[number] for number in ids]

    def _read(self, chosen: str, **values: int) -> None:
        key = KEYS[self.table]
        query = f"SELECT {key}, {', '.join(self.columns)} FROM {self.table} WHERE {key} {chosen}"
        for rows in batches(self.ledger, query, values=values):
            self.known.update((row[0], tuple(row[1:])) for row in rows)
