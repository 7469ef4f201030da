"""Rows too many to hold: columns with batches of rows, for exports in constant memory.

Data flows ledger -> `RowStream` -> CSV or Parquet. Instants are integer microseconds since 1970 in UTC.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.documents.table import Column


@dataclass(frozen=True, slots=True, kw_only=True)
class RowStream:
    """Typed columns and their values, a batch at a time; can be read once.

    Attributes:
        batches: per batch, one sequence of values per column, all of the same length.
        left_out: sentences about what is not among the rows; complete once the batches were read.
    """

    name: str
    columns: tuple[Column, ...]
    batches: Iterator[Sequence[Sequence[Any]]]
    left_out: list[str] = field(default_factory=list)
