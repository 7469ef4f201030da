"""Table -> CSV: exact values, one header row, formula cells guarded, equal tables give equal bytes."""

from __future__ import annotations

import csv
from typing import IO

from harness.documents.table import TEXT_KINDS, Table
from harness.rendering.cells import QuotedLineEnds, exact, guarded


def write_csv(table: Table, file: IO[str]) -> None:
    """Write a table as CSV (RFC 4180 quoting, `\\n` line ends, UTF-8 is the caller's)."""
    writer = csv.writer(QuotedLineEnds(file), lineterminator=QuotedLineEnds.WRITTEN)
    writer.writerow([column.name for column in table.columns])
    texts = [column.kind in TEXT_KINDS for column in table.columns]
    for row in table.rows:
        writer.writerow(
            [guarded(exact(value)) if text else exact(value) for value, text in zip(row, texts, strict=True)]
        )
