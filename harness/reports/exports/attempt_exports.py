"""What can be exported as it is stored or charged: attempts, scores, charges and runs, streamed in a stable order.

Data flows ledger (typed columns, a batch at a time) + price book -> `RowStream`. Equal ledgers give equal rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from harness.documents.stream import RowStream
from harness.documents.table import Column
from harness.ledger import Ledger
from harness.ledger.reading.arrow.arrow_rows import LEAST_FOR_A_PROCESS
from harness.ledger.reading.charged_rows import charged_batches
from harness.ledger.reading.export_rows import NAMES, STORED, stored_batches
from harness.pricing.book import PriceBook
from harness.replies.unscored import COUNTED_WRONG
from harness.reports.exports.charges.charge_lines import ChargeLines

if TYPE_CHECKING:
    import pyarrow as pa

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


def export_stream(
    ledger: Ledger,
    table: str,
    *,
    book: PriceBook,
    run_ids: Sequence[str] | None = None,
    least: int = LEAST_FOR_A_PROCESS,
) -> RowStream:
    """Open a table for export; rows are read while the stream is.

    Args:
        table: one of `EXPORTED`.
        book: prices of the charges.
        run_ids: None = every run.
        least: rows from which on a SQLite file is read by a process of its own.
    """
    batches: Iterator[pa.RecordBatch]
    if table == "charges":
        batches = map(ChargeLines(ledger, book).of, charged_batches(ledger, run_ids, least=least))
    else:
        batches = stored_batches(ledger, table, run_ids, least=least)
    if table == "scores":
        batches = _with_counted(batches)
    return RowStream.of_arrow(table, EXPORTED[table], batches)


def _with_counted(scores: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa
    import pyarrow.compute as pc

    wrong = pa.array(sorted(COUNTED_WRONG))
    for batch in scores:
        score = batch.column("score")
        is_wrong = pc.and_(score.is_null(), pc.is_in(batch.column("reason"), value_set=wrong))
        yield batch.append_column(_COUNTED.name, pc.if_else(is_wrong, 0.0, score))
