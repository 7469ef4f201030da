"""Cache counts of OpenAI-shaped usage: the many names under which gateways, SDKs and logs write the same few counts.

Data flows the top level and its input details -> `Draft.cache_*`. Whether they lie inside the input is not decided
here but by the payload's total (harness.usage.families.totals).
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.usage.draft import LIFETIMES, Draft
from harness.usage.payload import Fields

READ_IN_DETAILS = frozenset({"cached_tokens", "cache_read_tokens", "cache_read_input_tokens", "cache_read"})
READ_AT_TOP = frozenset(
    {
        "cached_tokens",
        "num_cached_tokens",
        "prompt_cache_hit_tokens",
        "cache_read_input_tokens",
        "cached_input_tokens",
        "cache_read_tokens",
        "input_tokens_cache_read",
    }
)
WRITTEN_IN_DETAILS = frozenset(
    {
        "cache_write_tokens",
        "cache_creation_tokens",
        "cache_creation_input_tokens",
        "cache_write_input_tokens",
    }
)
WRITTEN_AT_TOP = frozenset(
    {
        "cache_creation_input_tokens",
        "cache_write_input_tokens",
        "cache_write_tokens",
        "cache_creation_tokens",
        "input_tokens_cache_write",
    }
)


def read_cache_counts(draft: Draft, details: Fields) -> None:
    """Read what came from a cache and what was written to one, with modality and lifetime where they are itemised.

    Zero beside a number is a default that was never filled in; two numbers that differ are flagged, and the smaller
    one is taken.
    """
    fields = draft.fields
    fields.ignore("prompt_cache_miss_tokens", "cache_discount")
    details.ignore("cache_type")
    read = [*details.counts(READ_IN_DETAILS), *fields.counts(READ_AT_TOP)]
    draft.cache_read_tokens = agreed(fields, "cache_read", read)
    written = [*details.counts(WRITTEN_IN_DETAILS), *fields.counts(WRITTEN_AT_TOP)]
    holders = [details]
    if details.has("cache_creation_token_details"):
        holders.append(details.part("cache_creation_token_details"))
    for holder in (details, fields):
        # an object of lifetimes at Anthropic and DashScope, one number at LangChain
        if holder.holds_object("cache_creation"):
            holders.append(holder.part("cache_creation"))
        elif (created := holder.count("cache_creation")) is not None:
            written.append(created)
    five_minutes = one_hour = None
    if any(holder.has(name) for holder in holders for name in LIFETIMES):
        five_minutes, one_hour = (
            agreed(fields, "cache_write", [holder.count(name) for holder in holders]) for name in LIFETIMES
        )
    draft.split_cache_writes(agreed(fields, "cache_write", written), five_minutes, one_hour)
    if details.has("cached_tokens_details"):
        _read_cached_modalities(draft, details)


def _read_cached_modalities(draft: Draft, details: Fields) -> None:
    cached = details.part("cached_tokens_details")
    cached.ignore("text_tokens", "video_tokens")
    draft.cache_read_audio_tokens, draft.cache_read_image_tokens = (
        cached.count("audio_tokens"),
        cached.count("image_tokens"),
    )


def agreed(fields: Fields, what: str, counts: Sequence[int | None]) -> int | None:
    """Give one count from several places; the smallest above zero where they differ, which is flagged."""
    known = {count for count in counts if count is not None}
    positive = sorted(known - {0})
    if len(positive) > 1:
        fields.flag(f"{what}_counts_disagree", f"stated as {positive}; the smallest above zero is taken")
    return positive[0] if positive else (0 if known else None)
