"""Names that many rows share (of cells, samples, parameter sets) are read once and looked up, not joined to every row.

Data flows ids of a batch of rows -> the stored rows that they point to, remembered up to a bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.ledger import Ledger
from harness.ledger.reading.batch_rows import batches

KEYS = {"cells": "cell_id", "planned_samples": "planned_id", "parameter_sets": "parameter_set_id"}
"""Tables that can be looked up in, with their key."""
MOST_KNOWN = 100_000
IDS_PER_QUERY = 5_000


@dataclass(slots=True)
class Lookup:
    """Some columns of one table by key; what is not known to be needed again is forgotten when it gets too much."""

    ledger: Ledger
    table: str
    columns: tuple[str, ...]
    known: dict[int | None, tuple[Any, ...]] = field(default_factory=dict)

    def rows(self, ids: Sequence[int | None]) -> list[tuple[Any, ...]]:
        """Give the row of every id; all None where the id is None."""
        wanted = set(ids)
        if len(self.known) > MOST_KNOWN:
            self.known.clear()
        missing = sorted(wanted - self.known.keys() - {None})  # type: ignore[type-var]
        for start in range(0, len(missing), IDS_PER_QUERY):
            self._read(missing[start : start + IDS_PER_QUERY])
        self.known[None] = (None,) * len(self.columns)
        return [self.known[number] for number in ids]

    def _read(self, ids: Sequence[int | None]) -> None:
        key = KEYS[self.table]
        listed = ", ".join(map(str, ids))
        query = f"SELECT {key}, {', '.join(self.columns)} FROM {self.table} WHERE {key} IN ({listed})"
        for rows in batches(self.ledger, query):
            self.known.update((row[0], tuple(row[1:])) for row in rows)
