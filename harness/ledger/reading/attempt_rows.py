"""Every row of the ledger, streamed in a stable order and constant memory: for exports, charging one by one, rescoring.

Data flows tables -> rows with the names of their cell and sample joined in -> the caller, a thousand at a time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from harness.declared import request_value
from harness.ledger.columns import BILL_UNKNOWN, TOKEN_COLUMNS, TokenCounts
from harness.ledger.connections import Readable
from harness.ledger.encoding import Compression, canonical_json, read_json
from harness.ledger.reading.batch_rows import rows_by_id, select_rows
from harness.ledger.records import TranscriptRow, UsageFacts, UsageSource
from harness.ledger.row_forms import StoredRow, flag, record_of
from harness.ledger.schema.tables import SETTLED_ONE_BY_ONE

Which = Literal["all", "one_by_one", "bill_unknown"]


@request_value
class AttemptRow(TokenCounts["int | None"]):
    """One attempt with the names of its cell and sample; columns as in the table `attempts`.

    Attributes:
        parameters, other_meters, raw_usage, usage_flags: JSON text as stored (`encoding.read_json` reads it).
        provider_asked: whom the request went to: the cell's provider, or a judge's.
        turn: place in its sample's conversation; None = the sample is one request.
        thinking, speed, inference_geo, context_bucket: from the usage group; None before the attempt is settled.
    """

    run_id: str
    suite: str
    task: str | None
    sample_id: str | None
    epoch: int | None
    provider: str
    model: str
    setting: str | None
    reasoning: bool | None
    simulated: bool
    attempt_id: int
    request_id: str
    cell_id: int
    planned_id: int | None
    purpose: str
    try_number: int
    retry_of: int | None
    status: str
    error_class: str | None
    error_message: str | None
    http_status: int | None
    provider_asked: str
    model_requested: str
    model_served: str | None
    parameters: str
    service_tier: str | None
    mode: str | None
    speed: str | None
    inference_geo: str | None
    thinking: bool | None
    context_bucket: int | None
    provider_request_id: str | None
    started_at_us: int
    finished_at_us: int | None
    first_byte_us: int | None
    other_meters: str | None
    raw_usage: str | None
    usage_kind: str | None
    usage_source: UsageSource | None
    usage_flags: str | None
    normaliser_version: int
    reserved_pico_usd: int
    reserved_input_tokens: int
    reserved_output_tokens: int
    charged_pico_usd: int | None
    stated_cost_usd: Decimal | None
    billed: str | None
    finish_reason: str | None
    refused: bool
    turn: int | None = None

    @property
    def is_bill_unknown(self) -> bool:
        """Whether it may be billed by an amount that this row does not know, as `BILL_UNKNOWN` has it."""
        return self.status == "sent" or (self.input_tokens is None and self.billed != "no")

    def usage_facts(self) -> UsageFacts:
        """Give the usage as it was recorded, without what its provider states that it cost."""
        return UsageFacts(
            **dict(zip(TOKEN_COLUMNS, self.counts, strict=True)),
            other_meters=read_json(self.other_meters),
            raw_usage=read_json(self.raw_usage),
            usage_kind=self.usage_kind,
            usage_source=self.usage_source or "missing",
            flags=tuple((name, detail) for name, detail in read_json(self.usage_flags) or ()),
            stated_cost_usd=None,
            context_tokens=self.context_bucket,
            speed=self.speed,
            inference_geo=self.inference_geo,
            thinking=self.thinking,
        )


_CELL = "cells.run_id, cells.suite, cells.provider, cells.model, cells.setting, cells.reasoning, cells.simulated"
_SAMPLE = "planned_samples.task, planned_samples.sample_id, planned_samples.epoch"
_WHICH: Mapping[Which, str] = {"all": "1 = 1", "one_by_one": SETTLED_ONE_BY_ONE, "bill_unknown": BILL_UNKNOWN}


def attempt_rows(
    ledger: Readable, run_ids: Sequence[str] | None = None, *, only: Which = "all", by_sample: bool = False
) -> Iterator[AttemptRow]:
    """Give attempts in the order they were sent.

    Args:
        run_ids: None = every run.
        only: `one_by_one` = those that `usage_sums` leaves out; `bill_unknown` = those that `unknown_bills` counts.
        by_sample: cell by cell, and there sample by sample, in place of the order sent over all.
    """
    chosen = f"SELECT * FROM attempts WHERE {_WHICH[only]}"
    if only != "all" and run_ids is not None:  # beside its condition, so that the few are found by their own index
        chosen += " AND cell_id IN (SELECT cell_id FROM cells WHERE run_id IN :run_ids)"
        query = _attempts_query(chosen, "1 = 1", by_sample=by_sample)
    else:
        query = _attempts_query(chosen, _of_runs(run_ids), by_sample=by_sample)
    for row in select_rows(ledger, query, run_ids):
        yield _attempt_row(row)


def attempt_row(ledger: Readable, attempt_id: int) -> AttemptRow | None:
    """Give one attempt; None when there is none of that id."""
    return next(attempts_by_id(ledger, [attempt_id]), None)


def attempts_by_id(ledger: Readable, attempt_ids: Sequence[int]) -> Iterator[AttemptRow]:
    """Give these attempts in the order they were sent."""
    query = _attempts_query("SELECT * FROM attempts WHERE attempt_id IN :ids", "1 = 1")
    yield from map(_attempt_row, rows_by_id(ledger, query, attempt_ids))


def attempts_of_sample(ledger: Readable, cell_id: int, planned_id: int) -> list[AttemptRow]:
    """Give every attempt for a sample of a cell, of any purpose, in the order they were sent."""
    query = _attempts_query("SELECT * FROM attempts WHERE cell_id = :cell_id AND planned_id = :planned_id", "1 = 1")
    return [_attempt_row(row) for row in select_rows(ledger, query, cell_id=cell_id, planned_id=planned_id)]


def _attempts_query(chosen: str, of_runs: str, *, by_sample: bool = False) -> str:
    order = "attempts.cell_id, attempts.planned_id, " if by_sample else ""
    return f"""
        SELECT attempts.*, coalesce(attempts.other_provider, cells.provider) AS provider_asked, {_CELL}, {_SAMPLE},
            parameter_sets.parameters, usage_groups.speed,
            usage_groups.inference_geo, usage_groups.thinking, usage_groups.context_bucket
        FROM ({chosen}) AS attempts
        JOIN cells USING (cell_id)
        JOIN parameter_sets USING (parameter_set_id)
        LEFT JOIN planned_samples USING (planned_id)
        LEFT JOIN usage_groups USING (usage_group_id)
        WHERE {of_runs} ORDER BY {order}attempts.attempt_id
    """


def _attempt_row(row: StoredRow) -> AttemptRow:
    return record_of(
        AttemptRow,
        row,
        reasoning=flag(row.reasoning),
        thinking=flag(row.thinking),
        simulated=bool(row.simulated),
        refused=bool(row.refused),
        stated_cost_usd=None if row.stated_cost_usd is None else Decimal(row.stated_cost_usd),
    )


def _of_runs(run_ids: Sequence[str] | None) -> str:
    return "1 = 1" if run_ids is None else "cells.run_id IN :run_ids"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRow:
    """One score with the names of its cell and sample."""

    run_id: str
    suite: str
    task: str
    sample_id: str
    epoch: int
    provider: str
    model: str
    setting: str | None
    score_id: int
    attempt_id: int
    planned_id: int
    cell_id: int
    scorer: str
    scorer_version: str
    value_millionths: int | None
    reason: str | None
    answer: str | None
    explanation: str | None
    rule: str | None
    scored_at_us: int


_IS_NEWEST = "scores.score_id = (SELECT max(score_id) FROM scores AS later WHERE later.attempt_id = scores.attempt_id)"


def score_rows(ledger: Readable, run_ids: Sequence[str] | None = None, *, newest: bool = True) -> Iterator[ScoreRow]:
    """Give scores in the order they were recorded; `newest` = only the one that counts for each attempt."""
    query = f"""
        SELECT scores.*, {_CELL}, {_SAMPLE}
        FROM scores JOIN cells USING (cell_id) JOIN planned_samples USING (planned_id)
        WHERE {_of_runs(run_ids)} AND {_IS_NEWEST if newest else "1 = 1"} ORDER BY scores.score_id
    """
    for row in select_rows(ledger, query, run_ids):
        yield record_of(ScoreRow, row)


def scores_of(ledger: Readable, attempt_ids: Sequence[int]) -> list[ScoreRow]:
    """Give every score of these attempts in the order recorded: the last one of an attempt counts."""
    query = f"""
        SELECT scores.*, {_CELL}, {_SAMPLE}
        FROM scores JOIN cells USING (cell_id) JOIN planned_samples USING (planned_id)
        WHERE scores.attempt_id IN :ids ORDER BY scores.score_id
    """
    return [record_of(ScoreRow, row) for row in rows_by_id(ledger, query, attempt_ids)]


_TRANSCRIPT = """
    SELECT attempts.attempt_id, attempts.cell_id, attempts.planned_id, attempts.purpose, attempts.status,
        attempts.finish_reason, attempts.refused, prompts.body, transcripts.answer, transcripts.reasoning,
        transcripts.tool_calls
    FROM transcripts JOIN attempts USING (attempt_id) JOIN prompts USING (prompt_id) JOIN cells USING (cell_id)
