"""The same question on the models of a run as a document: what was asked and said, scores, attempts, and the bill.

Data flows `OneSample`s -> paragraphs, JSON values and rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import starmap

from harness.documents.document import Document
from harness.documents.table import Column, Sentences, Table, Verbatim, without_repeated
from harness.ledger.encoding import read_json
from harness.ledger.reading.viewed.long_texts import Beginning
from harness.reports.exports.whole_samples import storable_text
from harness.reports.samples.attempt_bills import QUESTIONS, what_if_usd
from harness.reports.samples.conversation import Call, Conversation, ShownTurn
from harness.reports.samples.one_sample import OneSample
from harness.reports.samples.said_messages import Message, Part
from harness.reports.samples.sample_tables import (
    attempts_table,
    bills_table,
    conversation_sentences,
    cost_sentences,
    lines_table,
    price_sentences,
    prices_table,
    scores_table,
)
from harness.secrets import redact_known

SHOWN_CHARACTERS, SHOWN_OF_SEVERAL = 20_000, 1_200
"""Of each text on a terminal, where one answer is shown and where several are."""
SHOWN_BYTES = 4 * SHOWN_CHARACTERS
"""That hold as many characters, whichever they are."""
ANSWER_COLUMNS = (
    Column(name="model", description="Model as asked for."),
    Column(name="epoch", kind="integer", title="repeat", drops=8),
    Column(name="verdict"),
    Column(name="usd", kind="amount", unit="USD", title="USD", description="Solving, as the report counts it."),
    Column(name="output_tokens", kind="integer", unit="tokens", title="output", drops=2),
    Column(name="reasoning_tokens", kind="integer", unit="tokens", title="reasoning", drops=3),
    Column(name="duration_s", kind="decimal", unit="s", title="seconds", drops=4),
    Column(name="n_attempts", kind="integer", title="attempts", drops=5),
    Column(name="answer", description="As extracted.", drops=1),
    Column(name="attempt", kind="integer", description="The attempt that counts.", drops=6),
    Column(name="address", description="Of its page, under that of `benchtab view`.", drops=7),
)
_TEXT_COLUMNS = (
    Column(name="run_id"), Column(name="suite"), Column(name="task"), Column(name="sample_id"),
    Column(name="question"), Column(name="reference"), Column(name="reply"), Column(name="reasoning"),
    Column(name="judge_usd", kind="amount", unit="USD"), Column(name="other_usd", kind="amount", unit="USD"),
)  # fmt: skip
"""Besides, in files of rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """Answers to one question, at least one.

    Attributes:
        notes: what a reader must know, such as what else the name could have meant.
        address: gives the address of an answer's page.
    """

    samples: tuple[OneSample, ...]
    address: Callable[[OneSample], str]
    notes: tuple[str, ...] = ()


def sample_document(answers: Answers) -> Document:
    """Make the document of `benchtab report --sample`."""
    return Document(
        terminal=lambda _width: list(_paragraphs(answers, is_cut=True)),
        markdown=lambda: list(_paragraphs(answers, is_cut=False)),
        fields=lambda: sample_object(answers),
        rows=lambda: _rows(answers),
    )


def _paragraphs(answers: Answers, *, is_cut: bool) -> Iterator[Table | Sentences | Verbatim]:
    samples, first = answers.samples, answers.samples[0]
    most = (SHOWN_CHARACTERS if len(samples) == 1 else SHOWN_OF_SEVERAL) if is_cut else None
    planned = first.planned
    yield Sentences(
        title=f"Sample {planned.task}/{planned.sample_id} of run {first.run.run_id}, suite {planned.suite}",
        lines=tuple(_head(answers)),
    )
    yield from _asked(samples, most)
    if len(samples) > 1:
        yield _compared(answers_table(answers))
    for one in samples:
        name = "" if len(samples) == 1 else f" of {_name(one)}"
        yield from _said(one, most, name=name) if one.conversation is None else _conversation(one, most, name=name)
    yield from _with_rows(scores_table(samples), attempts_table(samples), lines_table(samples))
    if prices := tuple(price_sentences(samples)):
        yield Sentences(title="Prices behind it", lines=prices)
    yield from _with_rows(bills_table(samples))


