"""The export table `samples`: one row per sample of a suite on a model setting, with question, answer, score and cost.

Data flows planned samples + standings, scores and transcripts, some samples at a time -> `RowStream`. Memory does not
grow with the ledger; equal ledgers give equal rows, by cell in the order planned.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from harness.documents.stream import RowStream
from harness.documents.table import Column
from harness.ledger import CellRecord, Ledger
from harness.ledger.reading.attempt_rows import transcripts_of
from harness.ledger.reading.export_rows import planned_ids, planned_samples, scores_by_attempt
from harness.ledger.records import TranscriptRow
from harness.pricing.book import PriceBook
from harness.reports.exports.attempt_exports import NAME_COLUMNS
from harness.reports.exports.attempt_rates import AttemptRates
from harness.reports.exports.sample_bills import ANSWERED, SampleBills, Standing
from harness.reports.facts.report_facts import Spend
from harness.scorers.values import COUNTED_WRONG
from harness.secrets import redact_known

SAMPLES_AT_A_TIME = 200
"""Whose texts are read at once: a reply with its reasoning can have a megabyte."""
MOST_ROWS, MOST_CHARACTERS = 5_000, 4_000_000
"""Of a batch of the stream."""

_WRONG = ", ".join(f"`{reason}`" for reason in sorted(COUNTED_WRONG))
SAMPLES: tuple[Column, ...] = (
    *NAME_COLUMNS,
    Column(name="inclusion_probability", kind="decimal", description="Of being drawn: 1 where all samples are asked."),
    Column(name="question", description="Messages as sent, each image as `[image]`; empty without a stored reply."),
    Column(
        name="reference",
        description="Right answer as the scorer compares it, several as a JSON list; empty where programs are tested or"
        " no transcripts were kept.",
    ),
    Column(name="answer", description="Answer as extracted from the reply."),
    Column(name="reply", description="Whole reply; empty where no transcripts were kept."),
    Column(name="reasoning", description="Reasoning that came with the reply; empty where none was shown or kept."),
    Column(
        name="score",
        kind="ratio",
        description=f"0 to 1 as reports count: 0 where the reply holds no answer (reason {_WRONG}), empty where nothing"
        " is known of the model. Its average by suite and model setting is the report's score, save where the suite"
        " weighs its tasks, `inclusion_probability` varies (weigh by 1 / it), or only some repeats of a sample count.",
    ),
    Column(name="reason", description="Why there is no score, `not_asked` for a sample that was never sent."),
    Column(name="scorer", description="Scorer."),
    Column(name="rule", description="Extraction rule that fired."),
    Column(name="status", description="How the attempt that counts ended, as in `attempts`; empty = never sent."),
    Column(name="n_attempts", kind="integer", description="Solving requests sent; reused answers are not among them."),
    Column(name="n_retries", kind="integer", description="Solving attempts that repeat an earlier one."),
    Column(name="input_tokens", kind="integer", unit="tokens", description="Uncached input of all solving attempts"
           " whose usage is known; empty = of none."),
    Column(name="cache_read_tokens", kind="integer", unit="tokens", description="Input read from a cache, likewise."),
    Column(name="cache_write_tokens", kind="integer", unit="tokens", description="Input written to one, likewise."),
    Column(name="output_tokens", kind="integer", unit="tokens", description="Everything generated, likewise."),
    Column(name="reasoning_tokens", kind="integer", unit="tokens", description="Of the output; empty = not itemised."),
    Column(name="cost_usd", kind="usd", unit="USD", description="All solving attempts as the report charges them: at"
           " list price, or as stated where there is none; empty = unpriced. Sums to the report's cost."),
    Column(name="cost_is_lower_bound", kind="boolean", description="Whether something of it is not known."),
    Column(name="judge_cost_usd", kind="usd", unit="USD", description="All of its judge's attempts, likewise."),
    Column(name="judge_cost_is_lower_bound", kind="boolean", description="Whether something of it is not known."),
    Column(name="duration_s", kind="decimal", unit="s", description="Of the answered attempt, from sending to its end;"
           " empty for reused answers."),
    Column(name="time_to_first_byte_s", kind="decimal", unit="s", description="Of the answered attempt."),
    Column(name="finish_reason", description="Of the attempt that counts: `stop`, `length` (cut at the cap), ..."),
    Column(name="refused", kind="boolean", description="Whether the model refused."),
    Column(name="attempt_id", kind="integer", description="The attempt that counts: the newest answered, else newest."),
    Column(name="request_id", description="Our id of that attempt."),
    Column(name="other_cost_usd", kind="usd", unit="USD", description="Models that played its user, and models that"
           " tools asked, likewise."),
    Column(name="other_cost_is_lower_bound", kind="boolean", description="Whether something of it is not known."),
)  # fmt: skip

Row = tuple[object, ...]
_Texts = tuple[str, str, str | None]
"""Question, reply, reasoning."""
_NO_SCORE = (None,) * 6
_NO_TEXTS = (None, None, None)


def sample_stream(ledger: Ledger, book: PriceBook, run_ids: Sequence[str] | None = None) -> RowStream:
    """Open the table for reading; `run_ids` None = every run."""
    return RowStream(name="samples", columns=SAMPLES, batches=_gathered(_parts(ledger, book, run_ids)))


def _gathered(parts: Iterator[list[Row]]) -> Iterator[list[Sequence[object]]]:
    """Join parts to batches, as many rows as a file is written in well, fewer where texts are long."""
    rows: list[Row] = []
    n_characters = 0
    for part in parts:
        rows += part
        n_characters += sum(len(value) for row in part for value in row if isinstance(value, str))
        if len(rows) >= MOST_ROWS or n_characters >= MOST_CHARACTERS:
            yield list(zip(*rows, strict=True))
            rows, n_characters = [], 0
    if rows:
        yield list(zip(*rows, strict=True))


def _parts(ledger: Ledger, book: PriceBook, run_ids: Sequence[str] | None) -> Iterator[list[Row]]:
    bills = SampleBills(ledger, AttemptRates(book))
    wanted = [run.run_id for run in ledger.runs()] if run_ids is None else list(dict.fromkeys(run_ids))
    for run_id in wanted:
        for cell in ledger.cells(run_id):
            assert cell.cell_id is not None  # it is stored
            standings = _with_untried(planned_ids(ledger, run_id, cell.suite), bills.of_cell(cell.cell_id))
            while some := list(islice(standings, SAMPLES_AT_A_TIME)):
                yield _rows(ledger, cell, some)


def _with_untried(planned: Sequence[int], tried: Iterator[Standing]) -> Iterator[Standing]:
    following = next(tried, None)
    for planned_id in planned:
        if following is not None and following.planned_id == planned_id:
            yield following
            following = next(tried, None)
        else:
            yield Standing(planned_id)


def _rows(ledger: Ledger, cell: CellRecord, standings: Sequence[Standing]) -> list[Row]:
    tried = [one.tried.attempt_id for one in standings if one.tried is not None]
    samples = planned_samples(ledger, [one.planned_id for one in standings])
    scores = scores_by_attempt(ledger, tried)
    said = {row.attempt_id: _texts(row) for row in transcripts_of(ledger, tried)}
    rows = []
    for one in standings:
        sample = samples[one.planned_id]
        attempt_id = -1 if one.tried is None else one.tried.attempt_id
        question, reply, reasoning = said.get(attempt_id, _NO_TEXTS)
        _, millionths, why, answer, rule, scorer = scores.get(attempt_id, _NO_SCORE)
        reason = None if millionths is not None else why or _without_score(one)
        rows.append((
            cell.run_id, cell.suite, cell.suite_version, sample.task, sample.sample_id, sample.epoch,
            cell.provider, cell.model, cell.setting, cell.simulated,
            sample.inclusion_probability, question, sample.reference, answer, reply, reasoning,
            _counted(millionths, reason), reason, scorer, rule, *_tokens_and_costs(one), *_of_attempt(one),
            *_bill(one.others),
        ))  # fmt: skip
    return rows


def _without_score(one: Standing) -> str:
    """Say why there is no score where no scorer did: as reports count it."""
    if one.tried is None:
        return "not_asked"
    return "pending" if one.tried.status in (*ANSWERED, "sent") else "failed"


def _counted(millionths: int | None, reason: str | None) -> float | None:
    if millionths is not None:
        return millionths / 1_000_000
    return 0.0 if reason in COUNTED_WRONG else None


def _tokens_and_costs(one: Standing) -> Row:
    status = None if one.tried is None else one.tried.status
    tokens = one.solve.tokens
    counts: Row = (None,) * 5
    if one.n_usage_known:
        counts = (tokens.input_tokens, tokens.cache_read_tokens, tokens.cache_write_tokens, tokens.output_tokens,
                  tokens.reasoning_tokens)  # fmt: skip
    return (status, one.solve.n_attempts, one.n_retries, *counts, *_bill(one.solve), *_bill(one.judge))


def _bill(spend: Spend) -> Row:
    return (spend.known_usd, spend.is_lower_bound)


def _of_attempt(one: Standing) -> Row:
    tried = one.tried
    if tried is None:
        return (None,) * 6
    duration_s = first_s = None
    if tried.status == "succeeded" and tried.finished_at_us is not None:
        duration_s = (tried.finished_at_us - tried.started_at_us) / 1_000_000
        first_s = None if tried.first_byte_us is None else tried.first_byte_us / 1_000_000
    return (duration_s, first_s, tried.finish_reason, bool(tried.refused), tried.attempt_id, tried.request_id)


def _texts(said: TranscriptRow) -> _Texts:
    reasoning = None if said.reasoning is None else _storable_text(said.reasoning)
    return redact_known(question_text(said.messages)), _storable_text(said.answer), reasoning


def _storable_text(text: str) -> str:
    """Read a text as files of every format can hold it: halves of characters become question marks, keys are masked."""
    return redact_known(text).encode("utf-8", "replace").decode()


def question_text(messages: Sequence[Mapping[str, object]]) -> str:
    """Write the messages of a conversation as one text; roles are named where there are several.

    Args:
        messages: as stored: `content` is a text or a list of texts and of images by digest.
    """
    texts = [_content(message["content"]) for message in messages]
    if len(texts) == 1:
        return texts[0]
    return "\n\n".join(f"{message['role']}: {text}" for message, text in zip(messages, texts, strict=True))


def _content(content: object) -> str:
    parts = content if isinstance(content, list | tuple) else [content]
    return "\n".join(part if isinstance(part, str) else "[image]" for part in parts)