"""


def transcript_rows(ledger: Readable, run_id: str) -> Iterator[TranscriptRow]:
    """Give a run's transcripts in the order the requests were sent."""
    compression = Compression()
    query = f"{_TRANSCRIPT} WHERE cells.run_id IN :run_ids ORDER BY attempts.attempt_id"
    for row in select_rows(ledger, query, [run_id]):
        yield _transcript(row, compression)


def transcript_of(ledger: Readable, attempt_id: int) -> TranscriptRow | None:
    """Give the transcript of one attempt; None when it was not kept."""
    return next(transcripts_of(ledger, [attempt_id]), None)


def transcripts_of(ledger: Readable, attempt_ids: Sequence[int]) -> Iterator[TranscriptRow]:
    """Give the transcripts of these attempts, where they were kept."""
    compression = Compression()
    for row in rows_by_id(ledger, f"{_TRANSCRIPT} WHERE attempts.attempt_id IN :ids", attempt_ids):
        yield _transcript(row, compression)


def recent_charges(ledger: Readable, run_id: str, *, at_most: int = 10_000) -> list[tuple[int, str, int]]:
    """Give (cell id, purpose, charged picodollars) of a run's newest charged attempts, oldest first."""
    query = f"""
        SELECT attempt_id, cell_id, purpose, charged_pico_usd FROM attempts JOIN cells USING (cell_id)
        WHERE cells.run_id IN :run_ids AND attempts.status = 'succeeded' AND charged_pico_usd > 0
        ORDER BY attempt_id DESC LIMIT {at_most}
    """
    newest = [(row.cell_id, row.purpose, row.charged_pico_usd) for row in select_rows(ledger, query, [run_id])]
    return newest[::-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCharges:
    """What the samples of one model of a run cost so far.

    Attributes:
        pico_usd: charged attempts of any purpose; those whose bill is not known are left out.
        n_samples: with such an attempt.
    """

    provider: str
    model: str
    setting: str | None
    pico_usd: int
    n_samples: int


def model_charges(ledger: Readable, run_id: str) -> list[ModelCharges]:
    """Sum what a run's samples cost so far, model by model."""
    query = """
        SELECT provider, model, setting, sum(charged_pico_usd) AS pico_usd, count(DISTINCT planned_id) AS n_samples
        FROM attempts JOIN cells USING (cell_id)
        WHERE cells.run_id IN :run_ids AND charged_pico_usd IS NOT NULL AND planned_id IS NOT NULL
        GROUP BY provider, model, setting
    """
    return [record_of(ModelCharges, row, pico_usd=int(row.pico_usd)) for row in select_rows(ledger, query, [run_id])]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question as it is sent: an answer to one that differs in anything is no answer to it.

    Attributes:
        parameters: every parameter as sent.
        messages: as sent, JSON values; images by digest.
    """

    provider: str
    model: str
    parameters: Mapping[str, object]
    messages: Sequence[Mapping[str, object]]
    epoch: int


def find_answer(ledger: Readable, asked: Asked, *, outside_run: str = "") -> TranscriptRow | None:
    """Find the oldest stored answer to the same question; `outside_run` = answers of this run do not count."""
    query = f"""
        {_TRANSCRIPT} JOIN parameter_sets USING (parameter_set_id) JOIN planned_samples USING (planned_id)
        WHERE prompts.sha256 = :prompt AND parameter_sets.sha256 = :parameters AND attempts.status = 'succeeded'
            AND attempts.purpose = 'solve' AND cells.run_id <> :outside_run
            AND cells.provider = :provider AND cells.model = :model AND planned_samples.epoch = :epoch
        ORDER BY attempts.attempt_id LIMIT 1
    """
    found = select_rows(
        ledger,
        query,
        prompt=hashlib.sha256(canonical_json(asked.messages).encode()).digest(),
        parameters=hashlib.sha256(canonical_json(asked.parameters).encode()).hexdigest(),
        provider=asked.provider,
        model=asked.model,
        epoch=asked.epoch,
        outside_run=outside_run,
    )
    return next((_transcript(row, Compression()) for row in found), None)


def _transcript(row: StoredRow, compression: Compression) -> TranscriptRow:
    return record_of(
        TranscriptRow,
        row,
        refused=bool(row.refused),
        messages=read_json(compression.unpack(row.body).decode()),
        answer=compression.unpack_text(row.answer),
        reasoning=None if row.reasoning is None else compression.unpack_text(row.reasoning),
        tool_calls=() if row.tool_calls is None else tuple(read_json(compression.unpack(row.tool_calls).decode())),
    )
