"""Stored rows that hold something other than one sample each, unfolded into plain rows. Pure.

Data flows one stored row -> one or several rows with columns that a suite's field mapping can name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from harness.suites import RowShape

Row = Mapping[str, Any]


def plain(row: Row) -> Iterator[Row]:
    """One row is one sample."""
    yield row


SHAPES: dict[RowShape, Callable[[Row], Iterator[Row]]] = {"plain": plain}
