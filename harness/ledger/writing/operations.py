"""What the append writer can be asked to write, and the shorter forms of a row that cannot be written whole.

Data flows the runner's facts -> operations -> `append.Appender`. What was paid for comes before what was said: a row
that the database refuses, or that finds no room, is written without its transcript, then with its numbers alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from harness.declared import request_value
from harness.errors import BudgetReached, LedgerError
from harness.ledger.records import AttemptOutcome, AttemptStart, ScoreRecord, Transcript


@request_value
class Send:
    """Insert an attempt with its reservation; its result is the attempt id."""

    start: AttemptStart


@request_value
class Settle:
    """Settle an attempt, together with its transcript and score; its result is None."""

    outcome: AttemptOutcome
    transcript: Transcript | None = None
    score: ScoreRecord | None = None


@request_value
class AddScore:
    """Insert a score; its result is None."""

    score: ScoreRecord


@request_value
class Reuse:
    """Insert an attempt that took a stored answer, settled at once; its result is the attempt id."""

    start: AttemptStart
    outcome: AttemptOutcome
    transcript: Transcript | None = None


Operation = Send | Settle | AddScore | Reuse
Result = int | None | LedgerError | BudgetReached

LONGEST_REASON = 200


def leaner(operation: Operation, why: str) -> Iterator[Operation]:
    """Give shorter forms of what cannot be written, the fullest first; a request that is to be sent has none."""
    match operation:
        case Settle() | Reuse():
            said = operation.outcome
            if operation.transcript is not None:
                yield replace(operation, outcome=with_flag(said, "transcript_not_stored", why), transcript=None)
            yield replace(operation, outcome=_numbers_alone(said, why), transcript=None)
            yield replace(operation, outcome=_ending_alone(said, why), transcript=None)
        case AddScore(score=score):
            yield AddScore(score=replace(score, answer=None, explanation=None, rule=None))
        case Send():
            return


def with_flag(outcome: AttemptOutcome, name: str, detail: str) -> AttemptOutcome:
    """Note on an attempt's usage what became of its row."""
    usage = outcome.usage
    return replace(outcome, usage=replace(usage, flags=(*usage.flags, (name, detail[:LONGEST_REASON]))))


def _numbers_alone(outcome: AttemptOutcome, why: str) -> AttemptOutcome:
    """Keep tokens, money and how it ended; texts that came from outside are left out."""
    usage, others = outcome.usage, outcome.usage.other_meters or {}
    if others.get("other_models"):  # their names cannot be kept, and without them the rest is not the bill
        return _ending_alone(outcome, why)
    usage = replace(usage, raw_usage=None, speed=None, inference_geo=None, flags=())
    bare = replace(
        outcome,
        usage=usage,
        error_message=None if outcome.error_message is None else "not stored: the ledger refused the message",
        model_served=None,
        service_tier=None,
        provider_request_id=None,
        finish_reason=outcome.finish_reason if outcome.finish_reason in _FINISHED else None,
    )
    return with_flag(bare, "texts_not_stored", why)


def _ending_alone(outcome: AttemptOutcome, why: str) -> AttemptOutcome:
    """Keep that an attempt ended and how; what it used and cost is not known, so its reservation counts."""
    bare = AttemptOutcome(
        attempt_id=outcome.attempt_id,
        status=outcome.status,
        finished_at_us=outcome.finished_at_us,
        billed="no" if outcome.billed == "no" else "unknown",
        charged_pico_usd=0 if outcome.billed == "no" else None,
        error_class=outcome.error_class,
        refused=outcome.refused,
    )
    return with_flag(bare, "facts_not_stored", why)


_FINISHED = ("stop", "length", "content_filter", "tool_calls", "other")
