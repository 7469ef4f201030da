"""How long stored answers are: output tokens of every answered item, for forecasts of what the next run will write."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.ledger.connections import Readable
from harness.ledger.reading.batch_rows import select_rows
from harness.ledger.row_forms import flag, record_of


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerLength:
    """Output tokens of one answer, reasoning included.

    Attributes:
        reasoning: whether the model reasons at this setting; None = not known.
        truncated: cut at the output cap.
    """

    task: str
    sample_id: str
    provider: str
    model: str
    setting: str | None
    reasoning: bool | None
    simulated: bool
    output_tokens: int
    truncated: bool


_LENGTHS = """
    SELECT planned_samples.task, planned_samples.sample_id, cells.provider, cells.model, cells.setting,
        cells.reasoning, cells.simulated, attempts.output_tokens, usage_groups.truncated
    FROM cells JOIN attempts ON attempts.cell_id = cells.cell_id
        JOIN planned_samples ON planned_samples.planned_id = attempts.planned_id
        JOIN usage_groups ON usage_groups.usage_group_id = attempts.usage_group_id
    WHERE cells.suite = :suite AND attempts.status = 'succeeded' AND attempts.purpose = 'solve'
        AND attempts.output_tokens IS NOT NULL
    ORDER BY attempts.attempt_id
"""


def answer_lengths(ledger: Readable, suite: str) -> Iterator[AnswerLength]:
    """Stream the lengths of all answers to a suite's items, of any run and model, oldest first.

    Failed attempts, reused answers (they were counted where they were asked) and judges' replies are left out.
    """
    for row in select_rows(ledger, _LENGTHS, suite=suite):
        yield record_of(
            AnswerLength,
            row,
            reasoning=flag(row.reasoning),
            simulated=bool(row.simulated),
            truncated=bool(row.truncated),
        )
