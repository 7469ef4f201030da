"""A conversation as each of its parties sees it, who speaks next, and why it is over.

Pure. Data flows (sample, scene) -> messages of the party that speaks next -> what it said, what its calls gave ->
`Turn` and again. The model under test never sees the calls of who plays its user, nor the other way round.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Final

from harness.declared import request_value
from harness.environments.environment import Caller, Scene, ToolResult, Turn
from harness.messages import ContentPart, Message, ToolCall, ToolSpec
from harness.suites.sample import Sample
from harness.suites.suite import SolverRef

ANSWERED: Final = "answered"
SAID_NOTHING: Final = "said nothing"
"""Why a conversation is over that no environment has ended."""
BEGIN = "(The conversation begins here: speak first.)"
"""What a party is told that speaks first, as providers want a message to answer."""


@request_value
class Said:
    """What a party said in one message.

    Attributes:
        signed: parts that its provider wants back (see `Message.signed`).
    """

    text: str
    calls: tuple[ToolCall, ...] = ()
    signed: tuple[Mapping[str, object], ...] = ()


class Conversation:
    """One sample's conversation.

    Attributes:
        turns: what was said so far, the opening excluded.
        ended: why it is over; None = it goes on.
    """

    def __init__(self, solver: SolverRef, sample: Sample, scene: Scene) -> None:
        self._has_user = solver.name == "user_simulation"
        self._sample = sample
        self._scene = scene
        self._signed: list[tuple[Mapping[str, object], ...]] = []
        self._call_ids: set[str] = set()
        self.turns: list[Turn] = []
        self.ended: str | None = None

    # who speaks

    @property
    def speaker(self) -> Caller | None:
        """Who speaks next; None = it is over."""
        if self.ended is not None:
            return None
        if not self.turns:
            return "user" if self._user_begins else "assistant"
        last = self.turns[-1]
        goes_on = bool(last.calls) or not last.text.strip() or not self._has_user
        return last.by if goes_on else _other(last.by)

    @property
    def _user_begins(self) -> bool:
        return self._has_user and (self._scene.opening is not None or not self._sample.input)

    def n_turns(self, by: Caller) -> int:
        """How often a party has spoken."""
        return sum(turn.by == by for turn in self.turns)

    # what was said, and what came of it

    def calls_of(self, said: Said) -> tuple[ToolCall, ...]:
        """The calls of a message, each with an id that no call before it had: results have to name their call."""
        taken, named = set(self._call_ids), []
        for place, call in enumerate(said.calls):
            call_id = call.call_id
            if not call_id or call_id in taken:
                call_id = _free_id(f"call_{len(self.turns)}_{place}", taken)
            taken.add(call_id)
            named.append(call if call_id == call.call_id else dataclasses.replace(call, call_id=call_id))
        return tuple(named)

    def add(self, by: Caller, said: Said, calls: tuple[ToolCall, ...], results: Sequence[ToolResult]) -> Turn:
        """Take a party's message with what its calls gave; `calls` as `calls_of` gave them."""
        turn = Turn(by=by, text=said.text, calls=calls, results=tuple(results))
        self.turns.append(turn)
        self._signed.append(said.signed)
        self._call_ids.update(call.call_id for call in calls)
        return turn

    def end(self, reason: str | None) -> None:
        """End it for a reason of its environment; None = it gave none, and the conversation's own rules hold."""
        self.ended = reason or self._own_end()

    def _own_end(self) -> str | None:
        last = self.turns[-1]
        if last.calls:
            return None
        if last.text.strip():
            return None if self._has_user else ANSWERED
        before = self.turns[-2] if len(self.turns) > 1 else None
        return SAID_NOTHING if before is not None and before.by == last.by and _is_empty(before) else None

    # what a party sees

    def tools(self, by: Caller) -> tuple[ToolSpec, ...]:
        """What a party may call."""
        return self._scene.tools if by == "assistant" else self._scene.user_tools

    def messages(self, by: Caller) -> tuple[Message, ...]:
        """The conversation as a party is shown it before it speaks."""
        seen = _Seen(by)
        if by == "assistant":
            seen.system(self._sample.system, self._scene.system)
        else:
            seen.system(self._scene.user_system)
        if self._scene.opening is not None:
            seen.text("assistant", self._scene.opening)
        elif self._sample.input:
            seen.text("user", self._sample.input)
        for turn, signed in zip(self.turns, self._signed, strict=True):
            seen.turn(turn, signed)
        return seen.messages()


class _Seen:
    """Messages as one party sees them: what it said itself is the assistant's, what the other one said the user's."""

    def __init__(self, by: Caller) -> None:
        self._by = by
        self._system: tuple[Message, ...] = ()
        self._messages: list[Message] = []

    def system(self, *texts: str | None) -> None:
        if said := "\n\n".join(filter(None, texts)):
            self._system = (Message(role="system", content=said),)

    def turn(self, turn: Turn, signed: tuple[Mapping[str, object], ...]) -> None:
        if turn.by != self._by and turn.calls:
            return  # what is said beside calls goes with them, and not to the other party
        if not turn.calls:
            if turn.text.strip():
                self.text(turn.by, turn.text, signed)
            return
        calls = tuple(map(_as_sent, turn.calls))
        self._messages.append(Message(role="assistant", content=turn.text, tool_calls=calls, signed=signed))
        for call, result in zip(turn.calls, turn.results, strict=True):
            self._messages.append(Message(role="tool", content=result.text, tool_call_id=call.call_id))

    def text(
        self, by: Caller, said: str | tuple[ContentPart, ...], signed: tuple[Mapping[str, object], ...] = ()
    ) -> None:
        """Show what a party said; messages of the other one in a row become one: providers want them to alternate."""
        if by == self._by:
            self._messages.append(Message(role="assistant", content=said, signed=signed))
            return
        last = self._messages[-1] if self._messages else None
        if last is not None and last.role == "user":
            self._messages[-1] = dataclasses.replace(last, content=_joined(last.content, said))
        else:
            self._messages.append(Message(role="user", content=said))

    def messages(self) -> tuple[Message, ...]:
        begins = self._messages[0] if self._messages else None
        speaks_first = begins is None or (begins.role == "assistant" and self._by == "user")
        begin = (Message(role="user", content=BEGIN),) if speaks_first else ()
        return (*self._system, *begin, *self._messages)


def _as_sent(call: ToolCall) -> ToolCall:
    """A call as it goes back to its provider, some of which read the arguments: what is no object is put into one."""
    if not call.arguments.strip():
        return dataclasses.replace(call, arguments="{}")
    try:
        is_object = isinstance(json.loads(call.arguments), dict)
    except (ValueError, RecursionError):
        is_object = False
    return call if is_object else dataclasses.replace(call, arguments=json.dumps({"malformed": call.arguments}))


def _joined(
    before: str | tuple[ContentPart, ...], more: str | tuple[ContentPart, ...]
) -> str | tuple[ContentPart, ...]:
    if isinstance(before, str) and isinstance(more, str):
        return f"{before}\n\n{more}"
    return (*((before,) if isinstance(before, str) else before), *((more,) if isinstance(more, str) else more))


def _free_id(wanted: str, taken: set[str]) -> str:
    return wanted if wanted not in taken else _free_id(f"{wanted}_", taken)


def _is_empty(turn: Turn) -> bool:
    return not turn.calls and not turn.text.strip()


def _other(by: Caller) -> Caller:
    return "user" if by == "assistant" else "assistant"
