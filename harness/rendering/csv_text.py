"""Tables and columns -> CSV: exact values, one header row, formula cells guarded, equal tables give equal bytes.

Data flows a table row by row, or an Arrow batch whose columns become texts and whose texts become lines; both ways give
the same bytes.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import cache
from typing import IO, TYPE_CHECKING

from harness.documents.table import TEXT_KINDS, Column, Table
from harness.money import plain
from harness.rendering.cells import QuotedLineEnds, exact, guarded

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

MOST_BYTES = 2**26
"""Of a batch that is written in one piece: texts of Arrow end at 2^31 bytes."""
_QUOTED = b',"\r\n'
"""What `csv.writer` quotes a cell for."""
_DOUBTFUL_FIRST = bytes({*range(0x21), *b"=+-@", *range(0x7F, 0x100)})
"""First bytes of texts that `guarded` is asked about: it changes none that begins with another."""
_USD_SCALE = 18


def write_csv(table: Table, file: IO[str]) -> None:
    """Write a table as CSV (RFC 4180 quoting, `\\n` line ends, UTF-8 is the caller's)."""
    writer = csv.writer(QuotedLineEnds(file), lineterminator=QuotedLineEnds.WRITTEN)
    writer.writerow([column.name for column in table.columns])
    texts = [column.kind in TEXT_KINDS for column in table.columns]
    for row in table.rows:
        writer.writerow(
            [guarded(exact(value)) if text else exact(value) for value, text in zip(row, texts, strict=True)]
        )


def csv_lines(batch: pa.RecordBatch, columns: Sequence[Column]) -> Iterator[memoryview]:
    """Give the lines of a batch as UTF-8, in one or more pieces."""
    import pyarrow.compute as pc

    if len(batch) > 1 and batch.nbytes > MOST_BYTES:
        half = len(batch) // 2
        for part in (batch.slice(0, half), batch.slice(half)):
            yield from csv_lines(part, columns)
        return
    *texts, last = (_cells(*pair) for pair in zip(batch.columns, columns, strict=True))
    options = {"null_handling": "replace", "null_replacement": ""}
    ended = pc.binary_join_element_wise(last, "", "\n", **options)
    lines = pc.binary_join_element_wise(*texts, ended, ",", **options)
    starts, data = _parts(lines)
    yield data[starts[0] : starts[-1]].data


def _parts(texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Give the offsets of texts and the bytes that they point into."""
    import numpy as np

    _, offsets, data = texts.buffers()
    starts = np.frombuffer(offsets, dtype=np.int32)[texts.offset : texts.offset + len(texts) + 1]
    return starts, np.frombuffer(data or b"", dtype=np.uint8)


def _cells(values: pa.Array, column: Column) -> pa.Array:
    """Write the cells of a column as strings; null where it is empty."""
    import pyarrow as pa

    if column.kind in TEXT_KINDS:
        return _texts(values)
    if column.kind == "timestamp":
        return _instants(values)
    if pa.types.is_decimal(values.type):
        return _dollars(values)
    if pa.types.is_integer(values.type) or pa.types.is_boolean(values.type):
        return values.cast(pa.string())
    return _one_by_one(values, column)


def _one_by_one(values: pa.Array, column: Column) -> pa.Array:
    """Write each different value once."""
    import pyarrow as pa

    coded = values.dictionary_encode()
    different = coded.dictionary.to_pylist()
    if column.kind == "usd":
        different = [Decimal(value) for value in different]
    return pa.array(map(exact, different), type=pa.string()).take(coded.indices)


def _instants(values: pa.Array) -> pa.Array:
    """Write instants as `exact_utc_text` does: a fraction of six digits where there is one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = values.cast(pa.timestamp("us")).cast(pa.string())
    texts = pc.replace_substring(texts, " ", "T", max_replacements=1)
    return pc.binary_join_element_wise(pc.replace_substring(texts, ".000000", ""), "", "Z")


def _dollars(values: pa.Array) -> pa.Array:
    """Write decimals as `plain` does: whole and fraction apart, as far as both fit into 64 bits."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    words = np.frombuffer(values.buffers()[1], dtype=np.int64).reshape(-1, 2)[values.offset :][: len(values)]
    units, is_null = words[:, 0], values.is_null().to_numpy(zero_copy_only=False)
    if values.type.scale != _USD_SCALE or ((words[:, 1] != 0) & ~is_null).any() or (units[~is_null] < 0).any():
        texts = (None if value is None else plain(value) for value in values.to_pylist())
        return pa.array(texts, type=pa.string())
    whole, fraction = (pa.array(part, mask=is_null).cast(pa.string()) for part in np.divmod(units, 10**_USD_SCALE))
    texts = pc.binary_join_element_wise(whole, pc.ascii_lpad(fraction, width=_USD_SCALE, padding="0"), ".")
    return pc.ascii_rtrim(pc.ascii_rtrim(texts, characters="0"), characters=".")


def _texts(texts: pa.Array) -> pa.Array:
    """Guard texts that a spreadsheet would run, and quote those that need it; most columns need neither."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    starts, data = _parts(texts)
    filled = np.flatnonzero(starts[1:] > starts[:-1])
    doubtful = filled[_marked(_DOUBTFUL_FIRST)[data[starts[filled]]]]
    if len(doubtful):
        is_doubtful = np.zeros(len(texts), dtype=bool)
        is_doubtful[doubtful] = True
        written = [guarded(text) for text in texts.take(pa.array(doubtful)).to_pylist()]
        texts = pc.replace_with_mask(texts, pa.array(is_doubtful), pa.array(written, type=pa.string()))
        starts, data = _parts(texts)
    if not _marked(_QUOTED)[data[starts[0] : starts[-1]]].any():
        return texts
    quoted = pc.binary_join_element_wise('"', pc.replace_substring(texts, '"', '""'), '"', "")
    return pc.if_else(pc.match_substring_regex(texts, f"[{_QUOTED.decode()}]"), quoted, texts)


@cache
def _marked(some: bytes) -> np.ndarray:
    """Give a flag for every byte: whether it is one of these."""
    import numpy as np

    flags = np.zeros(256, dtype=bool)
    flags[list(some)] = True
    return flags
