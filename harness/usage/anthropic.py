"""Reader for Anthropic messages: input excludes the cache, and the bill can be larger than the top level says.

Data flows one payload -> the calls inside it (`iterations`) -> `Usage`, with calls of other models apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.usage.draft import Draft
from harness.usage.payload import Fields
from harness.usage.values import Meter, Usage

LOWEST_CONTEXT_TIER_TOKENS = 100_000
"""No published context tier starts below; above it, a sum of several calls leaves the tier open and is flagged."""

OWN_CALLS = ("message", "compaction")
"""Iterations that the asked model itself made; `advisor_message` and its like name another model."""


def read_anthropic_messages(raw: Mapping[str, Any]) -> Usage:
    """Read `anthropic.messages`.

    The top level leaves compaction out, so the iterations are what is billed where they are listed. Server tools make
    several calls and sum them; no single call need have reached the context tier that the sum would.
    """
    fields = Fields(raw)
    top = _read_call(fields)
    tools = fields.part("server_tool_use")
    searches, fetches = tools.count("web_search_requests"), tools.count("web_fetch_requests")
    rows = fields.rows("iterations")
    own, others = _read_iterations(rows)
    draft = _own_total(fields, top, rows, own)
    draft.reasoning_tokens = fields.part("output_tokens_details").count("thinking_tokens")
    context_tokens = (
        _largest_listed(fields, [call.input_tokens or 0 for _, call in own])
        if own
        else _largest_unlisted(fields, draft.input_tokens, (searches or 0) + (fetches or 0))
    )
    return draft.usage(
        fees={Meter.WEB_SEARCH: searches, Meter.WEB_FETCH: fetches},
        context_tokens=None if draft.input_tokens is None else context_tokens,
        service_tier=fields.text("service_tier"),
        speed=fields.text("speed"),
        inference_geo=fields.text("inference_geo"),
        thinking=True if draft.reasoning_tokens else None,
        other_models=others,
    )


def _read_call(fields: Fields) -> Draft:
    """Read the counts of one call; the prompt is input + cache reads + cache writes."""
    plain, read = fields.count("input_tokens"), fields.count("cache_read_input_tokens")
    created = fields.count("cache_creation_input_tokens")
    lifetimes = fields.part("cache_creation")
    write_5m, write_1h = lifetimes.count("ephemeral_5m_input_tokens"), lifetimes.count("ephemeral_1h_input_tokens")
    spoiled = fields.spoiled(
        "cache_read_input_tokens", "cache_creation_input_tokens", "cache_creation"
    ) or lifetimes.spoiled("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")
    write_5m, write_1h = _split_writes(fields, created, write_5m, write_1h)
    known = plain is not None and not spoiled
    return Draft(
        fields=fields,
        input_tokens=(plain or 0) + (read or 0) + (write_5m or 0) + (write_1h or 0) if known else None,
        output_tokens=fields.count("output_tokens"),
        cache_read_tokens=read,
        cache_write_5m_tokens=write_5m,
        cache_write_1h_tokens=write_1h,
    )


def _split_writes(
    fields: Fields, created: int | None, write_5m: int | None, write_1h: int | None
) -> tuple[int | None, int | None]:
    """Cache writes by lifetime; payloads of 2024 have no split, and five minutes was the only lifetime then."""
    if write_5m is None and write_1h is None:
        return created, None
    parts = (write_5m or 0) + (write_1h or 0)
    if created is None or created == parts:
        return write_5m, write_1h
    fields.flag("cache_lifetimes_do_not_sum", f"5m {write_5m} + 1h {write_1h}, cache_creation_input_tokens {created}")
    one_hour = min(write_1h or 0, created)
    return created - one_hour, one_hour


def _read_iterations(
    rows: Sequence[Fields],
) -> tuple[list[tuple[str | None, Draft]], tuple[tuple[str, Usage], ...]]:
    """Read the listed calls: the asked model's own, and those that name another model."""
    own: list[tuple[str | None, Draft]] = []
    others: list[tuple[str, Usage]] = []
    for row in rows:
        kind, model = row.text("type"), row.text("model")
        call = _read_call(row)
        call.reasoning_tokens = row.part("output_tokens_details").count("thinking_tokens")
        if model is None or kind in OWN_CALLS:
            if kind not in OWN_CALLS:
                row.flag("unknown_iteration", f"{row.path} has type {kind!r} and names no model; counted as its own")
            own.append((kind, call))
        elif (call.input_tokens, call.output_tokens) != (0, 0):
            usage = call.usage(thinking=True if call.reasoning_tokens else None)
            # the faults stand once, in the payload's own flags
            others.append((model, replace(usage, flags=(), unknown_fields={})))
    return own, tuple(others)


