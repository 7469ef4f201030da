"""Rows too many to hold: columns with batches of rows, for exports in constant memory.

Data flows ledger -> `RowStream` -> CSV or Parquet. Instants are integer microseconds since 1970 in UTC.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from harness.documents.table import Column


@dataclass(frozen=True, slots=True, kw_only=True)
class RowStream:
    """Typed columns and their values, a batch at a time; can be read once.

    Attributes:
        batches: per batch, one sequence of values per column, all of the same length.
        arrow: the same rows as Arrow record batches, where they are read so; whoever reads one does not read the other.
            Dollars may be texts there.
        left_out: sentences about what is not among the rows; complete once the batches were read.
    """

    name: str
    columns: tuple[Column, ...]
    batches: Iterator[Sequence[Sequence[Any]]]
    left_out: list[str] = field(default_factory=list)
    arrow: Iterator[Any] | None = None

    @classmethod
    def of_arrow(cls, name: str, columns: tuple[Column, ...], arrow: Iterator[Any]) -> RowStream:
        """Stream Arrow record batches, whose columns are these."""
        values = ([_values(*pair) for pair in zip(batch.columns, columns, strict=True)] for batch in arrow)
        return cls(name=name, columns=columns, batches=values, arrow=arrow)


def _values(array: Any, column: Column) -> Sequence[Any]:
    """Give an Arrow array as values: instants as microseconds, dollars as decimals."""
    if column.kind == "timestamp":
        array = array.cast("int64")
    values: list[Any] = array.to_pylist()
    if column.kind == "usd":
        return [Decimal(value) if isinstance(value, str) else value for value in values]
    return values
