"""What samples that were conversations have cost in earlier runs: what forecasts of new ones rest on."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.ledger.columns import INPUT_METERS, TOKEN_COLUMNS
from harness.ledger.connections import Readable
from harness.ledger.reading.batch_rows import listed, select_rows
from harness.ledger.reading.forecast_rows import MOST_ANSWERS, like_cells
from harness.ledger.records import RunRecord
from harness.ledger.row_forms import record_of
from harness.models import ModelSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationCost:
    """One sample of a run that was finished.

    Attributes:
        n_requests: to all its parties.
        input_tokens, output_tokens: of the model under test.
        pico_usd: over all its parties and its judge; None = a bill is not known.
        user_model: provider/model of who played its user; None = no user was asked.
    """

    task: str
    sample_id: str
    provider: str
    model: str
    setting: str | None
    n_requests: int
    input_tokens: int
    output_tokens: int
    pico_usd: int | None
    user_model: str | None = None


_INPUT = " + ".join(f"coalesce({name}, 0)" for name in TOKEN_COLUMNS[: len(INPUT_METERS)])
_COSTS = f"""
    SELECT cells.suite, cells.run_id, planned_samples.task, planned_samples.sample_id, cells.provider, cells.model,
        cells.setting,
        sum(CASE WHEN attempts.turn IS NOT NULL THEN 1 ELSE 0 END) AS n_requests,
        sum(CASE WHEN purpose = 'solve' THEN {_INPUT} ELSE 0 END) AS input_tokens,
        sum(CASE WHEN purpose = 'solve' THEN coalesce(output_tokens, 0) ELSE 0 END) AS output_tokens,
        CASE WHEN count(charged_pico_usd) = count(*) THEN sum(charged_pico_usd) END AS pico_usd,
        max(CASE WHEN purpose = 'user_simulator' THEN other_provider || '/' || model_requested END) AS user_model
    FROM cells JOIN attempts ON attempts.cell_id = cells.cell_id
        JOIN planned_samples ON planned_samples.planned_id = attempts.planned_id
    WHERE cells.cell_id IN :cells AND attempts.status <> 'cancelled'
    GROUP BY cells.cell_id, planned_samples.planned_id
    HAVING max(attempts.turn) IS NOT NULL
    ORDER BY max(attempts.attempt_id) DESC LIMIT :most
"""


def conversation_costs(
    ledger: Readable, runs: Sequence[RunRecord], suite: str, digests: Mapping[str, str], models: Collection[ModelSpec]
) -> Iterator[ConversationCost]:
    """Stream what samples of a suite's tasks have cost these models in finished runs, newest first.

    Args:
        digests: of each task's samples, by the task's name.
    """
    finished = [run for run in runs if run.status in ("complete", "failed")]
    alike, cells = like_cells(ledger, finished, suite, digests)
    chosen = [row.cell_id for row in cells if ModelSpec.of(row) in models]
    query = _COSTS.replace(":cells", listed(chosen))
    for row in select_rows(ledger, query, most=MOST_ANSWERS):
        if row.task in alike[row.run_id, row.suite]:
            yield record_of(
                ConversationCost,
                row,
                n_requests=int(row.n_requests),
                input_tokens=int(row.input_tokens),
                output_tokens=int(row.output_tokens),
                pico_usd=None if row.pico_usd is None else int(row.pico_usd),
            )
