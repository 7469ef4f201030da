"""What became of a run's samples, as columns of whole numbers: a report walks a million attempts of them.

Data flows tables -> slices of columns, in constant memory -> columns of one entry per sample (`reports.facts`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, TypeAlias

from harness.ledger.columns import TOKEN_COLUMNS
from harness.ledger.connections import Readable
from harness.ledger.reading.batch_rows import (
    OF_RUN,
    Span,
    Texts,
    batches,
    joined_columns,
    listed,
    select_rows,
    span_of,
    span_of_run,
)
from harness.ledger.records import AttemptStatus, Purpose
from harness.ledger.schema.tables import SETTLED_AND_SUMMABLE
from harness.usage.kinds import KINDS

_TOKENS = ", ".join(f"coalesce({name}, 0)" for name in TOKEN_COLUMNS)
SUCCEEDED, REUSED, UNANSWERED, SENT = 0, 1, 2, 3
"""What became of an attempt, as a number: below `UNANSWERED` it has an answer."""
PURPOSES_BY_NUMBER: tuple[Purpose, ...] = ("judge", "solve", "user_simulator", "tool")
"""What an attempt was for, as a number."""
N_FACTS = 9
"""Bits of a packed attempt below its cell: two for its purpose, two for what became of it, then one for each of
`Fact`."""
Planned: TypeAlias = Sequence[tuple[int, str, str, float]]


class Fact(IntEnum):
    """What is true of a packed attempt, as the place of its bit.

    Attributes:
        FLAGGED: its usage is flagged.
        RETRY: it repeats an earlier one.
        SUMMED: sums carry it.
        TIMED: how long it took says something of the model.
        TURN: it is a turn of its sample's conversation.
    """

    FLAGGED = 4
    RETRY = 5
    SUMMED = 6
    TIMED = 7
    TURN = 8


_WHENS = " ".join(f"WHEN '{name}' THEN {place}" for place, name in enumerate(PURPOSES_BY_NUMBER[:-1]))
_SOLVE = f"WHEN 'solve' THEN {PURPOSES_BY_NUMBER.index('solve')}"  # the usual one, which is compared first
PURPOSE_NUMBER = f"CASE purpose {_SOLVE} {_WHENS} ELSE {len(PURPOSES_BY_NUMBER) - 1} END"
_STATUS = (
    f"CASE attempts.status WHEN 'succeeded' THEN {SUCCEEDED} WHEN 'reused' THEN {REUSED} WHEN 'sent' THEN {SENT} "
    f"ELSE {UNANSWERED} END"
)
TIMED = (
    "attempts.status = 'succeeded' AND purpose = 'solve' AND coalesce(mode, '') <> 'batch'"
    " AND (usage_source = 'provider' OR finished_at_us > started_at_us)"
)
"""Attempts whose duration says something of the model."""
_CONDITIONS = {
    Fact.FLAGGED: "usage_flags IS NOT NULL AND coalesce(usage_source, '') <> 'missing'",
    Fact.RETRY: "try_number > 1",
    Fact.SUMMED: SETTLED_AND_SUMMABLE,
    Fact.TIMED: TIMED,
    Fact.TURN: "turn IS NOT NULL",
}
_FACTS = " + ".join(
    (
        f"cell_id * {1 << N_FACTS}",
        PURPOSE_NUMBER,
        f"4 * {_STATUS}",
        *(f"CASE WHEN {condition} THEN {1 << fact} ELSE 0 END" for fact, condition in _CONDITIONS.items()),
    )
)
ATTEMPT_FACTS = (
    "attempt_id - :first",
    _FACTS,
    "coalesce(planned_id, -1)",
    "coalesce(usage_group_id, -1)",
    "coalesce(finished_at_us - started_at_us, 0)",
    "coalesce(first_byte_us, -1)",
)
# a run's attempts lie close together: the table is read along them, in its own order (`+` keeps the index out of it)
_ALL_ATTEMPTS = "FROM attempts WHERE attempt_id BETWEEN :low AND :high"
_ATTEMPTS = f"{_ALL_ATTEMPTS} AND +{OF_RUN}"
_PLAN = """
    SELECT planned_id, task, sample_id, inclusion_probability FROM planned_samples WHERE run_id = :run_id
    ORDER BY task, draw_order, epoch, planned_id
