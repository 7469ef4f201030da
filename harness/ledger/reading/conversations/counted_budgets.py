"""Budgets of single samples, of which there may be a million: lists count them where they do not read them."""

from __future__ import annotations

from sqlalchemy import func, select

from harness.ledger.connections import Readable
from harness.ledger.schema import tables
from harness.ledger.scopes import SAMPLE


def n_sample_budgets(ledger: Readable) -> int:
    """Count the budgets of single samples."""
    scope = tables.budgets.c.scope
    query = select(func.count()).select_from(tables.budgets).where(scope.startswith(SAMPLE, autoescape=True))
    with ledger.reading() as connection:
        return int(connection.execute(query).scalar_one())
