"""The page of one sample on one model: what was asked and said, how it was scored, every attempt and its bill."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import orjson

from harness.documents.page import Figure
from harness.documents.table import Table, without_repeated
from harness.instants import from_us
from harness.ledger.encoding import read_json
from harness.ledger.reading.viewed.long_texts import Beginning, Which, text_pieces
from harness.money import plain
from harness.rendering.export_files import stream_of
from harness.reports.imported.log_bounds import bound_reasons
from harness.reports.samples.attempt_bills import AttemptFacts
from harness.reports.samples.attempt_times import time_line
from harness.reports.samples.conversation import Conversation, ShownTurn
from harness.reports.samples.one_sample import SHOWN_BYTES, OneSample, one_sample, said_in
from harness.reports.samples.prompt_images import PromptImage, prompt_images
from harness.reports.samples.said_messages import Message
from harness.reports.samples.sample_tables import (
    attempts_table,
    bills_table,
    conversation_sentences,
    cost_basis,
    cost_sentences,
    lines_table,
    prices_table,
    scores_table,
)
from harness.view.answers.sample_walk import neighbours
from harness.view.page_addresses import question_address, run_address, sample_address
from harness.view.page_values import Asked, Grid, NotThere, Pieces, Rows, Shown

MOST_DETAILS = 200
"""Attempts that are drawn and told apart beside the table: agents make thousands."""
RENDERED_BYTES = 50_000
"""Of each text that is rendered; the whole is a file."""
_INDENTED = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS
_TEXTS: Mapping[Which, str] = {
    "prompt": "Prompt", "reasoning": "Reasoning", "answer": "Answer", "tool_calls": "Tool calls",
}  # fmt: skip
OPEN_TURNS, OPEN_AT_ENDS = 12, 3
"""Turns up to which all of a conversation are open; of a longer one only so many at either end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LongText:
    """A text on the page.

    Attributes:
        text: its beginning.
        n_bytes: of the whole.
        address: of the whole as a file; empty where all of it is shown.
    """

    name: str
    title: str
    text: str
    n_bytes: int
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptDetail:
    """What belongs to one attempt beside the tables."""

    facts: AttemptFacts
    raw_usage: str
    parameters: str
    texts_address: str
    is_shown: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnOnPage:
    """A turn with what stands at its head."""

    turn: ShownTurn
    figures: str
    address: str
    is_open: bool


def sample_page(asked: Asked) -> Shown:
    """Show one sample on one model; `?attempt=N` shows what was said in another attempt than the one that counts."""
    rendered = asked.one("rendered") == "1"
    text_bytes = RENDERED_BYTES if rendered else SHOWN_BYTES
    found, attempt_id = _found(asked, text_bytes)
    tables = {table.name: table for table in _tables(found)}
    is_only_wrong = list(asked.many("verdict")) == ["wrong"]
    return Shown(
        template="sample.html.j2",
        title=f"{found.planned.task}/{found.planned.sample_id} · {found.model_name}",
        values={
            "sample": found,
            "verdict": found.verdict,
            "verdict_mark": _mark(found.verdict),
            "figures": tuple(_figures(found)),
            "attempt_id": attempt_id,
            "texts": tuple(_texts(asked, found, text_bytes)),
            "messages": _asked_messages(found),
            "conversation": found.conversation,
            "conversation_sentences": tuple(
                () if found.conversation is None else conversation_sentences(found, found.conversation)
            ),
            "turns": tuple(_turns(found)),
            "turns_address": asked.address(attempt="") if asked.one("attempt") and _has_turns(found) else "",
            "images": _images(found),
            "grids": {name: Grid(table=table) for name, table in tables.items() if table.rows},
            "cost_sentences": (*cost_sentences(found), *bound_reasons(found.run)),
            "time_line": time_line([each.row for each in found.attempts[:MOST_DETAILS]]),
            "n_not_told": max(0, len(found.attempts) - MOST_DETAILS),
            "details": tuple(_details(found, attempt_id)),
            "rendered": rendered,
            "toggle_address": asked.address(rendered="" if rendered else "1"),
            "walk": neighbours(asked),
            "only_wrong": asked.address(verdict="" if is_only_wrong else "wrong"),
            "is_only_wrong": is_only_wrong,
            "run_address": run_address(found.run.run_id),
            "question_address": question_address(found.run.run_id, _id(found.planned.planned_id)),
        },
        downloads={name: _rows(table) for name, table in tables.items()},
        texts=_whole_texts(asked, attempt_id),
    )


