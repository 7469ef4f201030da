"""What a provider says that a request used, in one shape for all providers.

Data flows raw payload -> `Usage` (inclusive totals and "of which" parts) -> `meters(usage)` (disjoint quantities).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum

from harness.declared import request_value

NORMALISER_VERSION = 2
"""Raised whenever a reader's result changes; stored with each attempt so that a row can be derived again."""


class Meter(StrEnum):
    """A disjoint billable quantity. Token meters count tokens; the others count calls, images or queries."""

    INPUT = "input"
    CACHE_READ = "cache_read"
    CACHE_WRITE_5M = "cache_write_5m"
    CACHE_WRITE_1H = "cache_write_1h"
    INPUT_AUDIO = "input_audio"
    INPUT_IMAGE = "input_image"
    CACHE_READ_AUDIO = "cache_read_audio"
    CACHE_READ_IMAGE = "cache_read_image"
    OUTPUT = "output"
    REASONING = "reasoning"
    OUTPUT_AUDIO = "output_audio"
    OUTPUT_IMAGE = "output_image"
    CITATION = "citation"
    SEARCH_REASONING = "search_reasoning"
    WEB_SEARCH = "web_search"
    WEB_FETCH = "web_fetch"
    FILE_SEARCH = "file_search"
    CODE_SESSION = "code_session"
    GROUNDING = "grounding"
    GROUNDED_PROMPT = "grounded_prompt"
    MAPS_GROUNDING = "maps_grounding"
    IMAGE = "image"
    REQUEST = "request"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """A named reason why a payload does not add up, with the values that show it."""

    name: str
    detail: str


@request_value
class Usage:
    """Token usage of one request: totals include their parts; None means not known, zero means zero.

    Attributes:
        input_tokens: all tokens read, cache reads, cache writes and special modalities included.
        cache_read_tokens: of which read from a cache; None = the payload cannot say.
        cache_write_5m_tokens: of which written to a cache of five minutes (or the provider's only lifetime).
        cache_write_1h_tokens: of which written to a cache of one hour or longer.
        input_audio_tokens, input_image_tokens: of which in that modality, where priced apart.
        cache_read_audio_tokens, cache_read_image_tokens: of which both in that modality and read from a cache.
        output_tokens: all tokens billed as output, reasoning included.
        reasoning_tokens: of which reasoning; None = not itemised (never shown as 0).
        output_audio_tokens, output_image_tokens: of which in that modality.
        fees: calls, images and other quantities that are not part of the totals above (by meter).
        context_tokens: prompt size that decides a context tier; None = use `input_tokens`.
            Differs where a payload sums several calls (server tool loops).
        stated_cost_usd: what the payload itself says was charged; None when it does not say.
        stated_upstream_usd: what it says the upstream charged (own key); None when it does not say.
        own_key: the payload says that the upstream billed the user's own key, beside what is stated as charged here.
        served_model, service_tier, speed, inference_geo: as the payload states, None when it does not.
        thinking: True when the payload shows that thinking was on, None when it cannot say.
        other_models: usage inside this payload that was served by another model (model name, usage).
        calls: the calls that this usage sums, where their prompts lie on both sides of a context tier; empty = one
            call, or no tier tells them apart. They sum to the tokens of this usage; fees are not in them.
        flags: identity checks that failed; a flagged usage is kept and counted, never "fixed".
        unknown_fields: fields that the reader does not know, kept as received.
    """

    input_tokens: int | None
    output_tokens: int | None
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
    fees: Mapping[Meter, int] = field(default_factory=dict)
    context_tokens: int | None = None
    stated_cost_usd: Decimal | None = None
    stated_upstream_usd: Decimal | None = None
    own_key: bool = False
    served_model: str | None = None
    service_tier: str | None = None
    speed: str | None = None
    inference_geo: str | None = None
    thinking: bool | None = None
    other_models: tuple[tuple[str, Usage], ...] = ()
    calls: tuple[Usage, ...] = ()
    flags: tuple[Flag, ...] = ()
    unknown_fields: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse states that no reader may produce: negative counts, and parts that exceed their total."""
        read, reasoning = self.cache_read_tokens or 0, self.reasoning_tokens or 0
        unusual = (
            self.cache_write_5m_tokens or self.cache_write_1h_tokens or self.cache_read_audio_tokens
            or self.cache_read_image_tokens or self.input_audio_tokens or self.input_image_tokens
            or self.output_audio_tokens or self.output_image_tokens or self.fees or self.context_tokens
        )  # fmt: skip
        if unusual or not 0 <= read <= (self.input_tokens or 0) or not 0 <= reasoning <= (self.output_tokens or 0):
            self._check()  # not for every request: it costs more than all the rest of this value

    def _check(self) -> None:
        counts = {name: getattr(self, name) for name in (*INPUT_PARTS, *OUTPUT_PARTS, *OTHER_COUNTS)}
        for name, value in [*counts.items(), *self.fees.items()]:
            if value is not None and value < 0:
                raise ValueError(f"{name} is negative: {value}")
        cached_audio, cached_image = self.cache_read_audio_tokens or 0, self.cache_read_image_tokens or 0
        if cached_audio > min(self.cache_read_tokens or 0, self.input_audio_tokens or 0):
            raise ValueError(f"cache_read_audio_tokens {cached_audio} exceeds cache_read_tokens or input_audio_tokens")
        if cached_image > min((self.cache_read_tokens or 0) - cached_audio, self.input_image_tokens or 0):
            raise ValueError(f"cache_read_image_tokens {cached_image} exceeds cache_read_tokens or input_image_tokens")
        for total_name, parts, counted_twice in (
            ("input_tokens", INPUT_PARTS, cached_audio + cached_image),
            ("output_tokens", OUTPUT_PARTS, 0),
        ):
            total = counts[total_name]
            known = sum(counts[name] or 0 for name in parts) - counted_twice
            if total is not None and known > total:
                raise ValueError(f"parts of {total_name} sum to {known}, above the total {total}")

    def without_cache(self) -> Usage:
        """Give the same tokens as if none had been read from a cache or written to one; audio stays audio."""
        return replace(
            self,
            cache_read_tokens=None,
            cache_write_5m_tokens=None,
            cache_write_1h_tokens=None,
            cache_read_audio_tokens=None,
            cache_read_image_tokens=None,
        )

    @property
    def cache_write_tokens(self) -> int:
        """Tokens written to a cache, however long they stay there."""
        return (self.cache_write_5m_tokens or 0) + (self.cache_write_1h_tokens or 0)

    @property
    def is_missing(self) -> bool:
        """True when a total is not known: such usage has no price, and no sum may take it as zero."""
        return self.input_tokens is None or self.output_tokens is None

    @property
    def is_incomplete(self) -> bool:
        """True when the payload shows that something was used which the meters cannot hold: a bill of it is partial."""
        return any(flag.name in INCOMPLETE_FLAGS for flag in self.flags)


CACHE_PARTS = ("cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens")
INPUT_PARTS = (*CACHE_PARTS, "input_audio_tokens", "input_image_tokens")
OUTPUT_PARTS = ("reasoning_tokens", "output_audio_tokens", "output_image_tokens")
OTHER_COUNTS = (
    "input_tokens",
    "output_tokens",
    "cache_read_audio_tokens",
    "cache_read_image_tokens",
    "context_tokens",
)
INCOMPLETE_FLAGS = frozenset({"unread_counts", "total_mismatch", "declined_model_unknown", "fee_not_counted"})
"""Flags that make a bill incomplete: unread counts, totals that do not fit, unnamed models, fees without a count."""
