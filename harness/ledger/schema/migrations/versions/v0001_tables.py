"""The first tables. Frozen: a later change of the schema is a new file here, and `tables.py`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

INT64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
FLAG = sa.SmallInteger().with_variant(sa.Integer(), "sqlite")
REAL: sa.types.TypeEngine[float] = sa.Double().with_variant(sa.REAL(), "sqlite")


def upgrade() -> None:
    """Make the tables and their indexes."""
    op.create_table(
        "budget_sets",
        sa.Column("budget_set_id", INT64, nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("budget_set_id", name=op.f("pk_budget_sets")),
        sa.UniqueConstraint("scopes", name=op.f("uq_budget_sets_scopes")),
        sqlite_strict=True,
    )
    op.create_table(
        "budgets",
        sa.Column("budget_id", INT64, nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("cap_pico_usd", INT64, nullable=True),
        sa.Column("spent_pico_usd", INT64, nullable=False),
        sa.Column("reserved_pico_usd", INT64, nullable=False),
        sa.CheckConstraint(
            "cap_pico_usd >= 0 AND spent_pico_usd >= 0 AND reserved_pico_usd >= 0", name=op.f("ck_budgets_not_negative")
        ),
        sa.PrimaryKeyConstraint("budget_id", name=op.f("pk_budgets")),
        sa.UniqueConstraint("scope", name=op.f("uq_budgets_scope")),
        sqlite_strict=True,
    )
    op.create_table(
        "parameter_sets",
        sa.Column("parameter_set_id", INT64, nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("parameters", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("parameter_set_id", name=op.f("pk_parameter_sets")),
        sa.UniqueConstraint("sha256", name=op.f("uq_parameter_sets_sha256")),
        sqlite_strict=True,
    )
    op.create_table(
        "prompts",
        sa.Column("prompt_id", INT64, nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("prompt_id", name=op.f("pk_prompts")),
        sa.UniqueConstraint("sha256", name=op.f("uq_prompts_sha256")),
        sqlite_strict=True,
    )
    op.create_table(
        "runs",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("created_at_us", INT64, nullable=False),
        sa.Column("finished_at_us", INT64, nullable=True),
        sa.Column("plan_sha256", sa.Text(), nullable=False),
        sa.Column("config", sa.Text(), nullable=False),
        sa.Column("suites", sa.Text(), nullable=False),
        sa.Column("models", sa.Text(), nullable=False),
        sa.Column("price_book_sha256", sa.Text(), nullable=False),
        sa.Column("price_sources", sa.Text(), nullable=False),
        sa.Column("harness_version", sa.Text(), nullable=False),
        sa.Column("git_commit", sa.Text(), nullable=True),
        sa.Column("sample_seed", INT64, nullable=False),
        sa.Column("budget_pico_usd", INT64, nullable=True),
        sa.Column("warnings", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "status = 'running' OR status = 'complete' OR status = 'partial' OR status = 'failed'",
            name=op.f("ck_runs_status_known"),
        ),
        sa.CheckConstraint("budget_pico_usd >= 0", name=op.f("ck_runs_not_negative")),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_runs")),
        sqlite_strict=True,
    )
    op.create_index("ix_runs_created_at_us", "runs", ["created_at_us"], unique=False)
    op.create_table(
        "usage_groups",
        sa.Column("usage_group_id", INT64, nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("service_tier", sa.Text(), nullable=True),
        sa.Column("mode", sa.Text(), nullable=True),
        sa.Column("speed", sa.Text(), nullable=True),
        sa.Column("inference_geo", sa.Text(), nullable=True),
        sa.Column("thinking", FLAG, nullable=True),
        sa.Column("slot_us", INT64, nullable=False),
        sa.Column("context_bucket", INT64, nullable=True),
        sa.Column("usage_known", FLAG, nullable=False),
        sa.Column("itemised", FLAG, nullable=False),
        sa.Column("truncated", FLAG, nullable=False),
        sa.Column("refused", FLAG, nullable=False),
        sa.CheckConstraint("context_bucket >= 0", name=op.f("ck_usage_groups_not_negative")),
        sa.CheckConstraint("itemised = 0 OR itemised = 1", name=op.f("ck_usage_groups_itemised_is_flag")),
        sa.CheckConstraint("refused = 0 OR refused = 1", name=op.f("ck_usage_groups_refused_is_flag")),
        sa.CheckConstraint("thinking = 0 OR thinking = 1", name=op.f("ck_usage_groups_thinking_is_flag")),
        sa.CheckConstraint("truncated = 0 OR truncated = 1", name=op.f("ck_usage_groups_truncated_is_flag")),
        sa.CheckConstraint("usage_known = 0 OR usage_known = 1", name=op.f("ck_usage_groups_usage_known_is_flag")),
        sa.PrimaryKeyConstraint("usage_group_id", name=op.f("pk_usage_groups")),
        sqlite_strict=True,
    )
    op.create_table(
        "cells",
        sa.Column("cell_id", INT64, nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("suite", sa.Text(), nullable=False),
        sa.Column("suite_version", sa.Text(), nullable=False),
        sa.Column("suite_sha256", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("setting", sa.Text(), nullable=True),
        sa.Column("reasoning", FLAG, nullable=True),
        sa.Column("simulated", FLAG, nullable=False),
        sa.Column("settings_sent", sa.Text(), nullable=False),
        sa.CheckConstraint("reasoning = 0 OR reasoning = 1", name=op.f("ck_cells_reasoning_is_flag")),
        sa.CheckConstraint("simulated = 0 OR simulated = 1", name=op.f("ck_cells_simulated_is_flag")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name=op.f("fk_cells_run_id")),
        sa.PrimaryKeyConstraint("cell_id", name=op.f("pk_cells")),
        sqlite_strict=True,
    )
    op.create_table(
        "planned_samples",
        sa.Column("planned_id", INT64, nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("suite", sa.Text(), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("sample_id", sa.Text(), nullable=False),
        sa.Column("epoch", INT64, nullable=False),
        sa.Column("draw_order", INT64, nullable=False),
        sa.Column("inclusion_probability", REAL, nullable=False),
        sa.Column("sample_sha256", sa.Text(), nullable=False),
        sa.Column("presentation", sa.Text(), nullable=True),
        sa.CheckConstraint("epoch >= 0 AND draw_order >= 0", name=op.f("ck_planned_samples_not_negative")),
        sa.CheckConstraint(
            "inclusion_probability > 0 AND inclusion_probability <= 1", name=op.f("ck_planned_samples_probability")
        ),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name=op.f("fk_planned_samples_run_id")),
        sa.PrimaryKeyConstraint("planned_id", name=op.f("pk_planned_samples")),
        sa.UniqueConstraint(
            "run_id", "suite", "task", "sample_id", "epoch", name="uq_planned_samples_run_sample_epoch"
        ),
        sqlite_strict=True,
    )
    op.create_table(
        "attempts",
        sa.Column("attempt_id", INT64, nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("cell_id", INT64, nullable=False),
        sa.Column("planned_id", INT64, nullable=True),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("try_number", INT64, nullable=False),
        sa.Column("retry_of", INT64, nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("error_class", sa.Text(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("http_status", INT64, nullable=True),
        sa.Column("other_provider", sa.Text(), nullable=True),
        sa.Column("model_requested", sa.Text(), nullable=False),
        sa.Column("model_served", sa.Text(), nullable=True),
        sa.Column("parameter_set_id", INT64, nullable=False),
        sa.Column("budget_set_id", INT64, nullable=True),
        sa.Column("service_tier", sa.Text(), nullable=True),
        sa.Column("mode", sa.Text(), nullable=True),
        sa.Column("provider_request_id", sa.Text(), nullable=True),
        sa.Column("started_at_us", INT64, nullable=False),
        sa.Column("finished_at_us", INT64, nullable=True),
        sa.Column("first_byte_us", INT64, nullable=True),
        sa.Column("input_tokens", INT64, nullable=True),
        sa.Column("cache_read_tokens", INT64, nullable=True),
        sa.Column("cache_write_5m_tokens", INT64, nullable=True),
        sa.Column("cache_write_1h_tokens", INT64, nullable=True),
        sa.Column("output_tokens", INT64, nullable=True),
        sa.Column("reasoning_tokens", INT64, nullable=True),
        sa.Column("other_meters", sa.Text(), nullable=True),
        sa.Column("raw_usage", sa.Text(), nullable=True),
        sa.Column("usage_kind", sa.Text(), nullable=True),
        sa.Column("usage_source", sa.Text(), nullable=True),
        sa.Column("usage_flags", sa.Text(), nullable=True),
        sa.Column("normaliser_version", INT64, nullable=False),
        sa.Column("reserved_pico_usd", INT64, nullable=False),
        sa.Column("reserved_input_tokens", INT64, nullable=False),
        sa.Column("reserved_output_tokens", INT64, nullable=False),
        sa.Column("charged_pico_usd", INT64, nullable=True),
        sa.Column("stated_cost_usd", sa.Text(), nullable=True),
        sa.Column("billed", sa.Text(), nullable=True),
        sa.Column("finish_reason", sa.Text(), nullable=True),
        sa.Column("refused", FLAG, nullable=False),
        sa.Column("usage_group_id", INT64, nullable=True),
        sa.CheckConstraint(
            "(status = 'sent') = (finished_at_us IS NULL)", name=op.f("ck_attempts_settled_means_finished")
        ),
        sa.CheckConstraint(
            "billed = 'yes' OR billed = 'no' OR billed = 'unknown'", name=op.f("ck_attempts_billed_known")
        ),
        sa.CheckConstraint("purpose = 'solve' OR purpose = 'judge'", name=op.f("ck_attempts_purpose_known")),
        sa.CheckConstraint(
            "status = 'sent' OR status = 'succeeded' OR status = 'failed' OR status = 'timed_out'"
            " OR status = 'cancelled' OR status = 'reused'",
            name=op.f("ck_attempts_status_known"),
        ),
        sa.CheckConstraint(
            "status = 'sent' OR usage_source IS NOT NULL", name=op.f("ck_attempts_settled_means_usage_known_or_missing")
        ),
        sa.CheckConstraint(
            "usage_source = 'provider' OR usage_source = 'missing' OR usage_source = 'estimated'",
            name=op.f("ck_attempts_usage_source_known"),
        ),
        sa.CheckConstraint("refused = 0 OR refused = 1", name=op.f("ck_attempts_refused_is_flag")),
        sa.CheckConstraint(
            "reserved_pico_usd >= 0 AND reserved_input_tokens >= 0 AND reserved_output_tokens >= 0",
            name=op.f("ck_attempts_not_negative"),
        ),
        sa.CheckConstraint("try_number >= 1", name=op.f("ck_attempts_try_number_from_one")),
        sa.ForeignKeyConstraint(
            ["budget_set_id"], ["budget_sets.budget_set_id"], name=op.f("fk_attempts_budget_set_id")
        ),
        sa.ForeignKeyConstraint(["cell_id"], ["cells.cell_id"], name=op.f("fk_attempts_cell_id")),
        sa.ForeignKeyConstraint(
            ["parameter_set_id"], ["parameter_sets.parameter_set_id"], name=op.f("fk_attempts_parameter_set_id")
        ),
        sa.ForeignKeyConstraint(["planned_id"], ["planned_samples.planned_id"], name=op.f("fk_attempts_planned_id")),
        sa.ForeignKeyConstraint(["retry_of"], ["attempts.attempt_id"], name=op.f("fk_attempts_retry_of")),
        sa.ForeignKeyConstraint(
            ["usage_group_id"], ["usage_groups.usage_group_id"], name=op.f("fk_attempts_usage_group_id")
        ),
        sa.PrimaryKeyConstraint("attempt_id", name=op.f("pk_attempts")),
        sa.UniqueConstraint("request_id", name=op.f("uq_attempts_request_id")),
        sqlite_strict=True,
    )
    op.create_index(
        "ix_attempts_bill_unknown",
        "attempts",
        ["cell_id"],
        unique=False,
        sqlite_where=sa.text("status = 'sent' OR (input_tokens IS NULL AND billed <> 'no')"),
        postgresql_where=sa.text("status = 'sent' OR (input_tokens IS NULL AND billed <> 'no')"),
    )
    op.create_index("ix_attempts_cell_sample", "attempts", ["cell_id", "planned_id"], unique=False)
    op.create_index(
        "ix_attempts_one_by_one",
        "attempts",
        ["cell_id"],
        unique=False,
        sqlite_where=sa.text("status <> 'sent' AND (other_meters IS NOT NULL OR stated_cost_usd IS NOT NULL)"),
        postgresql_where=sa.text("status <> 'sent' AND (other_meters IS NOT NULL OR stated_cost_usd IS NOT NULL)"),
    )
    op.create_index(
        "ix_attempts_sums",
        "attempts",
        [
            "cell_id",
            "purpose",
            "status",
            "usage_group_id",
            "input_tokens",
            "cache_read_tokens",
            "cache_write_5m_tokens",
            "cache_write_1h_tokens",
            "output_tokens",
            "reasoning_tokens",
            "other_meters",
            "stated_cost_usd",
        ],
        unique=False,
        sqlite_where=sa.text("status <> 'sent' AND other_meters IS NULL AND stated_cost_usd IS NULL"),
        postgresql_where=sa.text("status <> 'sent' AND other_meters IS NULL AND stated_cost_usd IS NULL"),
    )
    op.create_table(
        "scores",
        sa.Column("score_id", INT64, nullable=False),
        sa.Column("attempt_id", INT64, nullable=False),
        sa.Column("planned_id", INT64, nullable=False),
        sa.Column("cell_id", INT64, nullable=False),
        sa.Column("scorer", sa.Text(), nullable=False),
        sa.Column("scorer_version", sa.Text(), nullable=False),
        sa.Column("value_millionths", INT64, nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("explanation", sa.Text(), nullable=True),
        sa.Column("rule", sa.Text(), nullable=True),
        sa.Column("scored_at_us", INT64, nullable=False),
        sa.CheckConstraint(
            "(value_millionths IS NULL) = (reason IS NOT NULL)", name=op.f("ck_scores_scored_or_reason")
        ),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempts.attempt_id"], name=op.f("fk_scores_attempt_id")),
        sa.ForeignKeyConstraint(["cell_id"], ["cells.cell_id"], name=op.f("fk_scores_cell_id")),
        sa.ForeignKeyConstraint(["planned_id"], ["planned_samples.planned_id"], name=op.f("fk_scores_planned_id")),
        sa.PrimaryKeyConstraint("score_id", name=op.f("pk_scores")),
        sqlite_strict=True,
    )
    op.create_index("ix_scores_attempt_id", "scores", ["attempt_id"], unique=False)
    op.create_table(
        "transcripts",
        sa.Column("attempt_id", INT64, autoincrement=False, nullable=False),
        sa.Column("prompt_id", INT64, nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.Column("reasoning", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempts.attempt_id"], name=op.f("fk_transcripts_attempt_id")),
        sa.ForeignKeyConstraint(["prompt_id"], ["prompts.prompt_id"], name=op.f("fk_transcripts_prompt_id")),
        sa.PrimaryKeyConstraint("attempt_id", name=op.f("pk_transcripts")),
        sqlite_strict=True,
    )
    op.create_index("ix_transcripts_prompt_id", "transcripts", ["prompt_id"], unique=False)
    op.create_index(
        "uq_cells_run_suite_model",
        "cells",
        ["run_id", "suite", "provider", "model", sa.text("coalesce(setting, '')")],
        unique=True,
    )
    op.create_index(
        "uq_usage_groups_dimensions",
        "usage_groups",
        [
            "provider",
            "model",
            sa.text("coalesce(service_tier, '')"),
            sa.text("coalesce(mode, '')"),
            sa.text("coalesce(speed, '')"),
            sa.text("coalesce(inference_geo, '')"),
            sa.text("coalesce(thinking, -1)"),
            "slot_us",
            sa.text("coalesce(context_bucket, -1)"),
            "usage_known",
            "itemised",
            "truncated",
            "refused",
        ],
        unique=True,
    )
    op.create_table(
        "batches",
        sa.Column("batch_id", INT64, nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("setting", sa.Text(), nullable=True),
        sa.Column("submission_key", sa.Text(), nullable=False),
        sa.Column("n_lines", INT64, nullable=False),
        sa.Column("created_at_us", INT64, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("provider_batch_id", sa.Text(), nullable=True),
        sa.Column("submitted_at_us", INT64, nullable=True),
        sa.Column("closed_at_us", INT64, nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "status = 'submitting' OR status = 'submitted' OR status = 'collected' OR status = 'failed'"
            " OR status = 'not_submitted' OR status = 'lost'",
            name=op.f("ck_batches_status_known"),
        ),
        sa.CheckConstraint("n_lines >= 0", name=op.f("ck_batches_not_negative")),
        sa.CheckConstraint(
            "(provider_batch_id IS NULL) = (submitted_at_us IS NULL)"
            " AND (status = 'submitting' OR status = 'not_submitted' OR status = 'lost'"
            " OR provider_batch_id IS NOT NULL)",
            name=op.f("ck_batches_submitted_means_named"),
        ),
        sa.CheckConstraint(
            "(status = 'submitting' OR status = 'submitted') = (closed_at_us IS NULL)",
            name=op.f("ck_batches_closed_means_dated"),
        ),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name=op.f("fk_batches_run_id")),
        sa.PrimaryKeyConstraint("batch_id", name=op.f("pk_batches")),
        sa.UniqueConstraint("submission_key", name=op.f("uq_batches_submission_key")),
        sqlite_strict=True,
    )
    op.create_index("ix_batches_run_id", "batches", ["run_id"], unique=False)
    op.create_table(
        "batch_lines",
        sa.Column("attempt_id", INT64, autoincrement=False, nullable=False),
        sa.Column("batch_id", INT64, nullable=False),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempts.attempt_id"], name=op.f("fk_batch_lines_attempt_id")),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.batch_id"], name=op.f("fk_batch_lines_batch_id")),
        sa.PrimaryKeyConstraint("attempt_id", name=op.f("pk_batch_lines")),
        sqlite_strict=True,
    )
    op.create_index("ix_batch_lines_batch_id", "batch_lines", ["batch_id"], unique=False)