def _has_turns(found: OneSample) -> bool:
    return any(each.row.turn is not None for each in found.attempts)


def _asked_messages(found: OneSample) -> tuple[Message, ...] | None:
    """Give what was asked: of a conversation what stood before anything was said."""
    if found.conversation is not None:
        return found.conversation.opening
    return None if found.said is None else found.said.messages


def _turns(found: OneSample) -> Iterator[TurnOnPage]:
    turns = () if found.conversation is None else found.conversation.turns
    here = sample_address(found.run.run_id, _id(found.cell.cell_id), _id(found.planned.planned_id))
    for place, turn in enumerate(turns):
        is_end = place < OPEN_AT_ENDS or place >= len(turns) - OPEN_AT_ENDS
        yield TurnOnPage(
            turn=turn,
            figures=", ".join(_turn_figures(turn)),
            address=f"{here}?attempt={turn.each.row.attempt_id}",
            is_open=is_end or len(turns) <= OPEN_TURNS,
        )


def _turn_figures(turn: ShownTurn) -> Iterator[str]:
    row, tokens = turn.each.row, turn.each.bill.spend.known_tokens
    if not turn.is_answered:
        yield row.status.replace("_", " ")
    if tokens is not None and turn.is_answered:
        cached = f" ({tokens.cache_read_tokens:,} cached)" if tokens.cache_read_tokens else ""
        yield f"{tokens.entered_tokens:,} in{cached}"
        yield f"{tokens.output_tokens:,} out"
    if turn.usd is not None:
        yield f"${plain(turn.usd)}"
    if turn.each.duration_s is not None:
        yield f"{turn.each.duration_s:,.2f} s"
    if len(turn.tries) > 1:
        yield f"{len(turn.tries):,} tries"


def _whole_texts(asked: Asked, attempt_id: int | None) -> Mapping[str, Pieces]:
    if attempt_id is None:
        return {}
    return {which: partial(text_pieces, asked.sources.ledger, attempt_id, which) for which in _TEXTS}


def _found(asked: Asked, text_bytes: int) -> tuple[OneSample, int | None]:
    """Read the sample, with what was said in the attempt that the address names, else in the one that counts."""
    nothing = NotThere("there is no such sample", where=asked.path, fix="see the samples of the run")
    cell_id, planned_id = asked.number("cell_id", nothing), asked.number("planned_id", nothing)
    ledger, is_other = asked.sources.ledger, bool(asked.one("attempt"))
    found = one_sample(ledger, asked.sources.book, cell_id, planned_id, text_bytes=0 if is_other else text_bytes)
    if found is None or found.run.run_id != asked.names["run_id"]:
        raise nothing
    attempt_id = _chosen_attempt(asked, found)
    if is_other and attempt_id is not None:
        found = replace(found, said=said_in(ledger, attempt_id, text_bytes))
    return found, attempt_id


def _mark(verdict: str) -> str:
    if verdict.startswith("wrong"):
        return "bad"
    return "good" if verdict == "right" else ""


def _chosen_attempt(asked: Asked, found: OneSample) -> int | None:
    wanted = asked.one("attempt")
    if not wanted:
        return found.counted_attempt_id
    if wanted not in {str(each.row.attempt_id) for each in found.attempts}:
        raise NotThere(f"this sample has no attempt {wanted}", where=asked.path, fix="leave ?attempt= out")
    return int(wanted)


def _rows(table: Table) -> Rows:
    return lambda: stream_of(table)


def _tables(found: OneSample) -> Iterator[Table]:
    for make in (lines_table, bills_table, prices_table, scores_table, attempts_table):
        table = without_repeated(without_repeated(make([found]), "model"), "epoch")
        yield replace(table, notes=())