"""
_SCORE_SPAN = "SELECT min(score_id), max(score_id), count(*) FROM scores WHERE attempt_id BETWEEN :first AND :last"
_SCORES = f"FROM scores WHERE score_id BETWEEN :low AND :high AND +attempt_id BETWEEN :first AND :last AND +{OF_RUN}"
_OTHER_REASONS = f"""
    SELECT attempt_id - :first AS place, reason FROM scores
    WHERE attempt_id BETWEEN :first AND :last AND +{OF_RUN} AND reason NOT IN (:reasons) ORDER BY score_id
"""
_SCORES_OF = f"FROM scores WHERE attempt_id BETWEEN :low AND :high AND +{OF_RUN}"
FARTHEST = 4
"""Times its number of scores that a run's scores may lie apart to be read as they lie."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRows:
    """The rows of one run, a slice at a time; each of the three can be read once.

    Attributes:
        span: from the first attempt to the last.
        attempts: columns of numbers: attempt id less the first one's; cell id and facts in one (`N_FACTS`); planned id
            or -1; usage group or -1; how long it took, in us; us to the first byte or -1; then its tokens.
        planned: (planned id, task, sample id, inclusion probability) by task, then as drawn.
        scores: columns of numbers: attempt id less the first one's; score id; millionths, where there are none -1 less
            the place of the reason in the list that was asked about, or -1 less its length for another reason.
        other_reasons: (attempt id less the first one's, such a reason), in the order of scores.
    """

    span: Span
    attempts: Iterator[Texts]
    planned: Iterator[Planned]
    scores: Iterator[Texts]
    other_reasons: Iterator[tuple[int, str]]


def run_rows(ledger: Readable, run_id: str, *, tokens: Sequence[str], reasons: Sequence[str]) -> RunRows | None:
    """Open the rows of one run; None when nothing of it was tried.

    Args:
        tokens: columns of tokens that are wanted.
        reasons: why answers usually have no score.
    """
    span = span_of_run(ledger, run_id)
    if span is None:
        return None
    bound = {"run_id": run_id, "first": span.first}
    attempts, of_attempts = _ATTEMPTS, bound
    if span.n_rows == span.n_ids:  # no other run wrote meanwhile: nothing need be looked up for each attempt
        attempts, of_attempts = _ALL_ATTEMPTS, {"first": span.first}
    of_scores = {**bound, "last": span.last}
    columns = (*ATTEMPT_FACTS, *(f"coalesce({name}, 0)" for name in tokens))
    return RunRows(
        span=span,
        attempts=joined_columns(ledger, columns, attempts, span, of_attempts),
        planned=batches(ledger, _PLAN, values={"run_id": run_id}),
        scores=_scores(ledger, of_scores, span, reasons),
        other_reasons=(
            (row.place, row.reason)
            for row in select_rows(ledger, _OTHER_REASONS.replace(":reasons", _quoted(reasons)), None, **of_scores)
        ),
    )


def _scores(ledger: Readable, bound: Mapping[str, object], attempts: Span, reasons: Sequence[str]) -> Iterator[Texts]:
    """Read a run's scores along their table, or along its attempts where they lie far apart."""
    whens = " ".join(f"WHEN '{reason}' THEN {-1 - place}" for place, reason in enumerate(reasons))
    coded = f"coalesce(value_millionths, CASE reason {whens} ELSE {-1 - len(reasons)} END)"
    span = span_of(ledger, _SCORE_SPAN, {"first": attempts.first, "last": attempts.last})
    if span is None:
        return
    source = _SCORES
    if span.n_ids > FARTHEST * span.n_rows:
        source, span = _SCORES_OF, attempts
        bound = {name: value for name, value in bound.items() if name != "last"}
    yield from joined_columns(ledger, ("attempt_id - :first", "score_id", coded), source, span, bound)


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


