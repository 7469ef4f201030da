"""The simulated models: who they are, how often they are right, what they use, and how the flaky one fails.

Pure: data flows samples -> `AnswerKey`, then (key, seed, prompt, model, effort, epoch, try) -> `Answer` and `Fault`.
The same arguments give the same answer in this process, in another one, and over HTTP.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import NormalDist
from typing import Literal, TypedDict

from harness.messages import Clip, ToolCall, sent_parts
from harness.simulation.simulated_answers import AnswerText, Dice, KeyEntry, Outcome, entry_of, write_answer
from harness.simulation.simulated_judge import asks_for_verdict, write_verdict
from harness.simulation.simulated_scripts import Script, Scripts, Words, script_of
from harness.suites.image_tokens import SIMULATED_IMAGE
from harness.suites.prompts import question_key
from harness.suites.sample import Sample

Effort = Literal["low", "medium", "high"]
EFFORTS: tuple[Effort, ...] = ("low", "medium", "high")
FINGERPRINT = "benchtab-simulated"

OUTPUT_CAP_TOKENS = 16_384
"""No simulated model writes more, whatever cap a request asks for."""

REASONING_LOG_SD = 0.95
"""Standard deviation of the log of the reasoning length within one difficulty; about 1 over a mixed suite."""

CHARACTERS_PER_TOKEN = 4
CACHE_BLOCK_TOKENS = 64
CACHE_FROM_TOKENS = 128

_NORMAL = NormalDist()
_REQUEST_ID = re.compile(r"\.e(\d+)(?:\.n\d+(?:\.user)?)?\.t(\d+)$")

Habit = Literal["loop", "broken_json", "not_an_object", "unknown_tool", "no_id", "same_id", "unoffered", "fan_out"]
"""How an unruly model calls tools: the same call for ever; arguments that are no JSON, or JSON but no object; a tool
that nobody offered; calls without ids, or with the same one; calls where no tools are offered; very many at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedModel:
    """A simulated model.

    Attributes:
        name: name behind `sim/`.
        ability: on the scale of difficulties, by effort; an item as hard as that is answered rightly half the time.
        reasoning_median_tokens: by effort, for an item of middling difficulty; empty for a model that does not reason.
        fault_rates: share of requests that meet each fault.
        habits: share of its messages in which it misbehaves, by how; `simulated_misconduct` carries them out.
        plays_users: made to play users of a conversation.
    """

    name: str
    ability: Mapping[Effort, float]
    reasoning_median_tokens: Mapping[Effort, int]
    fault_rates: Mapping[Fault, float]
    habits: Mapping[Habit, float] = field(default_factory=dict)
    plays_users: bool = False

    @property
    def reasons(self) -> bool:
        """Whether the model reasons before it answers, and takes an effort."""
        return bool(self.reasoning_median_tokens)


Fault = Literal["rate_limit", "server_error", "overloaded", "timeout", "connection", "missing_usage", "truncation"]
FAULT_STATUS: dict[Fault, int] = {"rate_limit": 429, "server_error": 500, "overloaded": 503}
"""Faults that are answered with a status; the others lose the answer on its way or spoil a good one."""

FLAKY_RATES: dict[Fault, float] = {
    "rate_limit": 0.12,
    "server_error": 0.08,
    "overloaded": 0.03,
    "timeout": 0.03,
    "connection": 0.04,
    "missing_usage": 0.05,
    "truncation": 0.05,
}


def _plain_model(
    name: str, *, ability: float, habits: Mapping[Habit, float] | None = None, plays_users: bool = False
) -> SimulatedModel:
    return SimulatedModel(
        name=name,
        ability={"medium": ability},
        reasoning_median_tokens={},
        fault_rates={},
        habits=habits or {},
        plays_users=plays_users,
    )


GARBLER_HABITS: dict[Habit, float] = {
    "broken_json": 0.2,
    "not_an_object": 0.1,
    "unknown_tool": 0.2,
    "no_id": 0.1,
    "same_id": 0.1,
    "unoffered": 0.5,
}
"""`unoffered` counts where no tools are offered, the others where some are."""