def _own_total(fields: Fields, top: Draft, rows: Sequence[Fields], own: Sequence[tuple[str | None, Draft]]) -> Draft:
    """Sum the asked model's own calls, and compare them with the top level, which leaves compaction out."""
    if not own or fields.spoiled("iterations"):
        if rows:
            fields.flag("iterations_incomplete", "no readable list of the model's own calls; the top level is taken")
        return top
    visible = _sum_calls(fields, [call for kind, call in own if kind != "compaction"])
    stated = (top.input_tokens, top.output_tokens)
    if (visible.input_tokens, visible.output_tokens) != stated:
        fields.flag(
            "iterations_do_not_sum",
            f"calls sum to input {visible.input_tokens}, output {visible.output_tokens}; the top level says {stated}",
        )
        # a list that holds less than the top level is incomplete, and the top level is billed too
        visible = max(visible, top, key=lambda call: (call.input_tokens or 0) + (call.output_tokens or 0))
    total = _sum_calls(fields, [visible, *(call for kind, call in own if kind == "compaction")])
    if top.input_tokens is None or top.output_tokens is None:
        total.input_tokens = None if top.input_tokens is None else total.input_tokens
        total.output_tokens = None if top.output_tokens is None else total.output_tokens
    return total


def _sum_calls(fields: Fields, calls: Sequence[Draft]) -> Draft:
    """Add calls count by count; one unknown total makes the sum unknown, an unknown part does not."""

    def totals(name: str) -> int | None:
        counts = [getattr(call, name) for call in calls]
        return None if None in counts else sum(counts)

    def parts(name: str) -> int | None:
        counts = [getattr(call, name) for call in calls if getattr(call, name) is not None]
        return sum(counts) if counts else None

    return Draft(
        fields=fields,
        input_tokens=totals("input_tokens"),
        output_tokens=totals("output_tokens"),
        cache_read_tokens=parts("cache_read_tokens"),
        cache_write_5m_tokens=parts("cache_write_5m_tokens"),
        cache_write_1h_tokens=parts("cache_write_1h_tokens"),
    )


def _largest_listed(fields: Fields, prompts: Sequence[int]) -> int:
    """Prompt size that decides a context tier, where the calls are listed: the largest.

    One price holds for the whole payload, so calls on both sides of a tier are all charged as the largest; flagged.
    """
    largest, smallest = max(prompts), min(prompts)
    if smallest <= LOWEST_CONTEXT_TIER_TOKENS < largest:
        fields.flag("context_differs_by_call", f"prompts of {smallest} to {largest} tokens; tier taken at the largest")
    return largest


def _largest_unlisted(fields: Fields, input_tokens: int | None, tool_calls: int) -> int | None:
    """Prompt size that decides a context tier, where a payload sums the calls of a server tool loop.

    With n tool calls there were at most n + 1 model calls, so the largest had at least the mean. That lower bound is
    taken: it never applies a tier that no call may have reached (a real Sonnet 4.5 payload sums ten searches to 401,468
    tokens, and no call exceeded 200,000). Above the lowest tier of any model the choice is flagged.
    """
    if input_tokens is None or tool_calls == 0:
        return None
    mean = -(-input_tokens // (tool_calls + 1))
    if input_tokens > LOWEST_CONTEXT_TIER_TOKENS:
        fields.flag(
            "context_is_a_sum",
            f"{input_tokens} input tokens are a sum over up to {tool_calls + 1} calls; tier taken at {mean}",
        )
    return mean
