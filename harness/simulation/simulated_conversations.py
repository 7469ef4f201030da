"""What a simulated party sees of a conversation: who it is in it, what it is about, how long it is, what a cache holds.

Pure. Data flows (answer key, messages, tools, request id) -> `Conversation`. All of it comes from the request, so that
a turn that is asked again, by whomever, is answered the same.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from harness.messages import ImagePart, Message, SentPart, ToolSpec, sent_parts
from harness.simulation.simulated_models import (
    AnswerKey,
    Prompt,
    SimulatedModel,
    prompt_sha256,
    text_tokens,
)
from harness.simulation.simulated_scripts import Script
from harness.suites.image_tokens import SIMULATED_IMAGE

CALL_TOKENS = 8
"""What a call takes beside its name and arguments; a tool that is offered takes as much."""

_TURN = re.compile(r"\.n\d+(?P<user>\.user)?\.t\d+$")
_MARK = re.compile(r"\.s([0-9a-f]{12})\.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A request that is one turn of a conversation.

    Attributes:
        messages: as they were sent; the party's own are the assistant's.
        tools: what it may call.
        by: who it is: the model that is tested, or who plays its user.
        script: what the conversation is about, None when not known.
        prompt: digest and size of all of it.
        sent_before_tokens: size of what this party's last request held, which this one begins with; None = there was
            none before this one.
    """

    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...]
    by: Literal["assistant", "user"]
    script: Script | None
    prompt: Prompt
    sent_before_tokens: int | None

    @property
    def own(self) -> tuple[Message, ...]:
        """What this party said so far; an opening that was laid in its mouth is not its own."""
        return tuple(one for one in self.messages[opening_length(self.messages) :] if one.role == "assistant")

    def question(self) -> Prompt:
        """The user message that a single request would be known by: the first."""
        user = next((one for one in self.messages if one.role == "user"), None)
        parts = [part if isinstance(part, str) else part.data for part in _parts(user)] if user else ""
        return Prompt(sha256=prompt_sha256(parts), tokens=self.prompt.tokens)


def is_turn(model: SimulatedModel, messages: Sequence[Message], tools: Sequence[ToolSpec], request_id: str) -> bool:
    """Whether a request is a turn of a conversation: what it offers, who is asked, or what it holds says so."""
    if tools or model.habits or model.plays_users or (".n" in request_id[-20:] and _TURN.search(request_id)):
        return True
    return len(messages) > 2 and any(one.role == "tool" or one.tool_calls for one in messages)


def conversation_of(
    key: AnswerKey,
    model: SimulatedModel,
    messages: tuple[Message, ...],
    tools: tuple[ToolSpec, ...],
    request_id: str,
) -> Conversation:
    """Read a conversation and find out what it is about."""
    messages = tuple(map(_as_sent, messages))
    turn, mark = _TURN.search(request_id), _MARK.search(request_id)
    begun = opening_length(messages)
    last_own = max((at for at, one in enumerate(messages) if at >= begun and one.role == "assistant"), default=None)
    base = 3 + sum(map(tool_tokens, tools))
    sizes = [message_tokens(one) for one in messages]
    return Conversation(
        messages=messages,
        tools=tools,
        by="user" if model.plays_users or (turn is not None and turn["user"]) else "assistant",
        script=key.scripts.find(mark[1] if mark else None, messages),
        prompt=Prompt(sha256=_sha256(messages, tools), tokens=base + sum(sizes)),
        sent_before_tokens=None if last_own is None else base + sum(sizes[:last_own]),
    )


def opening_length(messages: Sequence[Message]) -> int:
    """How many messages stand before the first that the other party sent."""
    return next((at for at, one in enumerate(messages) if one.role in ("user", "tool")), len(messages))


def message_tokens(message: Message) -> int:
    """Count a message's tokens, its calls included."""
    said = sum(SIMULATED_IMAGE if isinstance(part, ImagePart) else text_tokens(part) for part in _parts(message))
    calls = sum(CALL_TOKENS + text_tokens(call.name) + text_tokens(call.arguments) for call in message.tool_calls)
    return 4 + said + calls


def tool_tokens(tool: ToolSpec) -> int:
    """Count the tokens of a tool that is offered."""
    return CALL_TOKENS + text_tokens(tool.name + tool.description + _schema(tool))


def _parts(message: Message) -> Iterable[SentPart]:
    return (message.content,) if isinstance(message.content, str) else sent_parts(message.content)


def _as_sent(message: Message) -> Message:
    """A message with its videos decoded, once."""
    return message if isinstance(message.content, str) else replace(message, content=tuple(_parts(message)))


def _schema(tool: ToolSpec) -> str:
    return json.dumps(dict(tool.parameters), sort_keys=True, separators=(",", ":"))


def _sha256(messages: Sequence[Message], tools: Sequence[ToolSpec]) -> str:
    digest = hashlib.sha256()
    for tool in tools:
        digest.update(f"{tool.name}\0{tool.description}\0{_schema(tool)}\0".encode(errors="surrogatepass"))
    for message in messages:
        # without ids: client libraries make up one for a call that came without
        calls = [(call.name, call.arguments) for call in message.tool_calls]
        digest.update(json.dumps([message.role, calls]).encode())
        for part in _parts(message):
            digest.update(part.data if isinstance(part, ImagePart) else part.encode(errors="surrogatepass"))
    return digest.hexdigest()
