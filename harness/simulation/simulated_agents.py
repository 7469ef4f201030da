"""How a simulated model solves a task by calling tools: it does what the reference asks for, or errs on purpose.

Pure. Data flows script + draw -> `Plan`; plan + conversation so far -> the next message. A plan is the same in every
turn of a sample's conversation; how far it is carried out stands in the conversation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from harness.messages import Message, ToolCall
from harness.simulation.simulated_answers import Dice, Outcome, write_answer
from harness.simulation.simulated_conversations import Conversation
from harness.simulation.simulated_models import Draw, Prompt, draw_outcome, item_difficulty
from harness.simulation.simulated_scripts import Script
from harness.suites.prompts import text_of

ASKS = "Please do: {name} {arguments}"
"""How a model asks its user to call one of the user's own tools; arguments are JSON on the same line."""
DONE = "Everything that you asked for is done."
GIVING_UP = "This case is beyond what I can do."
_ASKED = re.compile(r"^Please do: (\S+) (\{.*\})$", re.MULTILINE)
_READS = re.compile(r"(?:get|find|search|list|check|run|can|calculate|compute|read|look|lookup|report)(?:_|$)")
"""How tools are called that change nothing: a wrong one of these may do no harm, so others go wrong first."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do: call a tool, or ask the user to."""

    by: Literal["assistant", "user"]
    name: str
    arguments: str

    def call(self, conversation: Conversation, place: int) -> ToolCall:
        """Write the step as a call; ids differ within a conversation and are the same whenever it is asked again."""
        return ToolCall(call_id=call_id(conversation, place), name=self.name, arguments=self.arguments)

    def is_done_by(self, name: str, arguments: str) -> bool:
        """Whether a call is this step, however its arguments are spelled."""
        return self.name == name and (self.arguments == arguments or _same(self.arguments, arguments))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a model is going to do about a sample.

    Attributes:
        steps: in order.
        outcome: `none` = it gives up after the steps.
        at_once: so many calls it makes in one message, at most.
    """

    steps: tuple[Step, ...]
    outcome: Outcome
    at_once: int


class Said(NamedTuple):
    """A message: words, and what is to be called; `right` only of the last message of a conversation."""

    text: str
    calls: tuple[ToolCall, ...] = ()
    right: bool | None = None


def call_id(conversation: Conversation, place: int) -> str:
    """The id of a call, by its place in the message."""
    return f"call_{conversation.prompt.sha256[:16]}_{place}"


def plan_of(script: Script, draw: Draw) -> Plan:
    """Draw what a model is going to do: as the reference says, or with one mistake, as often as it is able."""
    prompt = script_prompt(script)
    dice = draw.dice(prompt, "plan")
    outcome = draw_outcome(script.entry, draw, item_difficulty(prompt, script.entry), dice)
    steps = tuple(
        Step(call.by, call.name, json.dumps(dict(call.arguments), ensure_ascii=False)) for call in script.gold.calls
    )
    at_once = dice.pick((1, 1, 2, 3))
    if outcome == "right" or not steps:
        return Plan(steps=steps, outcome=outcome, at_once=at_once)
    at = next((at for at in reversed(range(len(steps))) if not _READS.match(steps[at].name)), len(steps) - 1)
    mistake: str = "gives up" if outcome == "none" else dice.pick(("skips", "misspells", "misspells", "gives up"))
    if mistake == "gives up":
        return Plan(steps=steps[: dice.integer(0, at)], outcome="none", at_once=at_once)
    spoiled = _misspelled(steps[at], dice) if mistake == "misspells" else ()
    return Plan(steps=(*steps[:at], *spoiled, *steps[at + 1 :]), outcome="wrong", at_once=at_once)


def script_prompt(script: Script) -> Prompt:
    """What the draws of a sample depend on, whatever was said so far."""
    return Prompt(sha256=script.mark.ljust(64, "0"), tokens=0)


def next_message(script: Script, draw: Draw, conversation: Conversation) -> Said:
    """Carry out the next steps of a plan, or end the conversation."""
    plan = plan_of(script, draw)
    left = plan.steps[steps_done(plan.steps, conversation.own) :]
    if not left:
        return _last_words(script, plan, draw)
    offered = {tool.name for tool in conversation.tools}
    if not _calls_itself(left[0], offered):
        return Said(ASKS.format(name=left[0].name, arguments=left[0].arguments))
    calls: list[ToolCall] = []
    for place, step in enumerate(left[: plan.at_once]):
        if not _calls_itself(step, offered):
            break
        calls.append(step.call(conversation, place))
    return Said("", tuple(calls))


def steps_done(steps: Sequence[Step], own: Sequence[Message]) -> int:
    """How many steps the messages of a party hold, in order; other calls in between do not count."""
    done = 0
    for name, arguments in _deeds(own):
        done += done < len(steps) and steps[done].is_done_by(name, arguments)
    return done


def asked_in(text: str) -> list[Step]:
    """What a model asks its user to do."""
    return [Step("user", name, arguments) for name, arguments in _ASKED.findall(text)]


def _deeds(own: Sequence[Message]) -> Iterator[tuple[str, str]]:
    for message in own:
        yield from ((call.name, call.arguments) for call in message.tool_calls)
        yield from _ASKED.findall(text_of(message.content))


def _calls_itself(step: Step, offered: set[str]) -> bool:
    return step.by == "assistant" or step.name in offered


def _last_words(script: Script, plan: Plan, draw: Draw) -> Said:
    dice = draw.dice(script_prompt(script), "last words")
    if plan.outcome == "none":
        return Said(GIVING_UP, right=False)
    said = [DONE]
    if plan.outcome == "right":
        said += [f"For you to know: {text}" for text in script.gold.says]
    if script.gold.answer is not None:
        said.append(write_answer(replace(script.entry, target=script.gold.answer), plan.outcome, dice).final)
    return Said("\n\n".join(said), right=plan.outcome == "right")


def _misspelled(step: Step, dice: Dice) -> tuple[Step, ...]:
    """A step with one wrong argument; without arguments there is none to be wrong, and the step is left out."""
    arguments = json.loads(step.arguments)
    plain = [name for name, value in arguments.items() if isinstance(value, str | int | float)]
    if not plain:
        return ()
    name = dice.pick(plain)
    arguments[name] = _another(arguments[name])
    return (Step(step.by, step.name, json.dumps(arguments, ensure_ascii=False)),)


def _another(value: str | float) -> object:
    if isinstance(value, bool):
        return not value
    return f"{value}9" if isinstance(value, str) else value + 1


def _same(one: str, other: str) -> bool:
    try:
        return bool(json.loads(one) == json.loads(other))
    except (ValueError, RecursionError):
        return False
