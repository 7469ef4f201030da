"""Append-only in the database: triggers that refuse to change or delete facts."""

from __future__ import annotations

from alembic import op

from harness.ledger.triggers import statements

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the triggers. A later migration that changes a rule drops and makes that trigger anew."""
    connection = op.get_bind()
    for statement in statements(connection.dialect.name):
        connection.exec_driver_sql(statement)
