"""RowStream -> CSV or Parquet, a batch at a time: exact dollars, UTC instants, guarded formula cells, equal bytes."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from harness.documents.stream import RowStream
from harness.documents.table import TEXT_KINDS, Column
from harness.errors import InputError
from harness.instants import from_us
from harness.rendering.cells import QuotedLineEnds, exact, guarded
from harness.rendering.csv_text import csv_lines

if TYPE_CHECKING:
    import pyarrow as pa

USD_DIGITS, USD_SCALE = 38, 18
"""Dollars as decimal128(38, 18): exact for every rate per token that is published."""


def write_stream_csv(stream: RowStream, path: Path) -> int:
    """Write a stream as CSV; returns the number of rows."""
    header = io.StringIO()
    csv.writer(header, lineterminator="\n").writerow([column.name for column in stream.columns])
    with path.open("wb") as file:
        file.write(header.getvalue().encode())
        return _write_arrow(stream, file) if stream.arrow is not None else _write_values(stream, file)


def _write_arrow(stream: RowStream, file: BinaryIO) -> int:
    count = 0
    for batch in stream.arrow or ():
        file.writelines(csv_lines(batch, stream.columns))
        count += len(batch)
    return count


def _write_values(stream: RowStream, file: BinaryIO) -> int:
    kinds = [column.kind for column in stream.columns]
    count = 0
    with io.TextIOWrapper(file, encoding="utf-8", newline="") as text:
        writer = csv.writer(QuotedLineEnds(text), lineterminator=QuotedLineEnds.WRITTEN)
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
    """Write a stream as Parquet with typed columns and their units as metadata; returns the number of rows.

    Raises:
        InputError: dollars that a column of decimals cannot hold.
    """
    import pyarrow.parquet as pq

    schema = arrow_schema(stream.columns)
    count = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in record_batches(stream, schema):
            writer.write_batch(batch)
            count += len(batch)
    return count


def record_batches(stream: RowStream, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Give the rows of a stream as Arrow record batches of its `arrow_schema`.

    Raises:
        InputError: dollars that a column of decimals cannot hold.
    """
    import pyarrow as pa

    if stream.arrow is None:
        for columns in stream.batches:
            arrays = [_typed(values, field) for values, field in zip(columns, schema, strict=True)]
            yield pa.record_batch(arrays, schema=schema)
        return
    for batch in stream.arrow:
        arrays = [_as_type(array, field) for array, field in zip(batch.columns, schema, strict=True)]
        yield pa.record_batch(arrays, schema=schema)


def _as_type(array: pa.Array, field: pa.Field) -> pa.Array:
    """Read dollars that are texts; everything else is of its type already."""
    if array.type == field.type:
        return array
    coded = array.dictionary_encode()
    return _typed([Decimal(text) for text in coded.dictionary.to_pylist()], field).take(coded.indices)


def _typed(values: Sequence[Any], field: pa.Field) -> pa.Array:
    import pyarrow as pa

    try:
        return pa.array(values, type=field.type)
    except pa.ArrowInvalid as error:
        if not pa.types.is_decimal(field.type):
            raise
        raise InputError(
            f"an amount has over {USD_DIGITS - USD_SCALE} digits before the point, or more than {USD_SCALE} after it",
            where=f"column {field.name}",
            fix="end the file in .csv, which holds every digit, or ask for dollars as floats (--floats)",
        ) from error


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
