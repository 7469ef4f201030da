"""What became of a run's samples, as rows of whole numbers: a report walks a million attempts of them.

Data flows tables -> batches of rows, in constant memory -> columns of one entry per attempt (`reports.facts`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from harness.ledger.columns import TOKEN_COLUMNS
from harness.ledger.connections import Readable
from harness.ledger.reading.batch_rows import batches, listed, select_rows
from harness.ledger.records import AttemptStatus, Purpose, Timing
from harness.ledger.schema.tables import SETTLED_AND_SUMMABLE
from harness.usage.kinds import KINDS

_TOKENS = ", ".join(f"coalesce({name}, 0)" for name in TOKEN_COLUMNS)
SUCCEEDED, REUSED, UNANSWERED, SENT = 0, 1, 2, 3
"""What became of an attempt, as a number: below `UNANSWERED` it has an answer."""
PURPOSES_BY_NUMBER: tuple[Purpose, ...] = ("judge", "solve", "user_simulator", "tool")
"""What an attempt was for, as a number."""
Numbers: TypeAlias = Sequence[tuple[int, ...]]
Planned: TypeAlias = Sequence[tuple[int, str, str, float]]
Scored: TypeAlias = Sequence[tuple[int, int, str | None]]

_WHENS = " ".join(f"WHEN '{name}' THEN {place}" for place, name in enumerate(PURPOSES_BY_NUMBER[:-1]))
_PURPOSE = f"CASE purpose {_WHENS} ELSE {len(PURPOSES_BY_NUMBER) - 1} END"
_STATUS = (
    f"CASE attempts.status WHEN 'succeeded' THEN {SUCCEEDED} WHEN 'reused' THEN {REUSED} WHEN 'sent' THEN {SENT} "
    f"ELSE {UNANSWERED} END"
)
_OF_RUN = "cell_id IN (SELECT cell_id FROM cells WHERE run_id = :run_id)"
_SPAN = f"SELECT min(attempt_id), max(attempt_id) FROM attempts WHERE {_OF_RUN}"
# a run's attempts lie close together: the table is read along them, in its own order (`+` keeps the index out of it)
_ATTEMPTS = f"""
    SELECT attempt_id, cell_id, coalesce(planned_id, -1),
        {_PURPOSE},
        {_STATUS},
        CASE WHEN usage_flags IS NULL OR usage_source = 'missing' THEN 0 ELSE 1 END,
        CASE WHEN try_number > 1 THEN 1 ELSE 0 END,
        coalesce(usage_group_id, -1), CASE WHEN {SETTLED_AND_SUMMABLE} THEN 1 ELSE 0 END,
        {_TOKENS}
    FROM attempts WHERE attempt_id BETWEEN :low AND :high AND +{_OF_RUN}
    ORDER BY attempt_id
"""
_PLAN = """
    SELECT planned_id, task, sample_id, inclusion_probability FROM planned_samples WHERE run_id = :run_id
    ORDER BY task, draw_order, epoch, planned_id
"""
_SCORES = f"""
    SELECT attempt_id, coalesce(value_millionths, -1), reason FROM scores
    WHERE attempt_id BETWEEN :low AND :high AND +{_OF_RUN} ORDER BY attempt_id, score_id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRows:
    """The rows of one run, a batch at a time; each of the three can be read once.

    Attributes:
        attempts: (attempt id, cell id, planned id or -1, place of its purpose in `PURPOSES_BY_NUMBER`, what became of
            it, 1 = its usage is flagged, 1 = it repeats an earlier one, usage group or -1, 1 = sums carry it, then its
            tokens in the order of `TOKEN_COLUMNS`), by attempt id.
        planned: (planned id, task, sample id, inclusion probability) by task, then as drawn.
        scores: (attempt id, millionths or -1 = none, why there is none), the newest of an attempt last.
    """

    attempts: Iterator[Numbers]
    planned: Iterator[Planned]
    scores: Iterator[Scored]


def run_rows(ledger: Readable, run_id: str) -> RunRows | None:
    """Open the rows of one run; None when nothing of it was tried."""
    low, high = next(batches(ledger, _SPAN, values={"run_id": run_id}))[0]
    if low is None:
        return None
    bound = {"run_id": run_id, "low": low, "high": high}
    return RunRows(
        attempts=batches(ledger, _ATTEMPTS, values=bound),
        planned=batches(ledger, _PLAN, values={"run_id": run_id}),
        scores=batches(ledger, _SCORES, values=bound),
    )


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


_DURATIONS = """
    SELECT attempts.cell_id AS cell_id, count(*) AS n_answers,
        sum(attempts.finished_at_us - attempts.started_at_us) AS answered_us,
        count(attempts.first_byte_us) AS n_first_bytes, sum(attempts.first_byte_us) AS first_byte_us
    FROM attempts JOIN cells USING (cell_id)
    WHERE cells.run_id IN :run_ids AND attempts.status = 'succeeded' AND attempts.purpose = 'solve'
        AND coalesce(attempts.mode, '') <> 'batch'
        AND (attempts.usage_source = 'provider' OR attempts.finished_at_us > attempts.started_at_us)
    GROUP BY attempts.cell_id
"""


def timings(ledger: Readable, run_ids: Sequence[str]) -> Mapping[int, Timing]:
    """Add up how long answered solving requests took, by cell."""
    return {
        row.cell_id: Timing(
            n_answers=row.n_answers,
            answered_s=int(row.answered_us) / 1e6,
            n_first_bytes=row.n_first_bytes,
            first_byte_s=int(row.first_byte_us or 0) / 1e6,
        )
        for row in select_rows(ledger, _DURATIONS, run_ids)
    }
