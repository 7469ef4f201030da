"""RowStream -> CSV or Parquet, a batch at a time: exact dollars, UTC instants, guarded formula cells, equal bytes."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.documents.stream import RowStream
from harness.documents.table import TEXT_KINDS, Column
from harness.instants import from_us
from harness.rendering.cells import QuotedLineEnds, exact, guarded

if TYPE_CHECKING:
    import pyarrow as pa

USD_DIGITS, USD_SCALE = 38, 18
"""Dollars as decimal128(38, 18): exact for every rate per token that is published."""


def write_stream_csv(stream: RowStream, path: Path) -> int:
    """Write a stream as CSV; returns the number of rows."""
    kinds = [column.kind for column in stream.columns]
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(QuotedLineEnds(file), lineterminator=QuotedLineEnds.WRITTEN)
        writer.writerow([column.name for column in stream.columns])
        for columns in stream.batches:
            texts = [[_cell(value, kind) for value in values] for values, kind in zip(columns, kinds, strict=True)]
            writer.writerows(zip(*texts, strict=True))
            count += len(columns[0])
    return count


def _cell(value: object, kind: str) -> str:
    if value is None:
        return ""
    if kind == "timestamp" and isinstance(value, int):
        return exact(from_us(value))
    if kind == "amount":
        text = exact(value)
        return text if "." in text else f"{text}.0"
    return guarded(exact(value)) if kind in TEXT_KINDS else exact(value)


def write_stream_parquet(stream: RowStream, path: Path) -> int:
    """Write a stream as Parquet with typed columns and their units as metadata; returns the number of rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = arrow_schema(stream.columns)
    count = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for columns in stream.batches:
            arrays = [pa.array(values, type=field.type) for values, field in zip(columns, schema, strict=True)]
            writer.write_batch(pa.record_batch(arrays, schema=schema))
            count += len(columns[0])
    return count


def arrow_schema(columns: Sequence[Column]) -> pa.Schema:
    """Give the Arrow schema of typed columns, with units and descriptions as metadata."""
    import pyarrow as pa

    return pa.schema(
        [
            pa.field(
                column.name, _arrow_type(column), metadata={"unit": column.unit, "description": column.description}
            )
            for column in columns
        ]
    )


def _arrow_type(column: Column) -> pa.DataType:
    import pyarrow as pa

    types = {
        "integer": pa.int64(),
        "decimal": pa.float64(),
        "ratio": pa.float64(),
        "percent": pa.float64(),
        "boolean": pa.bool_(),
        "usd": pa.decimal128(USD_DIGITS, USD_SCALE),
        "amount": pa.decimal128(USD_DIGITS, USD_SCALE),
        "timestamp": pa.timestamp("us", tz="UTC"),
    }
    return types.get(column.kind, pa.string())
