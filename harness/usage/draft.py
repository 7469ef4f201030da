"""A usage while it is being read: counts as stated, then the checks that all readers share.

Data flows a reader's counts -> `Draft` -> `Draft.usage`, where a part that cannot be true is dropped with a named flag,
and so is told what no reader knows: counts that may be billed, so that a bill without them is partial.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.usage.payload import LARGEST_COUNT, Fields
from harness.usage.values import CACHE_PARTS, Meter, Usage

LIFETIMES = ("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")
"""Anthropic's names of what was written to a cache, by how long it is kept."""

SHOWN_COUNTS = 6
DEEPEST_LEVEL = 6

_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_COUNTED = re.compile(
    "tokens?|cached?|search|searches|requests?|quer(y|ies)|calls?|sources?|images?|audio|videos?|documents?|pages?|"
    "characters?|chars?|grounding|sessions?|units?|credits?|prompts?|completions?|inputs?|outputs?|reasoning|"
    "thoughts?|thinking|citations?"
)
_MEASURED = re.compile(
    "[mun]s|per|tps|latency|duration|times?|ttft|speed|rate|ratio|percent(age)?|limits?|max|min|index|ids?|version|"
    "remaining|timestamp|created"
)
_WHOLE = re.compile("total|tokens?|inputs?|outputs?|prompts?|completions?|counts?|num|number|of|the|usage|all")
"""Words of names that say again what a total says; a count under one of them that equals a total is a copy."""


@dataclass(slots=True, kw_only=True)
class Draft:
    """Counts as a payload states them; fields mean what they mean in `Usage`."""

    fields: Fields
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_5m_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    input_audio_tokens: int | None = None
    input_image_tokens: int | None = None
    cache_read_audio_tokens: int | None = None
    cache_read_image_tokens: int | None = None
    reasoning_tokens: int | None = None
    output_audio_tokens: int | None = None
    output_image_tokens: int | None = None

    def write_cache(self, minutes: int | None, hour: int | None) -> None:
        """State what was written to a cache of five minutes, and to one of an hour."""
        self.cache_write_5m_tokens, self.cache_write_1h_tokens = minutes, hour

    def split_cache_writes(self, created: int | None, minutes: int | None, hour: int | None) -> None:
        """State what was written to caches in all and by lifetime; without a split it is of five minutes, as usual.

        A split whose parts sum to something else than the whole is flagged and fitted into the whole; a whole of zero
        beside parts is a default that was never filled in.
        """
        if minutes is None and hour is None:
            self.write_cache(created, None)
            return
        parts = (minutes or 0) + (hour or 0)
        if not created or created == parts:
            self.write_cache(minutes, hour)
            return
        if minutes is not None:
            self.fields.flag("cache_lifetimes_do_not_sum", f"5m {minutes} + 1h {hour}, written in all {created}")
        fitted = min(hour or 0, created)
        self.write_cache(created - fitted, fitted)

    @property
    def cache_writes(self) -> tuple[int | None, int | None]:
        """What was written to a cache of five minutes, and to one of an hour."""
        return self.cache_write_5m_tokens, self.cache_write_1h_tokens

    @property
    def cache_written(self) -> int:
        """All that was written to a cache, what is not known left out."""
        return sum(count or 0 for count in self.cache_writes)

    @property
    def cached(self) -> int:
        """All that was read from a cache or written to one, what is not known left out."""
        return (self.cache_read_tokens or 0) + self.cache_written

    def usage(self, *, fees: Mapping[Meter, int | None] | None = None, **facts: Any) -> Usage:
        """Finish: drop parts that contradict their total, and build the value.

        Args:
            fees: quantities outside the totals; zeros and unknown ones are left out.
            facts: the other fields of `Usage`.
        """
        self._fit_cached_modalities()
        self._fit_input()
        self._fit_output()
        self._flag_unknown_totals(charged_apart=any((fees or {}).values()))
        if not self.fields.path:  # a call inside a payload leaves that to the whole
            self._flag_unread()
        return Usage(
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            cache_read_tokens=self.cache_read_tokens,
            cache_write_5m_tokens=self.cache_write_5m_tokens,
            cache_write_1h_tokens=self.cache_write_1h_tokens,
            input_audio_tokens=self.input_audio_tokens,
            input_image_tokens=self.input_image_tokens,
            cache_read_audio_tokens=self.cache_read_audio_tokens,
            cache_read_image_tokens=self.cache_read_image_tokens,
            reasoning_tokens=self.reasoning_tokens,
            output_audio_tokens=self.output_audio_tokens,
            output_image_tokens=self.output_image_tokens,
            fees={meter: quantity for meter, quantity in (fees or {}).items() if quantity},
            flags=tuple(self.fields.flags),
            unknown_fields=self.fields.unknown(),
            **facts,
        )

    def _flag_unknown_totals(self, *, charged_apart: bool) -> None:
        """Say which totals are not known; 0 + 0 tokens is what gateways write where the provider sent no usage."""
        if self.input_tokens == self.output_tokens == 0 and not charged_apart:
            self.fields.flag("zero_usage", "the payload states no tokens at all: taken as unknown, no prompt has none")
            self.input_tokens = self.output_tokens = None
        unknown = [name for name in ("input_tokens", "output_tokens") if getattr(self, name) is None]
        if unknown:
            self.fields.flag("missing", f"not known: {', '.join(unknown)}")

    def _flag_unread(self) -> None:
        both = None
        if self.input_tokens is not None and self.output_tokens is not None:
            both = self.input_tokens + self.output_tokens
        flag_unread_counts(self.fields, (self.input_tokens, self.output_tokens, both))

    def _drop(self, flag: str, names: tuple[str, ...], total: int) -> None:
        stated = ", ".join(f"{name} {getattr(self, name)}" for name in names)
        self.fields.flag(flag, f"{stated}, total {total}")
        for name in names:
            setattr(self, name, None)

    def _fit_cached_modalities(self) -> None:
        room = self.cache_read_tokens or 0
        stated = self.cache_read_audio_tokens or 0
        possible = min(room, self.input_audio_tokens or 0)
        if stated > possible:
            self.fields.flag("cached_audio_exceeds_audio", f"cached audio {stated}, possible at most {possible}")
            self.cache_read_audio_tokens = possible or None
        room -= self.cache_read_audio_tokens or 0
        stated, possible = self.cache_read_image_tokens or 0, min(room, self.input_image_tokens or 0)
        if stated > possible:
            self.fields.flag("cached_image_exceeds_image", f"cached images {stated}, possible at most {possible}")
            self.cache_read_image_tokens = possible or None

    def _fit_input(self) -> None:
        """Cache parts exclude each other; a modality may overlap them, and what must overlap is taken as cached."""
        total = self.input_tokens
        if total is None:
            return
        if self.cached > total:
            self._drop("cache_exceeds_input", CACHE_PARTS, total)
            self.cache_read_audio_tokens = self.cache_read_image_tokens = None
        if (self.input_audio_tokens or 0) + (self.input_image_tokens or 0) > total:
            self._drop("modalities_exceed_input", ("input_audio_tokens", "input_image_tokens"), total)
            self.cache_read_audio_tokens = self.cache_read_image_tokens = None
        self._overlap_modalities(total)

    def _overlap_modalities(self, total: int) -> None:
        audio, image = self.input_audio_tokens or 0, self.input_image_tokens or 0
        cached_audio, cached_image = self.cache_read_audio_tokens or 0, self.cache_read_image_tokens or 0
        cached = self.cached
        overlap = cached + audio + image - cached_audio - cached_image - total
        if overlap <= 0:
            return
        self.fields.flag("cache_overlaps_modality", f"{overlap} tokens must be both cached and audio or image")
        from_image = min(image - cached_image, overlap)
        if from_image:
            self.input_image_tokens = image - from_image
        rest = overlap - from_image
        more_audio = min(rest, audio - cached_audio, (self.cache_read_tokens or 0) - cached_audio - cached_image)
        if more_audio:
            self.cache_read_audio_tokens = cached_audio + more_audio
        if rest > more_audio:
            self.input_audio_tokens = audio - (rest - more_audio)

    def _fit_output(self) -> None:
        total = self.output_tokens
        if total is None:
            return
        if (self.output_audio_tokens or 0) + (self.output_image_tokens or 0) > total:
            self._drop("modalities_exceed_output", ("output_audio_tokens", "output_image_tokens"), total)
        modalities = (self.output_audio_tokens or 0) + (self.output_image_tokens or 0)
        if (self.reasoning_tokens or 0) + modalities > total:
            self._drop("reasoning_exceeds_output", ("reasoning_tokens",), total)


