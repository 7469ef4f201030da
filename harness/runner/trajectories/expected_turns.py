"""What the conversations of a task are expected to cost one model: as in earlier runs, else from a default of turns.

Pure. Data flows samples to ask + earlier samples of the same task and model, or prices -> `Talks`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import fmean, harmonic_mean
from typing import Literal

from harness.ledger.reading.conversations.conversation_costs import ConversationCost
from harness.money import from_pico
from harness.stats.totals_to_come import Stratum, noise_share, total_to_come

TalksSource = Literal["earlier runs", "default turns"]
USUAL_TURNS = 10
"""Requests to the model in a conversation of which nothing is known, or the suite's limit where that is lower."""
USUAL_SAID_TOKENS = 350
"""What a turn adds to the conversation: the words and calls of the model."""
USUAL_HEARD_TOKENS = 250
"""What comes back: results of calls, or what the user says."""
SCENE_TOKENS = 2_000
"""Rules and tools, which are known once an environment is opened."""
USER_SAYS_TOKENS = 60
"""A user's message."""
_HALF = 2
"""In a conversation with a user, every second turn of the model is one with calls: so many turns to one of the user."""

Price = Callable[[float, float], Decimal | None]
"""Dollars of input and output tokens; None = no price."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Talks:
    """The conversations of one task with one model, all of them together.

    Attributes:
        n_requests: to all parties.
        input_tokens, output_tokens: of the model under test.
        usd: expected, over all parties; like the other dollars None = not known.
        low_usd, high_usd: 90 % prediction interval.
        ceiling_usd: every sample at its cap; without one, each at its last turn and every turn at its output cap.
        bound_usd: every sample at its cap.
        n_known: earlier samples that it rests on.
    """

    task: str
    n_samples: int
    n_requests: int
    input_tokens: int
    output_tokens: int
    usd: Decimal | None
    low_usd: Decimal | None
    high_usd: Decimal | None
    ceiling_usd: Decimal | None
    bound_usd: Decimal | None
    source: TalksSource
    n_known: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TalksToCome:
    """What is asked of one task.

    Attributes:
        samples: conversations of each sample, by its id.
        prompt_tokens: mean size of a prompt.
        max_turns: of the model, at most.
        output_cap: of each of its requests; None = none is sent.
        reply_tokens: what a model of the kind usually writes in a request.
        cap_usd: of each sample; None = there is none.
    """

    task: str
    samples: Mapping[str, int]
    prompt_tokens: float
    max_turns: int
    output_cap: int | None
    reply_tokens: int
    cap_usd: Decimal | None
    has_user: bool

    @property
    def n_samples(self) -> int:
        """Conversations."""
        return sum(self.samples.values())


def expected_talks(come: TalksToCome, earlier: Sequence[ConversationCost], model: Price, user: Price | None) -> Talks:
    """Say what is to be expected.

    Args:
        earlier: samples of this task that the same model was asked at the same setting, in finished runs.
        user: prices whoever plays the user; None = there is none, or it has no price.
    """
    cap = come.cap_usd
    bound = None if cap is None else cap * come.n_samples
    ceiling = bound if bound is not None else _times(come.n_samples, _at_most(come, model, user))
    if earlier:
        return _as_before(come, earlier, ceiling, bound)
    turns = min(USUAL_TURNS, come.max_turns)
    read, written = _tokens(come.prompt_tokens, turns, USUAL_SAID_TOKENS, come.reply_tokens)
    usd = _with_user(come, turns, model(read, written), user)
    if usd is not None and cap is not None:
        usd = min(usd, cap)
    asked = turns + (turns // _HALF if come.has_user else 0)
    return Talks(
        task=come.task, n_samples=come.n_samples, n_requests=asked * come.n_samples,
        input_tokens=round(read * come.n_samples), output_tokens=round(written * come.n_samples),
        usd=_times(come.n_samples, usd), low_usd=None, high_usd=None, ceiling_usd=ceiling, bound_usd=bound,
        source="default turns", n_known=0,
    )  # fmt: skip


def _as_before(
    come: TalksToCome, earlier: Sequence[ConversationCost], ceiling: Decimal | None, bound: Decimal | None
) -> Talks:
    n = come.n_samples
    charged: defaultdict[str, list[float]] = defaultdict(list)
    for one in earlier:
        if one.pico_usd is not None:
            charged[one.sample_id].append(float(one.pico_usd))
    found = total_to_come([_stratum(come, charged)])
    low, high = (None if end is None else _usd(max(0.0, end)) for end in (found.ci_low, found.ci_high))
    usd = None if found.value is None else _usd(found.value)
    if bound is not None:
        usd, high = (None if one is None else min(one, bound) for one in (usd, high))
    elif ceiling is not None:  # what tools give may be longer than it supposes
        ceiling = max(one for one in (ceiling, usd, high) if one is not None)
    return Talks(
        task=come.task, n_samples=n, n_requests=round(n * fmean(one.n_requests for one in earlier)),
        input_tokens=round(n * fmean(one.input_tokens for one in earlier)),
        output_tokens=round(n * fmean(one.output_tokens for one in earlier)),
        usd=usd, low_usd=low, high_usd=high,
        ceiling_usd=ceiling, bound_usd=bound, source="earlier runs", n_known=len(earlier),
    )  # fmt: skip


def _stratum(come: TalksToCome, charged: Mapping[str, Sequence[float]]) -> Stratum:
    new = [number for name, number in come.samples.items() if name not in charged]
    return Stratum(
        seen=[fmean(values) for values in charged.values()],
        n_to_come=come.n_samples,
        n_again=come.n_samples - sum(new),
        answers=harmonic_mean(map(len, charged.values())) if charged else 1,
        repeats=fmean(new) if new else 1,
        noise=noise_share(list(charged.values())),
    )


def _at_most(come: TalksToCome, model: Price, user: Price | None) -> Decimal | None:
    """A sample whose model writes up to its cap in every one of its turns; results may still be longer than usual."""
    if come.output_cap is None:
        return None
    read, written = _tokens(come.prompt_tokens, come.max_turns, come.output_cap, come.output_cap)
    return _with_user(come, come.max_turns, model(read, written), user)


def _tokens(prompt: float, turns: int, said: float, written: float) -> tuple[float, float]:
    """Input and output of a conversation that grows with each turn by what is said and heard in it."""
    grown = (said + USUAL_HEARD_TOKENS) * turns * (turns - 1) / 2
    return turns * (prompt + SCENE_TOKENS) + grown, turns * written


def _with_user(come: TalksToCome, turns: int, usd: Decimal | None, user: Price | None) -> Decimal | None:
    if not come.has_user or usd is None:
        return usd
    own = max(1, turns // _HALF)
    read, written = _tokens(0, own, USER_SAYS_TOKENS, USER_SAYS_TOKENS)
    spoken = None if user is None else user(read, written)
    return None if spoken is None else usd + spoken


def _times(number: int, usd: Decimal | None) -> Decimal | None:
    return None if usd is None else usd * number


def _usd(pico: float) -> Decimal:
    return from_pico(round(pico))
