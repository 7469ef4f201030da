"""Ways for readers to make a usage: from a provider's own object, or from counts whose meaning the format fixes.

Pure. Data flows a log's usage object -> `ImportedUsage`. What cannot be true is refused or flagged, never mended.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.imports.log_records import ImportedUsage
from harness.imports.refusal import ImportRefused
from harness.usage import read_usage
from harness.usage.bounds import sensible
from harness.usage.values import Flag, Usage


def provider_usage(kind: str, raw: Mapping[str, object] | None) -> ImportedUsage | None:
    """Read a provider's own usage object, as its answer had it.

    Args:
        kind: one of `harness.usage.KINDS` ("openai.chat").
        raw: None = the log holds none; then the result is None.
    """
    if raw is None:
        return None
    return ImportedUsage(usage=sensible(read_usage(kind, raw)), raw=raw, kind=kind)


def counted(
    fmt: str,
    raw: Mapping[str, object] | None,
    *,
    where: str,
    uncached_input: int | None,
    output: int | None,
    cache_read: int | None = None,
    cache_write: int | None = None,
    cache_write_1h: int | None = None,
    reasoning: int | None = None,
    flags: tuple[Flag, ...] = (),
    tool_counted: bool = False,
) -> ImportedUsage:
    """Make a usage of disjoint counts; None = the log does not say.

    Args:
        fmt: the format's name.
        raw: the log's usage object.
        where: file and line, for the refusal.
        uncached_input: input tokens that were neither read from a cache nor written to one.
        output: all output tokens, reasoning included.
        cache_write: written to a cache of five minutes, or of the provider's only lifetime.
        reasoning: part of `output`.
        flags: what does not fit, by name.

    Raises:
        ImportRefused: a count is negative, or reasoning is more than all output.
    """
    counts = {
        "uncached input": uncached_input,
        "output": output,
        "cache read": cache_read,
        "cache write": cache_write,
        "cache write 1h": cache_write_1h,
        "reasoning": reasoning,
    }
    _refuse_negative(counts, where)
    if output is not None and (reasoning or 0) > output:
        raise ImportRefused(f"{reasoning} reasoning tokens are more than all {output} output tokens", where=where)
    if uncached_input is None:
        cache_read = cache_write = cache_write_1h = None
    usage = Usage(
        input_tokens=_sum_of(uncached_input, cache_read, cache_write, cache_write_1h),
        output_tokens=output,
        cache_read_tokens=cache_read,
        cache_write_5m_tokens=cache_write,
        cache_write_1h_tokens=cache_write_1h,
        reasoning_tokens=reasoning if output is not None else None,
        flags=flags,
    )
    return ImportedUsage(usage=sensible(usage), raw=raw, kind=fmt, tool_counted=tool_counted)


def _sum_of(uncached: int | None, *cached: int | None) -> int | None:
    return None if uncached is None else uncached + sum(part or 0 for part in cached)


def _refuse_negative(counts: Mapping[str, int | None], where: str) -> None:
    wrong = [f"{name} {count}" for name, count in counts.items() if count is not None and count < 0]
    if wrong:
        raise ImportRefused(f"a negative count of tokens: {', '.join(wrong)}", where=where)


def unsure(fmt: str, raw: Mapping[str, object] | None, name: str, detail: str) -> ImportedUsage:
    """Keep a usage object whose numbers cannot be trusted: its tokens are unknown, and the flag says why."""
    usage = Usage(input_tokens=None, output_tokens=None, flags=(Flag(name=name, detail=detail),))
    return ImportedUsage(usage=usage, raw=raw, kind=fmt)
