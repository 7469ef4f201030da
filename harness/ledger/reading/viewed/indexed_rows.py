"""What an index of a run's samples is made from: its plan, its attempts and their scores, as columns of numbers.

Data flows tables -> columns a batch at a time, in constant memory -> one entry per sample (`view.answers`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

from harness.ledger.columns import TOKEN_COLUMNS
from harness.ledger.connections import Readable
from harness.ledger.reading.batch_rows import (
    IDS_PER_QUERY,
    OF_RUN,
    Span,
    Texts,
    batches,
    joined_columns,
    like_part,
    listed,
)
from harness.ledger.records import ATTEMPT_STATUSES, PURPOSES
from harness.ledger.schema.tables import SETTLED_AND_SUMMABLE

Batch: TypeAlias = Sequence[Sequence[object]]
"""Rows, column by column."""

PURPOSE_OF = tuple(PURPOSES)
STATUS_OF = tuple(ATTEMPT_STATUSES)
"""Purposes and statuses by the number that `facts` holds."""
_BITS = {
    "is_retry": "try_number > 1",
    "is_summable": SETTLED_AND_SUMMABLE,
    "may_be_billed": "coalesce(billed, '') <> 'no'",
    "knows_input": "input_tokens IS NOT NULL",
    "knows_output": "output_tokens IS NOT NULL",
    "knows_reasoning": "reasoning_tokens IS NOT NULL",
    "has_first_byte": "first_byte_us IS NOT NULL",
    "is_finished": "finished_at_us IS NOT NULL",
    "is_refused": "refused <> 0",
    "asks_others": "purpose <> 'solve' OR other_provider IS NOT NULL",
    "has_turn": "turn IS NOT NULL",
}
_PLACES = 8  # of purposes and of statuses, each
FACTS = {name: _PLACES * _PLACES << place for place, name in enumerate(_BITS)}
"""Yes or no of an attempt: the bit of `facts` by name. Below them are purpose and 8 times status."""


def _number(column: str, names: Sequence[str]) -> str:
    whens = " ".join(f"WHEN '{name}' THEN {place}" for place, name in enumerate(names))
    return f"CASE {column} {whens} END"


_FACTS = " + ".join(
    (
        _number("purpose", PURPOSE_OF),
        f"{_PLACES} * {_number('status', STATUS_OF)}",
        *(f"CASE WHEN {_BITS[name]} THEN {bit} ELSE 0 END" for name, bit in FACTS.items()),
    )
)
_NUMBERS = (
    "attempt_id", "cell_id", "planned_id", _FACTS, "coalesce(usage_group_id, -1)",
    "coalesce(finished_at_us - started_at_us, 0)", "coalesce(first_byte_us, 0)",
    *(f"coalesce({name}, 0)" for name in TOKEN_COLUMNS),
)  # fmt: skip
_SCORE = "SELECT attempt_id, cell_id, planned_id, coalesce(value_millionths, -1), reason FROM scores"


def facts_of(number: int) -> tuple[int, int]:
    """Read purpose and status, as places in `PURPOSE_OF` and `STATUS_OF`; works on arrays as well."""
    return number % _PLACES, number // _PLACES % _PLACES


class Heads(NamedTuple):
    """The newest id of every table that an index is made from; 0 = the table is empty."""

    attempts: int
    scores: int
    invoiced: int
    planned_samples: int
    cells: int
    draws: int


_IDS = ("attempt_id", "score_id", "invoiced_id", "planned_id", "cell_id", "draw_id")


def heads(ledger: Readable) -> Heads:
    """Read the newest ids of the whole ledger: rows are only ever added, so what has the same heads has the same rows.

    An attempt that was under way is settled in place, which heads do not show.
    """
    parts = (f"(SELECT max({key}) FROM {table})" for table, key in zip(Heads._fields, _IDS, strict=True))
    found = next(batches(ledger, f"SELECT {', '.join(parts)}"))[0]
    return Heads(*(int(number or 0) for number in found))


class Marks(NamedTuple):
    """What tells a ledger from another one that once was a copy of it: ids that nobody gives twice, and moments."""

    first_request: str | None
    last_request: str | None
    n_attempts: int
    last_score: str | None
    last_invoiced: str | None


def marks(ledger: Readable, run_id: str, upto: Heads) -> Marks:
    """Read the marks of a run as it stood when these were the heads."""
    own = f"FROM attempts WHERE attempt_id <= :attempts AND {OF_RUN}"
    query = f"""
        SELECT (SELECT request_id FROM attempts WHERE attempt_id = (SELECT min(attempt_id) {own})),
            (SELECT request_id FROM attempts WHERE attempt_id = (SELECT max(attempt_id) {own})),
            (SELECT count(*) {own}),
            (SELECT attempt_id || ' ' || scored_at_us FROM scores WHERE score_id = :scores),
            (SELECT attempt_id || ' ' || recorded_at_us FROM invoiced WHERE invoiced_id = :invoiced)
    """
    bound = {"run_id": run_id, "attempts": upto.attempts, "scores": upto.scores, "invoiced": upto.invoiced}
    return Marks(*next(batches(ledger, query, values=bound))[0])


def plan_rows(ledger: Readable, run_id: str) -> Iterator[Batch]:
    """Give (planned id, suite, task, repeat) of what a run planned, by suite and task, then as drawn."""
    yield from _planned(ledger, run_id, "planned_id, suite, task, epoch")


def sample_ids(ledger: Readable, run_id: str) -> Iterator[Batch]:
    """Give the sample id of everything planned, in the order of `plan_rows`."""
    yield from _planned(ledger, run_id, "sample_id")


def _planned(ledger: Readable, run_id: str, columns: str) -> Iterator[Batch]:
    query = f"""
        SELECT {columns} FROM planned_samples WHERE run_id = :run_id
        ORDER BY suite, task, draw_order, epoch, planned_id
    """
    for rows in batches(ledger, query, values={"run_id": run_id}):
        yield list(zip(*rows, strict=True))


class PlanSize(NamedTuple):
    """How much a run planned; nothing of it is ever taken back."""

    n_planned: int
    n_cells: int
    n_draws: int


def plan_size(ledger: Readable, run_id: str) -> PlanSize:
    """Count what a run planned, and what waves drew of it."""
    query = f"""
        SELECT (SELECT count(*) FROM planned_samples WHERE run_id = :run_id),
            (SELECT count(*) FROM cells WHERE run_id = :run_id),
            (SELECT count(*) FROM draws WHERE {OF_RUN})
    """
    return PlanSize(*map(int, next(batches(ledger, query, values={"run_id": run_id}))[0]))


def attempts_between(ledger: Readable, run_id: str, span: Span) -> Iterator[Texts]:
    """Give a run's attempts on samples, slice by slice, in any order inside one, as columns of numbers: id, cell,
    planned id, facts, usage group or -1, duration and first byte in microseconds, then tokens by `TOKEN_COLUMNS`.

    What is not known is 0; `FACTS` says what is.
    """
    # a run's attempts lie close together: they are read in the table's own order (`+` keeps the index out of it)
    source = f"FROM attempts WHERE attempt_id BETWEEN :low AND :high AND +{OF_RUN} AND planned_id IS NOT NULL"
    return joined_columns(ledger, _NUMBERS, source, span, {"run_id": run_id})


def attempts_on(ledger: Readable, cell_ids: Sequence[int], planned_ids: Sequence[int]) -> Iterator[Batch]:
    """Give all attempts of these cells on these planned samples, like `attempts_between`, as columns of values."""
    for start in range(0, len(planned_ids), IDS_PER_QUERY):
        some = listed(planned_ids[start : start + IDS_PER_QUERY])
        query = f"""
            SELECT {", ".join(_NUMBERS)} FROM attempts WHERE cell_id IN {listed(cell_ids)} AND planned_id IN {some}
            ORDER BY attempt_id
        """
        for rows in batches(ledger, query):
            yield list(zip(*rows, strict=True))


def asked_others(ledger: Readable, attempt_ids: Sequence[int]) -> dict[int, str]:
    """Say by attempt who was asked where it may not be the cell's model: a judge, a simulated user, a tool's model."""
    found: dict[int, str] = {}
    for start in range(0, len(attempt_ids), IDS_PER_QUERY):
        some = listed(attempt_ids[start : start + IDS_PER_QUERY])
        query = f"""
            SELECT attempt_id, coalesce(other_provider, '') || '\t' || model_requested
            FROM attempts WHERE attempt_id IN {some}
        """
        for rows in batches(ledger, query):
            found.update((row[0], row[1]) for row in rows)
    return found


def touched_since(ledger: Readable, run_id: str, seen: Heads, open_ids: Sequence[int]) -> Iterator[Batch]:
    """Give (cell, planned id) of a run's samples on which anything was sent, settled or billed since these heads."""
    queries = [
        f"""SELECT cell_id, planned_id FROM attempts
            WHERE attempt_id > :attempts AND +{OF_RUN} AND planned_id IS NOT NULL""",
        f"""SELECT cell_id, planned_id FROM attempts WHERE attempt_id IN
            (SELECT attempt_id FROM invoiced WHERE invoiced_id > :invoiced)
            AND {OF_RUN} AND planned_id IS NOT NULL""",
    ]
    for start in range(0, len(open_ids), IDS_PER_QUERY):
        some = listed(open_ids[start : start + IDS_PER_QUERY])
        queries.append(f"SELECT cell_id, planned_id FROM attempts WHERE attempt_id IN {some} AND status <> 'sent'")
    bound = {"run_id": run_id, "attempts": seen.attempts, "invoiced": seen.invoiced}
    for query in queries:
        named = {name: value for name, value in bound.items() if f":{name}" in query}
        for rows in batches(ledger, query, values=named):
            yield list(zip(*rows, strict=True))


