"""RowStream -> an Excel workbook, a row at a time: texts stay texts, instants are dates in UTC, dollars are numbers.

Excel keeps 15 digits of a number and no time zone; CSV and Parquet are exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from harness.documents.stream import RowStream
from harness.documents.table import Column
from harness.errors import InputError
from harness.instants import to_us
from harness.rendering.cells import exact
from harness.rendering.printable import printable

MOST_ROWS = 1_048_575
"""Rows of a sheet below its heading."""
LONGEST_TEXT = 32_767
"""UTF-16 units of a cell."""
_CUT = "… (cut here: Excel holds no longer text; a .csv or .parquet file does)"
_MOST_EXACT = 10**15
_US_PER_DAY = 86_400_000_000
_DAYS_TO_1970 = 25_569
_WHEN = "yyyy-mm-dd hh:mm:ss.000"
_USD = "0.00" + "#" * 18

Write = Callable[[int, int, Any], object]


def write_stream_xlsx(stream: RowStream, path: Path) -> int:
    """Write a stream as the one sheet of a workbook; returns the number of rows.

    Raises:
        InputError: more rows than a sheet can hold.
    """
    from xlsxwriter import Workbook

    count = 0
    with TemporaryDirectory(dir=path.parent, prefix=".xlsx-") as folder:
        workbook = Workbook(str(path), {"constant_memory": True, "tmpdir": folder})
        workbook.use_zip64()  # where the sheet needs it
        # as of no time: equal ledgers give equal bytes
        workbook.set_properties({"created": datetime(2000, 1, 1, tzinfo=UTC)})
        sheet = workbook.add_worksheet(stream.name)
        sheet.freeze_panes(1, 0)
        bold = workbook.add_format({"bold": True})
        for place, column in enumerate(stream.columns):
            sheet.write_string(0, place, _heading(column), bold)
        writers = _writers(workbook, sheet)
        chosen = [writers.get(column.kind, writers["text"]) for column in stream.columns]
        for columns in stream.batches:
            if count + len(columns[0]) > MOST_ROWS:
                raise _too_many(stream.name)
            for row in zip(*columns, strict=True):
                count += 1
                for place, (write, value) in enumerate(zip(chosen, row, strict=True)):
                    if value is not None:
                        write(count, place, value)
        workbook.close()
    return count


def _too_many(table: str) -> InputError:
    return InputError(
        f"{table} has more rows than the {MOST_ROWS:,} of an Excel sheet",
        where="--output",
        fix="end it in .parquet or .csv, or choose fewer runs with --run",
    )


def _heading(column: Column) -> str:
    return f"{column.name} (UTC)" if column.kind == "timestamp" else column.name


def _writers(workbook: Any, sheet: Any) -> Mapping[str, Write]:
    """Say how the values of each kind of column are written."""
    when, usd = workbook.add_format({"num_format": _WHEN}), workbook.add_format({"num_format": _USD})

    def text(row: int, place: int, value: Any) -> None:
        sheet.write_string(row, place, _cell_text(exact(value)))

    def number(row: int, place: int, value: Any) -> None:
        if isinstance(value, str) or not math.isfinite(value) or abs(value) >= _MOST_EXACT:
            text(row, place, value)
        else:
            sheet.write_number(row, place, value)

    def dollars(row: int, place: int, value: Any) -> None:
        sheet.write_number(row, place, float(value), usd)

    def amount(row: int, place: int, value: Any) -> None:
        sheet.write_number(row, place, float(value))

    def instant(row: int, place: int, value: Any) -> None:
        us = value if isinstance(value, int) else to_us(value)
        sheet.write_number(row, place, us / _US_PER_DAY + _DAYS_TO_1970, when)

    return {
        "text": text,
        "integer": number,
        "decimal": number,
        "ratio": number,
        "percent": number,
        "boolean": sheet.write_boolean,
        "usd": dollars,
        "amount": amount,
        "timestamp": instant,
    }


def _cell_text(text: str) -> str:
    """Make a text fit a cell: line ends as Excel has them, characters that XML does not allow as their escapes."""
    shown = printable(text.replace("\r\n", "\n"))
    if len(shown) <= LONGEST_TEXT // 2 or len(shown.encode("utf-16-le")) // 2 <= LONGEST_TEXT:
        return shown
    kept = shown.encode("utf-16-le")[: 2 * (LONGEST_TEXT - len(_CUT))]
    return kept.decode("utf-16-le", "ignore") + _CUT
