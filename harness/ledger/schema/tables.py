"""The ledger's tables, one schema for SQLite (STRICT) and PostgreSQL; `migrations/` leads older files here.

Instants are integer microseconds since the epoch in UTC, money is integer picodollars or a decimal string, JSON is text
with sorted keys. The migrations and this file must agree: a test compares them on both databases.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import (
    REAL,
    BigInteger,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import TypeEngine

from harness.ledger.columns import (
    ATTEMPT_COLUMNS,
    BILL_UNKNOWN,
    TOKEN_COLUMNS,
    UNKNOWN_DIMENSIONS,
    AttemptColumn,
    GroupDimensions,
)
from harness.ledger.leases.lease_records import CHAIN_STATES, WORKER_KINDS, WORKER_STATES
from harness.ledger.records import ATTEMPT_STATUSES, BATCH_STATUSES, BILLED, PURPOSES, RUN_STATUSES, USAGE_SOURCES

SCHEMA_VERSION = "0007"
"""The newest migration; a ledger of any other version is refused."""

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = MetaData(naming_convention=NAMING)

Int64 = BigInteger().with_variant(Integer(), "sqlite")
Flag01 = SmallInteger().with_variant(Integer(), "sqlite")
Real: TypeEngine[float] = Double().with_variant(REAL(), "sqlite")


def _one_of(column: str, values: Iterable[str]) -> CheckConstraint:
    # not IN (...): SQLite builds a temporary table for the list, for every row
    known = " OR ".join(f"{column} = '{value}'" for value in values)
    return CheckConstraint(known, name=f"{column}_known")


def _not_negative(*columns: str) -> CheckConstraint:
    return CheckConstraint(" AND ".join(f"{column} >= 0" for column in columns), name="not_negative")


def _declared(column: AttemptColumn) -> Column[Any]:
    kind = {"integer": Int64, "flag": Flag01}.get(column.kind, Text)
    points_to = [ForeignKey(column.points_to)] if column.points_to else []
    return Column(column.name, kind, *points_to, primary_key=column.name == "attempt_id", nullable=not column.required)


def _flag(column: str) -> CheckConstraint:
    return CheckConstraint(f"{column} = 0 OR {column} = 1", name=f"{column}_is_flag")


runs = Table(
    "runs",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("status", Text, nullable=False),
    Column("created_at_us", Int64, nullable=False),
    Column("finished_at_us", Int64),
    Column("plan_sha256", Text, nullable=False),
    Column("config", Text, nullable=False),
    Column("suites", Text, nullable=False),
    Column("models", Text, nullable=False),
    Column("price_book_sha256", Text, nullable=False),
    Column("price_sources", Text, nullable=False),
    Column("harness_version", Text, nullable=False),
    Column("git_commit", Text),
    Column("sample_seed", Int64, nullable=False),
    Column("budget_pico_usd", Int64),
    Column("warnings", Text, nullable=False),
    _one_of("status", RUN_STATUSES),
    _not_negative("budget_pico_usd"),
    Index("ix_runs_created_at_us", "created_at_us"),
    sqlite_strict=True,
)

cells = Table(
    "cells",
    metadata,
    Column("cell_id", Int64, primary_key=True),
    Column("run_id", Text, ForeignKey("runs.run_id"), nullable=False),
    Column("suite", Text, nullable=False),
    Column("suite_version", Text, nullable=False),
    Column("suite_sha256", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("setting", Text),
    Column("reasoning", Flag01),
    Column("simulated", Flag01, nullable=False),
    Column("settings_sent", Text, nullable=False),
    _flag("reasoning"),
    _flag("simulated"),
    # an index over expressions: in a plain UNIQUE two missing settings would count as different
    Index(
        "uq_cells_run_suite_model", "run_id", "suite", "provider", "model", text("coalesce(setting, '')"), unique=True
    ),
    sqlite_strict=True,
)

planned_samples = Table(
    "planned_samples",
    metadata,
    Column("planned_id", Int64, primary_key=True),
    Column("run_id", Text, ForeignKey("runs.run_id"), nullable=False),
    Column("suite", Text, nullable=False),
    Column("task", Text, nullable=False),
    Column("sample_id", Text, nullable=False),
    Column("epoch", Int64, nullable=False),
    Column("draw_order", Int64, nullable=False),
    Column("inclusion_probability", Real, nullable=False),
    Column("sample_sha256", Text, nullable=False),
    Column("presentation", Text),
    Column("reference", Text),
    UniqueConstraint("run_id", "suite", "task", "sample_id", "epoch", name="uq_planned_samples_run_sample_epoch"),
    _not_negative("epoch", "draw_order"),
    CheckConstraint("inclusion_probability > 0 AND inclusion_probability <= 1", name="probability"),
    sqlite_strict=True,
)

parameter_sets = Table(
    "parameter_sets",
    metadata,
    Column("parameter_set_id", Int64, primary_key=True),
    Column("sha256", Text, nullable=False),
    Column("parameters", Text, nullable=False),
    UniqueConstraint("sha256"),
    sqlite_strict=True,
)

budget_sets = Table(
    "budget_sets",
    metadata,
    Column("budget_set_id", Int64, primary_key=True),
    Column("scopes", Text, nullable=False),
    UniqueConstraint("scopes"),
    sqlite_strict=True,
)

usage_groups = Table(
    "usage_groups",
    metadata,
    Column("usage_group_id", Int64, primary_key=True),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("service_tier", Text),
    Column("mode", Text),
    Column("speed", Text),
    Column("inference_geo", Text),
    Column("thinking", Flag01),
    Column("slot_us", Int64, nullable=False),
    Column("context_bucket", Int64),
    Column("usage_known", Flag01, nullable=False),
    Column("itemised", Flag01, nullable=False),
    Column("truncated", Flag01, nullable=False),
    Column("refused", Flag01, nullable=False),
    _flag("thinking"),
    _flag("usage_known"),
    _flag("itemised"),
    _flag("truncated"),
    _flag("refused"),
    _not_negative("context_bucket"),
    Index(
        "uq_usage_groups_dimensions",
        *(
            text(f"coalesce({name}, {UNKNOWN_DIMENSIONS[name]!r})") if name in UNKNOWN_DIMENSIONS else name
            for name in GroupDimensions._fields
        ),
        unique=True,
    ),
    sqlite_strict=True,
)

SETTLED_AND_SUMMABLE = "status <> 'sent' AND other_meters IS NULL AND stated_cost_usd IS NULL"
"""Attempts whose charge depends only on summed columns and the usage group; all others are charged one by one."""
SETTLED_ONE_BY_ONE = "status <> 'sent' AND (other_meters IS NOT NULL OR stated_cost_usd IS NOT NULL)"


def _partial(name: str, columns: tuple[str, ...], where: str) -> Index:
    return Index(name, *columns, sqlite_where=text(where))  # for PostgreSQL `versions.py` repeats the condition


attempts = Table(
    "attempts",
    metadata,
    *map(_declared, ATTEMPT_COLUMNS),
    UniqueConstraint("request_id"),
    _one_of("purpose", PURPOSES),
    _one_of("status", ATTEMPT_STATUSES),
    _one_of("usage_source", USAGE_SOURCES),
    _one_of("billed", BILLED),
    _flag("refused"),
    _not_negative("reserved_pico_usd", "reserved_input_tokens", "reserved_output_tokens"),
    CheckConstraint("try_number >= 1", name="try_number_from_one"),
    CheckConstraint("(status = 'sent') = (finished_at_us IS NULL)", name="settled_means_finished"),
    CheckConstraint("status = 'sent' OR usage_source IS NOT NULL", name="settled_means_usage_known_or_missing"),
    Index("ix_attempts_cell_sample", "cell_id", "planned_id"),
    # every column of the grouped sums, so that a report reads this index and no row
    _partial(
        "ix_attempts_sums",
        (
            "cell_id",
            "purpose",
            "status",
            "usage_group_id",
            *TOKEN_COLUMNS,
            # always null here: SQLite counts the columns of the condition, too
            "other_meters",
            "stated_cost_usd",
        ),
        SETTLED_AND_SUMMABLE,
    ),
    _partial("ix_attempts_one_by_one", ("cell_id",), SETTLED_ONE_BY_ONE),
    _partial("ix_attempts_bill_unknown", ("cell_id",), BILL_UNKNOWN),
    sqlite_strict=True,
)

prompts = Table(
    "prompts",
    metadata,
    Column("prompt_id", Int64, primary_key=True),
    Column("sha256", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
    UniqueConstraint("sha256"),
    sqlite_strict=True,
)

transcripts = Table(
    "transcripts",
    metadata,
    Column("attempt_id", Int64, ForeignKey("attempts.attempt_id"), primary_key=True, autoincrement=False),
    Column("prompt_id", Int64, ForeignKey("prompts.prompt_id"), nullable=False),
    Column("answer", LargeBinary, nullable=False),
    Column("reasoning", LargeBinary),
    Column("tool_calls", LargeBinary),
    Index("ix_transcripts_prompt_id", "prompt_id"),
    sqlite_strict=True,
)

scores = Table(
    "scores",
    metadata,
    Column("score_id", Int64, primary_key=True),
    Column("attempt_id", Int64, ForeignKey("attempts.attempt_id"), nullable=False),
    Column("planned_id", Int64, ForeignKey("planned_samples.planned_id"), nullable=False),
    Column("cell_id", Int64, ForeignKey("cells.cell_id"), nullable=False),
    Column("scorer", Text, nullable=False),
    Column("scorer_version", Text, nullable=False),
    Column("value_millionths", Int64),
    Column("reason", Text),
    Column("answer", Text),
    Column("explanation", Text),
    Column("rule", Text),
    Column("scored_at_us", Int64, nullable=False),
    CheckConstraint("(value_millionths IS NULL) = (reason IS NOT NULL)", name="scored_or_reason"),
    Index("ix_scores_attempt_id", "attempt_id"),
    sqlite_strict=True,
)

budgets = Table(
    "budgets",
    metadata,
    Column("budget_id", Int64, primary_key=True),
    Column("scope", Text, nullable=False),
    Column("cap_pico_usd", Int64),
    Column("spent_pico_usd", Int64, nullable=False),
    Column("reserved_pico_usd", Int64, nullable=False),
    UniqueConstraint("scope"),
    _not_negative("cap_pico_usd", "spent_pico_usd", "reserved_pico_usd"),
    sqlite_strict=True,
)

batches = Table(
    "batches",
    metadata,
    Column("batch_id", Int64, primary_key=True),
    Column("run_id", Text, ForeignKey("runs.run_id"), nullable=False),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("setting", Text),
    Column("submission_key", Text, nullable=False),
    Column("n_lines", Int64, nullable=False),
    Column("created_at_us", Int64, nullable=False),
    Column("status", Text, nullable=False),
    Column("provider_batch_id", Text),
    Column("submitted_at_us", Int64),
    Column("closed_at_us", Int64),
    Column("detail", Text),
    UniqueConstraint("submission_key"),
    _one_of("status", BATCH_STATUSES),
    _not_negative("n_lines"),
    CheckConstraint(
        "(provider_batch_id IS NULL) = (submitted_at_us IS NULL)"
        " AND (status = 'submitting' OR status = 'not_submitted' OR status = 'lost' OR provider_batch_id IS NOT NULL)",
        name="submitted_means_named",
    ),
    CheckConstraint(
        "(status = 'submitting' OR status = 'submitted') = (closed_at_us IS NULL)", name="closed_means_dated"
    ),
    Index("ix_batches_run_id", "run_id"),
    sqlite_strict=True,
)

batch_lines = Table(
    "batch_lines",
    metadata,
    Column("attempt_id", Int64, ForeignKey("attempts.attempt_id"), primary_key=True, autoincrement=False),
    Column("batch_id", Int64, ForeignKey("batches.batch_id"), nullable=False),
    Index("ix_batch_lines_batch_id", "batch_id"),
    sqlite_strict=True,
)

draws = Table(
    "draws",
    metadata,
    Column("draw_id", Int64, primary_key=True),
    Column("cell_id", Int64, ForeignKey("cells.cell_id"), nullable=False),
    Column("planned_id", Int64, ForeignKey("planned_samples.planned_id"), nullable=False),
    Column("wave", Int64, nullable=False),
    Column("stratum", Text, nullable=False),
    Column("draw_order", Int64, nullable=False),
    Column("inclusion_probability", Real, nullable=False),
    UniqueConstraint("cell_id", "planned_id"),
    _not_negative("wave", "draw_order"),
    CheckConstraint("inclusion_probability > 0 AND inclusion_probability <= 1", name="probability"),
    sqlite_strict=True,
)

forecasts = Table(
    "forecasts",
    metadata,
    Column("forecast_id", Int64, primary_key=True),
    Column("run_id", Text, ForeignKey("runs.run_id"), nullable=False),
    Column("cell_id", Int64, ForeignKey("cells.cell_id")),
    Column("made_at_us", Int64, nullable=False),
    Column("wave", Int64, nullable=False),
    Column("basis", Text, nullable=False),
    Column("level", Real, nullable=False),
    Column("spent_pico_usd", Int64, nullable=False),
    Column("expected_pico_usd", Int64, nullable=False),
    Column("low_pico_usd", Int64, nullable=False),
    Column("high_pico_usd", Int64, nullable=False),
    Column("ceiling_pico_usd", Int64),
    _not_negative("wave", "spent_pico_usd", "low_pico_usd"),
    CheckConstraint("level > 0 AND level < 1", name="level"),
    CheckConstraint("low_pico_usd <= expected_pico_usd AND expected_pico_usd <= high_pico_usd", name="in_order"),
    Index("ix_forecasts_run_id", "run_id"),
    sqlite_strict=True,
)

imported_files = Table(
    "imported_files",
    metadata,
    Column("file_id", Int64, primary_key=True),
    Column("run_id", Text, ForeignKey("runs.run_id"), nullable=False),
    Column("format", Text, nullable=False),
    Column("format_version", Text),
    Column("name", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("n_bytes", Int64, nullable=False),
    Column("imported_at_us", Int64, nullable=False),
    Column("n_new", Int64, nullable=False),
    Column("n_known", Int64, nullable=False),
    Column("n_broken", Int64, nullable=False),
    _not_negative("n_bytes", "n_new", "n_known", "n_broken"),
    Index("ix_imported_files_run_id", "run_id"),
    sqlite_strict=True,
)

imported_costs = Table(
    "imported_costs",
    metadata,
    # what the tool that wrote a log says of a request; what a provider itself states is in `attempts`
    Column("attempt_id", Int64, ForeignKey("attempts.attempt_id"), primary_key=True, autoincrement=False),
    Column("stated_cost_usd", Text, nullable=False),
    Column("note", Text),
    sqlite_strict=True,
)

invoiced = Table(
    "invoiced",
    metadata,
    # what an account says of an attempt whose bill was not known; the attempt itself is never edited
    Column("invoiced_id", Int64, primary_key=True),
    Column("attempt_id", Int64, ForeignKey("attempts.attempt_id"), nullable=False),
    Column("source", Text, nullable=False),
    Column("recorded_at_us", Int64, nullable=False),
    Column("billed_pico_usd", Int64),
    Column("usage", Text),
    Index("ix_invoiced_attempt_id", "attempt_id"),
    sqlite_strict=True,
)

workers = Table(
    "workers",
    metadata,
    # a process that works on a run: it writes only as long as it is known to live (`leases`)
    Column("worker_id", Int64, primary_key=True),
    Column("run_id", Text, ForeignKey("runs.run_id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("started_at_us", Int64, nullable=False),
    Column("heartbeat_at_us", Int64, nullable=False),
    Column("expires_at_us", Int64, nullable=False),
    Column("ended_at_us", Int64),
    Column("places", Int64, nullable=False),
    Column("in_flight", Int64, nullable=False),
    Column("n_asked", Int64, nullable=False),
    Column("n_scored", Int64, nullable=False),
    Column("detail", Text),
    _one_of("kind", WORKER_KINDS),
    _one_of("state", WORKER_STATES),
    _not_negative("places", "in_flight", "n_asked", "n_scored"),
    Index("ix_workers_run_id", "run_id"),
    sqlite_strict=True,
)

drivers = Table(
    "drivers",
    metadata,
    # the process that offers a run's work now or did so last, and the options that all its workers follow
    Column("run_id", Text, ForeignKey("runs.run_id"), primary_key=True),
    Column("name", Text, nullable=False),
    Column("since_us", Int64, nullable=False),
    Column("config", Text, nullable=False),
    sqlite_strict=True,
)

chains = Table(
    "chains",
    metadata,
    # what the workers of a run take: planned samples that are asked one after the other, named by the first of them
    Column("chain_id", Int64, primary_key=True),
    Column("run_id", Text, ForeignKey("runs.run_id"), nullable=False),
    Column("cell_id", Int64, ForeignKey("cells.cell_id"), nullable=False),
    Column("planned_id", Int64, ForeignKey("planned_samples.planned_id"), nullable=False),
    Column("wave", Int64, nullable=False),
    Column("state", Text, nullable=False),
    Column("worker_id", Int64, ForeignKey("workers.worker_id")),
    Column("n_leases", Int64, nullable=False),
    # samples that failed for good are asked once more, each with all its tries
    Column("new_tries", Flag01, nullable=False),
    _flag("new_tries"),
    UniqueConstraint("cell_id", "planned_id"),
    _one_of("state", CHAIN_STATES),
    _not_negative("wave", "n_leases"),
    _partial("ix_chains_open", ("cell_id", "chain_id"), "state = 'open'"),
    _partial("ix_chains_answered", ("cell_id", "chain_id"), "state = 'answered'"),
    _partial("ix_chains_leased", ("worker_id",), "state = 'asking' OR state = 'scoring'"),
    Index("ix_chains_run_id", "run_id", "state"),
    sqlite_strict=True,
)

paces = Table(
    "paces",
    metadata,
    # what all workers of a run may send to one model: buckets of requests and tokens, pauses, and what was learned
    Column("run_id", Text, ForeignKey("runs.run_id"), primary_key=True),
    Column("model", Text, primary_key=True),
    Column("requests_per_minute", Real),
    Column("tokens_per_minute", Real),
    Column("requests_left", Real, nullable=False),
    Column("tokens_left", Real, nullable=False),
    Column("filled_at_us", Int64, nullable=False),
    Column("paused_until_us", Int64, nullable=False),
    Column("learned", Text),
    Column("n_changes", Int64, nullable=False),
    _not_negative("n_changes"),
    sqlite_strict=True,
)
