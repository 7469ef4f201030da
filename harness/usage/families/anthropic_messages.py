"""Reader for Anthropic messages: input excludes the cache, and the bill can be larger than the top level says.

Data flows one payload -> the calls inside it (`iterations`) -> `Usage`, with calls of other models apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.usage.draft import Draft
from harness.usage.families.context import largest_unlisted
from harness.usage.families.iterations import Calls, read_call, read_calls, sum_calls
from harness.usage.payload import Fields
from harness.usage.values import Meter, Usage


def read_anthropic_messages(raw: Mapping[str, object]) -> Usage:
    """Read `anthropic.messages`.

    The top level leaves compaction out, so the iterations are what is billed where they are listed. Server tools make
    several calls and sum them; no single call need have reached the context tier that the sum would.
    """
    fields = Fields(raw)
    top = read_call(fields)
    _check_total(fields, top)
    tools = fields.part("server_tool_use")
    searches, fetches = tools.count("web_search_requests"), tools.count("web_fetch_requests")
    tools.ignore("tool_search_requests")  # finds tools, and has no fee
    rows = fields.rows("iterations")
    calls = read_calls(fields, rows)
    draft = _own_total(fields, top, rows, calls)
    draft.reasoning_tokens = fields.part("output_tokens_details").count("thinking_tokens")
    context_tokens = (
        max(call.input_tokens or 0 for call in calls.own)
        if calls.own
        else largest_unlisted(fields.flags, draft.input_tokens, (searches or 0) + (fetches or 0))
    )
    return draft.usage(
        fees={Meter.WEB_SEARCH: searches, Meter.WEB_FETCH: fetches},
        context_tokens=None if draft.input_tokens is None else context_tokens,
        calls=calls.by_tier(draft),
        served_model=calls.served_model,
        service_tier=fields.text("service_tier"),
        speed=fields.text("speed"),
        inference_geo=fields.text("inference_geo"),
        thinking=True if draft.reasoning_tokens else None,
        other_models=calls.other_usages(),
    )


def _check_total(fields: Fields, top: Draft) -> None:
    """Compare a total, which Anthropic itself never states, with the counts; logs and gateways add one."""
    total = fields.count("total_tokens")
    if total is None or top.input_tokens is None or top.output_tokens is None:
        return
    stated = top.input_tokens + top.output_tokens
    if total == stated - top.cached != stated:
        fields.flag(
            "total_leaves_cache_out", f"input + cache + output {stated}, total {total}: cache {top.cached} apart"
        )
    elif total != stated:
        fields.flag("total_mismatch", f"input + cache + output {stated}, total {total}")


def _own_total(fields: Fields, top: Draft, rows: Sequence[Fields], calls: Calls) -> Draft:
    """Sum the answering model's own calls, and compare them with the top level, which leaves compaction out."""
    if not calls.own or fields.spoiled("iterations"):
        if rows:
            fields.flag("iterations_incomplete", "no readable list of the model's own calls; the top level is taken")
        return top
    visible = sum_calls(fields, calls.visible)
    stated = (top.input_tokens, top.output_tokens)
    if (visible.input_tokens, visible.output_tokens) != stated:
        fields.flag(
            "iterations_do_not_sum",
            f"calls sum to input {visible.input_tokens}, output {visible.output_tokens}; the top level says {stated}",
        )
        # a list that holds less than the top level is incomplete, and the top level is billed too
        visible = max(visible, top, key=lambda call: (call.input_tokens or 0) + (call.output_tokens or 0))
    total = sum_calls(fields, [visible, *calls.compactions])
    if top.input_tokens is None or top.output_tokens is None:
        total.input_tokens = None if top.input_tokens is None else total.input_tokens
        total.output_tokens = None if top.output_tokens is None else total.output_tokens
    return total
