"""Rows of a query as tuples, thousands at a time in constant memory, for exports and per-sample columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, text

from harness.ledger import Ledger

ROWS_PER_BATCH = 20_000


def batches(
    ledger: Ledger, query: str, *, run_ids: Sequence[str] | None = None, values: Mapping[str, Any] | None = None
) -> Iterator[Sequence[Any]]:
    """Run a query and give its rows a batch at a time; `:run_ids` stands for the list of runs."""
    statement = text(query)
    bound = dict(values or {})
    if run_ids is not None:
        statement = statement.bindparams(bindparam("run_ids", expanding=True))
        bound["run_ids"] = list(run_ids)
    with ledger.reading() as connection:
        if connection.dialect.name != "sqlite":
            # a server-side cursor; its first rows are in SQLAlchemy's buffer already, so the cursor is not for us
            options = connection.execution_options(yield_per=ROWS_PER_BATCH)
            yield from options.execute(statement, bound).partitions()
            return
        cursor = connection.execute(statement, bound).cursor
        assert cursor is not None
        while rows := cursor.fetchmany(ROWS_PER_BATCH):
            yield rows
