"""What simulated parties know of samples that are conversations: the calls to make, and how a sample is recognised.

Data flows Sample -> `Script`; (mark, words of a conversation) -> the script that it follows. A sample is known by its
mark (`harness.suites.sample.sample_mark`), which request ids carry and the simulated user says; by the words of its
prompt; and, for who plays the user, by its scenario, where no other sample has the same.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.messages import Message
from harness.simulation.simulated_answers import KeyEntry
from harness.suites.gold_calls import Gold, gold_of
from harness.suites.prompts import text_of
from harness.suites.sample import Sample, sample_mark

CASE = "My case is {mark}."
_CASE = re.compile(r"\bcase (?:is )?([0-9a-f]{12})\b")
_REMEMBERED = 4_096
_FIRST_MESSAGES = 3
_SHORTEST_TEXT = 20
"""Characters; shorter texts of a sample are found in any long prompt."""

_SCENARIOS = ("scenario", "user_scenario")
"""Where samples hold what their user is told."""

Words = tuple[str, ...]
"""Texts that together tell a sample: each stands in the prompt, blanks and line breaks aside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A sample that is solved by calls.

    Attributes:
        mark: short name of the sample.
        gold: what its reference asks for.
        entry: the sample as any other: task, id, difficulty, form of its answer; its target is the final answer.
    """

    mark: str
    gold: Gold
    entry: KeyEntry


class Scripts:
    """All scripts of a key, and the ways to find one."""

    __slots__ = ("_by_mark", "_known", "_words")

    def __init__(self, scripts: Iterable[tuple[Script, Sequence[Words]]]) -> None:
        """Take scripts, each with the words by which it is recognised: any one of them suffices."""
        self._by_mark: dict[str, Script] = {}
        self._words: defaultdict[Words, set[str]] = defaultdict(set)
        self._known: dict[str, Script | None] = {}
        for script, listed in scripts:
            self._by_mark[script.mark] = script
            for words in listed:
                self._words[words].add(script.mark)

    def __len__(self) -> int:
        return len(self._by_mark)

    def find(self, mark: str | None, messages: Sequence[Message]) -> Script | None:
        """Find what a conversation is about; None when nothing in it tells, or what it says fits several samples."""
        if mark is not None and mark in self._by_mark:
            return self._by_mark[mark]
        said = [text_of(message.content) for message in messages if message.role != "tool"]
        for text in said:
            if (case := _CASE.search(text)) and case[1] in self._by_mark:
                return self._by_mark[case[1]]
        return next((found for text in said[:_FIRST_MESSAGES] if (found := self._told_by(text)) is not None), None)

    def _told_by(self, text: str) -> Script | None:
        if text not in self._known:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            plain = _plain(text)
            fitting = [words for words in self._words if all(part in plain for part in words)]
            longest = max((sum(map(len, words)) for words in fitting), default=0)
            marks = set().union(*(self._words[words] for words in fitting if sum(map(len, words)) == longest))
            self._known[text] = self._by_mark[marks.pop()] if len(marks) == 1 else None
        return self._known[text]


def script_of(sample: Sample, entry: KeyEntry) -> tuple[Script, tuple[Words, ...]] | None:
    """Read a sample's script and the words by which it is recognised; None for a sample without calls."""
    gold = gold_of(sample)
    if gold is None:
        return None
    mark = sample_mark(sample.task, sample.sample_id)
    entry = replace(entry, style="text", target=mark if gold.answer is None else gold.answer)
    script = Script(mark=mark, gold=gold, entry=entry)
    prompt = _plain(text_of(sample.input))
    scenario = tuple(sorted(_plain(text) for name in _SCENARIOS for text in _texts_in(sample.metadata.get(name))))
    return script, tuple(words for words in ((prompt,), scenario) if sum(map(len, words)) >= _SHORTEST_TEXT)


def _plain(text: str) -> str:
    return " ".join(text.split())


def _texts_in(scenario: object) -> Iterator[str]:
    """The texts of a scenario, however an environment puts them together."""
    if isinstance(scenario, Mapping):
        for value in scenario.values():
            yield from _texts_in(value)
    elif isinstance(scenario, str) and scenario.startswith("{"):
        with contextlib.suppress(ValueError, RecursionError):
            yield from _texts_in(json.loads(scenario))
    elif isinstance(scenario, str):
        yield scenario
