"""Which runs asked a model, and with what settings.

Data flows cells -> `ModelUse` values, the newest run first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from harness.ledger.connections import Readable
from harness.ledger.reading.batch_rows import select_rows

_USES = """
    SELECT cells.run_id AS run_id, cells.suite AS suite, cells.setting AS setting, runs.status AS status,
        runs.created_at_us AS created_at_us
    FROM cells JOIN runs USING (run_id)
    WHERE cells.model = :model AND cells.provider IN :run_ids
    ORDER BY runs.created_at_us DESC, cells.cell_id
"""


class ModelUse(NamedTuple):
    """One suite that a run asked a model."""

    run_id: str
    suite: str
    setting: str | None
    status: str
    created_at_us: int


def model_uses(ledger: Readable, providers: Sequence[str], model: str) -> list[ModelUse]:
    """List where a model was asked under any of a provider's names."""
    return [ModelUse._make(row) for row in select_rows(ledger, _USES, providers, model=model)]
