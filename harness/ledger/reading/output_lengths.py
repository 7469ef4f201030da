"""How long stored answers are: output tokens of every answered item, for forecasts of what the next run will write."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.ledger.connections import Readable
from harness.ledger.reading.batch_rows import listed, select_rows
from harness.ledger.records import RunRecord, SuiteRecord
from harness.ledger.row_forms import flag, record_of

MOST_ANSWERS = 100_000
"""Newest answers that are read: more would delay a run's start, and hardly change a mean."""
_CELLS_PER_QUERY = 5_000


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
    SELECT cells.suite, cells.run_id, planned_samples.task, planned_samples.sample_id, cells.provider, cells.model,
        cells.setting, cells.reasoning, cells.simulated, attempts.output_tokens, usage_groups.truncated
    FROM cells JOIN attempts ON attempts.cell_id = cells.cell_id
        JOIN planned_samples ON planned_samples.planned_id = attempts.planned_id
        JOIN usage_groups ON usage_groups.usage_group_id = attempts.usage_group_id
    WHERE cells.cell_id IN :cells AND attempts.status = 'succeeded' AND attempts.purpose = 'solve'
        AND attempts.output_tokens IS NOT NULL
    ORDER BY attempts.attempt_id DESC LIMIT :most
"""
_CELLS = "SELECT cell_id, run_id, suite FROM cells ORDER BY cell_id DESC"


def answer_lengths(
    ledger: Readable, runs: Sequence[RunRecord], suite: str, digests: Mapping[str, str]
) -> Iterator[AnswerLength]:
    """Stream the lengths of stored answers to a suite's tasks, of any run and model, newest first.

    A task is the same where its name and its samples are, whichever suite asked it, and in every version of its own
    suite. Failed attempts, reused answers (they were counted where they were asked) and judges' replies are left out.

    Args:
        runs: those of the ledger.
        digests: of each task's samples, by the task's name.
    """
    alike = {(run.run_id, asked.name): _same_tasks(asked, suite, digests) for run in runs for asked in run.suites}
    cells = [row.cell_id for row in select_rows(ledger, _CELLS) if alike.get((row.run_id, row.suite))]
    left = MOST_ANSWERS
    for start in range(0, len(cells), _CELLS_PER_QUERY):
        query = _LENGTHS.replace(":cells", listed(cells[start : start + _CELLS_PER_QUERY]))
        for row in select_rows(ledger, query, most=left):
            left -= 1
            if row.task in alike[row.run_id, row.suite]:
                yield record_of(
                    AnswerLength,
                    row,
                    reasoning=flag(row.reasoning),
                    simulated=bool(row.simulated),
                    truncated=bool(row.truncated),
                )


def _same_tasks(asked: SuiteRecord, suite: str, digests: Mapping[str, str]) -> Collection[str]:
    if asked.name == suite:
        return digests.keys()
    return {task.name for task in asked.tasks if task.samples_sha256 == digests.get(task.name)}
