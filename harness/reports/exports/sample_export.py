"""The export table `samples`: one row per sample of a suite on a model setting, with question, answer, score and cost.

Data flows whole samples -> `RowStream`. Memory does not grow with the ledger; equal ledgers give equal rows, by cell in
the order planned.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from harness.documents.stream import RowStream
from harness.documents.table import Column
from harness.ledger import Ledger
from harness.ledger.reading.conversations.turn_columns import has_turns
from harness.pricing.book import PriceBook
from harness.replies.unscored import COUNTED_WRONG
from harness.reports.exports.attempt_exports import NAME_COLUMNS
from harness.reports.exports.attempt_rates import AttemptRates
from harness.reports.exports.sample_bills import SampleBills, Standing
from harness.reports.exports.whole_samples import Conversations, WholeSample, cells_of, whole_samples
from harness.reports.facts.report_facts import Spend
from harness.reports.precision.drawn_samples import DrawnSample, is_drawn

MOST_ROWS, MOST_CHARACTERS = 5_000, 4_000_000
"""Of a batch of the stream."""

_WRONG = ", ".join(f"`{reason}`" for reason in sorted(COUNTED_WRONG))
SAMPLES: tuple[Column, ...] = (
    *NAME_COLUMNS,
    Column(name="inclusion_probability", kind="decimal", description="Of being drawn: 1 where all samples are asked;"
           " where waves drew, the share of the stratum's units that had this repeat drawn in the end."),
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

DRAWN: tuple[Column, ...] = (
    Column(name="stratum", description="Part of the suite from which waves drew it; empty = its run asked everything."),
    Column(name="wave", kind="integer", description="Wave that drew it, 0 = the pilot."),
    Column(name="unit", kind="integer", description="Place of its unit in the stratum's order; samples of one unit are"
           " drawn together."),
)  # fmt: skip
"""Columns besides where waves drew some of the samples."""

CONVERSED: tuple[Column, ...] = (
    Column(name="n_turns", kind="integer", description="Answers of the model in the conversation that stands; empty ="
           " a single request."),
    Column(name="n_tool_calls", kind="integer", description="Tool calls that those wanted made; empty = no texts."),
    Column(name="n_user_tool_calls", kind="integer", description="Tool calls of the simulated user, likewise."),
    Column(name="wall_s", kind="decimal", unit="s", description="From the conversation's first request to its last"
           " answer; `duration_s` is that of its last answer alone."),
    Column(name="limit", description="Limit that ended it: `usd`, `turns`, `tokens`, `seconds`; empty = none did."),
)  # fmt: skip
"""Columns besides where some sample is a conversation of many requests."""

Row = tuple[object, ...]


def sample_stream(ledger: Ledger, book: PriceBook, run_ids: Sequence[str] | None = None) -> RowStream:
    """Open the table for reading; `run_ids` None = every run."""
    chosen = [run for run in ledger.runs() if run_ids is None or run.run_id in run_ids]
    more = _More(draws=any(map(is_drawn, chosen)), conversations=any(has_turns(ledger, run.run_id) for run in chosen))
    columns = (*SAMPLES, *(DRAWN if more.draws else ()), *(CONVERSED if more.conversations else ()))
    return RowStream(name="samples", columns=columns, batches=_gathered(_parts(ledger, book, run_ids, more)))


class _More(NamedTuple):
    """Which columns there are besides."""

    draws: bool
    conversations: bool


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


def _parts(ledger: Ledger, book: PriceBook, run_ids: Sequence[str] | None, more: _More) -> Iterator[list[Row]]:
    bills, told = SampleBills(ledger, AttemptRates(book)), Conversations(ledger)
    for _, cell in cells_of(ledger, run_ids):
        for some in whole_samples(ledger, bills, cell, told):
            yield [_row(one) for one in some] if not any(more) else [(*_row(one), *_besides(one, more)) for one in some]


def _besides(one: WholeSample, more: _More) -> Iterator[object]:
    if more.draws:
        yield from _draw(one.drawn)
    if more.conversations:
        yield from (None,) * len(CONVERSED) if one.told is None else one.told[: len(CONVERSED)]


def _row(one: WholeSample) -> Row:
    cell, sample, texts = one.cell, one.sample, one.texts
    return (
        cell.run_id, cell.suite, cell.suite_version, sample.task, sample.sample_id, sample.epoch,
        cell.provider, cell.model, cell.setting, cell.simulated,
        sample.inclusion_probability, texts.question, sample.reference, one.answer, texts.reply, texts.reasoning,
        one.counted_score, one.reason, one.scorer, one.rule,
        *_tokens_and_costs(one.standing), *_of_attempt(one.standing), *_bill(one.standing.others),
    )  # fmt: skip


def _draw(drawn: DrawnSample | None) -> Row:
    return (None,) * len(DRAWN) if drawn is None else (drawn.stratum, drawn.wave, drawn.unit)


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