class AnswerRow(NamedTuple):
    """An attempt on a planned sample with one of its scores; one that was scored several times has several rows.

    Attributes:
        is_solve: whether the model itself was asked, and not its judge.
        status: below `UNANSWERED` it has an answer.
        is_cancelled: whether it was given up before it had one.
        charged_pico_usd: None = its bill is not known.
        value_millionths, reason: of the score; both None = it has none.
    """

    cell_id: int
    planned_id: int
    attempt_id: int
    is_solve: int
    status: int
    is_cancelled: int
    output_tokens: int | None
    charged_pico_usd: int | None
    value_millionths: int | None
    reason: str | None


NEWEST_SCORE = (1 << 63) - 1
"""A score id that no score exceeds."""


def answer_rows(ledger: Readable, cell_ids: Sequence[int], *, last_score_id: int = NEWEST_SCORE) -> Iterator[AnswerRow]:
    """Give the attempts on samples of these cells, sample by sample in the order sent, their scores in order.

    Args:
        last_score_id: later scores are left out.
    """
    query = f"""
        SELECT attempts.cell_id, attempts.planned_id, attempts.attempt_id,
            CASE WHEN attempts.purpose = 'solve' THEN 1 ELSE 0 END, {_STATUS},
            CASE WHEN attempts.status = 'cancelled' THEN 1 ELSE 0 END,
            attempts.output_tokens, attempts.charged_pico_usd, scores.value_millionths, scores.reason
        FROM attempts LEFT JOIN scores
            ON scores.attempt_id = attempts.attempt_id AND scores.score_id <= :last_score_id
        WHERE attempts.cell_id IN {listed(cell_ids)} AND attempts.planned_id IS NOT NULL
        ORDER BY attempts.cell_id, attempts.planned_id, attempts.attempt_id, scores.score_id
    """
    for rows in batches(ledger, query, values={"last_score_id": last_score_id}):
        yield from map(AnswerRow._make, rows)


def newest_score_id(ledger: Readable) -> int:
    """Give the id of the newest score; 0 = there is none."""
    return next(int(row.newest or 0) for row in select_rows(ledger, "SELECT max(score_id) AS newest FROM scores"))


class SplitRow(NamedTuple):
    """An attempt of a sum that is taken apart.

    Attributes:
        payload: where it may state a prompt size other than all of its input; None for other kinds of usage.
        tokens: in the order of `TOKEN_COLUMNS`, 0 where not known.
    """

    cell_id: int
    purpose: Purpose
    status: AttemptStatus
    usage_group_id: int
    planned_id: int | None
    finished_at_us: int
    model_requested: str
    usage_kind: str | None
    payload: str | None
    tokens: tuple[int, ...]


OWN_CONTEXT = "CASE WHEN usage_kind IN ({}) THEN NULL ELSE raw_usage END".format(
    ", ".join(f"'{name}'" for name, kind in KINDS.items() if kind.context_is_input)
)
"""The payload where it may state a prompt size other than all of its input; null for other kinds."""


def split_rows(ledger: Readable, cell_ids: Sequence[int]) -> Iterator[SplitRow]:
    """Give the attempts of cells that sums carry, in the order they were sent."""
    query = f"""
        SELECT cell_id, purpose, status, usage_group_id, planned_id, finished_at_us, model_requested, usage_kind,
            {OWN_CONTEXT}, {_TOKENS}
        FROM attempts
        WHERE {SETTLED_AND_SUMMABLE} AND cell_id IN ({", ".join(map(str, cell_ids))})
        ORDER BY attempt_id
    """
    for rows in batches(ledger, query):
        for row in rows:
            yield SplitRow._make((*row[:9], tuple(row[9:])))