MODELS: dict[str, SimulatedModel] = {
    model.name: model
    for model in (
        SimulatedModel(
            name="reasoner",
            ability={"low": 0.72, "medium": 0.84, "high": 0.96},
            reasoning_median_tokens={"low": 300, "medium": 900, "high": 2_400},
            fault_rates={},
        ),
        SimulatedModel(
            name="direct",
            ability={"medium": 0.52},
            reasoning_median_tokens={},
            fault_rates={},
        ),
        SimulatedModel(
            name="flaky",
            ability={"low": 0.62, "medium": 0.72, "high": 0.82},
            reasoning_median_tokens={"low": 200, "medium": 600, "high": 1_600},
            fault_rates=FLAKY_RATES,
        ),
        _plain_model("user", ability=0.4, plays_users=True),
        _plain_model("looper", ability=0.4, habits={"loop": 1.0}),
        _plain_model("garbler", ability=0.6, habits=GARBLER_HABITS),
        _plain_model("fanout", ability=0.6, habits={"fan_out": 1.0}),
    )
}


def find_model(name: str) -> SimulatedModel | None:
    """Find a model by any of its names (`reasoner`, `sim/reasoner`, `sim-reasoner`); None when there is none."""
    return MODELS.get(name.removeprefix("sim/").removeprefix("sim-"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What a simulated model sees of a conversation.

    Attributes:
        sha256: digest of the last user message.
        tokens: size of the whole conversation.
        verdict: what to say when the last user message asks to judge a reply, else None.
    """

    sha256: str
    tokens: int
    verdict: str | None = None


def prompt_sha256(parts: str | Sequence[str | bytes]) -> str:
    """Digest a user message: its text parts joined by line breaks, then each image's bytes.

    Earlier answers inside a prompt do not count: a step is the same question whatever the steps before it gave.
    """
    if isinstance(parts, str):
        return hashlib.sha256(question_key(parts).encode()).hexdigest()
    text = "\n".join(part for part in parts if isinstance(part, str))
    digest = hashlib.sha256(question_key(text).encode())
    for image in parts:
        if isinstance(image, bytes):
            digest.update(b"\0image:" + hashlib.sha256(image).digest())
    return digest.hexdigest()


def prompt_of(messages: Iterable[tuple[str, str | Sequence[str | bytes]]]) -> Prompt:
    """Digest a conversation of (role, text or parts); images are given as bytes."""
    tokens = 3
    last_user: str | Sequence[str | bytes] = ""
    for role, content in messages:
        if role == "user":
            last_user = content
        tokens += 4
        for part in (content,) if isinstance(content, str) else content:
            tokens += text_tokens(part) if isinstance(part, str) else SIMULATED_IMAGE
    judged = last_user if isinstance(last_user, str) and asks_for_verdict(last_user) else None
    return Prompt(
        sha256=prompt_sha256(last_user), tokens=tokens, verdict=None if judged is None else write_verdict(judged)
    )


def text_tokens(text: str) -> int:
    """Count a text's tokens the way the simulated models do: characters by four, rounded up."""
    return -(-len(text) // CHARACTERS_PER_TOKEN)


class AnswerKey:
    """What the simulated models know: prompt digest -> the entry to answer it with."""

    __slots__ = ("_entries", "scripts")

    def __init__(self, entries: Mapping[str, KeyEntry], scripts: Iterable[tuple[Script, Sequence[Words]]] = ()) -> None:
        self._entries = dict(entries)
        self.scripts = Scripts(scripts)

    @classmethod
    def from_samples(cls, samples: Iterable[tuple[Sample, str]]) -> AnswerKey:
        """Make a key from samples, each with the name of its scorer.

        A prompt that occurs twice with different targets gets no answer at all: any answer would be right for one of
        them and wrong for the other.
        """
        entries: dict[str, KeyEntry] = {}
        scripts: list[tuple[Script, Sequence[Words]]] = []
        for sample, scorer in samples:
            try:
                parts = _parts(sample)
            except ValueError:  # a video that cannot be decoded: it cannot be asked either
                continue
            digest = prompt_sha256(parts)
            entry = entry_of(sample, scorer, n_frames=_n_frames(sample, parts))
            if (script := script_of(sample, entry)) is not None:
                scripts.append(script)
            known = entries.get(digest)
            if known is not None and (known.target, known.program) != (entry.target, entry.program):
                entry = replace(known, answerable=False)
            entries[digest] = entry if known is None or not entry.answerable else known
        return cls(entries, scripts)

    def find(self, sha256: str) -> KeyEntry | None:
        """Find the entry of a prompt; None when the prompt is not in the key."""
        return self._entries.get(sha256)

    def __len__(self) -> int:
        return len(self._entries)


class ChatUsage(TypedDict):
    """A usage in the shape of OpenAI's chat completions."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: dict[str, int]
    completion_tokens_details: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a simulated model answered and used.

    Attributes:
        text: the visible answer, empty when the reasoning used up the cap.
        cut: stopped at the cap (`finish_reason = "length"`).
        right: whether a correct scorer finds it right; None when the prompt is not in the key.
        prompt_tokens: all tokens read; cached_tokens is a part of it.
        reasoning_tokens, answer_tokens: disjoint; their sum is billed as output.
        entry: the item that was answered, None when the prompt is not in the key.
        tool_calls: what is to be called, in order.
    """

    text: str
    cut: bool
    right: bool | None
    prompt_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    answer_tokens: int
    entry: KeyEntry | None = None
    tool_calls: tuple[ToolCall, ...] = ()

    @property
    def finish_reason(self) -> Literal["stop", "length", "tool_calls"]:
        """`length` when cut at the cap, else `tool_calls` where tools are to be called, else `stop`."""
        if self.cut:
            return "length"
        return "tool_calls" if self.tool_calls else "stop"

    def usage(self) -> ChatUsage:
        """Say what was used in the shape of OpenAI's chat completions."""
        completion = self.reasoning_tokens + self.answer_tokens
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": completion,
            "total_tokens": self.prompt_tokens + completion,
            "prompt_tokens_details": {"cached_tokens": self.cached_tokens},
            "completion_tokens_details": {"reasoning_tokens": self.reasoning_tokens},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """What the draws of one request depend on.

    Attributes:
        seed: of the simulation as a whole.
        model: who answers.
        effort: as asked; `medium` where nothing was asked.
        epoch, try_number: from the request id; only faults depend on the try.
    """

    seed: int
    model: SimulatedModel
    effort: Effort = "medium"
    epoch: int = 0
    try_number: int = 0

    def dice(self, prompt: Prompt, purpose: str) -> Dice:
        """Start the stream of draws for one purpose."""
        return Dice(f"{self.seed}|{prompt.sha256}|{self.epoch}|{self.model.name}|{self.effort}|{purpose}")


def epoch_and_try(request_id: str | None) -> tuple[int, int]:
    """Read epoch and try from the end of a request id; 0 and 0 when it has none.

    It ends in `.e<epoch>.t<try>`, or for a turn of a conversation in `.e<epoch>.n<turn>[.user].t<try>`.
    """
    found = _REQUEST_ID.search(request_id or "")
    return (int(found[1]), int(found[2])) if found else (0, 0)


def fault_of(draw: Draw, prompt: Prompt) -> Fault | None:
    """Draw the fault that one try of a request meets; None for a good answer."""
    if not draw.model.fault_rates:
        return None
    left = draw.dice(prompt, f"fault|{draw.try_number}").uniform()
    for fault, rate in draw.model.fault_rates.items():
        left -= rate
        if left < 0:
            return fault
    return None


def retry_after_s(draw: Draw, prompt: Prompt) -> float:
    """Draw how long a refused try is asked to wait: 0 to 0.09 seconds."""
    return draw.dice(prompt, f"wait|{draw.try_number}").integer(0, 9) / 100


def answer(
    key: AnswerKey, draw: Draw, prompt: Prompt, *, max_output_tokens: int | None = None, fault: Fault | None = None
) -> Answer:
    """Answer a prompt.

    Args:
        key: what the models know.
        draw: who answers, and what the draws depend on.
        prompt: what was asked.
        max_output_tokens: cap on reasoning and text together; None = the models' own cap.
        fault: `truncation` cuts the text short; other faults change nothing about what was used.
    """
    entry = key.find(prompt.sha256)
    if entry is not None and entry.drawn_as is not None:
        prompt = replace(prompt, sha256=entry.drawn_as)
    dice = draw.dice(prompt, "answer")
    difficulty = item_difficulty(prompt, entry)
    outcome = draw_outcome(entry, draw, difficulty, dice)
    text = write_answer(entry or _UNKNOWN, outcome, dice)
    if entry is None and prompt.verdict is not None:
        text = AnswerText(prose="", final=prompt.verdict)
    cap = min(max_output_tokens or OUTPUT_CAP_TOKENS, OUTPUT_CAP_TOKENS)
    reasoning = _reasoning_tokens(draw, difficulty, outcome, dice)
    whole = text.whole
    if fault == "truncation":
        cap = min(cap, reasoning + text_tokens(whole) // 3)
    room = max(0, cap - reasoning)
    cut = text_tokens(whole) > room
    shown = text.prose[: room * CHARACTERS_PER_TOKEN] if cut else whole
    reasoning = min(reasoning, cap)
    return Answer(
        text=shown,
        cut=cut,
        right=None if entry is None else outcome == "right" and not cut,
        prompt_tokens=prompt.tokens,
        cached_tokens=cached_tokens(draw, prompt),
        reasoning_tokens=reasoning,
        # cut text is billed up to the cap: the tokens behind the cut were written, too
        answer_tokens=cap - reasoning if cut else text_tokens(whole),
        entry=entry,
    )


_UNKNOWN = KeyEntry(task="", sample_id="", style="text", ask="answer", target="")


def _parts(sample: Sample) -> str | Sequence[str | bytes]:
    if isinstance(sample.input, str):
        return sample.input
    return [part if isinstance(part, str) else part.data for part in sent_parts(sample.input)]


def _n_frames(sample: Sample, parts: str | Sequence[str | bytes]) -> int | None:
    """How many pictures a sample with a video shows; None = it has no video."""
    if isinstance(sample.input, str) or not any(isinstance(part, Clip) for part in sample.input):
        return None
    return sum(isinstance(part, bytes) for part in parts)


def item_difficulty(prompt: Prompt, entry: KeyEntry | None) -> float:
    """How hard an item is: as its sample says, and a share of its own."""
    # an item's own share, the same for every model, seed and epoch: items differ even where no difficulty is known
    own = int(prompt.sha256[:8], 16) / 0xFFFFFFFF - 0.5
    return min(1.0, max(0.0, (entry.difficulty if entry else 0.5) + 0.3 * own))


def draw_outcome(entry: KeyEntry | None, draw: Draw, difficulty: float, dice: Dice) -> Outcome:
    """Draw whether an item is answered rightly."""
    luck, speech = dice.uniform(), dice.uniform()
    if entry is None or speech < 0.01:
        return "none"
    ability = draw.model.ability.get(draw.effort, draw.model.ability["medium"])
    knows = 0.0 if entry.lacks_frames else 1 / (1 + math.exp(-6 * (ability - difficulty)))
    guess = 1 / entry.n_choices if entry.style == "choice" else 0.0
    right = luck < knows + (1 - knows) * guess
    return "right" if right and entry.can_be_right else "wrong"


def _reasoning_tokens(draw: Draw, difficulty: float, outcome: Outcome, dice: Dice) -> int:
    spread, runaway = dice.uniform(), dice.uniform()
    if not draw.model.reasons:
        return 0
    if runaway < 0.005 + 0.025 * difficulty:
        return OUTPUT_CAP_TOKENS  # never stops by itself: the point mass at the cap
    median = draw.model.reasoning_median_tokens[draw.effort] * (0.6 + 0.8 * difficulty)
    if outcome != "right":
        median *= 1.3  # long reasoning is wrong more often
    return max(1, round(median * math.exp(REASONING_LOG_SD * _NORMAL.inv_cdf(spread))))


def cached_tokens(draw: Draw, prompt: Prompt) -> int:
    """Say how much of a prompt a cache holds: repeats nearly all of it, first askings the shared beginning of half."""
    if prompt.tokens < CACHE_FROM_TOKENS:
        return 0
    blocks = (prompt.tokens - 1) // CACHE_BLOCK_TOKENS
    if draw.epoch == 0:
        shares_its_beginning = int(prompt.sha256[8:10], 16) % 2 == 0
        blocks = blocks // 2 if shares_its_beginning else 0
    return blocks * CACHE_BLOCK_TOKENS