def _figures(found: OneSample) -> Iterator[Figure]:
    tried = found.standing.tried
    yield _cost_figure(found)
    yield from _token_figures(found)
    if found.conversation is not None:
        yield from _conversation_figures(found.conversation)
    elif tried is not None and tried.finished_at_us is not None and tried.status != "reused":
        seconds = (tried.finished_at_us - tried.started_at_us) / 1_000_000
        yield Figure(
            value=f"{seconds:,.2f} s",
            caption="duration",
            detail=f"{from_us(tried.started_at_us):%Y-%m-%d %H:%M:%S} UTC",
        )
    n_retries = found.standing.n_retries
    retries = f"{n_retries:,} {'retry' if n_retries == 1 else 'retries'}" if n_retries else ""
    yield Figure(value=f"{len(found.attempts):,}", caption="attempts", detail=retries)


def _conversation_figures(told: Conversation) -> Iterator[Figure]:
    if told.wall_s is not None:
        yield Figure(value=f"{told.wall_s:,.2f} s", caption="duration", detail="first request to last answer")
    calls = "tool calls not kept" if told.n_calls is None else f"{told.n_calls:,} tool calls"
    yield Figure(value=f"{told.n_turns:,}", caption="turns of the model", detail=calls)


def _cost_figure(found: OneSample) -> Figure:
    solve, usd = found.standing.solve, found.standing.solve.known_usd
    bounds = (", or more" if solve.is_lower_bound else "", ", or less" if solve.n_uncached_logs else "")
    value = "not known" if usd is None else f"${plain(usd)}"
    return Figure(value=value, caption=f"cost{''.join(bounds)}", detail=cost_basis(found))


def _token_figures(found: OneSample) -> Iterator[Figure]:
    tokens = found.standing.solve.known_tokens
    if tokens is None:
        return
    detail = f"{tokens.entered_tokens:,} in"
    if tokens.reasoning_tokens is not None and tokens.output_tokens:
        detail = f"{tokens.reasoning_tokens / tokens.output_tokens:.0%} of it reasoning, {detail}"
    yield Figure(value=f"{tokens.output_tokens:,}", caption="tokens out", detail=detail)


def _images(found: OneSample) -> dict[str, PromptImage]:
    messages = _asked_messages(found) or ()
    digests = [part.image for message in messages for part in message.parts if part.image]
    return prompt_images(found.run, found.planned, digests)


def _texts(asked: Asked, found: OneSample, text_bytes: int) -> Iterator[LongText]:
    if found.said is None or found.conversation is not None:
        return
    given = {name: getattr(found.said, name) for name in _TEXTS}
    for which, title in _TEXTS.items():
        kept = given[which]
        if kept is not None and not (which == "prompt" and found.said.messages is not None):
            yield _long_text(asked, which, title, kept, text_bytes)


def _long_text(asked: Asked, which: str, title: str, kept: Beginning, text_bytes: int) -> LongText:
    text = kept.text[:text_bytes]
    whole = kept.is_whole and len(text) == len(kept.text)
    address = "" if whole else asked.address(format="txt", table=which)
    return LongText(name=which, title=title, text=text, n_bytes=kept.n_bytes, address=address)


def _details(found: OneSample, shown: int | None) -> Iterator[AttemptDetail]:
    here = sample_address(found.run.run_id, _id(found.cell.cell_id), _id(found.planned.planned_id))
    for place, each in enumerate(found.attempts):
        if place >= MOST_DETAILS and each.row.attempt_id != shown:
            continue
        yield AttemptDetail(
            facts=each,
            raw_usage=_indented(each.row.raw_usage),
            parameters=_indented(each.row.parameters),
            texts_address=f"{here}?attempt={each.row.attempt_id}",
            is_shown=each.row.attempt_id == shown,
        )


def _indented(text: str | None) -> str:
    """Lay out JSON as it is stored, each number with its digits."""
    if text is None:
        return ""
    try:
        return orjson.dumps(
            read_json(text), default=lambda number: orjson.Fragment(str(number)), option=_INDENTED
        ).decode()
    except TypeError:  # integers past 64 bits
        return text


def _id(stored: int | None) -> int:
    assert stored is not None  # it was read from the ledger
    return stored
