"""A sample's conversation turn by turn: who spoke, what was said, which tools were called with what, what they gave.

Data flows attempts that have a turn -> their texts, each from its beginning, and the newest prompt of each party, which
holds the results of its calls -> `Conversation`, which terminal and view lay out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

import orjson

from harness.ledger.connections import Readable
from harness.ledger.encoding import read_json
from harness.ledger.reading.viewed.long_texts import Beginning, beginning_of
from harness.reports.exports.sample_bills import ANSWERED
from harness.reports.samples.attempt_bills import AttemptFacts
from harness.reports.samples.said_messages import Message, laid_out
from harness.reports.trajectories.task_figures import ROLES
from harness.secrets import redact_known

MOST_TURNS = 200
"""Of a conversation that are laid out; the others are in the table of attempts."""
TURN_BYTES = 20_000
"""Of each text of a turn; the whole is at its attempt."""
MOST_BYTES = 8_000_000
"""Of a prompt in which results are looked for."""
_PARTIES = ("solve", "user_simulator")
_INDENTED = orjson.OPT_INDENT_2


class Call(NamedTuple):
    """A call of a tool.

    Attributes:
        arguments: laid out where they are JSON, else as the model wrote them.
        result: what it gave; None = no request followed in which it was told, or texts were not kept.
        is_whole: whether arguments and result are shown to their end.
    """

    name: str
    arguments: str
    result: str | None
    is_whole: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownTurn:
    """One turn.

    Attributes:
        each: the attempt that has its answer, else the newest one.
        tries: ids of all its attempts in this conversation, in the order sent.
        text, reasoning: None = there is none, or it was not kept.
        calls: None = they were not kept.
    """

    each: AttemptFacts
    tries: tuple[int, ...]
    text: Beginning | None
    reasoning: Beginning | None
    calls: tuple[Call, ...] | None

    @property
    def number(self) -> int:
        """Place in the conversation, from 0."""
        return self.each.row.turn or 0

    @property
    def role(self) -> str:
        """Who spoke."""
        return _role(self.each.row.purpose)

    @property
    def is_answered(self) -> bool:
        """Whether it has an answer."""
        return self.each.row.status in ANSWERED

    @property
    def usd(self) -> Decimal | None:
        """What its answer cost; None = not known."""
        return self.each.bill.usd


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """The newest conversation of a sample; one begins anew where its first turn is asked again that was answered.

    Attributes:
        opening: what the model was told before anything was said; None = not kept.
        n_more: turns after those laid out.
        n_left_behind: attempts of conversations before this one.
        wall_s: from the first request sent to the last answer; None = nothing was answered.
    """

    opening: tuple[Message, ...] | None
    turns: tuple[ShownTurn, ...]
    n_turns: int
    n_more: int
    n_left_behind: int
    wall_s: float | None

    @property
    def n_calls(self) -> int | None:
        """Tool calls of the model in the turns laid out; None = of some they were not kept."""
        own = [turn.calls for turn in self.turns if turn.each.row.purpose == "solve" and turn.is_answered]
        known = [calls for calls in own if calls is not None]
        return sum(map(len, known)) if len(known) == len(own) else None


def conversation_of(
    ledger: Readable, attempts: Sequence[AttemptFacts], *, turn_bytes: int, most_turns: int
) -> Conversation | None:
    """Lay out the conversation of a sample; None = it is a single request.

    Args:
        attempts: of the sample, in the order sent.
        turn_bytes: of each text at most.
        most_turns: that are laid out.
    """
    spoken = _spoken(attempts)
    if not spoken:
        return None
    newest = _newest(spoken)
    turns = _by_turn(newest)
    shown = turns[:most_turns]
    prompts = {party: _prompt(ledger, turns, party) for party in _PARTIES}
    results = {party: _results(messages) for party, messages in prompts.items()}
    return Conversation(
        opening=_opening(ledger, turns, turn_bytes),
        turns=tuple(_shown(ledger, tries, results, turn_bytes) for tries in shown),
        n_turns=sum(_best(tries).row.purpose == "solve" and _is_answered(_best(tries)) for tries in turns),
        n_more=len(turns) - len(shown),
        n_left_behind=len(spoken) - len(newest),
        wall_s=_wall_s(newest),
    )


def is_lost(attempts: Sequence[AttemptFacts]) -> bool:
    """Whether the newest request of a conversation failed."""
    return any(each.row.status in ("failed", "timed_out") for each in _spoken(attempts)[-1:])


def _spoken(attempts: Sequence[AttemptFacts]) -> list[AttemptFacts]:
    return [each for each in attempts if each.row.turn is not None and each.row.purpose in _PARTIES]


def _newest(spoken: Sequence[AttemptFacts]) -> Sequence[AttemptFacts]:
    begins, is_begun = 0, False
    for place, each in enumerate(spoken):
        if each.row.turn == 0:
            if is_begun:
                begins, is_begun = place, False
            is_begun |= _is_answered(each)
    return spoken[begins:]


def _by_turn(newest: Sequence[AttemptFacts]) -> list[list[AttemptFacts]]:
    turns: dict[tuple[int, str], list[AttemptFacts]] = {}
    for each in newest:
        turns.setdefault((each.row.turn or 0, each.row.purpose), []).append(each)
    return list(turns.values())


def _best(tries: Sequence[AttemptFacts]) -> AttemptFacts:
    return next((each for each in reversed(tries) if _is_answered(each)), tries[-1])


def _is_answered(each: AttemptFacts) -> bool:
    return each.row.status in ANSWERED


def _wall_s(newest: Sequence[AttemptFacts]) -> float | None:
    answered = [each.row for each in newest if _is_answered(each)]
    if not answered or any(row.status == "reused" for row in answered):
        return None
    first_us = min(each.row.started_at_us for each in newest)
    return (max(row.finished_at_us or 0 for row in answered) - first_us) / 1_000_000


def _opening(ledger: Readable, turns: Sequence[Sequence[AttemptFacts]], turn_bytes: int) -> tuple[Message, ...] | None:
    """Give the messages of the model's first request that nobody of this conversation said."""
    first = next((_best(tries) for tries in turns if _best(tries).row.purpose == "solve"), None)
    messages = None if first is None else _messages(ledger, first)
    if messages is None:
        return None
    n_said = sum(_is_answered(_best(tries)) for tries in turns[: first.row.turn or 0]) if first is not None else 0
    return tuple(laid_out(message, turn_bytes) for message in messages[: len(messages) - n_said])


