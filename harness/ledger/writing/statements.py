"""The writer's SQL, the same text for SQLite and PostgreSQL; values are always bound."""

from __future__ import annotations

from functools import cache
from typing import Any


def _marks(n_values: int) -> str:
    return f"({', '.join('?' * n_values)})"


def _insert(table: str, *columns: str, otherwise: str = "") -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {_marks(len(columns))}{otherwise}"


_UNLESS_KNOWN = " ON CONFLICT DO NOTHING"

_STARTED = (
    "attempt_id", "request_id", "cell_id", "planned_id", "purpose", "try_number", "retry_of", "other_provider",
    "model_requested", "parameter_set_id", "budget_set_id", "service_tier", "mode", "started_at_us",
    "normaliser_version", "reserved_pico_usd", "reserved_input_tokens", "reserved_output_tokens",
)  # fmt: skip
_SETTLED = (
    "status", "error_class", "error_message", "http_status", "model_served", "service_tier", "provider_request_id",
    "finished_at_us", "first_byte_us", "input_tokens", "cache_read_tokens", "cache_write_5m_tokens",
    "cache_write_1h_tokens", "output_tokens", "reasoning_tokens", "other_meters", "raw_usage", "usage_kind",
    "usage_source", "usage_flags", "normaliser_version", "charged_pico_usd", "stated_cost_usd", "billed",
    "finish_reason", "refused", "usage_group_id",
)  # fmt: skip

INSERT_ATTEMPT = (
    f"INSERT INTO attempts (status, refused, {', '.join(_STARTED)})"
    f" VALUES ('sent', 0, {', '.join('?' * len(_STARTED))})"
)
SETTLE_ATTEMPT = (
    f"UPDATE attempts SET {', '.join(f'{column} = ?' for column in _SETTLED)} WHERE attempt_id = ? AND status = 'sent'"
)
_SETTLE_TOGETHER = (  # SQLite names the columns of VALUES column1, column2, ...
    f"UPDATE attempts SET {', '.join(f'{column} = new.column{n}' for n, column in enumerate(_SETTLED, 1))}"
    " FROM (VALUES {rows}) AS new"
    f" WHERE attempts.attempt_id = new.column{len(_SETTLED) + 1} AND attempts.status = 'sent'"
)
IN_FLIGHT = (
    "SELECT cell_id, reserved_pico_usd, scopes, model_requested, service_tier, mode, other_provider"
    " FROM attempts LEFT JOIN budget_sets USING (budget_set_id) WHERE attempt_id = ?"
)
CELL_PROVIDER = "SELECT provider FROM cells WHERE cell_id = ?"

ADD_PARAMETER_SET = _insert("parameter_sets", "sha256", "parameters", otherwise=_UNLESS_KNOWN)
PARAMETER_SET = "SELECT parameter_set_id FROM parameter_sets WHERE sha256 = ?"
ADD_BUDGET_SET = _insert("budget_sets", "scopes", otherwise=_UNLESS_KNOWN)
BUDGET_SET = "SELECT budget_set_id FROM budget_sets WHERE scopes = ?"
ADD_PROMPT = _insert("prompts", "sha256", "body", otherwise=_UNLESS_KNOWN)
INSERT_TRANSCRIPT = _insert("transcripts", "attempt_id", "prompt_id", "answer", "reasoning")
INSERT_SCORE = _insert(
    "scores", "attempt_id", "planned_id", "cell_id", "scorer", "scorer_version", "value_millionths", "reason",
    "answer", "explanation", "rule", "scored_at_us",
)  # fmt: skip

ADD_USAGE_GROUP = _insert(
    "usage_groups", "provider", "model", "service_tier", "mode", "speed", "inference_geo", "thinking", "slot_us",
    "context_bucket", "usage_known", "itemised", "truncated", "refused", otherwise=_UNLESS_KNOWN,
)  # fmt: skip
USAGE_GROUP = (
    "SELECT usage_group_id FROM usage_groups WHERE provider = ? AND model = ? AND coalesce(service_tier, '') = ?"
    " AND coalesce(mode, '') = ? AND coalesce(speed, '') = ? AND coalesce(inference_geo, '') = ?"
    " AND coalesce(thinking, -1) = ? AND slot_us = ? AND coalesce(context_bucket, -1) = ?"
    " AND usage_known = ? AND itemised = ? AND truncated = ? AND refused = ?"
)


@cache
def for_rows(statement: str, n_rows: int) -> str | None:
    """Write a statement of one row for several rows, whose values are bound one row after the other (SQLite).

    An INSERT repeats its values; the UPDATE that settles reads them from a table of values. None = a statement of
    another form, which takes one row at a time.
    """
    if n_rows == 1:
        return statement
    if statement == SETTLE_ATTEMPT:
        return _SETTLE_TOGETHER.format(rows=", ".join([_marks(len(_SETTLED) + 1)] * n_rows))
    if not statement.startswith("INSERT"):
        return None
    head, word, tail = statement.partition(" VALUES ")
    end = tail.index(")") + 1
    return f"{head}{word}{', '.join([tail[:end]] * n_rows)}{tail[end:]}"


def prompt_ids(n_prompts: int) -> str:
    """Select digests and ids of prompts by their digests."""
    return f"SELECT sha256, prompt_id FROM prompts WHERE sha256 IN {_marks(n_prompts)}"


def group_key(dimensions: tuple[Any, ...]) -> tuple[Any, ...]:
    """Turn a usage group's values into those that the unique index compares: missing texts as '', numbers as -1."""
    provider, model, tier, mode, speed, geo, thinking, slot_us, bucket, *flags = dimensions
    texts = tuple(value or "" for value in (tier, mode, speed, geo))
    numbers = (-1 if thinking is None else thinking, slot_us, -1 if bucket is None else bucket)
    return (provider, model, *texts, *numbers, *flags)


TRACK_BUDGET = (
    "INSERT INTO budgets (scope, cap_pico_usd, spent_pico_usd, reserved_pico_usd) VALUES (?, NULL, 0, 0)"
    " ON CONFLICT DO NOTHING"
)
MOVE_BUDGET = (
    "UPDATE budgets SET spent_pico_usd = spent_pico_usd + ?, reserved_pico_usd = reserved_pico_usd + ? WHERE scope = ?"
)
