"""Tables, and sentences between them: what renderers turn into lines and files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

ColumnKind = Literal[
    "text", "integer", "decimal", "usd", "amount", "ratio", "percent", "boolean", "timestamp", "json", "link"
]
TEXT_KINDS = frozenset({"text", "json", "link"})
"""Columns whose values are texts, and may hold what somebody else wrote."""
NUMBER_KINDS = frozenset({"integer", "decimal", "usd", "amount", "ratio", "percent"})
"""Columns that are set flush right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A named column with its kind, unit and meaning.

    Attributes:
        name: key in rows and header in files, for example `cost_per_task_usd`.
        kind: how values are typed and shown; `usd` and `amount` values are Decimal, and an `amount` has a decimal
            point in texts even where it is whole, for readers that tell types by it; a `link` is an address from a file
            of our own or the user's, never from a server.
        unit: unit of the values ("USD", "tokens", "s"), empty for none.
        title: short heading for people; empty = the name.
        description: one sentence for the reference pages.
        drops: how soon the column leaves a table that is too wide for its terminal: the highest number first,
            0 = it stays as long as it can.
        whole: an id that people copy; it is never shortened or broken over lines.
    """

    name: str
    kind: ColumnKind = "text"
    unit: str = ""
    title: str = ""
    description: str = ""
    drops: int = 0
    whole: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows under typed columns, with a title and notes.

    Each row holds one value per column, in column order; None means not known.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: Sequence[tuple[Any, ...]]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentences:
    """Sentences below a heading."""

    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verbatim:
    """A text below a heading, as somebody wrote it: its lines stay what they are."""

    title: str
    text: str


def without_repeated(table: Table, name: str) -> Table:
    """Leave a column out that says the same in every row."""
    place = next((at for at, column in enumerate(table.columns) if column.name == name), None)
    if place is None or len({row[place] for row in table.rows}) > 1:
        return table
    columns = table.columns[:place] + table.columns[place + 1 :]
    return replace(table, columns=columns, rows=[row[:place] + row[place + 1 :] for row in table.rows])
