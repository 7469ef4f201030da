"""One table of the ledger -> a CSV or Parquet file, or a data frame; streamed, and moved into place when complete.

Data flows ledger + price book -> `RowStream` -> file or frame.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import InputError
from harness.streams import RowStream
from harness.tables import Table

if TYPE_CHECKING:
    import pandas as pd

    from harness.ledger import Ledger
    from harness.pricing import PriceBook

TABLES = ("attempts", "scores", "charges", "runs", "report")


def export_table(
    ledger: Ledger, book: PriceBook, table: str, output: Path, run_ids: Sequence[str] | None = None
) -> int:
    """Write a table to a file beside its final name, then move it there; returns the number of rows.

    Args:
        table: one of `TABLES`.
        output: ends in `.csv` or `.parquet`.
        run_ids: None = every run (the report: every complete run).

    Raises:
        InputError: no such table, run or format.
    """
    if table not in TABLES:
        raise _no_table(table)
    if output.suffix not in (".csv", ".parquet"):
        raise InputError(
            f"cannot tell the format of {output.name!r}", where="--output", fix="end it in .csv or .parquet"
        )
    from harness.rendering.streams import write_stream_csv, write_stream_parquet

    stream = table_stream(ledger, book, table, run_ids)
    output.parent.mkdir(parents=True, exist_ok=True)
    unfinished = output.with_name(f".{output.name}.unfinished")
    try:
        write = write_stream_parquet if output.suffix == ".parquet" else write_stream_csv
        with _collector_off():
            count = write(stream, unfinished)
        unfinished.replace(output)
    finally:
        unfinished.unlink(missing_ok=True)
    return count


@contextmanager
def _collector_off() -> Iterator[None]:
    """Leave the cycle collector out: rows have no cycles, and looking for them took a third of an export's time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def table_stream(ledger: Ledger, book: PriceBook, table: str, run_ids: Sequence[str] | None = None) -> RowStream:
    """Open one of `TABLES` for reading.

    Raises:
        InputError: no such table or run.
    """
    from harness.reports.exports import export_stream

    if table not in TABLES:
        raise _no_table(table)
    if table != "report":
        return export_stream(ledger, table, book=book, run_ids=run_ids)
    from harness.reports.assembly import spend_report
    from harness.reports.spend_tables import spend_table

    return stream_of(spend_table(spend_report(ledger, book, run_ids)))


def _no_table(table: str) -> InputError:
    return InputError(f"no table {table!r}", where="TABLE", fix=f"one of: {', '.join(TABLES)}")


def stream_of(table: Table) -> RowStream:
    """Read a table as a stream of one batch."""
    columns = list(zip(*table.rows, strict=True))
    return RowStream(name=table.name, columns=table.columns, batches=iter([columns] if columns else []))


def data_frame(stream: RowStream) -> pd.DataFrame:
    """Read a stream into a pandas data frame.

    Columns are Arrow-backed: dollars are exact decimals, instants are UTC, and what is not known is NA, never zero.
    """
    import pandas as pd
    import pyarrow as pa

    from harness.rendering.streams import arrow_schema

    schema = arrow_schema(stream.columns)
    batches = [
        pa.record_batch([pa.array(values, type=field.type) for values, field in zip(columns, schema, strict=True)],
                        schema=schema)
        for columns in stream.batches
    ]  # fmt: skip
    frame: pd.DataFrame = pa.Table.from_batches(batches, schema=schema).to_pandas(types_mapper=pd.ArrowDtype)
    return frame
