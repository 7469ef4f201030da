"""A sample with all that is known of it: what was asked and said, how it was scored, what its attempts cost.

Data flows planned samples + standings, scores and transcripts, some samples at a time -> `WholeSample`, for the exports
that write one record per sample. Memory does not grow with the ledger; equal ledgers give equal samples in equal order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import NamedTuple

from harness.ledger import CellRecord, Ledger, RunRecord
from harness.ledger.reading.attempt_rows import transcripts_of
from harness.ledger.reading.conversations.turn_columns import has_turns
from harness.ledger.reading.export_rows import (
    PlannedSample,
    Scored,
    planned_ids,
    planned_samples,
    scores_by_attempt,
)
from harness.ledger.records import TranscriptRow
from harness.replies.unscored import COUNTED_WRONG
from harness.reports.exports.sample_bills import ANSWERED, SampleBills, Standing
from harness.reports.facts.samples.turn_totals import SampleFigures, SampleTurns, sample_turns
from harness.reports.precision.drawn_samples import DrawnSample, drawn_samples
from harness.secrets import redact_known

SAMPLES_AT_A_TIME = 200
"""Whose texts are read at once: a reply with its reasoning can have a megabyte."""


class Texts(NamedTuple):
    """What was said in the attempt that counts, as files of every format can hold it; None = it was not kept."""

    question: str | None = None
    reply: str | None = None
    reasoning: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeSample:
    """One planned sample on one cell.

    Attributes:
        said: stored transcript of the attempt that counts; None = there is none.
        scored: the score that counts for that attempt; None = no scorer gave one.
        drawn: how waves drew it, whose probability `sample` then has; None = everything planned is asked.
        told: its conversation; None = it is a single request.
        is_lost: its newest request failed, though earlier ones of its conversation were answered.
    """

    cell: CellRecord
    sample: PlannedSample
    standing: Standing
    scored: Scored | None
    said: TranscriptRow | None
    drawn: DrawnSample | None = None
    told: SampleFigures | None = None
    is_lost: bool = False

    @property
    def texts(self) -> Texts:
        """Give question, reply and reasoning as texts."""
        if self.said is None:
            return Texts()
        reasoning = None if self.said.reasoning is None else storable_text(self.said.reasoning)
        return Texts(redact_known(question_text(self.said.messages)), storable_text(self.said.answer), reasoning)

    @property
    def reason(self) -> str | None:
        """Say why there is no score, as reports count it; None = there is one."""
        if self.scored is None:
            return _without_score(self.standing, is_lost=self.is_lost)
        return self.scored.reason if self.scored.value_millionths is None else None

    @property
    def counted_score(self) -> float | None:
        """Give the score as reports count it, 0 to 1; None = nothing is known of the model."""
        if self.scored is not None and self.scored.value_millionths is not None:
            return self.scored.value_millionths / 1_000_000
        return 0.0 if self.reason in COUNTED_WRONG else None

    @property
    def answer(self) -> str | None:
        """The answer as extracted."""
        return None if self.scored is None else self.scored.answer

    @property
    def scorer(self) -> str | None:
        """Name of the scorer."""
        return None if self.scored is None else self.scored.scorer

    @property
    def rule(self) -> str | None:
        """The extraction rule that fired."""
        return None if self.scored is None else self.scored.rule


def _without_score(one: Standing, *, is_lost: bool) -> str:
    """Say why there is no score where no scorer did: as reports count it."""
    if one.tried is None:
        return "not_asked"
    if is_lost:
        return "failed"
    return "pending" if one.tried.status in (*ANSWERED, "sent") else "failed"


def cells_of(ledger: Ledger, run_ids: Sequence[str] | None) -> Iterator[tuple[RunRecord, CellRecord]]:
    """Give every cell with its run, in the order of the runs; `run_ids` None = every run."""
    stored = {run.run_id: run for run in ledger.runs()}
    for run_id in stored if run_ids is None else dict.fromkeys(run_ids):
        for cell in ledger.cells(run_id):
            yield stored[run_id], cell


class Conversations:
    """The conversations of runs, read once for all cells of a run; most runs have none."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._run_id: str | None = None
        self._found: SampleTurns | None = None

    def of_cell(self, cell: CellRecord) -> Mapping[int, SampleFigures]:
        """Give those of a cell by planned answer."""
        assert cell.run_id is not None  # it is stored
        assert cell.cell_id is not None
        if cell.run_id != self._run_id:
            self._run_id = cell.run_id
            self._found = sample_turns(self._ledger, cell.run_id) if has_turns(self._ledger, cell.run_id) else None
        return {} if self._found is None else self._found.of_cell(cell.cell_id)


