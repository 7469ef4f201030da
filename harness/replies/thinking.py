"""Thinking that a server left inside a reply is taken out of it: `<think>`, `[THINK]`, harmony channels and the like.

Servers of open models without a reasoning parser send both in one text. Data flows reply -> `Separated` (answer,
reasoning); what is behind an opening mark that is never closed is reasoning, so a reply that was cut while thinking
holds no answer. Marks are known from the chat templates of DeepSeek-R1, Qwen3, Magistral, Kimi, Seed-OSS, gpt-oss,
Command A, Gemma and OpenThoughts. A mark that the reply talks about (in code, in quotes, in a sentence) is none. Pure
and linear.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from harness.declared import request_value

_NAME = r"(?:[a-z0-9]{1,20}[:_])?(?:think(?:ing)?|thoughts?|reasoning|scratchpad|inner_monologue|antthinking)"
_MARK = re.compile(
    r"<[ ]?(?P<tag>/?)[ ]?" + _NAME + r"(?:[ \t][^<>\n]{0,200})?[ ]?>"
    r"|\[(?P<square>/?)(?:THINK|THINKING)\]"
    r"|◁(?P<kimi>/?)think▷"
    r"|<[|｜](?P<piped>/|end_of_|end_|)(?:begin_of_|start_)?(?:think|thinking|thought)[|｜]>"
    r"|(?P<gemma><unused94>thought|<\|channel>thought)|(?P<gemma_end><unused95>|<channel\|>)",
    re.IGNORECASE,
)
_LEAD = re.compile(
    r"(?:\s|<s>|<bos>|<\|im_start\|>assistant|<\|assistant\|>|<\|start_header_id\|>assistant<\|end_header_id\|>|\[BOS\])*"
)
_FENCE = re.compile(r"^[ \t]{0,8}(?:```|~~~)", re.MULTILINE)
_MOST_LAYERS = 10
"""Marks of one kind within an answer of another kind."""
_QUOTES = frozenset("`'\"“”‘’«»„")
_CHANNEL = re.compile(
    r"(?:<\|start\|>(?P<role>\w{0,20}))?<\|channel\|>(?P<name>\w{1,20})[^<]{0,200}(?:<\|constrain\|>[^<]{0,50})?<\|message\|>"
)
_CONTROL = re.compile(r"<\|(?:end|return|call|start|channel)\|>")
_BARE_ANALYSIS, _BARE_FINAL = re.compile(r"\s*analysis(?=[A-Z\"'(])"), "assistantfinal"
_SIGNS = ("<", "THINK]", "◁", _BARE_FINAL)
"""Nothing is to be taken out of a reply that has none of these."""


@request_value
class Separated:
    """A reply in two parts.

    Attributes:
        answer: what the model says, as it came where nothing was taken out.
        reasoning: what it thought; None when the reply holds no thinking.
    """

    answer: str
    reasoning: str | None = None


@dataclass(frozen=True, slots=True)
class _Mark:
    start: int
    end: int
    closes: bool
    family: str


def separate(text: str, *, cut: bool = False) -> Separated:
    """Take thinking out of a reply; a separated answer comes back unchanged when it is separated again.

    Args:
        cut: the reply ended at its output cap, so a mark may be open because the closing one never came.
    """
    if not cut and not any(map(text.__contains__, _SIGNS)):
        return Separated(answer=text)
    answer, thoughts = text, []
    for _ in range(_MOST_LAYERS):
        found = _by_channels(answer) or _by_bare_channels(answer, cut=cut) or _by_marks(answer, cut=cut)
        if found.answer == answer:
            break
        answer = found.answer
        thoughts.append(found.reasoning or "")
    return Separated(answer=answer, reasoning="\n\n".join(filter(None, thoughts)) or None)


def _parted(answer: Sequence[str], thoughts: Sequence[str]) -> Separated:
    said = re.sub(r"\A(?:[ \t]*[\r\n]+)+", "", "".join(answer)).rstrip()
    return Separated(answer=said, reasoning="\n\n".join(one.strip() for one in thoughts if one.strip()))


def _by_channels(text: str) -> Separated | None:
    """Harmony: what is in the channel `final` is the answer, every other channel is not."""
    heads = [
        match
        for match in _CHANNEL.finditer(text)
        if text[match.start() - 1 : match.start()] not in _QUOTES or not match.start()
    ]
    if not heads or (text[: heads[0].start()].strip() and heads[0]["role"] is None):
        return None
    thoughts = [_CONTROL.sub("", text[: heads[0].start()])]
    answer: list[str] = []
    for head in heads:
        stop = _CONTROL.search(text, head.end())
        content = text[head.end() : stop.start() if stop else len(text)]
        (answer if head["name"] == "final" else thoughts).append(content)
    return _parted(answer, thoughts)


def _by_bare_channels(text: str, *, cut: bool) -> Separated | None:
    """Harmony whose special tokens were dropped: `analysis...assistantfinal...`."""
    begins = _BARE_ANALYSIS.match(text)
    if begins is None or not (cut or _BARE_FINAL in text):
        return None
    thought, mark, answer = text[begins.end() :].rpartition(_BARE_FINAL)
    return _parted([answer], [thought]) if mark else _parted([], [answer])


def _by_marks(text: str, *, cut: bool) -> Separated:
    marks = [mark for match in _MARK.finditer(text) if (mark := _unquoted(text, match)) is not None]
    return _Reading(text, marks, cut=cut).separated() if marks else Separated(answer=text)


def _unquoted(text: str, match: re.Match[str]) -> _Mark | None:
    start, end = match.span()
    if text[start - 1 : start] in _QUOTES and start and text[end : end + 1] in _QUOTES and end < len(text):
        return None
    family = match.lastgroup or ""
    closes = family == "gemma_end" or (family != "gemma" and bool(match[family]))
    return _Mark(start, end, closes, family.removesuffix("_end"))


class _Reading:
    """One pass over the marks of a reply."""

    def __init__(self, text: str, marks: Sequence[_Mark], *, cut: bool) -> None:
        self._text = text
        self._marks = marks
        self._cut = cut
        self._fences = [match.start() for match in _FENCE.finditer(text)]
        self._partner = _partners(marks)
        self._last_closing = {mark.family: index for index, mark in enumerate(marks) if mark.closes}
        self._said: list[str] = []
        self._n_fences_said = 0
        self._thoughts: list[str] = []
        self._place = 0

    def separated(self) -> Separated:
        index = 0
        while index < len(self._marks):
            mark = self._marks[index]
            index = self._close(index) if mark.closes else self._open(index)
        if not self._thoughts:
            return Separated(answer=self._text)
        return _parted([*self._said, self._text[self._place :]], self._thoughts)

    def _close(self, index: int) -> int:
        """A closing mark without an opening one: the chat template wrote that, and all before it was thought."""
        mark = self._marks[index]
        if self._alone_on_line(mark) or not self._in_code(mark):
            self._thoughts.append("".join(self._said) + self._text[self._place : mark.start])
            self._said, self._n_fences_said, self._place = [], 0, mark.end
        return index + 1

    def _open(self, index: int) -> int:
        mark = self._marks[index]
        leads = not any(self._said) and _LEAD.fullmatch(self._text, self._place, mark.start) is not None
        partner = self._partner.get(index, self._later_closing(index) if leads else None)
        if not leads and (self._in_code(mark) or not self._begins_line(mark)):
            return index + 1 if partner is None else partner + 1  # the reply talks about it
        if partner is not None:
            self._take(mark, self._marks[partner].start, self._marks[partner].end)
            return partner + 1
        if leads or self._cut:
            self._take(mark, len(self._text), len(self._text))
            return len(self._marks)
        return index + 1

    def _later_closing(self, index: int) -> int | None:
        """The last closing mark of a family: in a reply that is whole it closes one that leads, nested or not."""
        last = -1 if self._cut else self._last_closing.get(self._marks[index].family, -1)
        return last if last > index else None

    def _take(self, mark: _Mark, stop: int, place: int) -> None:
        before = self._text[self._place : mark.start]
        if before.strip() and _LEAD.fullmatch(before) is None:
            self._said.append(before)
            self._n_fences_said += self._n_fences(self._place, mark.start)
        self._thoughts.append(self._text[mark.end : stop])
        self._place = place

    def _n_fences(self, start: int, end: int) -> int:
        return bisect_left(self._fences, end) - bisect_left(self._fences, start)

    def _in_code(self, mark: _Mark) -> bool:
        return (self._n_fences_said + self._n_fences(self._place, mark.start)) % 2 == 1

    def _begins_line(self, mark: _Mark) -> bool:
        before = self._text[max(0, mark.start - 40) : mark.start]
        return not before.rpartition("\n")[2].strip()

    def _alone_on_line(self, mark: _Mark) -> bool:
        return self._begins_line(mark) and not self._text[mark.end : mark.end + 40].partition("\n")[0].strip()


def _partners(marks: Sequence[_Mark]) -> dict[int, int]:
    """Opening mark -> its closing one, as brackets nest; marks of one family only."""
    opened: dict[str, list[int]] = {}
    found: dict[int, int] = {}
    for index, mark in enumerate(marks):
        if not mark.closes:
            opened.setdefault(mark.family, []).append(index)
        elif opened.get(mark.family):
            found[opened[mark.family].pop()] = index
    return found
