"""A usage while it is being read: counts as stated, then the identity checks that all readers share.

Data flows a reader's counts -> `Draft` -> `Draft.usage`, where a part that cannot be true is dropped with a named flag.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.usage.payload import Fields
from harness.usage.values import Meter, Usage


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
    reasoning_tokens: int | None = None
    output_audio_tokens: int | None = None
    output_image_tokens: int | None = None

    def check_total(self, total: int | None, *, reasoning_is_outside: bool = False) -> None:
        """Compare input + output with the stated total, and place what lies outside both.

        A total above the sum shows its convention when the surplus equals the reasoning or the cached tokens. A surplus
        without any itemised reasoning is output that a converter dropped (Gemini and xAI thoughts behind gateways):
        it is billed, so it is counted as reasoning. Every other difference is flagged and left as stated.

        Args:
            total: the payload's own total; None = not stated, nothing is checked.
            reasoning_is_outside: reasoning beside the output is this provider's usual way and is not flagged.
        """
        if total is None or self.input_tokens is None:
            return
        if self.output_tokens is None:
            self._take_output_from(total)
            return
        surplus = total - self.input_tokens - self.output_tokens
        if surplus == 0:
            return
        sums = f"input {self.input_tokens} + output {self.output_tokens}, total {total}"
        cached = sum(count or 0 for count in self._cache_parts())
        if surplus > 0 and surplus == self.reasoning_tokens:
            self.output_tokens += surplus
            if not reasoning_is_outside:
                self.fields.flag("reasoning_outside_output", f"{sums}: the surplus is the reasoning")
        elif surplus > 0 and surplus == cached:
            self.input_tokens += surplus
            self.fields.flag("cache_outside_input", f"{sums}: the surplus is the cached input")
        elif surplus > 0 and not self.reasoning_tokens:
            self.output_tokens += surplus
            self.reasoning_tokens = surplus
            self.fields.flag("hidden_output", f"{sums}: the surplus was left out of the output")
        else:
            self.fields.flag("total_mismatch", sums)

    def usage(self, *, fees: Mapping[Meter, int | None] | None = None, **facts: Any) -> Usage:
        """Finish: drop parts that contradict their total, and build the value.

        Args:
            fees: quantities outside the totals; zeros and unknown ones are left out.
            facts: the other fields of `Usage`.
        """
        self._fit_cached_audio()
        self._fit_input()
        self._fit_output()
        self._flag_unknown_totals(charged_apart=any((fees or {}).values()))
        return Usage(
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            cache_read_tokens=self.cache_read_tokens,
            cache_write_5m_tokens=self.cache_write_5m_tokens,
            cache_write_1h_tokens=self.cache_write_1h_tokens,
            input_audio_tokens=self.input_audio_tokens,
            input_image_tokens=self.input_image_tokens,
            cache_read_audio_tokens=self.cache_read_audio_tokens,
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

    def _cache_parts(self) -> tuple[int | None, int | None, int | None]:
        return self.cache_read_tokens, self.cache_write_5m_tokens, self.cache_write_1h_tokens

    def _take_output_from(self, total: int) -> None:
        """No output count: a total equal to the input proves that there was none (embeddings, blocked prompts)."""
        if total == self.input_tokens and not self.fields.spoiled("completion_tokens", "output_tokens"):
            self.output_tokens = 0
            self.fields.flag("output_not_stated", f"total {total} equals the input, so the output is 0")

    def _drop(self, flag: str, names: tuple[str, ...], total: int) -> None:
        stated = ", ".join(f"{name} {getattr(self, name)}" for name in names)
        self.fields.flag(flag, f"{stated}, total {total}")
        for name in names:
            setattr(self, name, None)

    def _fit_cached_audio(self) -> None:
        stated = self.cache_read_audio_tokens or 0
        possible = min(self.cache_read_tokens or 0, self.input_audio_tokens or 0)
        if stated > possible:
            self.fields.flag("cached_audio_exceeds_audio", f"cached audio {stated}, possible at most {possible}")
            self.cache_read_audio_tokens = possible or None

    def _fit_input(self) -> None:
        """Cache parts exclude each other; a modality may overlap them, and what must overlap is taken as cached."""
        total = self.input_tokens
        if total is None:
            return
        if sum(count or 0 for count in self._cache_parts()) > total:
            self._drop(
                "cache_exceeds_input", ("cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens"), total
            )
            self.cache_read_audio_tokens = None
        if (self.input_audio_tokens or 0) + (self.input_image_tokens or 0) > total:
            self._drop("modalities_exceed_input", ("input_audio_tokens", "input_image_tokens"), total)
            self.cache_read_audio_tokens = None
        self._overlap_modalities(total)

    def _overlap_modalities(self, total: int) -> None:
        audio, image = self.input_audio_tokens or 0, self.input_image_tokens or 0
        cached_audio = self.cache_read_audio_tokens or 0
        overlap = sum(count or 0 for count in self._cache_parts()) + audio + image - cached_audio - total
        if overlap <= 0:
            return
        self.fields.flag("cache_overlaps_modality", f"{overlap} tokens must be both cached and audio or image")
        from_image = min(image, overlap)
        if from_image:
            self.input_image_tokens = image - from_image
        rest = overlap - from_image
        more_audio = min(rest, audio - cached_audio, (self.cache_read_tokens or 0) - cached_audio)
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
