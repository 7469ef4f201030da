"""How unruly models spoil the messages that they would send: each habit is one kind of misconduct.

Pure. Data flows message + habit -> message. `SimulatedModel.habits` says how often.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from harness.messages import ToolCall
from harness.simulation.simulated_agents import Said, call_id
from harness.simulation.simulated_conversations import Conversation
from harness.simulation.simulated_models import Draw, Habit

Calls = tuple[ToolCall, ...]

FAN_OUT_CALLS = 64
UNKNOWN_TOOL = "no_such_tool"


def spoiled(said: Said, draw: Draw, conversation: Conversation) -> Said:
    """Draw whether a message is spoiled, and how."""
    left = draw.dice(conversation.prompt, "habit").uniform()
    for habit, rate in draw.model.habits.items():
        if not _applies(habit, said, conversation):
            continue
        left -= rate
        if left < 0:
            return _spoilt(habit, said, conversation)
    return said


def _applies(habit: Habit, said: Said, conversation: Conversation) -> bool:
    if habit == "unoffered":
        return not conversation.tools
    if habit == "loop":
        return bool(conversation.tools)
    if habit == "fan_out":
        return bool(conversation.tools) and (bool(said.calls) or not conversation.own)
    return bool(said.calls)


def _spoilt(habit: Habit, said: Said, conversation: Conversation) -> Said:
    if habit == "loop":
        return Said("", (_only_call(conversation),))
    if habit == "unoffered":
        return Said("", (ToolCall(call_id=call_id(conversation, 0), name=UNKNOWN_TOOL, arguments="{}"),))
    if habit == "fan_out":
        return Said("", (*said.calls, *_many_calls(conversation, len(said.calls))))
    return Said(said.text, _SPOILT_CALLS[habit](said.calls))


def _only_call(conversation: Conversation) -> ToolCall:
    """The call that a model in a loop makes in every message."""
    script = conversation.script
    gold = next((one for one in script.gold.calls if one.by == "assistant"), None) if script else None
    name = conversation.tools[0].name if gold is None else gold.name
    arguments = "{}" if gold is None else json.dumps(dict(gold.arguments), ensure_ascii=False)
    return ToolCall(call_id=call_id(conversation, 0), name=name, arguments=arguments)


def _many_calls(conversation: Conversation, n_before: int) -> Iterator[ToolCall]:
    name = conversation.tools[0].name
    for place in range(n_before, FAN_OUT_CALLS):
        yield ToolCall(call_id=call_id(conversation, place), name=name, arguments=f'{{"part": {place}}}')


def _broken_json(calls: Calls) -> Calls:
    return (replace(calls[0], arguments=calls[0].arguments[:-1] + ","), *calls[1:])


def _not_an_object(calls: Calls) -> Calls:
    return (replace(calls[0], arguments=json.dumps([calls[0].arguments])), *calls[1:])


def _unknown_tool(calls: Calls) -> Calls:
    return (replace(calls[0], name=UNKNOWN_TOOL), *calls[1:])


def _no_id(calls: Calls) -> Calls:
    return tuple(replace(call, call_id="") for call in calls)


def _same_id(calls: Calls) -> Calls:
    return (calls[0], *(replace(call, call_id=calls[0].call_id) for call in calls))


_SPOILT_CALLS: Mapping[Habit, Callable[[Calls], Calls]] = {
    "broken_json": _broken_json,
    "not_an_object": _not_an_object,
    "unknown_tool": _unknown_tool,
    "no_id": _no_id,
    "same_id": _same_id,
}
