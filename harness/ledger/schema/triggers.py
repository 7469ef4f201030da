"""Append-only in the database itself: triggers that refuse to change or delete facts, for SQLite and PostgreSQL.

A `sent` attempt may be settled once; after that nothing about it changes. Transcripts may be deleted (they are
separable), never edited. Data flows rules -> DDL statements -> `versions.py`; migrations hold their own.
"""

from __future__ import annotations

from dataclasses import dataclass

SENT_FACTS = (
    "attempt_id",
    "request_id",
    "cell_id",
    "planned_id",
    "purpose",
    "try_number",
    "retry_of",
    "other_provider",
    "model_requested",
    "parameter_set_id",
    "budget_set_id",
    "started_at_us",
    "reserved_pico_usd",
    "reserved_input_tokens",
    "reserved_output_tokens",
)
RUN_FACTS = (
    "run_id",
    "created_at_us",
    "plan_sha256",
    "config",
    "suites",
    "models",
    "price_book_sha256",
    "price_sources",
    "harness_version",
    "git_commit",
    "sample_seed",
)
BATCH_FACTS = (
    "batch_id",
    "run_id",
    "provider",
    "model",
    "setting",
    "submission_key",
    "n_lines",
    "created_at_us",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A change that the database refuses: which event on which table, when (SQL condition, None = always), and why."""

    name: str
    table: str
    event: str
    message: str
    condition: str | None = None


def _differs(columns: tuple[str, ...], dialect: str) -> str:
    operator = "IS NOT" if dialect == "sqlite" else "IS DISTINCT FROM"
    return " OR ".join(f"NEW.{column} {operator} OLD.{column}" for column in columns)


def rules(dialect: str) -> tuple[Rule, ...]:
    """List what is refused; conditions are written for the dialect (`sqlite` or `postgresql`)."""
    frozen = (
        "planned_samples", "cells", "parameter_sets", "budget_sets", "usage_groups", "scores", "batch_lines",
        "draws", "forecasts", "imported_files", "imported_costs", "invoiced",
    )  # fmt: skip
    always = [
        Rule(name=f"{table}_no_{event.lower()}", table=table, event=event, message=f"{table} are append-only")
        for table in frozen
        for event in ("UPDATE", "DELETE")
    ]
    return (
        Rule(
            name="attempts_settled_once",
            table="attempts",
            event="UPDATE",
            condition="OLD.status <> 'sent'",
            message="a settled attempt is a fact and cannot be updated",
        ),
        Rule(
            name="attempts_sent_facts",
            table="attempts",
            event="UPDATE",
            condition=_differs(SENT_FACTS, dialect),
            message="what was sent cannot be rewritten",
        ),
        Rule(name="attempts_no_delete", table="attempts", event="DELETE", message="attempts cannot be deleted"),
        Rule(name="runs_no_delete", table="runs", event="DELETE", message="runs cannot be deleted"),
        Rule(
            name="runs_facts",
            table="runs",
            event="UPDATE",
            condition=_differs(RUN_FACTS, dialect),
            message="what was asked of a run cannot be rewritten",
        ),
        Rule(
            name="batches_closed_once",
            table="batches",
            event="UPDATE",
            condition="OLD.closed_at_us IS NOT NULL",
            message="a closed batch is a fact and cannot be updated",
        ),
        Rule(
            name="batches_facts",
            table="batches",
            event="UPDATE",
            condition=f"{_differs(BATCH_FACTS, dialect)} OR (OLD.provider_batch_id IS NOT NULL"
            f" AND ({_differs(('provider_batch_id', 'submitted_at_us'), dialect)}))",
            message="what was handed over cannot be rewritten",
        ),
        Rule(name="batches_no_delete", table="batches", event="DELETE", message="batches cannot be deleted"),
        Rule(name="budgets_no_delete", table="budgets", event="DELETE", message="budgets cannot be deleted"),
        Rule(name="transcripts_no_update", table="transcripts", event="UPDATE", message="transcripts cannot be edited"),
        Rule(name="prompts_no_update", table="prompts", event="UPDATE", message="prompts cannot be edited"),
        *always,
    )


TRUNCATION_REFUSED = (
    "runs", "cells", "planned_samples", "parameter_sets", "budget_sets", "usage_groups", "attempts",
    "scores", "budgets", "batches", "batch_lines", "draws", "forecasts", "imported_files",
    "imported_costs", "invoiced",
)  # fmt: skip


def statements(dialect: str) -> list[str]:
    """Write the DDL that creates every trigger in this dialect."""
    return _sqlite() if dialect == "sqlite" else _postgresql()


def _sqlite() -> list[str]:
    written = [
        f"CREATE TRIGGER {rule.name} BEFORE {rule.event} ON {rule.table}"
        + (f" WHEN {rule.condition}" if rule.condition else "")
        + f" BEGIN SELECT RAISE(ABORT, 'benchtab: {rule.message}'); END"
        for rule in rules("sqlite")
    ]
    # INSERT OR REPLACE deletes the old row without firing delete triggers, so the insert itself is refused
    known = " OR ".join(
        f"EXISTS (SELECT 1 FROM attempts WHERE {column} = NEW.{column})" for column in ("attempt_id", "request_id")
    )
    written.append(
        "CREATE TRIGGER attempts_no_replace BEFORE INSERT ON attempts"
        f" WHEN {known}"
        " BEGIN SELECT RAISE(ABORT, 'benchtab: this attempt or request id is in the ledger already'); END"
    )
    return written


def _postgresql() -> list[str]:
    refuse = (
        "CREATE FUNCTION benchtab_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " RAISE EXCEPTION USING MESSAGE = 'benchtab: ' || TG_ARGV[0],"
        " ERRCODE = 'integrity_constraint_violation'; END $$"
    )
    row_triggers = [
        f"CREATE TRIGGER {rule.name} BEFORE {rule.event} ON {rule.table} FOR EACH ROW"
        + (f" WHEN ({rule.condition})" if rule.condition else "")
        + f" EXECUTE FUNCTION benchtab_refuse('{rule.message}')"
        for rule in rules("postgresql")
    ]
    truncations = [
        f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT"
        f" EXECUTE FUNCTION benchtab_refuse('{table} cannot be emptied')"
        for table in TRUNCATION_REFUSED
    ]
    return [refuse, *row_triggers, *truncations]
