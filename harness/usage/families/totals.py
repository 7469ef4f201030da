"""Where cached and reasoning tokens lie: inside the counts beside them or outside, as the payload's own total shows.

Gateways write OpenAI's field names over other providers' counts, and each keeps another convention. Data flows a
`Draft` and the stated total -> the same draft with inclusive totals, and a flag for every convention but OpenAI's.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.usage.draft import Draft, unread_counts

_REASONING, _READ, _WRITTEN = "reasoning", "read", "written"
_CONVENTIONS: Sequence[tuple[str, ...]] = (
    (_REASONING,),
    (_READ, _WRITTEN),
    (_WRITTEN,),
    (_READ,),
    (_REASONING, _READ, _WRITTEN),
    (_REASONING, _WRITTEN),
    (_REASONING, _READ),
)
"""What may lie outside prompt and completion, the likeliest first."""


def check_total(draft: Draft, total: int | None, *, reasoning_is_outside: bool = False) -> None:
    """Compare input + output with the stated total, and place what lies outside both.

    A surplus of the total that equals cached, written or reasoning tokens shows that they were left out; so do cache
    counts that the input cannot hold. What is left of a surplus, without any itemised reasoning, is output that a
    converter dropped (Gemini and xAI thoughts behind gateways): it is billed, so it is counted as reasoning. It is not
    where a count that nobody reads explains it. Every other difference is flagged and left as stated.

    Args:
        total: the payload's own total; None = not stated.
        reasoning_is_outside: reasoning beside the output is this provider's usual way and is not flagged.
    """
    if draft.input_tokens is None:
        return
    if draft.output_tokens is None:
        if total is not None:
            _take_output_from(draft, total)
        return
    sums = f"input {draft.input_tokens} + output {draft.output_tokens}, total {total}"
    _drop_overlap(draft, sums)
    surplus = 0 if total is None else total - draft.input_tokens - draft.output_tokens
    counts = _counts(draft)
    outside = _convention(counts, surplus)
    surplus -= sum(counts[part] for part in outside)
    forced = [part for part in _cannot_be_inside(draft, counts, outside) if part not in outside]
    if forced and surplus > 0:
        surplus -= sum(counts[part] for part in forced)
    _place(draft, counts, outside, forced, sums, reasoning_is_flagged=not reasoning_is_outside)
    if surplus:
        _judge_rest(draft, surplus, sums)


def _drop_overlap(draft: Draft, sums: str) -> None:
    """Take the same tokens, counted as read and as written, as read: OpenRouter does both for Gemini's caches."""
    read, (minutes, hour) = draft.cache_read_tokens, draft.cache_writes
    if read and read == minutes and not hour and read <= (draft.input_tokens or 0) < 2 * read:
        draft.write_cache(None, hour)
        draft.fields.flag("cache_counts_overlap", f"{sums}: {read} tokens are stated as read and as written; read")


def _counts(draft: Draft) -> dict[str, int]:
    return {
        _REASONING: draft.reasoning_tokens or 0,
        _READ: draft.cache_read_tokens or 0,
        _WRITTEN: draft.cache_written,
    }


def _convention(counts: dict[str, int], surplus: int) -> tuple[str, ...]:
    """Find the parts that make the surplus of a total; none when nothing does."""
    if surplus <= 0:
        return ()
    for parts in _CONVENTIONS:
        if sum(counts[part] for part in parts) == surplus:
            return tuple(part for part in parts if counts[part])
    return ()


def _cannot_be_inside(draft: Draft, counts: dict[str, int], outside: Sequence[str]) -> tuple[str, ...]:
    """Name the cache counts that the input has no room for.

    More reads than input is Anthropic's convention: the input is what was not cached, and writes lie outside too
    (Helicone). Reads that fit beside writes that do not is litellm's of 2025: reads were added, writes were not.
    """
    room = draft.input_tokens or 0
    read = 0 if _READ in outside else counts[_READ]
    written = 0 if _WRITTEN in outside else counts[_WRITTEN]
    if read + written <= room:
        return ()
    if read > room:
        return (_READ, _WRITTEN) if written else (_READ,)
    return (_WRITTEN,)


def _place(
    draft: Draft,
    counts: dict[str, int],
    outside: Sequence[str],
    forced: Sequence[str],
    sums: str,
    *,
    reasoning_is_flagged: bool,
) -> None:
    """Add what lies outside to the totals, and say what showed it."""
    cached = [part for part in (*outside, *forced) if part != _REASONING]
    if _REASONING in outside:
        draft.output_tokens = (draft.output_tokens or 0) + counts[_REASONING]
        if reasoning_is_flagged:
            draft.fields.flag("reasoning_outside_output", f"{sums}: the surplus is the reasoning")
    if cached:
        draft.input_tokens = (draft.input_tokens or 0) + sum(counts[part] for part in cached)
        stated = ", ".join(f"{part} {counts[part]}" for part in cached)
        why = "the input has no room for it" if forced else "the surplus is the cached input"
        draft.fields.flag("cache_outside_input", f"{sums}, cache {stated}: {why}")


def _judge_rest(draft: Draft, surplus: int, sums: str) -> None:
    """Take an unexplained surplus as dropped output, unless reasoning is itemised or unread counts may be it."""
    unread = unread_counts(draft.fields)
    if surplus < 0 or draft.reasoning_tokens or surplus in (*unread.values(), sum(unread.values())):
        draft.fields.flag("total_mismatch", sums)
        return
    draft.output_tokens = (draft.output_tokens or 0) + surplus
    draft.reasoning_tokens = surplus
    draft.fields.flag("hidden_output", f"{sums}: the surplus was left out of the output")


def _take_output_from(draft: Draft, total: int) -> None:
    """No output count: a total equal to the input proves that there was none (embeddings, blocked prompts)."""
    if total == draft.input_tokens and not draft.fields.spoiled("completion_tokens", "output_tokens"):
        draft.output_tokens = 0
        draft.fields.flag("output_not_stated", f"total {total} equals the input, so the output is 0")
