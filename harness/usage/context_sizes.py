"""The dimensions that a price can depend on, made coarse enough to sum by: time slots and context buckets.

Every context threshold of a known price lies on a bucket's edge, whether the provider writes "above" or "from", and
every known price window (DeepSeek's begins at 16:30 UTC) lies on a slot's edge.
"""

from __future__ import annotations

from bisect import bisect_right

CONTEXT_THRESHOLDS = (100_000, 128_000, 200_000, 256_000, 272_000)
CONTEXT_BOUNDS = tuple(sorted({0, *CONTEXT_THRESHOLDS, *(threshold + 1 for threshold in CONTEXT_THRESHOLDS)}))
"""Lower bounds of the context buckets, in tokens."""

SLOT_US = 15 * 60 * 1_000_000
"""A quarter of an hour."""


def context_bucket(context_tokens: int | None) -> int | None:
    """Return the lower bound of the bucket that a prompt of this size falls into; None when the size is not known."""
    if context_tokens is None:
        return None
    return CONTEXT_BOUNDS[bisect_right(CONTEXT_BOUNDS, max(0, context_tokens)) - 1]


def last_of_bucket(bucket: int) -> int | None:
    """Return the largest prompt of the bucket that begins at `bucket`; None = the last bucket has no end."""
    place = bisect_right(CONTEXT_BOUNDS, bucket)
    return CONTEXT_BOUNDS[place] - 1 if place < len(CONTEXT_BOUNDS) else None


def slot(finished_at_us: int) -> int:
    """Return the start of the quarter hour (UTC) of an instant."""
    return finished_at_us - finished_at_us % SLOT_US
