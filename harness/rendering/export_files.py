"""One table of the ledger -> a CSV, Parquet or Excel file, or a data frame; streamed, in place when complete.

Data flows ledger + price book -> `RowStream` -> file or frame.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.documents.stream import RowStream
from harness.documents.table import Table
from harness.errors import InputError
from harness.rendering.formats import FORMATS, Format, by_ending, file_endings
from harness.rendering.record_files import RECORDS, in_place, write_records

if TYPE_CHECKING:
    import pandas as pd

    from harness.ledger import Ledger
    from harness.pricing.book import PriceBook

STREAMS = ("samples", "attempts", "scores", "charges", "runs", "focus")
"""Tables that are read from the ledger row by row; the others are parts of a report."""


def export_tables() -> list[str]:
    """Name every table that can be exported: what the ledger holds, then parts of a report."""
    from harness.reports.report_parts import parts_on

    return [*STREAMS, *(part.name for part in parts_on("export"))]


def exports() -> list[str]:
    """Name everything that can be exported: tables, and records in a format of others."""
    return [*export_tables(), *RECORDS]


def export_table(
    ledger: Ledger,
    book: PriceBook,
    table: str,
    output: Path,
    run_ids: Sequence[str] | None = None,
    *,
    floats: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> int:
    """Write a table to a file beside its final name, then move it there; returns the number of rows.

    Args:
        table: one of `exports`.
        output: ends as a format of `FORMATS` that takes rows; for records as their format wants it.
        run_ids: None = every run (the report: every complete run).
        floats: dollars as floats, not exact, for programs that cannot take decimals; Parquet only.
        tell: hears what could not be written.

    Raises:
        InputError: no such table, run or format.
    """
    if table not in exports():
        raise _no_table(table)
    _check_runs(ledger, run_ids)
    if table in RECORDS:
        if floats:
            raise InputError(f"{table} has no columns of dollars", where="--floats", fix="leave it out")
        return write_records(ledger, book, table, output, run_ids)
    form = _format(output)
    if floats and not form.is_typed:
        ending = output.suffix.lower()
        raise InputError(f"{ending} has no types of numbers", where="--floats", fix="leave it out, or end in .parquet")
    stream = table_stream(ledger, book, table, run_ids)
    count = _write(with_floats(stream) if floats else stream, form, output)
    for sentence in stream.left_out:
        tell(sentence)
    return count


def _check_runs(ledger: Ledger, run_ids: Sequence[str] | None) -> None:
    missing = sorted(set(run_ids or ()) - {run.run_id for run in ledger.runs()})
    if missing:
        raise InputError(f"there is no run {', '.join(missing)}", where="--run", fix="see: benchtab runs list")


def write_file(stream: RowStream, output: Path) -> int:
    """Write a stream in the format of the file's ending; the file appears when it is complete.

    Raises:
        InputError: no format of that ending takes rows.
    """
    return _write(stream, _format(output), output)


def _format(output: Path) -> Format:
    name = by_ending(output, {"rows"})
    if name is None or FORMATS[name].file is None:
        raise InputError(
            f"cannot tell the format of {output.name!r}",
            where="--output",
            fix=f"end it in {', '.join(file_endings({'rows'}, rows=True))}",
        )
    return FORMATS[name]


def _write(stream: RowStream, form: Format, output: Path) -> int:
    assert form.file is not None
    with in_place(output) as unfinished, _collector_off():
        return form.file(stream, unfinished)


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
    """Open one of `export_tables` for reading.

    Raises:
        InputError: no such table or run.
    """
    if table not in export_tables():
        raise _no_table(table)
    if table == "samples":
        from harness.reports.exports.sample_export import sample_stream

        return sample_stream(ledger, book, run_ids)
    if table == "focus":
        from harness.reports.exports.focus_export import focus_stream

        return focus_stream(ledger, book, run_ids)
    if table in STREAMS:
        from harness.reports.exports.attempt_exports import export_stream

        return export_stream(ledger, table, book=book, run_ids=run_ids)
    from harness.reports.facts.assembly import spend_report
    from harness.reports.report_parts import REPORTS, Shown

    made = REPORTS[table].pieces(Shown(report=spend_report(ledger, book, run_ids)))
    return stream_of(next(piece for piece in made if isinstance(piece, Table)))


def _no_table(table: str) -> InputError:
    return InputError(f"no table {table!r}", where="TABLE", fix=f"one of: {', '.join(exports())}")


def stream_of(table: Table) -> RowStream:
    """Read a table as a stream of one batch."""
    columns = list(zip(*table.rows, strict=True))
    return RowStream(name=table.name, columns=table.columns, batches=iter([columns] if columns else []))


def with_floats(stream: RowStream) -> RowStream:
    """Give dollars as floats: what arithmetic with floats and most plotting need, at about 15 digits."""
    places = [place for place, column in enumerate(stream.columns) if column.kind == "usd"]
    columns = tuple(replace(column, kind="decimal") if column.kind == "usd" else column for column in stream.columns)

    def converted() -> Iterator[Sequence[Sequence[Any]]]:
        for batch in stream.batches:
            values = list(batch)
            for place in places:
                values[place] = [None if usd is None else float(usd) for usd in values[place]]
            yield values

    return RowStream(name=stream.name, columns=columns, batches=converted(), left_out=stream.left_out)


def data_frame(stream: RowStream) -> pd.DataFrame:
    """Read a stream into a pandas data frame.

    Columns are Arrow-backed: dollars are exact decimals (`with_floats` gives floats), instants are UTC, and what is not
    known is NA, never zero.
    """
    import pandas as pd
    import pyarrow as pa

    from harness.rendering.stream_files import arrow_schema, record_batches

    schema = arrow_schema(stream.columns)
    whole = pa.Table.from_batches(record_batches(stream, schema), schema=schema)
    frame: pd.DataFrame = whole.to_pandas(types_mapper=pd.ArrowDtype)
    return frame
