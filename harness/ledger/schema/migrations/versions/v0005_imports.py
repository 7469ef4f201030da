"""Files of other tools that were imported, what those tools say that a request cost, and what invoices say of it later.

Frozen: what holds now is in `ledger/schema/tables.py` and `triggers.py`.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TABLES = ("imported_files", "imported_costs", "invoiced")


def upgrade() -> None:
    """Add the tables, empty and append-only."""
    _make_imported_files()
    _make_imported_costs()
    _make_invoiced()
    connection = op.get_bind()
    for table in _TABLES:
        for statement in _triggers(table, connection.dialect.name):
            connection.exec_driver_sql(statement)


def _make_imported_files() -> None:
    op.create_table(
        "imported_files",
        sa.Column("file_id", _INTEGER, nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("format_version", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("n_bytes", _INTEGER, nullable=False),
        sa.Column("imported_at_us", _INTEGER, nullable=False),
        sa.Column("n_new", _INTEGER, nullable=False),
        sa.Column("n_known", _INTEGER, nullable=False),
        sa.Column("n_broken", _INTEGER, nullable=False),
        sa.PrimaryKeyConstraint("file_id", name="pk_imported_files"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name="fk_imported_files_run_id"),
        sa.CheckConstraint(
            "n_bytes >= 0 AND n_new >= 0 AND n_known >= 0 AND n_broken >= 0",
            name=op.f("ck_imported_files_not_negative"),
        ),
        sqlite_strict=True,
    )
    op.create_index("ix_imported_files_run_id", "imported_files", ["run_id"])


def _make_imported_costs() -> None:
    op.create_table(
        "imported_costs",
        sa.Column("attempt_id", _INTEGER, autoincrement=False, nullable=False),
        sa.Column("stated_cost_usd", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("attempt_id", name="pk_imported_costs"),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempts.attempt_id"], name="fk_imported_costs_attempt_id"),
        sqlite_strict=True,
    )


def _make_invoiced() -> None:
    op.create_table(
        "invoiced",
        sa.Column("invoiced_id", _INTEGER, nullable=False),
        sa.Column("attempt_id", _INTEGER, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("recorded_at_us", _INTEGER, nullable=False),
        sa.Column("billed_pico_usd", _INTEGER, nullable=True),
        sa.Column("usage", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("invoiced_id", name="pk_invoiced"),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempts.attempt_id"], name="fk_invoiced_attempt_id"),
        sqlite_strict=True,
    )
    op.create_index("ix_invoiced_attempt_id", "invoiced", ["attempt_id"])


def _triggers(table: str, dialect: str) -> list[str]:
    said = f"benchtab: {table} are append-only"
    if dialect == "sqlite":
        return [
            f"CREATE TRIGGER {table}_no_{event.lower()} BEFORE {event} ON {table}"
            f" BEGIN SELECT RAISE(ABORT, '{said}'); END"
            for event in ("UPDATE", "DELETE")
        ]
    rows = [
        f"CREATE TRIGGER {table}_no_{event.lower()} BEFORE {event} ON {table} FOR EACH ROW"
        f" EXECUTE FUNCTION benchtab_refuse('{table} are append-only')"
        for event in ("UPDATE", "DELETE")
    ]
    return [
        *rows,
        f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT"
        f" EXECUTE FUNCTION benchtab_refuse('{table} cannot be emptied')",
    ]
