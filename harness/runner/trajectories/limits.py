"""How far a conversation may go, and which of its limits it has reached.

Pure. Dollars are not counted here: a budget of the sample holds them (`sample_caps`).
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.runner.requests.attempt_ends import Limit
from harness.runner.trajectories.parties import Conversation
from harness.scorers import Score
from harness.suites.suite import SolverRef

_RULE = "limit:"
_SAID: dict[Limit, str] = {
    "usd": "it reached the dollars that one sample may cost",
    "turns": "it reached its number of turns",
    "tokens": "it reached its output tokens",
    "seconds": "it reached its time",
}


@dataclass(slots=True)
class Used:
    """What one conversation has used so far.

    Attributes:
        output_tokens: of the model under test.
        seconds: of earlier sessions; those of this one are told when they are asked for.
    """

    output_tokens: int = 0
    seconds: float = 0.0


def reached(solver: SolverRef, conversation: Conversation, used: Used, *, seconds_now: float) -> Limit | None:
    """Which limit a conversation has reached before the next request; None = it may go on.

    Args:
        seconds_now: since this session began with it.
    """
    speaker = conversation.speaker
    if speaker is None:
        return None
    if conversation.n_turns(speaker) >= solver.max_turns:
        return "turns"
    if solver.max_seconds is not None and used.seconds + seconds_now >= solver.max_seconds:
        return "seconds"
    if (
        speaker == "assistant"
        and solver.max_output_tokens is not None
        and used.output_tokens >= solver.max_output_tokens
    ):
        return "tokens"
    return None


def tokens_left(solver: SolverRef, used: Used, cap: int | None) -> int | None:
    """The output cap of the model's next request: its own, or what is left of the sample's; None = neither."""
    left = None if solver.max_output_tokens is None else max(1, solver.max_output_tokens - used.output_tokens)
    return min((one for one in (cap, left) if one is not None), default=None)


def score_at(limit: Limit, solver: SolverRef) -> Score:
    """What a sample is worth that ended at a limit, as its suite says."""
    if solver.at_limit == "unscored":
        return Score(reason="at_limit", explanation=_SAID[limit], rule=_RULE + limit)
    return Score(value=0.0, explanation=_SAID[limit], rule=_RULE + limit)


def is_at_limit(rule: str | None) -> bool:
    """Whether a stored score says that its sample ended at a limit."""
    return rule is not None and rule.startswith(_RULE)
