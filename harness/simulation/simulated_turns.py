"""One turn of a simulated party: what it says or calls, and what that takes of tokens.

Pure. Data flows (answer key, draw, conversation) -> `Answer`, as `harness.simulation.simulated_models.answer` gives one
for a single request. The draws of a turn depend on the conversation so far, so that a repeated request is answered the
same, in this process and over HTTP.
"""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import NormalDist

from harness.simulation.simulated_agents import Said, next_message, script_prompt
from harness.simulation.simulated_conversations import CALL_TOKENS, Conversation
from harness.simulation.simulated_misconduct import spoiled
from harness.simulation.simulated_models import (
    CACHE_BLOCK_TOKENS,
    CACHE_FROM_TOKENS,
    CHARACTERS_PER_TOKEN,
    OUTPUT_CAP_TOKENS,
    REASONING_LOG_SD,
    Answer,
    AnswerKey,
    Draw,
    Fault,
    answer,
    cached_tokens,
    item_difficulty,
    text_tokens,
)
from harness.simulation.simulated_users import users_message

TURN_SHARE = 0.4
"""Reasoning before one message of a conversation, as a share of that before a single answer."""

_NORMAL = NormalDist()


def take_turn(
    key: AnswerKey,
    draw: Draw,
    conversation: Conversation,
    *,
    max_output_tokens: int | None = None,
    fault: Fault | None = None,
) -> Answer:
    """Say what comes next in a conversation.

    Args:
        key: what the models know.
        draw: who answers, and what the draws depend on.
        conversation: all that was sent.
        max_output_tokens: cap on reasoning, text and calls together; None = the models' own cap.
        fault: `truncation` cuts the message short; other faults change nothing about what was used.
    """
    script = conversation.script
    if conversation.by == "user":
        return _metered(users_message(script, conversation), draw, conversation, max_output_tokens, fault)
    if script is not None:
        said = spoiled(next_message(script, draw, conversation), draw, conversation)
        return _metered(said, draw, conversation, max_output_tokens, fault)
    given = _without_script(key, draw, conversation, max_output_tokens, fault)
    said = spoiled(Said(given.text), draw, conversation)
    return _metered(said, draw, conversation, max_output_tokens, fault) if said.calls else given


def _without_script(
    key: AnswerKey, draw: Draw, conversation: Conversation, max_output_tokens: int | None, fault: Fault | None
) -> Answer:
    """Answer as if there were no tools: nothing says what to call."""
    given = answer(key, draw, conversation.question(), max_output_tokens=max_output_tokens, fault=fault)
    return replace(given, cached_tokens=_cached(draw, conversation))


def _metered(
    said: Said, draw: Draw, conversation: Conversation, max_output_tokens: int | None, fault: Fault | None
) -> Answer:
    cap = min(max_output_tokens or OUTPUT_CAP_TOKENS, OUTPUT_CAP_TOKENS)
    reasoning = _reasoning_tokens(draw, conversation)
    calls = sum(CALL_TOKENS + text_tokens(call.name) + text_tokens(call.arguments) for call in said.calls)
    written = text_tokens(said.text) + calls
    if fault == "truncation":
        cap = min(cap, reasoning + written // 3)
    room = max(0, cap - reasoning)
    cut = written > room
    reasoning = min(reasoning, cap)
    return Answer(
        # a call that is cut short is none, and neither are words that end before they say what is to be done
        text=said.text[: room * CHARACTERS_PER_TOKEN] if cut else said.text,
        cut=cut,
        right=None if said.right is None else said.right and not cut,
        prompt_tokens=conversation.prompt.tokens,
        cached_tokens=_cached(draw, conversation),
        reasoning_tokens=reasoning,
        answer_tokens=cap - reasoning if cut else written,
        entry=conversation.script.entry if conversation.script else None,
        tool_calls=() if cut else said.calls,
    )


def _reasoning_tokens(draw: Draw, conversation: Conversation) -> int:
    """Draw how long a model thinks before a message; one that plays a user does not think about it."""
    if not draw.model.reasons or conversation.by == "user" or conversation.script is None:
        return 0
    script = conversation.script
    difficulty = item_difficulty(script_prompt(script), script.entry)
    median = TURN_SHARE * draw.model.reasoning_median_tokens[draw.effort] * (0.6 + 0.8 * difficulty)
    spread = draw.dice(conversation.prompt, "thoughts").uniform()
    return max(1, round(median * math.exp(REASONING_LOG_SD * _NORMAL.inv_cdf(spread))))


def _cached(draw: Draw, conversation: Conversation) -> int:
    """Say how much of a prompt a cache holds: whole blocks of what this party's last request held."""
    sent_before = conversation.sent_before_tokens
    if sent_before is None:
        return cached_tokens(draw, conversation.prompt)
    return sent_before // CACHE_BLOCK_TOKENS * CACHE_BLOCK_TOKENS if sent_before >= CACHE_FROM_TOKENS else 0