def unread_counts(fields: Fields) -> dict[str, int]:
    """List whole numbers above zero that nobody has read so far and that may count something billed, by path."""
    return {path: count for path, value in fields.unknown().items() for path, count in _numbers(path, value)}


def flag_unread_counts(fields: Fields, totals: Iterable[int | None]) -> None:
    """Flag what a reader left unread, except copies of the totals under another name.

    Args:
        totals: input, output and their sum, as read.
    """
    known = {total for total in totals if total is not None}
    unread = {
        path: value
        for path, value in unread_counts(fields).items()
        if not (value in known and all(_WHOLE.fullmatch(word) for word in _words(path)))
    }
    if unread:
        shown = ", ".join(f"{path} {value}" for path, value in list(unread.items())[:SHOWN_COUNTS])
        more = f" and {len(unread) - SHOWN_COUNTS} more" if len(unread) > SHOWN_COUNTS else ""
        fields.flag("unread_counts", f"no reader knows {shown}{more}: what they cost is not in the bill")


def _numbers(path: str, value: object, level: int = 0) -> Iterator[tuple[str, int]]:
    """Walk an unknown value down to its whole numbers."""
    if level > DEEPEST_LEVEL:
        return
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _numbers(f"{path}.{name}", inner, level + 1)
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _numbers(f"{path}[{index}]", inner, level + 1)
    elif isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LARGEST_COUNT and _is_counter(path):
        yield path, value


def _is_counter(path: str) -> bool:
    own_name = path.rpartition(".")[2]
    counted = any(_COUNTED.fullmatch(word) for word in _words(path))
    return counted and not any(_MEASURED.fullmatch(word) for word in _words(own_name))


def _words(path: str) -> list[str]:
    return [word.lower() for word in _WORDS.findall(path)]