def whole_samples(
    ledger: Ledger, bills: SampleBills, cell: CellRecord, conversations: Conversations
) -> Iterator[list[WholeSample]]:
    """Give all planned samples of a cell in the order planned, those that nobody asked included, some at a time.

    Where waves decide what is asked, what they did not draw is not missing and left out.
    """
    told = conversations.of_cell(cell)
    assert cell.cell_id is not None  # it is stored
    assert cell.run_id is not None
    planned = planned_ids(ledger, cell.run_id, cell.suite)
    drawn = drawn_samples(ledger, cell)
    standings = _with_untried(planned, bills.of_cell(cell.cell_id), drawn)
    while some := list(islice(standings, SAMPLES_AT_A_TIME)):
        found = _whole(ledger, cell, some, drawn or {})
        yield found if not told else [_with_conversation(one, told.get(one.sample.planned_id)) for one in found]


def _with_conversation(one: WholeSample, told: SampleFigures | None) -> WholeSample:
    return one if told is None else replace(one, told=told, is_lost=told.is_lost)


def _with_untried(
    planned: Sequence[int], tried: Iterator[Standing], drawn: Mapping[int, DrawnSample] | None
) -> Iterator[Standing]:
    following = next(tried, None)
    for planned_id in planned:
        if following is not None and following.planned_id == planned_id:
            yield following
            following = next(tried, None)
        elif drawn is None or planned_id in drawn:
            yield Standing(planned_id)


def _whole(
    ledger: Ledger, cell: CellRecord, standings: Sequence[Standing], drawn: Mapping[int, DrawnSample]
) -> list[WholeSample]:
    tried = [one.tried.attempt_id for one in standings if one.tried is not None]
    samples = planned_samples(ledger, [one.planned_id for one in standings])
    scores = scores_by_attempt(ledger, tried)
    said = {row.attempt_id: row for row in transcripts_of(ledger, tried)}
    found = []
    for one in standings:
        attempt_id = -1 if one.tried is None else one.tried.attempt_id
        sample, own = samples[one.planned_id], drawn.get(one.planned_id)
        found.append(
            WholeSample(
                cell=cell,
                sample=sample if own is None else sample._replace(inclusion_probability=own.inclusion_probability),
                drawn=own,
                standing=one,
                scored=scores.get(attempt_id),
                said=said.get(attempt_id),
            )
        )
    return found


def storable_text(text: str) -> str:
    """Read a text as files of every format can hold it: halves of characters become question marks, keys are masked."""
    return redact_known(text).encode("utf-8", "replace").decode()


def question_text(messages: Sequence[Mapping[str, object]]) -> str:
    """Write the messages of a conversation as one text; roles are named where there are several.

    Args:
        messages: as stored: `content` is a text or a list of texts and of images by digest.
    """
    texts = list(map(spoken_text, messages))
    if len(texts) == 1:
        return texts[0]
    return "\n\n".join(f"{message['role']}: {text}" for message, text in zip(messages, texts, strict=True))


def spoken_text(message: Mapping[str, object]) -> str:
    """Write what a message says, and below it the tools that it calls."""
    calls = message.get("tool_calls")
    called = [one for one in calls if isinstance(one, Mapping)] if isinstance(calls, list) else []
    lines = (f"calls {one.get('name', '')} {one.get('arguments', '')}" for one in called)
    said = message_text(message["content"])
    return "\n".join(filter(None, (said, *lines))) if called else said


def message_text(content: object) -> str:
    """Write what a message holds as one text, each image as `[image]`."""
    parts = content if isinstance(content, list | tuple) else [content]
    return "\n".join(part if isinstance(part, str) else "[image]" for part in parts)