def _prompt(ledger: Readable, turns: Sequence[Sequence[AttemptFacts]], party: str) -> Sequence[Any]:
    """Read the newest prompt of a party: it has all that the party was told."""
    for tries in reversed(turns):
        for each in reversed(tries):
            if each.row.purpose == party and (found := _messages(ledger, each)) is not None:
                return found
    return ()


def _messages(ledger: Readable, each: AttemptFacts) -> Sequence[Any] | None:
    kept = beginning_of(ledger, each.row.attempt_id, "prompt", most_bytes=MOST_BYTES)
    stored = json.loads(kept.text) if kept is not None and kept.is_whole else None
    return stored if isinstance(stored, list) else None


def _results(messages: Sequence[Any]) -> Iterator[list[str]]:
    """Give what the calls of each message with calls gave, message by message."""
    found: list[list[str]] = []
    for message in messages:
        if not isinstance(message, Mapping):
            continue
        if message.get("role") == "tool" and found:
            found[-1].append(_text(message.get("content")))
        elif message.get("tool_calls"):
            found.append([])
    return iter(found)


def _text(content: object) -> str:
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)


def _shown(
    ledger: Readable, tries: Sequence[AttemptFacts], results: Mapping[str, Iterator[list[str]]], turn_bytes: int
) -> ShownTurn:
    best = _best(tries)
    attempt_id = best.row.attempt_id
    calls = _calls(ledger, attempt_id) if _is_answered(best) else []
    gave = next(results[best.row.purpose], []) if calls and best.row.purpose in results else []
    return ShownTurn(
        each=best,
        tries=tuple(each.row.attempt_id for each in tries),
        text=beginning_of(ledger, attempt_id, "answer", most_bytes=turn_bytes),
        reasoning=beginning_of(ledger, attempt_id, "reasoning", most_bytes=turn_bytes),
        calls=None if calls is None else tuple(_call(one, gave, at, turn_bytes) for at, one in enumerate(calls)),
    )


def _calls(ledger: Readable, attempt_id: int) -> list[Mapping[str, Any]] | None:
    """Read the calls of an answer; None = its texts were not kept, or are too long to be read."""
    kept = beginning_of(ledger, attempt_id, "tool_calls", most_bytes=MOST_BYTES)
    if kept is None:
        return [] if beginning_of(ledger, attempt_id, "answer", most_bytes=1) is not None else None
    return calls_in(kept.text) if kept.is_whole else None


def calls_in(stored: str) -> list[Mapping[str, Any]]:
    """Read calls as they are stored."""
    found = json.loads(stored)
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def _call(one: Mapping[str, Any], gave: Sequence[str], at: int, turn_bytes: int) -> Call:
    arguments = redact_known(indented(_text(one.get("arguments", ""))))
    result = redact_known(indented(gave[at])) if at < len(gave) else None
    is_whole = len(arguments) <= turn_bytes and (result is None or len(result) <= turn_bytes)
    shown = None if result is None else result[:turn_bytes]
    return Call(_text(one.get("name", "")), arguments[:turn_bytes], shown, is_whole)


def indented(text: str) -> str:
    """Lay out a JSON object or list, each number with its digits; any other text stays as it is."""
    if not text.lstrip().startswith(("{", "[")):
        return text
    try:
        found = read_json(text)
        return orjson.dumps(found, default=_number, option=_INDENTED).decode()
    except (ValueError, TypeError, RecursionError):  # no JSON, or numbers past 64 bits
        return text


def _number(number: object) -> object:
    return orjson.Fragment(str(number))


def _role(purpose: str) -> str:
    return next((words for name, words in ROLES.items() if name == purpose), purpose)
