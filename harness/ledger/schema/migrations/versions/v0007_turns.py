"""Samples that are conversations: the place of a request in one, and the calls of tools that a model wanted made.

Frozen: what holds now is in `ledger/schema/tables.py`.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns, empty."""
    op.add_column("attempts", sa.Column("turn", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True))
    op.add_column("transcripts", sa.Column("tool_calls", sa.LargeBinary(), nullable=True))
