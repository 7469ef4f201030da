"""Samples drawn in waves, forecasts of a run's bill, and the roles and sources that logs of other tools have.

Frozen: what holds now is in `ledger/schema/tables.py` and `triggers.py`.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_REAL: sa.types.TypeEngine[float] = sa.Double().with_variant(sa.REAL(), "sqlite")
_TABLES = ("draws", "forecasts")


def upgrade() -> None:
    """Add the tables, empty and append-only, and widen two checks."""
    _make_draws()
    _make_forecasts()
    connection = op.get_bind()
    for table in _TABLES:
        for statement in _triggers(table, connection.dialect.name):
            connection.exec_driver_sql(statement)
    _widen(connection, "purpose", ("solve", "judge"), ("user_simulator", "tool"))
    _widen(connection, "usage_source", ("provider", "missing", "estimated"), ("imported",))


def _make_draws() -> None:
    op.create_table(
        "draws",
        sa.Column("draw_id", _INTEGER, nullable=False),
        sa.Column("cell_id", _INTEGER, nullable=False),
        sa.Column("planned_id", _INTEGER, nullable=False),
        sa.Column("wave", _INTEGER, nullable=False),
        sa.Column("stratum", sa.Text(), nullable=False),
        sa.Column("draw_order", _INTEGER, nullable=False),
        sa.Column("inclusion_probability", _REAL, nullable=False),
        sa.PrimaryKeyConstraint("draw_id", name="pk_draws"),
        sa.UniqueConstraint("cell_id", "planned_id", name="uq_draws_cell_id_planned_id"),
        sa.ForeignKeyConstraint(["cell_id"], ["cells.cell_id"], name="fk_draws_cell_id"),
        sa.ForeignKeyConstraint(["planned_id"], ["planned_samples.planned_id"], name="fk_draws_planned_id"),
        sa.CheckConstraint("wave >= 0 AND draw_order >= 0", name=op.f("ck_draws_not_negative")),
        sa.CheckConstraint(
            "inclusion_probability > 0 AND inclusion_probability <= 1", name=op.f("ck_draws_probability")
        ),
        sqlite_strict=True,
    )


def _make_forecasts() -> None:
    op.create_table(
        "forecasts",
        sa.Column("forecast_id", _INTEGER, nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("cell_id", _INTEGER, nullable=True),
        sa.Column("made_at_us", _INTEGER, nullable=False),
        sa.Column("wave", _INTEGER, nullable=False),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("level", _REAL, nullable=False),
        sa.Column("spent_pico_usd", _INTEGER, nullable=False),
        sa.Column("expected_pico_usd", _INTEGER, nullable=False),
        sa.Column("low_pico_usd", _INTEGER, nullable=False),
        sa.Column("high_pico_usd", _INTEGER, nullable=False),
        sa.Column("ceiling_pico_usd", _INTEGER, nullable=True),
        sa.PrimaryKeyConstraint("forecast_id", name="pk_forecasts"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name="fk_forecasts_run_id"),
        sa.ForeignKeyConstraint(["cell_id"], ["cells.cell_id"], name="fk_forecasts_cell_id"),
        sa.CheckConstraint(
            "wave >= 0 AND spent_pico_usd >= 0 AND low_pico_usd >= 0", name=op.f("ck_forecasts_not_negative")
        ),
        sa.CheckConstraint("level > 0 AND level < 1", name=op.f("ck_forecasts_level")),
        sa.CheckConstraint(
            "low_pico_usd <= expected_pico_usd AND expected_pico_usd <= high_pico_usd",
            name=op.f("ck_forecasts_in_order"),
        ),
        sqlite_strict=True,
    )
    op.create_index("ix_forecasts_run_id", "forecasts", ["run_id"])


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


def _widen(connection: sa.Connection, column: str, known: tuple[str, ...], added: tuple[str, ...]) -> None:
    """Let a column of `attempts` hold more values."""
    name = f"ck_attempts_{column}_known"
    old, new = (" OR ".join(f"{column} = '{value}'" for value in values) for values in (known, known + added))
    if connection.dialect.name != "sqlite":
        connection.exec_driver_sql(f"ALTER TABLE attempts DROP CONSTRAINT {name}")
        connection.exec_driver_sql(f"ALTER TABLE attempts ADD CONSTRAINT {name} CHECK ({new})")
        return
    # no row is touched: SQLite's documented way to change a check without copying the table
    version = connection.exec_driver_sql("PRAGMA schema_version").scalar_one()
    connection.exec_driver_sql("PRAGMA writable_schema = ON")
    connection.exec_driver_sql(
        "UPDATE sqlite_master SET sql = replace(sql, ?, ?) WHERE type = 'table' AND name = 'attempts'",
        (f"CHECK ({old})", f"CHECK ({new})"),
    )
    connection.exec_driver_sql(f"PRAGMA schema_version = {version + 1}")
    connection.exec_driver_sql("PRAGMA writable_schema = OFF")
