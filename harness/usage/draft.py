"""A usage while it is being read: counts as stated, then the checks on parts that all readers share.

Data flows a reader's counts -> `Draft` -> `Draft.usage`, where a part that cannot be true is dropped with a named flag.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.usage.payload import Fields
from harness.usage.unread import flag_unread_counts
from harness.usage.values import CACHE_PARTS, Meter, Usage


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
