"""Turns of a run's conversations as columns of whole numbers; the calls made in them, the limits they reached.

Data flows tables -> attempts that have a turn -> `reports.facts.samples.turn_totals`.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum

import orjson

from harness.ledger.connections import Readable
from harness.ledger.encoding import Compression
from harness.ledger.reading.batch_rows import OF_RUN, Span, Texts, batches, joined_columns, span_of, span_of_run
from harness.ledger.reading.sample_rows import PURPOSE_NUMBER, TIMED

LIMIT_RULE = "limit:"
"""What the rule of a score begins with where its sample reached a limit; the limit's name follows."""
LIMIT_REASON = "at_limit"
NOT_STATED = "not stated"
_HAS_TURN = "turn IS NOT NULL AND planned_id IS NOT NULL AND purpose IN ('solve', 'user_simulator')"


class TurnColumn(IntEnum):
    """Columns of `turn_columns`, in their order.

    Attributes:
        ANSWERED: 1 = it has an answer of its own, 0 = it has none.
        FAILED: 1 = it failed.
        REUSED: 1 = its answer is an earlier run's.
        TIMED: 1 = how long it took says something of the model.
        STARTED, FINISHED: us since the epoch; -1 = it is not settled.
    """

    ATTEMPT = 0
    CELL = 1
    PLANNED = 2
    TURN = 3
    PURPOSE = 4
    ANSWERED = 5
    FAILED = 6
    REUSED = 7
    TIMED = 8
    STARTED = 9
    FINISHED = 10


_COLUMNS = (
    "attempt_id", "cell_id", "planned_id", "turn", PURPOSE_NUMBER,
    "CASE WHEN attempts.status IN ('succeeded', 'reused') THEN 1 ELSE 0 END",
    "CASE WHEN attempts.status IN ('failed', 'timed_out') THEN 1 ELSE 0 END",
    "CASE WHEN attempts.status = 'reused' THEN 1 ELSE 0 END",
    f"CASE WHEN {TIMED} THEN 1 ELSE 0 END", "started_at_us", "coalesce(finished_at_us, -1)",
)  # fmt: skip
_SPAN = f"SELECT min(attempt_id), max(attempt_id), count(*) FROM attempts WHERE {OF_RUN} AND {_HAS_TURN}"


def turn_columns(ledger: Readable, run_id: str) -> Iterator[Texts]:
    """Give the turns of a run's conversations, a slice at a time, in any order: of the model and who plays its user."""
    span: Span | None = span_of(ledger, _SPAN, {"run_id": run_id})
    if span is not None:
        source = f"FROM attempts WHERE attempt_id BETWEEN :low AND :high AND +{OF_RUN} AND {_HAS_TURN}"
        yield from joined_columns(ledger, _COLUMNS, source, span, {"run_id": run_id})


_ANY = f"SELECT 1 FROM attempts WHERE attempt_id BETWEEN :first AND :last AND +{OF_RUN} AND turn IS NOT NULL LIMIT 1"


def has_turns(ledger: Readable, run_id: str) -> bool:
    """Whether some sample of a run is a conversation, which its attempts are looked through for."""
    span = span_of_run(ledger, run_id)
    if span is None:
        return False
    found = batches(ledger, _ANY, values={"run_id": run_id, "first": span.first, "last": span.last})
    return any(found)


_CALLS = f"""
    SELECT attempt_id, tool_calls FROM transcripts JOIN attempts USING (attempt_id)
    WHERE {OF_RUN} AND {_HAS_TURN}
"""


def call_counts(ledger: Readable, run_id: str) -> dict[int, int]:
    """Count the tool calls of each answer of a run's conversations; those whose texts were not kept are left out."""
    unpack = Compression().unpack
    return {
        attempt_id: 0 if calls is None else sum("name" in call for call in orjson.loads(unpack(calls)))
        for rows in batches(ledger, _CALLS, values={"run_id": run_id})
        for attempt_id, calls in rows
    }


_LIMITS = f"""
    SELECT attempt_id, rule FROM scores
    WHERE {OF_RUN} AND (rule LIKE '{LIMIT_RULE}%' OR reason = '{LIMIT_REASON}')
        AND score_id = (SELECT max(score_id) FROM scores AS later WHERE later.attempt_id = scores.attempt_id)
"""


def limits_reached(ledger: Readable, run_id: str) -> dict[int, str]:
    """Name the limit that ended a sample, by the attempt that its score stands at: `usd`, `turns`, ..."""
    found = (row for rows in batches(ledger, _LIMITS, values={"run_id": run_id}) for row in rows)
    return {attempt_id: limit_of(rule, LIMIT_REASON) or NOT_STATED for attempt_id, rule in found}


def limit_of(rule: str | None, reason: str | None) -> str | None:
    """Name the limit that a score says its sample reached; None = it says nothing of one."""
    if rule is not None and rule.startswith(LIMIT_RULE):
        return rule.removeprefix(LIMIT_RULE) or NOT_STATED
    return NOT_STATED if reason == LIMIT_REASON else None
