"""Runs that several processes work on: who they are, what each has taken, and how fast all of them may send.

Frozen: what holds now is in `ledger/schema/tables.py`.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_REAL: sa.types.TypeEngine[float] = sa.Double().with_variant(sa.REAL(), "sqlite")


def upgrade() -> None:
    """Add the tables, empty. Unlike facts, their rows change."""
    _make_workers()
    _make_drivers()
    _make_chains()
    _make_paces()


def _number(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, _INTEGER, nullable=nullable)


def _known(table: str, column: str, *values: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(
        " OR ".join(f"{column} = '{value}'" for value in values), name=op.f(f"ck_{table}_{column}_known")
    )


def _not_negative(table: str, *columns: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(
        " AND ".join(f"{column} >= 0" for column in columns), name=op.f(f"ck_{table}_not_negative")
    )


def _make_workers() -> None:
    op.create_table(
        "workers",
        _number("worker_id"),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        _number("started_at_us"),
        _number("heartbeat_at_us"),
        _number("expires_at_us"),
        _number("ended_at_us", nullable=True),
        _number("places"),
        _number("in_flight"),
        _number("n_asked"),
        _number("n_scored"),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("worker_id", name="pk_workers"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name="fk_workers_run_id"),
        _known("workers", "kind", "all", "ask", "score"),
        _known("workers", "state", "working", "draining", "ended", "lost"),
        _not_negative("workers", "places", "in_flight", "n_asked", "n_scored"),
        sqlite_strict=True,
    )
    op.create_index("ix_workers_run_id", "workers", ["run_id"])


def _make_drivers() -> None:
    op.create_table(
        "drivers",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        _number("since_us"),
        sa.Column("config", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name="pk_drivers"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name="fk_drivers_run_id"),
        sqlite_strict=True,
    )


def _make_chains() -> None:
    op.create_table(
        "chains",
        _number("chain_id"),
        sa.Column("run_id", sa.Text(), nullable=False),
        _number("cell_id"),
        _number("planned_id"),
        _number("wave"),
        sa.Column("state", sa.Text(), nullable=False),
        _number("worker_id", nullable=True),
        _number("n_leases"),
        sa.Column("new_tries", sa.SmallInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.CheckConstraint("new_tries = 0 OR new_tries = 1", name=op.f("ck_chains_new_tries_is_flag")),
        sa.PrimaryKeyConstraint("chain_id", name="pk_chains"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name="fk_chains_run_id"),
        sa.ForeignKeyConstraint(["cell_id"], ["cells.cell_id"], name="fk_chains_cell_id"),
        sa.ForeignKeyConstraint(["planned_id"], ["planned_samples.planned_id"], name="fk_chains_planned_id"),
        sa.ForeignKeyConstraint(["worker_id"], ["workers.worker_id"], name="fk_chains_worker_id"),
        sa.UniqueConstraint("cell_id", "planned_id", name="uq_chains_cell_id_planned_id"),
        _known("chains", "state", "open", "asking", "answered", "scoring", "done", "left"),
        _not_negative("chains", "wave", "n_leases"),
        sqlite_strict=True,
    )
    partial = {
        "ix_chains_open": (["cell_id", "chain_id"], "state = 'open'"),
        "ix_chains_answered": (["cell_id", "chain_id"], "state = 'answered'"),
        "ix_chains_leased": (["worker_id"], "state = 'asking' OR state = 'scoring'"),
    }
    for name, (columns, where) in partial.items():
        op.create_index(name, "chains", columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
    op.create_index("ix_chains_run_id", "chains", ["run_id", "state"])


def _make_paces() -> None:
    op.create_table(
        "paces",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("requests_per_minute", _REAL, nullable=True),
        sa.Column("tokens_per_minute", _REAL, nullable=True),
        sa.Column("requests_left", _REAL, nullable=False),
        sa.Column("tokens_left", _REAL, nullable=False),
        _number("filled_at_us"),
        _number("paused_until_us"),
        sa.Column("learned", sa.Text(), nullable=True),
        _number("n_changes"),
        sa.PrimaryKeyConstraint("run_id", "model", name="pk_paces"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name="fk_paces_run_id"),
        _not_negative("paces", "n_changes"),
        sqlite_strict=True,
    )
