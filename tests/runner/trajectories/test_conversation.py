"""What each party of a conversation sees, who speaks next, and what ends it: no model, no ledger."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from harness.environments import Scene, ToolResult
from harness.messages import Message, ToolCall, ToolSpec
from harness.runner.trajectories.parties import BEGIN, Conversation, Said
from harness.suites.sample import Sample
from harness.suites.suite import SolverRef

SAMPLE = Sample(task="t", sample_id="s", input="Put it there.", target="", system="Be a clerk.")
TOOL = ToolSpec(name="move", description="", parameters={})
USER_TOOL = ToolSpec(name="unlock", description="", parameters={})
DONE = ToolResult(text="done")


def tools_only(**scene: Any) -> Conversation:
    return Conversation(SolverRef(name="tools", environment="e"), SAMPLE, Scene(tools=(TOOL,), **scene))


def with_user(sample: Sample = SAMPLE, **scene: Any) -> Conversation:
    solver = SolverRef(name="user_simulation", environment="e")
    return Conversation(
        solver, sample, Scene(tools=(TOOL,), user_tools=(USER_TOOL,), user_system="Be a caller.", **scene)
    )


def speak(conversation: Conversation, text: str = "", *names: str, ended: str | None = None) -> None:
    speaker = conversation.speaker
    assert speaker is not None
    said = Said(text=text, calls=tuple(ToolCall(call_id=f"id-{name}", name=name, arguments="{}") for name in names))
    calls = conversation.calls_of(said)
    conversation.add(speaker, said, calls, [DONE] * len(calls))
    conversation.end(ended)


def shown(messages: Sequence[Message]) -> list[tuple[str, object]]:
    return [(one.role, one.content) for one in messages]


def test_a_model_with_tools_speaks_until_it_says_something_without_calls() -> None:
    conversation = tools_only(system="The rules.")
    assert shown(conversation.messages("assistant")) == [
        ("system", "Be a clerk.\n\nThe rules."),
        ("user", "Put it there."),
    ]
    speak(conversation, "I move it.", "move")
    assert conversation.speaker == "assistant"
    speak(conversation, "Done.")
    assert conversation.ended == "answered"
    assert [turn.text for turn in conversation.turns] == ["I move it.", "Done."]


def test_a_text_and_calls_in_one_message_are_both() -> None:
    conversation = tools_only()
    speak(conversation, "I move it.", "move")
    seen = conversation.messages("assistant")[-2:]
    assert (seen[0].content, seen[0].tool_calls[0].name) == ("I move it.", "move")
    assert (seen[1].role, seen[1].content, seen[1].tool_call_id) == ("tool", "done", "id-move")


def test_one_empty_message_is_asked_again_and_two_in_a_row_end_it() -> None:
    conversation = tools_only()
    before = conversation.messages("assistant")
    speak(conversation)
    assert conversation.speaker == "assistant"
    assert conversation.messages("assistant") == before  # providers refuse messages without contents
    speak(conversation, "", "move")
    speak(conversation, " \n")
    assert conversation.ended is None  # calls lay between
    speak(conversation)
    assert conversation.ended == "said nothing"


def test_parties_take_turns_and_neither_sees_the_calls_of_the_other() -> None:
    conversation = with_user(opening="Good day.")
    assert shown(conversation.messages("user")) == [("system", "Be a caller."), ("user", "Good day.")]
    speak(conversation, "Move it, please.")
    speak(conversation, "One moment.", "move")
    speak(conversation, "Please unlock it.")
    speak(conversation, "", "unlock")
    speak(conversation, "It is unlocked.")
    assert conversation.speaker == "assistant"
    assert shown(conversation.messages("assistant")) == [
        ("system", "Be a clerk."),
        ("assistant", "Good day."),
        ("user", "Move it, please."),
        ("assistant", "One moment."),
        ("tool", "done"),
        ("assistant", "Please unlock it."),
        ("user", "It is unlocked."),
    ]
    assert shown(conversation.messages("user")) == [
        ("system", "Be a caller."),
        ("user", "Good day."),
        ("assistant", "Move it, please."),
        ("user", "Please unlock it."),  # words beside calls go with the calls
        ("assistant", ""),
        ("tool", "done"),
        ("assistant", "It is unlocked."),
    ]
    assert {tool.name for tool in conversation.tools("user")} == {"unlock"}
    speak(conversation, "Done.")
    speak(conversation, "Thanks, bye.", ended="user_stop")
    assert conversation.ended == "user_stop"


def test_without_an_opening_the_prompt_is_what_the_user_says_first() -> None:
    conversation = with_user()
    assert conversation.speaker == "assistant"
    speak(conversation, "Where to?")
    assert shown(conversation.messages("user"))[1:] == [
        ("user", BEGIN),
        ("assistant", "Put it there."),
        ("user", "Where to?"),
    ]


def test_without_opening_and_prompt_the_user_speaks_first() -> None:
    conversation = with_user(Sample(task="t", sample_id="s", input="", target=""))
    assert conversation.speaker == "user"
    assert shown(conversation.messages("user")) == [("system", "Be a caller."), ("user", BEGIN)]


@pytest.mark.parametrize("ids", [["", ""], ["a", "a"], ["a", ""], ["call_0", "call_0"]])
def test_calls_without_an_id_or_with_one_that_was_used_get_their_own(ids: list[str]) -> None:
    conversation = tools_only()
    for _ in range(2):
        calls = tuple(ToolCall(call_id=one, name="move", arguments="{}") for one in ids)
        said = Said(text="", calls=calls)
        named = conversation.calls_of(said)
        conversation.add("assistant", said, named, [DONE] * len(named))
    messages = conversation.messages("assistant")
    asked = [call.call_id for message in messages for call in message.tool_calls]
    answered = [message.tool_call_id for message in messages if message.role == "tool"]
    assert asked == answered
    assert len(set(asked)) == 4
    assert all(asked)


@pytest.mark.parametrize("written", ["not JSON", "[1]", '"text"', "{", "[" * 100_000])
def test_arguments_that_are_no_object_go_back_inside_one(written: str) -> None:
    """Some providers read the arguments of earlier calls, and refuse the request."""
    conversation = tools_only()
    said = Said(text="", calls=(ToolCall(call_id="a", name="move", arguments=written),))
    conversation.add("assistant", said, conversation.calls_of(said), [DONE])
    sent = conversation.messages("assistant")[-2].tool_calls[0].arguments
    assert json.loads(sent) == {"malformed": written}
    assert conversation.turns[0].calls[0].arguments == written


def test_signed_parts_go_back_to_the_model_that_made_them_alone() -> None:
    conversation = with_user()
    signed = ({"type": "thinking", "signature": "x"},)
    said = Said(text="Where to?", signed=signed)
    conversation.add("assistant", said, (), [])
    conversation.end(None)
    assert conversation.messages("assistant")[-1].signed == signed
    assert all(not message.signed for message in conversation.messages("user"))
