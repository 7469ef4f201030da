"""What forecasts of bills rest on: how long stored answers are, and what runs were charged so far.

Charges of every purpose count, judges' included, as they do against a run's budget; what is not known is counted apart.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.ledger.connections import Readable
from harness.ledger.reading.batch_rows import listed, select_rows
from harness.ledger.records import RunRecord, SuiteRecord
from harness.ledger.row_forms import StoredRow, flag, record_of
from harness.models import ModelSpec

MOST_ANSWERS = 20_000
"""Newest answers that are read, of the models that will be asked and of others: more would hardly change a mean."""
_MOST_CELLS = 5_000


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
        AND attempts.output_tokens IS NOT NULL AND attempts.turn IS NULL
    ORDER BY attempts.attempt_id DESC LIMIT :most
"""
_ASKED = "SELECT cell_id, run_id, suite, provider, model, setting FROM cells ORDER BY cell_id DESC"


def answer_lengths(
    ledger: Readable, runs: Sequence[RunRecord], suite: str, digests: Mapping[str, str], models: Collection[ModelSpec]
) -> Iterator[AnswerLength]:
    """Stream the lengths of stored answers to a suite's tasks, of any run and model, newest first.

    A task is the same where its name and its samples are, whichever suite asked it, and in every version of its own
    suite. Failed attempts, reused answers (they were counted where they were asked), turns of conversations and judges'
    replies are left out.

    Args:
        runs: those of the ledger.
        digests: of each task's samples, by the task's name.
        models: whose answers are read first, so that those of others never crowd them out.
    """
    alike, cells = like_cells(ledger, runs, suite, digests)
    for is_own in (True, False):
        chosen = [row.cell_id for row in cells if (_model(row) in models) == is_own][:_MOST_CELLS]
        query = _LENGTHS.replace(":cells", listed(chosen))
        for row in select_rows(ledger, query, most=MOST_ANSWERS):
            if row.task in alike[row.run_id, row.suite]:
                yield record_of(
                    AnswerLength,
                    row,
                    reasoning=flag(row.reasoning),
                    simulated=bool(row.simulated),
                    truncated=bool(row.truncated),
                )


def like_cells(
    ledger: Readable, runs: Sequence[RunRecord], suite: str, digests: Mapping[str, str]
) -> tuple[Mapping[tuple[str, str], Collection[str]], Sequence[StoredRow]]:
    """Find the cells that asked any of a suite's tasks: their tasks by (run, suite), and the cells, newest first."""
    alike = {(run.run_id, asked.name): _same_tasks(asked, suite, digests) for run in runs for asked in run.suites}
    return alike, [row for row in select_rows(ledger, _ASKED) if alike.get((row.run_id, row.suite))]


def _model(row: StoredRow) -> ModelSpec:
    return ModelSpec(provider=row.provider, model=row.model, setting=row.setting)


def _same_tasks(asked: SuiteRecord, suite: str, digests: Mapping[str, str]) -> Collection[str]:
    if asked.name == suite:
        return digests.keys()
    return {task.name for task in asked.tasks if task.samples_sha256 == digests.get(task.name)}


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleCharge:
    """What one planned sample of one cell cost so far.

    Attributes:
        pico_usd: None = of none of its attempts the bill is known; one that took a stored answer tells of no price.
        n_cut: answers of its model that were cut at the output cap.
    """

    cell_id: int
    planned_id: int
    pico_usd: int | None
    n_cut: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CellBill:
    """What one cell of a run was charged so far.

    Attributes:
        pico_usd: attempts whose bill is known.
        n_unknown: attempts whose bill is not, those in flight included.
    """

    run_id: str
    cell_id: int
    pico_usd: int
    n_unknown: int


_SAMPLES = """
    SELECT attempts.cell_id, attempts.planned_id,
        sum(CASE WHEN status <> 'reused' THEN charged_pico_usd END) AS pico_usd,
        sum(CASE WHEN usage_groups.truncated = 1 AND purpose = 'solve' AND status = 'succeeded' THEN 1 ELSE 0 END)
            AS n_cut
    FROM attempts JOIN cells ON cells.cell_id = attempts.cell_id
        JOIN planned_samples ON planned_samples.planned_id = attempts.planned_id
        LEFT JOIN usage_groups ON usage_groups.usage_group_id = attempts.usage_group_id
    WHERE cells.run_id = :run_id AND planned_samples.draw_order < :first
    GROUP BY attempts.cell_id, attempts.planned_id
"""
_CELLS = """
    SELECT cells.run_id, cells.cell_id, coalesce(sum(charged_pico_usd), 0) AS pico_usd,
        sum(CASE WHEN charged_pico_usd IS NULL THEN 1 ELSE 0 END) AS n_unknown
    FROM attempts JOIN cells ON cells.cell_id = attempts.cell_id
    WHERE cells.run_id IN :run_ids
    GROUP BY cells.run_id, cells.cell_id
"""


def sample_charges(ledger: Readable, run_id: str, *, first: int) -> Iterator[SampleCharge]:
    """Give what each of the first samples of a run's draw cost each model; samples without attempts are absent."""
    for row in select_rows(ledger, _SAMPLES, run_id=run_id, first=first):
        pico_usd = None if row.pico_usd is None else int(row.pico_usd)
        yield record_of(SampleCharge, row, pico_usd=pico_usd, n_cut=int(row.n_cut))


def cell_bills(ledger: Readable, run_ids: Sequence[str]) -> Mapping[str, Sequence[CellBill]]:
    """Give what the cells of runs were charged so far, by run; cells without attempts are absent."""
    found: dict[str, list[CellBill]] = {}
    for row in select_rows(ledger, _CELLS, run_ids):
        bill = record_of(CellBill, row, pico_usd=int(row.pico_usd), n_unknown=int(row.n_unknown))
        found.setdefault(bill.run_id, []).append(bill)
    return found
