"""What the conversations of a cell's samples came to, added up. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnFigures:
    """Samples that are conversations of many requests, repeats of a sample apart.

    A conversation is the newest answer of each of its turns: one that was begun anew leaves nothing of the old one in
    turns and calls, while tokens and dollars are those of everything that was sent.

    Attributes:
        n_samples: that were begun.
        n_turns, most_turns: answers of the model under test.
        n_calls_known: samples whose texts were kept, so that their tool calls are known.
        n_tool_calls, most_tool_calls: that the model wanted made, in those samples.
        n_user_tool_calls: that the simulated user wanted made.
        n_walls, wall_s, most_wall_s: samples of which the time from the first request sent to the last answer is known,
            the sum of those times and the longest; pauses between sessions are in it.
        n_timed: samples with an answer whose duration says something of the model.
        n_timed_answers: such answers.
        limits: samples that a limit ended, by its name.
    """

    n_samples: int = 0
    n_turns: int = 0
    most_turns: int = 0
    n_calls_known: int = 0
    n_tool_calls: int = 0
    most_tool_calls: int = 0
    n_user_tool_calls: int = 0
    n_walls: int = 0
    wall_s: float = 0.0
    most_wall_s: float = 0.0
    n_timed: int = 0
    n_timed_answers: int = 0
    limits: Mapping[str, int] = field(default_factory=dict)

    def plus(self, other: TurnFigures) -> TurnFigures:
        """Add the samples of two cells."""
        return TurnFigures(
            **{name: getattr(self, name) + getattr(other, name) for name in _ADDED},
            **{name: max(getattr(self, name), getattr(other, name)) for name in _MOST},
            limits=dict(Counter(self.limits) + Counter(other.limits)),
        )

    @property
    def mean_turns(self) -> float | None:
        """Turns of a sample; None = none was begun."""
        return self.n_turns / self.n_samples if self.n_samples else None

    @property
    def mean_tool_calls(self) -> float | None:
        """Tool calls of a sample; None = no texts were kept."""
        return self.n_tool_calls / self.n_calls_known if self.n_calls_known else None

    @property
    def mean_user_tool_calls(self) -> float | None:
        """Tool calls of the simulated user in a sample; None = no texts were kept."""
        return self.n_user_tool_calls / self.n_calls_known if self.n_calls_known else None

    @property
    def mean_wall_s(self) -> float | None:
        """Seconds of a sample from its first request to its last answer; None = not known."""
        return self.wall_s / self.n_walls if self.n_walls else None

    @property
    def n_limited(self) -> int:
        """Samples that a limit ended."""
        return sum(self.limits.values())


_MOST = ("most_turns", "most_tool_calls", "most_wall_s")
_ADDED = tuple(name for name in TurnFigures.__dataclass_fields__ if name not in (*_MOST, "limits"))
