"""The prompt size that decides a context tier, where one payload sums several calls.

Data flows prompt sizes of listed calls, or a sum and the number of tool calls in it -> `Usage.context_tokens`.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.usage.values import Flag

LOWEST_CONTEXT_TIER_TOKENS = 100_000
"""No published context tier starts below; above it, a sum of several calls leaves the tier open and is flagged."""


def differ_by_tier(prompts: Sequence[int]) -> bool:
    """Tell whether calls of one payload may fall on both sides of a context tier: then each is charged by itself."""
    return min(prompts) <= LOWEST_CONTEXT_TIER_TOKENS < max(prompts)


def largest_unlisted(flags: list[Flag], input_tokens: int | None, tool_calls: int) -> int | None:
    """Prompt size that decides a context tier, where a payload sums the calls of a server tool loop; None = all of it.

    With n tool calls there were at most n + 1 model calls, so the largest had at least the mean. That lower bound is
    taken: it never applies a tier that no call may have reached (a real Sonnet 4.5 payload sums ten searches to 401,468
    tokens, and no call exceeded 200,000). Above the lowest tier of any model the choice is added to `flags`.
    """
    if input_tokens is None or tool_calls == 0:
        return None
    mean = -(-input_tokens // (tool_calls + 1))
    if input_tokens > LOWEST_CONTEXT_TIER_TOKENS:
        detail = f"{input_tokens} input tokens are a sum over up to {tool_calls + 1} calls; tier taken at {mean}"
        flags.append(Flag(name="context_is_a_sum", detail=detail))
    return mean
