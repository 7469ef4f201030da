"""The facts of one sample on one model: what was asked and said, how it was scored, every attempt and what it cost.

Data flows ids -> rows found by index + price book -> `OneSample`, which terminal and view lay out. Long texts are read
from their beginning, so that memory does not grow with a transcript.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.ledger import CellRecord, Ledger, PlannedRecord, RunRecord
from harness.ledger.reading.attempt_rows import ScoreRow, attempts_of_sample, scores_of
from harness.ledger.reading.charged_rows import charged_by_id
from harness.ledger.reading.conversations.turn_columns import limit_of
from harness.ledger.reading.export_rows import PlannedSample, Scored
from harness.ledger.reading.sums import all_invoiced_of, tool_costs_of
from harness.ledger.reading.viewed.long_texts import Beginning, beginning_of
from harness.ledger.reading.viewed.sample_ids import cell_of, planned_sample
from harness.ledger.records import InvoicedRecord
from harness.models import ModelSpec
from harness.pricing.book import PriceBook
from harness.reports.exports.attempt_rates import AttemptRates
from harness.reports.exports.sample_bills import SampleBills, Standing
from harness.reports.exports.whole_samples import WholeSample
from harness.reports.imported.log_bounds import log_gaps
from harness.reports.samples.attempt_bills import AttemptFacts, attempt_bill
from harness.reports.samples.conversation import MOST_TURNS, TURN_BYTES, Conversation, conversation_of, is_lost
from harness.reports.samples.said_messages import Message, laid_out

SHOWN_BYTES = 200_000
"""Of each text on a page; the whole is a file."""
WHOLE = 1 << 62
MOST_PROMPT_BYTES = 2_000_000
"""A longer prompt is not laid out message by message: it is shown as it is stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What was said in an attempt; None = it was not kept, or there was none.

    Attributes:
        messages: None = the prompt is too long to be laid out: `prompt` has its beginning as it is stored.
        tool_calls: JSON as it is stored.
    """

    prompt: Beginning
    answer: Beginning | None
    reasoning: Beginning | None
    messages: tuple[Message, ...] | None
    tool_calls: Beginning | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OneSample:
    """A sample on one cell.

    Attributes:
        standing: which attempt counts, and what the report counts for its attempts by purpose.
        whole: the sample with the score that counts, as exports have it; it holds no texts.
        scores: every score of every attempt, in the order recorded.
        said: in the attempt that counts, as far as texts were asked for.
        conversation: None = the sample is a single request, or texts were not asked for.
    """

    run: RunRecord
    cell: CellRecord
    planned: PlannedRecord
    standing: Standing
    whole: WholeSample
    attempts: tuple[AttemptFacts, ...]
    scores: tuple[ScoreRow, ...]
    said: Said | None
    conversation: Conversation | None = None

    @property
    def limit(self) -> str | None:
        """The limit that ended it; None = none did."""
        return limit_of(self.whole.rule, self.whole.reason)

    @property
    def model_name(self) -> str:
        """The model as it is typed."""
        return str(ModelSpec.of(self.cell))

    @property
    def verdict(self) -> str:
        """Right, wrong, a share between, or why there is no score."""
        score = self.whole.counted_score
        if self.whole.reason is not None:
            return f"{'wrong' if score == 0 else 'no score'}: {self.whole.reason}"
        assert score is not None  # there is a score where there is no reason for none
        return {0.0: "wrong", 1.0: "right"}.get(score, f"{score:.2f} right")

    @property
    def counted_attempt_id(self) -> int | None:
        """The attempt that counts; None = the model was not asked."""
        return None if self.standing.tried is None else self.standing.tried.attempt_id


def one_sample(
    ledger: Ledger, book: PriceBook, cell_id: int, planned_id: int, *, text_bytes: int = SHOWN_BYTES
) -> OneSample | None:
    """Gather everything known of a sample on a cell; None when the two are not of one run and suite.

    Args:
        text_bytes: of each text at most; 0 = texts are not read.
    """
    with ledger.at_one_moment() as still:
        return _gathered(still, book, cell_id, planned_id, text_bytes)


def _gathered(ledger: Ledger, book: PriceBook, cell_id: int, planned_id: int, text_bytes: int) -> OneSample | None:
    cell, planned = cell_of(ledger, cell_id), planned_sample(ledger, planned_id)
    if cell is None or planned is None or (cell.run_id, cell.suite) != (planned.run_id, planned.suite):
        return None
    assert cell.run_id is not None
    run = ledger.run(cell.run_id)
    assert run is not None  # the ledger's foreign keys say so
    standing = Standing(planned_id)
    attempts = tuple(_attempts(ledger, book, cell_id, standing))
    if standing.solve.n_attempts:  # what a log lacks may be requests of this sample
        standing.solve = standing.solve.plus(log_gaps(run))
    scores = tuple(scores_of(ledger, [each.row.attempt_id for each in attempts]))
    counted = None if standing.tried is None else standing.tried.attempt_id
    return OneSample(
        run=run,
        cell=cell,
        planned=planned,
        standing=standing,
        whole=_whole(cell, planned, standing, scores, is_lost=is_lost(attempts)),
        attempts=attempts,
        scores=scores,
        said=said_in(ledger, counted, text_bytes) if counted is not None and text_bytes else None,
        conversation=_conversation(ledger, attempts, text_bytes) if text_bytes else None,
    )


def _conversation(ledger: Ledger, attempts: Sequence[AttemptFacts], text_bytes: int) -> Conversation | None:
    if text_bytes >= WHOLE:
        return conversation_of(ledger, attempts, turn_bytes=text_bytes, most_turns=len(attempts))
    return conversation_of(ledger, attempts, turn_bytes=min(text_bytes, TURN_BYTES), most_turns=MOST_TURNS)


def _attempts(ledger: Ledger, book: PriceBook, cell_id: int, standing: Standing) -> Iterator[AttemptFacts]:
    rows = {row.attempt_id: row for row in attempts_of_sample(ledger, cell_id, standing.planned_id)}
    told: dict[int, list[InvoicedRecord]] = {}
    for fact in all_invoiced_of(ledger, list(rows)):
        told.setdefault(fact.attempt_id, []).append(fact)
    tools = tool_costs_of(ledger, list(rows))
    bills = SampleBills(ledger, AttemptRates(book))
    for row, spend in (pair for some in charged_by_id(ledger, list(rows)) for pair in bills.spends(some)):
        standing.take(row, spend)
        facts = told.get(row.attempt_id, ())
        bill = attempt_bill(bills.rates, row, rows[row.attempt_id], spend, facts)
        yield AttemptFacts(row=rows[row.attempt_id], bill=bill, told=tuple(facts), tool=tools.get(row.attempt_id))


def _whole(
    cell: CellRecord, planned: PlannedRecord, standing: Standing, scores: Sequence[ScoreRow], *, is_lost: bool
) -> WholeSample:
    assert planned.planned_id is not None
    counted = [score for score in scores if standing.tried and score.attempt_id == standing.tried.attempt_id]
    newest = counted[-1] if counted else None
    scored = None if newest is None else Scored(
        newest.attempt_id, newest.value_millionths, newest.reason, newest.answer, newest.rule, newest.scorer
    )  # fmt: skip
    sample = PlannedSample(
        planned.planned_id, planned.task, planned.sample_id, planned.epoch, planned.inclusion_probability,
        planned.reference,
    )  # fmt: skip
    return WholeSample(cell=cell, sample=sample, standing=standing, scored=scored, said=None, is_lost=is_lost)


def said_in(ledger: Ledger, attempt_id: int, text_bytes: int) -> Said | None:
    """Read what was said in an attempt, each text from its beginning; None when it was not kept."""
    prompt = beginning_of(ledger, attempt_id, "prompt", most_bytes=max(MOST_PROMPT_BYTES, text_bytes))
    if prompt is None:
        return None
    return Said(
        prompt=prompt,
        answer=beginning_of(ledger, attempt_id, "answer", most_bytes=text_bytes),
        reasoning=beginning_of(ledger, attempt_id, "reasoning", most_bytes=text_bytes),
        messages=_messages(prompt, text_bytes),
        tool_calls=beginning_of(ledger, attempt_id, "tool_calls", most_bytes=text_bytes),
    )


def _messages(prompt: Beginning, text_bytes: int) -> tuple[Message, ...] | None:
    stored = json.loads(prompt.text) if prompt.is_whole else None
    if not isinstance(stored, list):  # too long, or what a log held could not be stored
        return None
    return tuple(laid_out(message, text_bytes) for message in stored)