def invoiced_attempts(ledger: Readable, run_id: str) -> list[int]:
    """Give the attempts of a run of which an account told something later."""
    query = f"""
        SELECT DISTINCT attempt_id FROM invoiced JOIN attempts USING (attempt_id) WHERE {OF_RUN}
    """
    return [row[0] for rows in batches(ledger, query, values={"run_id": run_id}) for row in rows]


def scores_since(ledger: Readable, run_id: str, seen: Heads) -> Iterator[Batch]:
    """Give (attempt, cell, planned id, millionths or -1 = none, why there is none) of what was recorded since."""
    query = f"{_SCORE} WHERE score_id > :scores AND +{OF_RUN} ORDER BY score_id"
    for rows in batches(ledger, query, values={"run_id": run_id, "scores": seen.scores}):
        yield list(zip(*rows, strict=True))


def scores_of(ledger: Readable, attempt_ids: Sequence[int]) -> Iterator[Batch]:
    """Give the scores of these attempts, like `scores_since`."""
    for start in range(0, len(attempt_ids), IDS_PER_QUERY):
        some = listed(attempt_ids[start : start + IDS_PER_QUERY])
        for rows in batches(ledger, f"{_SCORE} WHERE attempt_id IN {some} ORDER BY score_id"):
            yield list(zip(*rows, strict=True))


def planned_named(ledger: Readable, run_id: str, part: str) -> list[int]:
    """Give the planned samples of a run whose id has this part, whatever its case."""
    query = r"SELECT planned_id FROM planned_samples WHERE run_id = :run_id AND lower(sample_id) LIKE :part ESCAPE '\'"
    bound = {"run_id": run_id, "part": like_part(part)}
    return [row[0] for rows in batches(ledger, query, values=bound) for row in rows]
