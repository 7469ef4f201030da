"""The reference answer beside each planned sample, for tables that show question, answer and reference together."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; what was planned before has none."""
    op.add_column("planned_samples", sa.Column("reference", sa.Text(), nullable=True))
