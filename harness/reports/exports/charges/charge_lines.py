"""Charges of attempts, meter by meter, in columns: rates are asked for once per group, quantities stay integers.

Data flows batches of `charged_batches` + price book -> record batches of lines, in order sent. Exact: where a product
does not fit into 64 bits, or a charge depends on more than tokens and group, an attempt is charged on its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from harness.costs.cost import price_request
from harness.ledger import Ledger
from harness.ledger.columns import TOKEN_COLUMNS
from harness.ledger.reading.attempt_rows import AttemptRow, attempts_by_id
from harness.ledger.reading.charged_rows import ChargedRow, ChargedRows
from harness.ledger.reading.export_rows import NAMES, Names
from harness.money import plain
from harness.pricing.book import PriceBook
from harness.reports.exports.attempt_rates import AttemptRates, Line, lines_of_cost
from harness.reports.exports.charges.rate_table import LINE, METERS, RateTable
from harness.reports.facts.charger import served_row, usage_of_row

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_GROUPED_BY = ("usage_group_id", "cell_id", "other_provider", "purpose", "model_requested")


class ChargeLines:
    """Charges batches of attempts: by group where sums may, one by one elsewhere."""

    def __init__(self, ledger: Ledger, book: PriceBook) -> None:
        self._ledger = ledger
        self._book = book
        self._rates = AttemptRates(book)
        self._names = Names(ledger)
        self._rows = ChargedRows(ledger)

    def of(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Give the lines of one of `charged_batches`."""
        import numpy as np
        import pyarrow as pa

        quantities, table = _quantities(batch), RateTable()
        places = self._places(batch, quantities, table)
        used = quantities != 0
        is_alone, known = places < 0, np.flatnonzero(places >= 0)
        is_alone[known] = (np.abs(quantities[known]) > table.most[places[known]]).any(axis=1, where=used[known])
        used[is_alone] = False
        lines_of, meters = np.nonzero(used)
        lines = table.lines(places[lines_of], meters, quantities[used])
        if is_alone.any():
            apart, charged = self._alone(batch, np.flatnonzero(is_alone))
            lines_of = np.concatenate([lines_of, apart])
            order = np.argsort(lines_of, kind="stable")
            lines_of, lines = lines_of[order], joined(lines, charged).take(pa.array(order))
        ids = {name: batch.column(name) for name in self._names.keys}
        attempts = {
            "attempt_id": batch.column("attempt_id"),
            **dict(zip((stored.column.name for stored in NAMES), self._names.columns(ids), strict=True)),
            "purpose": batch.column("purpose"),
            "status": batch.column("status"),
        }
        repeated = pa.RecordBatch.from_pydict(attempts).take(pa.array(lines_of))
        return pa.record_batch([*repeated.columns, *lines.columns], names=[*attempts, *LINE])

    def _places(self, batch: pa.RecordBatch, quantities: np.ndarray, table: RateTable) -> np.ndarray:
        """Give each attempt's row in the table of rates; -1 where its charge depends on more than a group says."""
        import numpy as np

        places = np.full(len(batch), -1)
        summable = np.flatnonzero(batch.column("summable").to_numpy())
        _, first, kinds = np.unique(_kinds(batch, quantities)[summable], return_index=True, return_inverse=True)
        of_kind = np.full(len(first), -1)
        for kind, row in enumerate(self._rows.of_batch(batch.take(summable[first]))):
            shared = self._rates.shared(row, row.tokens.quantities())
            if shared is not None:
                of_kind[kind] = table.place(shared)
        places[summable] = of_kind[kinds]
        changing = summable[places[summable] < 0]
        for place, row in zip(changing, self._rows.of_batch(batch.take(changing)), strict=True):
            places[place] = table.place(self._rates.of(row, row.tokens.quantities()))
        return places

    def _alone(self, batch: pa.RecordBatch, places: np.ndarray) -> tuple[list[int], list[Line]]:
        """Charge attempts one by one: their lines, and the place of each line's attempt in the batch."""
        rows = self._rows.of_batch(batch.take(places))
        whole = {one.attempt_id: one for one in attempts_by_id(self._ledger, _apart(rows))}
        found: list[int] = []
        charged: list[Line] = []
        for place, row in zip(places, rows, strict=True):
            lines = list(self._rates.lines(row) if row.summable else self._single(whole[row.attempt_id]))
            found += [place] * len(lines)
            charged += lines
        return found, charged

    def _single(self, row: AttemptRow) -> Iterator[Line]:
        """Charge an attempt with fees, other models or a stated cost: by the book, else as its provider states."""
        return lines_of_cost(price_request(self._book, usage_of_row(row), served_row(row)))


def _quantities(batch: pa.RecordBatch) -> np.ndarray:
    """Take the counts apart as `TokenCounts.quantities` does; an array of int64, attempts by meters."""
    import numpy as np

    *inputs, output, reasoning = (batch.column(name).fill_null(0).to_numpy() for name in TOKEN_COLUMNS)
    is_known = batch.column("output_tokens").is_valid().to_numpy(zero_copy_only=False)
    return np.stack([*inputs, reasoning, np.where(is_known, output - reasoning, 0)], axis=1)


def _kinds(batch: pa.RecordBatch, quantities: np.ndarray) -> np.ndarray:
    """Number attempts so that equal numbers mean the same group, asked in the same way, with the same meters used."""
    import numpy as np

    kinds: np.ndarray = (quantities != 0) @ (1 << np.arange(len(METERS)))
    for name in _GROUPED_BY:
        coded = batch.column(name).dictionary_encode(null_encoding="encode")
        kinds = np.unique(kinds, return_inverse=True)[1] * len(coded.dictionary) + coded.indices.to_numpy()
    return kinds


def _apart(rows: Sequence[ChargedRow]) -> list[int]:
    return [row.attempt_id for row in rows if not row.summable]


def joined(lines: pa.RecordBatch, charged: Sequence[Line]) -> pa.RecordBatch:
    """Put lines charged one by one after others; where one does not fit into decimals, dollars become texts."""
    import pyarrow as pa

    columns: list[pa.Array] = []
    for array, values in zip(lines.columns, zip(*charged, strict=True), strict=True):
        try:
            columns.append(pa.concat_arrays([array, pa.array(values, type=array.type)]))
        except pa.ArrowInvalid:
            dollars = [*array.to_pylist(), *values]
            columns.append(pa.array([None if usd is None else plain(usd) for usd in dollars], type=pa.string()))
    return pa.record_batch(columns, names=list(LINE))
