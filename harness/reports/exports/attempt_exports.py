"""What can be exported as it is stored or charged: attempts, scores, charges and runs, streamed in a stable order.

Data flows ledger (typed columns, a batch at a time) + price book -> `RowStream`. Equal ledgers give equal rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from harness.costs.cost import price_request
from harness.documents.stream import RowStream
from harness.documents.table import Column
from harness.ledger import Ledger
from harness.ledger.reading.attempt_rows import AttemptRow, attempts_by_id
from harness.ledger.reading.charged_rows import ChargedRow, charged_rows
from harness.ledger.reading.export_rows import NAMES, STORED, Columns, Names, stored_columns
from harness.pricing.book import PriceBook
from harness.reports.exports.attempt_rates import AttemptRates, Line, lines_of_cost
from harness.reports.facts.charger import served_row, usage_of_row
from harness.scorers.values import COUNTED_WRONG

NAME_COLUMNS = tuple(stored.column for stored in NAMES)
_WRONG = ", ".join(f"`{reason}`" for reason in sorted(COUNTED_WRONG))
_COUNTED = Column(
    name="counted_score",
    kind="ratio",
    description=f"As reports count: 0 where the reply holds no answer (reason {_WRONG}), empty where nothing is known"
    " of the model. Average this one, where `is_newest`; the table `samples` has exactly the scores that count.",
)
_CHARGES = (
    Column(name="attempt_id", kind="integer", description="Attempt that was charged."),
    *NAME_COLUMNS,
    Column(name="purpose", description="`solve`, `judge`, `user_simulator` or `tool`."),
    Column(name="status", description="How the attempt ended."),
    Column(name="meter", description="What was used."),
    Column(name="quantity", kind="integer", unit="units", description="How much: tokens, calls or images."),
    Column(name="usd_per_unit", kind="usd", unit="USD", description="Exact rate; empty = unpriced."),
    Column(name="usd", kind="usd", unit="USD", description="Quantity times rate at list price; empty = unpriced."),
    Column(name="price_model", description="Price row used, `provider/model`; empty = unpriced."),
    Column(name="price_effective_from", kind="timestamp", unit="UTC", description="Start of that row; empty = open."),
)
_OF_TABLE = {table: tuple(entry.column for entry in stored) for table, stored in STORED.items()}
EXPORTED: Mapping[str, tuple[Column, ...]] = {
    "attempts": _OF_TABLE["attempts"],
    "scores": (*_OF_TABLE["scores"], _COUNTED),
    "charges": _CHARGES,
    "runs": _OF_TABLE["runs"],
}
"""Columns by table."""


def export_stream(ledger: Ledger, table: str, *, book: PriceBook, run_ids: Sequence[str] | None = None) -> RowStream:
    """Open a table for export; rows are read while the stream is.

    Args:
        table: one of `EXPORTED`.
        book: prices of the charges.
        run_ids: None = every run.
    """
    columns = _charges(ledger, book, run_ids) if table == "charges" else stored_columns(ledger, table, run_ids)
    if table == "scores":
        columns = _with_counted(columns)
    return RowStream(name=table, columns=EXPORTED[table], batches=columns)


def _with_counted(scores: Iterator[Columns]) -> Iterator[Columns]:
    score, reason = ([column.name for column in _OF_TABLE["scores"]].index(name) for name in ("score", "reason"))
    for columns in scores:
        counted = [
            0.0 if value is None and why in COUNTED_WRONG else value
            for value, why in zip(columns[score], columns[reason], strict=True)
        ]
        yield [*columns, counted]


def _charges(ledger: Ledger, book: PriceBook, run_ids: Sequence[str] | None) -> Iterator[Columns]:
    """Charge every settled attempt, meter by meter: by group where sums may, one by one elsewhere; in order sent."""
    rates, names = AttemptRates(book), Names(ledger)
    for rows in charged_rows(ledger, run_ids):
        cells, planned = [row.cell_id for row in rows], [row.planned_id for row in rows]
        named = zip(*names.columns({"cell_id": cells, "planned_id": planned}), strict=True)
        alone = {one.attempt_id: one for one in attempts_by_id(ledger, _apart(rows))}
        charged: list[tuple[object, ...]] = []
        for row, its_names in zip(rows, named, strict=True):
            lines = rates.lines(row) if row.summable else _single_lines(book, alone[row.attempt_id])
            charged += [(row.attempt_id, *its_names, row.purpose, row.status, *line) for line in lines]
        if charged:
            yield list(zip(*charged, strict=True))


def _apart(rows: Sequence[ChargedRow]) -> list[int]:
    return [row.attempt_id for row in rows if not row.summable]


def _single_lines(book: PriceBook, row: AttemptRow) -> Iterator[Line]:
    """Charge one attempt with fees, other models or a stated cost: by the price book, else as its provider states."""
    return lines_of_cost(price_request(book, usage_of_row(row), served_row(row)))