def _conversation(one: OneSample, most: int | None, *, name: str) -> Iterator[Verbatim | Sentences]:
    """Tell a conversation turn by turn: one text, so that it is read from top to bottom."""
    told = one.conversation
    if told is None:
        return
    yield Sentences(title=f"Conversation{name}", lines=tuple(conversation_sentences(one, told)))
    each = None if most is None else max(400, most // max(1, len(told.turns)))
    text = "\n\n".join(_turn(turn, each) for turn in told.turns)
    more = f"\n\n... ({told.n_more:,} more turns: --json has them)" if told.n_more else ""
    yield Verbatim(title=f"Said{name}", text=f"{text}{more}")


def _turn(turn: ShownTurn, most: int | None) -> str:
    """Write who spoke, what was said, and what its calls gave."""
    row = turn.each.row
    head = f"[{turn.number}] {turn.role} (attempt {row.attempt_id}{'' if turn.is_answered else f', {row.status}'})"
    lines = [head]
    for title, kept in (("reasoning: ", turn.reasoning), ("", turn.text)):
        if kept is not None and kept.text:
            lines.append(f"{title}{_cut(storable_text(kept.text), most, is_whole=kept.is_whole)}")
    if turn.calls is None:
        lines.append("(what it called was not kept)")
    lines += [_call(call, most) for call in turn.calls or ()]
    return "\n".join(lines)


def _call(call: Call, most: int | None) -> str:
    gave = "(its result was not kept)" if call.result is None else _shortened(call.result, most)
    more = "" if call.is_whole else "\n  (longer than what is shown: --json has all of it)"
    return f"calls {storable_text(call.name)} {_shortened(call.arguments, most)}\n  gives {gave}{more}"


def _shortened(text: str, most: int | None) -> str:
    shown = storable_text(text)
    return shown if most is None or len(shown) <= most else f"{shown[:most]} ..."


def _head(answers: Answers) -> Iterator[str]:
    samples = answers.samples
    reference = samples[0].planned.reference
    if reference is not None:
        yield f"reference: {redact_known(reference)}"
    if len(samples) == 1:
        yield f"{samples[0].model_name}: {samples[0].verdict}"
        yield from cost_sentences(samples[0])
        yield f"its page: benchtab view, then {answers.address(samples[0])}"
    else:
        yield "one of them in full: add --model, or name its attempt: --sample attempt:ID"
    yield from answers.notes


def _compared(table: Table) -> Table:
    for name in ("model", "epoch", "purpose"):
        table = without_repeated(table, name)
    return table


def _with_rows(*tables: Table) -> Iterator[Table]:
    return (_compared(table) for table in tables if table.rows)


def _name(one: OneSample) -> str:
    return f"{one.model_name}, repeat {one.planned.epoch}"


def _asked(samples: Sequence[OneSample], most: int | None) -> Iterator[Verbatim]:
    """Give what was asked, once where all were asked the same."""
    asked = {_question(one): one for one in samples if one.said is not None}
    for text, one in asked.items():
        title = "Asked" if len(asked) == 1 else f"Asked of {_name(one)}"
        yield Verbatim(title=title, text=_cut(text, most))


def _said(one: OneSample, most: int | None, *, name: str) -> Iterator[Verbatim]:
    if one.said is None:
        yield Verbatim(title=f"Answer{name}", text="(none was kept)" if one.attempts else "(not asked)")
        return
    for title, kept in (("Reasoning", one.said.reasoning), ("Answer", one.said.answer)):
        if kept is not None:
            yield Verbatim(title=f"{title}{name}", text=_cut(storable_text(kept.text), most, is_whole=kept.is_whole))


def _cut(text: str, most: int | None, *, is_whole: bool = True) -> str:
    if is_whole and (most is None or len(text) <= most):
        return text
    return f"{text[:most]}\n... (it goes on: --format md or --json has all of it)"


def _question(one: OneSample) -> str:
    if one.said is None:
        return ""
    if one.conversation is not None and one.conversation.opening is not None:
        return storable_text("\n\n".join(map(_message, one.conversation.opening)))
    if one.said.messages is None:
        return storable_text(one.said.prompt.text)
    texts = [_message(message) for message in one.said.messages]
    return storable_text("\n\n".join(texts))


def _message(message: Message) -> str:
    parts = "\n".join(part.text if not part.image else f"[image {part.image}]" for part in message.parts)
    calls = "".join(f"\ncalls {name} {arguments}" for name, arguments in message.calls)
    return f"{message.role}: {parts}{calls}"


def answers_table(answers: Answers) -> Table:
    """Lay out the answers, one row each."""
    rows = [_answer_cells(one, answers.address(one)) for one in answers.samples]
    return Table(name="answers", title="Answers", columns=ANSWER_COLUMNS, rows=rows)


def _answer_cells(one: OneSample, address: str) -> tuple[object, ...]:
    tokens = one.standing.solve.known_tokens
    counted = next((each for each in one.attempts if each.row.attempt_id == one.counted_attempt_id), None)
    return (
        one.model_name, one.planned.epoch, one.verdict, one.standing.solve.known_usd,
        None if tokens is None else tokens.output_tokens, None if tokens is None else tokens.reasoning_tokens,
        None if counted is None else counted.duration_s, len(one.attempts), one.whole.answer, one.counted_attempt_id,
        address,
    )  # fmt: skip


def _rows(answers: Answers) -> Table:
    rows = [
        (*_answer_cells(one, answers.address(one)), one.run.run_id, one.planned.suite, one.planned.task,
         one.planned.sample_id, _question(one) or None, one.planned.reference,
         _text(None if one.said is None else one.said.answer), _text(None if one.said is None else one.said.reasoning),
         one.standing.judge.known_usd, one.standing.others.known_usd)
        for one in answers.samples
    ]  # fmt: skip
    return Table(name="answers", title="Answers", columns=(*ANSWER_COLUMNS, *_TEXT_COLUMNS), rows=rows)


def _text(kept: Beginning | None) -> str | None:
    return None if kept is None else storable_text(kept.text)


def sample_object(answers: Answers) -> dict[str, object]:
    """Write the answers as JSON values, with every attempt and its bill."""
    first = answers.samples[0]
    return {
        "run_id": first.run.run_id,
        "suite": first.planned.suite,
        "task": first.planned.task,
        "sample_id": first.planned.sample_id,
        "reference": first.planned.reference,
        "notes": list(answers.notes),
        "answers": [_answer_object(one, answers.address(one)) for one in answers.samples],
    }


def _answer_object(one: OneSample, address: str) -> dict[str, object]:
    return {
        **dict(zip((column.name for column in ANSWER_COLUMNS), _answer_cells(one, address), strict=True)),
        "planned_id": one.planned.planned_id,
        "cell_id": one.cell.cell_id,
        "judge_usd": one.standing.judge.known_usd,
        "other_usd": one.standing.others.known_usd,
        "usd_is_lower_bound": one.standing.solve.is_lower_bound,
        "what_if_usd": _what_if(one),
        "messages": _messages(one),
        "reply": None if one.said is None else _text(one.said.answer),
        "reasoning": None if one.said is None else _text(one.said.reasoning),
        "scores": _objects(scores_table([one])),
        "attempts": [_attempt_object(one, place) for place in range(len(one.attempts))],
        "prices": _objects(prices_table([one])),
        **({} if one.conversation is None else {"conversation": _conversation_object(one, one.conversation)}),
    }


def _conversation_object(one: OneSample, told: Conversation) -> dict[str, object]:
    return {
        "n_turns": told.n_turns,
        "n_tool_calls": told.n_calls,
        "limit": one.limit,
        "wall_seconds": told.wall_s,
        "n_attempts_left_behind": told.n_left_behind,
        "turns": list(map(_turn_object, told.turns)),
    }


def _turn_object(turn: ShownTurn) -> dict[str, object]:
    return {
        "turn": turn.number,
        "purpose": turn.each.row.purpose,
        "attempt": turn.each.row.attempt_id,
        "attempts": list(turn.tries),
        "status": turn.each.row.status,
        "usd": turn.usd,
        "text": _text(turn.text),
        "reasoning": _text(turn.reasoning),
        "tool_calls": None if turn.calls is None else [
            {"name": storable_text(call.name), "arguments": storable_text(call.arguments),
             "result": None if call.result is None else storable_text(call.result)}
            for call in turn.calls
        ],
    }  # fmt: skip


def _what_if(one: OneSample) -> dict[str, Decimal | None]:
    solving = [each.bill for each in one.attempts if each.row.purpose == "solve"]
    return {question: what_if_usd(solving, question) for question in QUESTIONS}


def _messages(one: OneSample) -> list[dict[str, object]] | None:
    if one.said is None or one.said.messages is None:
        return None
    return [
        {
            "role": each.role,
            "content": list(map(_content, each.parts)),
            **({"tool_calls": list(starmap(_called, each.calls))} if each.calls else {}),
        }
        for each in one.said.messages
    ]


def _called(name: str, arguments: str) -> dict[str, str]:
    return {"name": storable_text(name), "arguments": storable_text(arguments)}


def _content(part: Part) -> str | dict[str, str]:
    return {"image": part.image} if part.image else storable_text(part.text)


def _attempt_object(one: OneSample, place: int) -> dict[str, object]:
    each = one.attempts[place]
    return {
        **_objects(attempts_table([one]))[place],
        **_objects(bills_table([one]))[place],
        "parameters": read_json(each.row.parameters),
        "raw_usage": read_json(each.row.raw_usage),
        "usage_flags": [{"name": name, "detail": detail} for name, detail in each.flags],
        "charges": [row for row in _objects(lines_table([one])) if row["attempt"] == each.row.attempt_id],
    }


def _objects(table: Table) -> list[dict[str, object]]:
    names = [column.name for column in table.columns]
    return [dict(zip(names, row, strict=True)) for row in table.rows]
