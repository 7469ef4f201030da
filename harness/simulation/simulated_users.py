"""How a simulated model plays the user of a conversation: it tells its case, does what it is asked to, and ends.

Pure. Data flows (script, conversation so far) -> the next message. The words that end a conversation are those that the
user was told to use (tau2-bench's `###STOP###`).
"""

from __future__ import annotations

import re

from harness.messages import Message
from harness.simulation.simulated_agents import DONE, GIVING_UP, Said, asked_in
from harness.simulation.simulated_conversations import Conversation
from harness.simulation.simulated_scripts import CASE, Script
from harness.suites.prompts import text_of

STOP = "###STOP###"
"""What ends a conversation where the user was not told how to."""
PATIENCE_MESSAGES = 3
"""So often a user says that there is nothing to add before it ends the conversation."""
_GREETING = "Hello, I need your help with a problem."
_NOTHING_TO_ADD = "I have nothing to add to what I said."
_SHOWN_CHARACTERS = 2_000
_STOPS = re.compile(r"###[A-Z][A-Z_-]*###")


def users_message(script: Script | None, conversation: Conversation) -> Said:
    """Say what comes next: a call that was asked for, what it gave, or words."""
    heard = max((at for at, one in enumerate(conversation.messages) if one.role == "user"), default=-1)
    words = text_of(conversation.messages[heard].content) if heard >= 0 else ""
    since = conversation.messages[heard + 1 :]
    if DONE in words or GIVING_UP in words:
        return Said(f"Thank you. {stop_word(conversation)}")
    asked = asked_in(words)
    made = sum(len(one.tool_calls) for one in since)
    if made < len(asked):
        if asked[made].name in {tool.name for tool in conversation.tools}:
            return Said("", (asked[made].call(conversation, 0),))
        return Said(f"I cannot do that: I have no {asked[made].name}.")
    if asked:
        return Said(_told(since))
    return _words(script, conversation)


def stop_word(conversation: Conversation) -> str:
    """The word that ends this conversation, as the user was told it."""
    told = " ".join(text_of(one.content) for one in conversation.messages if one.role == "system")
    words = _STOPS.findall(told)
    return STOP if STOP in words or not words else words[0]


def _told(since: tuple[Message, ...]) -> str:
    results = [text_of(one.content) for one in since if one.role == "tool"]
    return "I did it. It says: " + "\n".join(results)[:_SHOWN_CHARACTERS]


def _words(script: Script | None, conversation: Conversation) -> Said:
    said = [text_of(one.content) for one in conversation.own]
    if not said:
        return Said(_GREETING if script is None else f"{_GREETING} {CASE.format(mark=script.mark)}")
    if said.count(_NOTHING_TO_ADD) >= PATIENCE_MESSAGES:
        return Said(f"Then I leave it at that. {stop_word(conversation)}")
    return Said(_NOTHING_TO_ADD)
