"""What a world is that tools act on: what its parties see, what their calls do, what its end state is worth.

Data flows options + sample -> `Environment`; tool call -> `ToolResult`; turns of the conversation -> `Verdict`.
An environment is deterministic: the same calls in the same order give the same results and the same end state, so that
a conversation that was interrupted, or is to be scored again, is played once more from its stored turns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from harness.declared import request_value
from harness.messages import ToolCall, ToolSpec

Caller = Literal["assistant", "user"]
"""Who speaks and calls tools: the model under test, or who plays its user."""


@request_value
class ToolResult:
    """What a call gave, as it is shown to its caller; `failed` where it could not be carried out."""

    text: str
    failed: bool = False


@request_value
class Turn:
    """What one party said in one message, and what its calls gave.

    Attributes:
        results: as many as calls; fewer where the conversation ended before they were made.
    """

    by: Caller
    text: str
    calls: tuple[ToolCall, ...] = ()
    results: tuple[ToolResult, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What an environment gives a conversation before anything is said.

    Attributes:
        system: what the model under test is told; None = nothing beside the task's own system message.
        tools: what it may call.
        user_system: what the party that plays the user is told; None = there is none.
        user_tools: what that party may call.
        opening: first words that the model is said to have spoken, and that nobody is billed for; None = the sample's
            prompt is the user's first message.
    """

    system: str | None = None
    tools: tuple[ToolSpec, ...] = ()
    user_system: str | None = None
    user_tools: tuple[ToolSpec, ...] = ()
    opening: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What an end state is worth.

    Attributes:
        value: 0 to 1.
        explanation: one sentence for a person; None when the value speaks for itself.
        parts: named parts of the value, each 0 to 1.
    """

    value: float
    explanation: str | None = None
    parts: Mapping[str, float] = field(default_factory=dict)


class Environment(Protocol):
    """One sample's world. Made, called and asked for its verdict by one process at a time; may compute for long.

    Attributes:
        is_replayable: the same calls give the same results; False = an interrupted conversation begins anew.
    """

    is_replayable: bool

    def scene(self) -> Scene:
        """What the parties see before anything is said."""
        ...

    def call(self, call: ToolCall, *, by: Caller) -> ToolResult:
        """Carry out a call; an unknown tool or arguments that are not what it takes are a failed result, no error."""
        ...

    def ended(self, turn: Turn) -> str | None:
        """Why the conversation is over after this turn (`user_stop`); None = it goes on."""
        ...

    def verdict(self, turns: Sequence[Turn], *, ended: str) -> Verdict:
        """Judge the end state that these turns led to.

        Args:
            turns: the whole conversation, the opening excluded.
            ended: why it is over: what `ended` said, or `answered`.
        """
        ...

    def close(self) -> None:
        """Give back what it holds; safe to call twice."""
        ...
