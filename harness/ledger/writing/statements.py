"""The writer's SQL, the same text for SQLite and PostgreSQL, and the rows of attempts; values are always bound.

Data flows `AttemptStart`, `AttemptOutcome` + ids -> `sent_row`, `settled_row` -> `INSERT_ATTEMPT`, `SETTLE_ATTEMPT`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

from harness.ledger.columns import ATTEMPT_COLUMNS, UNKNOWN_DIMENSIONS, GroupDimensions, Stored
from harness.ledger.encoding import storable
from harness.ledger.records import AttemptOutcome, AttemptStart, ScoreRecord
from harness.usage.values import NORMALISER_VERSION

Row = tuple[object, ...]
_SENT = tuple(column for column in ATTEMPT_COLUMNS if column.sent)
_SETTLED = tuple(column for column in ATTEMPT_COLUMNS if column.settled)
SENT_COLUMNS = tuple(column.name for column in _SENT)
SETTLED_COLUMNS = tuple(column.name for column in _SETTLED)


def _row_of(parameters: str, taken: Sequence[str], stored: Sequence[Stored | None]) -> Callable[..., Row]:
    """Make the function that gives a row: one expression, in a third of the time of `attrgetter` and a loop."""
    values = [
        source if changed is None else f"None if (value := {source}) is None else stored[{place}](value)"
        for place, (source, changed) in enumerate(zip(taken, stored, strict=True))
    ]
    written = f"lambda {parameters}: ({', '.join(f'({value})' for value in values)},)"
    names = {"stored": stored, "normaliser_version": NORMALISER_VERSION}
    made: Callable[..., Row] = eval(written, names)  # noqa: S307  # as dataclasses are made, of declarations alone
    return made


sent_row: Callable[[AttemptStart, int, int, int | None], Row] = _row_of(
    "start, attempt_id, parameter_set_id, budget_set_id", [column.sent for column in _SENT], [None] * len(_SENT)
)
"""What is inserted of a request that is about to leave, with the ids that the ledger gives; as `SENT_COLUMNS` say."""

settled_row: Callable[[AttemptOutcome, str | None, str | None, int], Row] = _row_of(
    "outcome, model_served, service_tier, usage_group_id",
    [column.settled for column in _SETTLED],
    [column.stored for column in _SETTLED],
)
"""What an attempt is settled with, with what its usage group holds of it, too; as `SETTLED_COLUMNS` say."""

ALL_COLUMNS = tuple(column.name for column in ATTEMPT_COLUMNS)
whole_row: Callable[..., Row] = _row_of(
    "start, attempt_id, parameter_set_id, budget_set_id, outcome, model_served, service_tier, usage_group_id",
    [column.settled or column.sent for column in ATTEMPT_COLUMNS],
    [column.stored if column.settled else None for column in ATTEMPT_COLUMNS],
)
"""What is inserted of a request that had ended before the ledger knew of it; as `ALL_COLUMNS` say."""

_SCORE: dict[str, Stored | None] = {
    "attempt_id": None, "planned_id": None, "cell_id": None, "scorer": None, "scorer_version": None,
    "value_millionths": None, "reason": None, "answer": storable, "explanation": storable, "rule": storable,
    "scored_at_us": None,
}  # fmt: skip
score_row: Callable[[ScoreRecord], Row] = _row_of(
    "score", [f"score.{column}" for column in _SCORE], list(_SCORE.values())
)
"""What is inserted of a score."""


def _marks(n_values: int) -> str:
    return f"({', '.join('?' * n_values)})"


def _insert(table: str, *columns: str, otherwise: str = "") -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {_marks(len(columns))}{otherwise}"


_UNLESS_KNOWN = " ON CONFLICT DO NOTHING"

INSERT_ATTEMPT = (
    f"INSERT INTO attempts (status, refused, {', '.join(SENT_COLUMNS)})"
    f" VALUES ('sent', 0, {', '.join('?' * len(SENT_COLUMNS))})"
)
INSERT_SETTLED = _insert("attempts", *ALL_COLUMNS)
SETTLE_ATTEMPT = (
    f"UPDATE attempts SET {', '.join(f'{column} = ?' for column in SETTLED_COLUMNS)}"
    " WHERE attempt_id = ? AND status = 'sent'"
)
_SETTLE_TOGETHER = (  # SQLite names the columns of VALUES column1, column2, ...
    f"UPDATE attempts SET {', '.join(f'{column} = new.column{n}' for n, column in enumerate(SETTLED_COLUMNS, 1))}"
    " FROM (VALUES {rows}) AS new"
    f" WHERE attempts.attempt_id = new.column{len(SETTLED_COLUMNS) + 1} AND attempts.status = 'sent'"
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
INSERT_TRANSCRIPT = _insert("transcripts", "attempt_id", "prompt_id", "answer", "reasoning", "tool_calls")
INSERT_SCORE = _insert("scores", *_SCORE)

ADD_USAGE_GROUP = _insert("usage_groups", *GroupDimensions._fields, otherwise=_UNLESS_KNOWN)
_COMPARED = (
    f"coalesce({name}, {UNKNOWN_DIMENSIONS[name]!r})" if name in UNKNOWN_DIMENSIONS else name
    for name in GroupDimensions._fields
)
USAGE_GROUP = f"SELECT usage_group_id FROM usage_groups WHERE {' AND '.join(f'{value} = ?' for value in _COMPARED)}"


@cache
def for_rows(statement: str, n_rows: int) -> str | None:
    """Write a statement of one row for several rows, whose values are bound one row after the other (SQLite).

    An INSERT repeats its values; the UPDATE that settles reads them from a table of values. None = a statement of
    another form, which takes one row at a time.
    """
    if n_rows == 1:
        return statement
    if statement == SETTLE_ATTEMPT:
        return _SETTLE_TOGETHER.format(rows=", ".join([_marks(len(SETTLED_COLUMNS) + 1)] * n_rows))
    if not statement.startswith("INSERT"):
        return None
    head, word, tail = statement.partition(" VALUES ")
    end = tail.index(")") + 1
    return f"{head}{word}{', '.join([tail[:end]] * n_rows)}{tail[end:]}"


def prompt_ids(n_prompts: int) -> str:
    """Select digests and ids of prompts by their digests."""
    return f"SELECT sha256, prompt_id FROM prompts WHERE sha256 IN {_marks(n_prompts)}"


TRACK_BUDGET = (
    "INSERT INTO budgets (scope, cap_pico_usd, spent_pico_usd, reserved_pico_usd) VALUES (?, NULL, 0, 0)"
    " ON CONFLICT DO NOTHING"
)
MOVE_BUDGET = (
    "UPDATE budgets SET spent_pico_usd = spent_pico_usd + ?, reserved_pico_usd = reserved_pico_usd + ? WHERE scope = ?"
)
