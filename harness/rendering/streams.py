"""RowStream -> CSV or Parquet, a batch at a time: exact dollars, UTC instants, guarded formula cells, equal bytes."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from harness.ledger.instants import from_us
from harness.rendering.cells import exact, guarded
from harness.streams import RowStream
from harness.tables import Column

USD_DIGITS, USD_SCALE = 38, 18
"""Dollars as decimal128(38, 18): exact for every rate per token that is published."""


def write_stream_csv(stream: RowStream, path: Path) -> int:
    """Write a stream as CSV; returns the number of rows."""
    kinds = [column.kind for column in stream.columns]
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([column.name for column in stream.columns])
        for rows in stream.batches:
            writer.writerows([[_cell(value, kind) for value, kind in zip(row, kinds, strict=True)] for row in rows])
            count += len(rows)
    return count


def _cell(value: Any, kind: str) -> str:
    if value is None:
        return ""
    if kind == "timestamp" and isinstance(value, int):
        return exact(from_us(value))
    return guarded(exact(value)) if kind in ("text", "json") else exact(value)


def write_stream_parquet(stream: RowStream, path: Path) -> int:
    """Write a stream as Parquet with typed columns and their units as metadata; returns the number of rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    fields = [
        pa.field(column.name, _arrow_type(column), metadata={"unit": column.unit, "description": column.description})
        for column in stream.columns
    ]
    schema = pa.schema(fields)
    count = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for rows in stream.batches:
            if rows:
                columns = list(zip(*rows, strict=True))
                arrays = [_array(values, field) for values, field in zip(columns, schema, strict=True)]
                writer.write_batch(pa.record_batch(arrays, schema=schema))
                count += len(rows)
    return count


def _arrow_type(column: Column) -> Any:
    import pyarrow as pa

    types = {
        "integer": pa.int64(),
        "decimal": pa.float64(),
        "ratio": pa.float64(),
        "percent": pa.float64(),
        "boolean": pa.bool_(),
        "usd": pa.decimal128(USD_DIGITS, USD_SCALE),
        "timestamp": pa.timestamp("us", tz="UTC"),
    }
    return types.get(column.kind, pa.string())


def _array(values: Sequence[Any], field: Any) -> Any:
    import pyarrow as pa

    if pa.types.is_decimal(field.type):
        # most rows repeat a few amounts; an exponent beyond the scale would be refused, never rounded
        return pa.array([None if value is None else Decimal(value) for value in values], type=field.type)
    return pa.array(values, type=field.type)
