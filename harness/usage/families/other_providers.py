"""Readers for payload kinds that are modelled on nothing else: Bedrock, Cohere, Perplexity, Ollama, image counts.

Each public function reads one kind; data flows one payload -> `Draft` -> `Usage`.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.usage.draft import Draft
from harness.usage.payload import Fields
from harness.usage.values import Meter, Usage


def read_bedrock_converse(raw: Mapping[str, object]) -> Usage:
    """Read `bedrock.converse`: inputTokens excludes the cache; total = input + read + write + output."""
    fields = Fields(raw)
    plain, output, total = fields.count("inputTokens"), fields.count("outputTokens"), fields.count("totalTokens")
    read = fields.count("cacheReadInputTokens", "cacheReadInputTokenCount")
    written = fields.count("cacheWriteInputTokens", "cacheWriteInputTokenCount")
    spoiled = fields.spoiled(
        "cacheReadInputTokens", "cacheReadInputTokenCount", "cacheWriteInputTokens", "cacheWriteInputTokenCount"
    )
    draft = Draft(fields=fields, output_tokens=output, cache_read_tokens=read)
    draft.write_cache(*_split_bedrock_writes(fields, written))
    if plain is not None and not spoiled:
        draft.input_tokens = plain + (read or 0) + (written or 0)
    if total is not None and draft.input_tokens is not None and output is not None:
        stated = draft.input_tokens + output
        if total != stated:
            fields.flag("total_mismatch", f"input + cache + output {stated}, total {total}")
    fields.part("serverToolUsage")
    return draft.usage(service_tier=fields.text("serviceTier"))


def _split_bedrock_writes(fields: Fields, written: int | None) -> tuple[int | None, int | None]:
    """Cache writes by lifetime; without details they are of five minutes, Bedrock's default."""
    one_hour = listed = 0
    rows = fields.rows("cacheDetails")
    for row in rows:
        tokens, ttl = row.count("inputTokens"), row.text("ttl")
        listed += tokens or 0
        one_hour += (tokens or 0) if ttl == "1h" else 0
    if not rows or written is None:
        return written, None
    if listed != written:
        fields.flag("cache_lifetimes_do_not_sum", f"cacheDetails sum to {listed}, cacheWriteInputTokens {written}")
        one_hour = min(one_hour, written)
    return written - one_hour, one_hour


def read_cohere_v2(raw: Mapping[str, object]) -> Usage:
    """Read `cohere.v2`: `billed_units` are billed; `tokens` (with the hidden prompt) and `cached_tokens` are not."""
    fields = Fields(raw)
    billed = fields.part("billed_units")
    tokens = fields.part("tokens")
    # counted for what they are, not for money; a wrong type in them is flagged all the same
    tokens.count("input_tokens", whole_fractions=True)
    tokens.count("output_tokens", whole_fractions=True)
    fields.count("cached_tokens", whole_fractions=True)
    draft = Draft(
        fields=fields,
        input_tokens=billed.count("input_tokens", whole_fractions=True),
        output_tokens=billed.count("output_tokens", whole_fractions=True),
    )
    return draft.usage()


def read_perplexity_chat(raw: Mapping[str, object]) -> Usage:
    """Read `perplexity.chat`: deep research puts reasoning, citations and searches beside the completion.

    They have prices of their own, so they are fees here. `usage.cost` is an object, or a number behind gateways.
    """
    fields = Fields(raw)
    draft = Draft(
        fields=fields, input_tokens=fields.count("prompt_tokens"), output_tokens=fields.count("completion_tokens")
    )
    fees = {
        Meter.CITATION: fields.count("citation_tokens"),
        Meter.SEARCH_REASONING: fields.count("reasoning_tokens"),
        Meter.WEB_SEARCH: fields.count("num_search_queries"),
    }
    known = {meter for meter, quantity in fees.items() if quantity is not None}
    # other models of the family state their searches alone
    if known and known not in ({Meter.WEB_SEARCH}, set(fees)):
        parts = ", ".join(f"{meter.value} {quantity}" for meter, quantity in fees.items())
        fields.flag("parts_incomplete", f"deep research states all of its parts or none: {parts}")
    if fields.spoiled("citation_tokens", "reasoning_tokens"):
        # most of a deep research bill lies there: without it the output is not known
        draft.output_tokens = None
    total = fields.count("total_tokens")
    outside = sum(fees[meter] or 0 for meter in (Meter.CITATION, Meter.SEARCH_REASONING))
    if total is not None and draft.input_tokens is not None and draft.output_tokens is not None:
        stated = draft.input_tokens + draft.output_tokens
        if total not in (stated, stated + outside):
            fields.flag("total_mismatch", f"input {draft.input_tokens} + output {draft.output_tokens}, total {total}")
    cost = fields.part("cost") if fields.holds_object("cost") else None
    if cost is not None:
        cost.ignore(
            "input_tokens_cost",
            "output_tokens_cost",
            "citation_tokens_cost",
            "reasoning_tokens_cost",
            "search_queries_cost",
            "request_cost",
        )
    return draft.usage(
        fees={**fees, Meter.REQUEST: _searched_request(fields, fees)},
        stated_cost_usd=fields.usd("cost") if cost is None else cost.usd("total_cost"),
        thinking=True if fees[Meter.SEARCH_REASONING] else None,
    )


def _searched_request(fields: Fields, fees: Mapping[Meter, int | None]) -> int | None:
    """Count the fee on every request of models that search: by the size of the search context, low unless asked.

    Deep research pays for its searches instead.
    """
    size = fields.text("search_context_size")
    if size is None or fees[Meter.CITATION] is not None or fees[Meter.SEARCH_REASONING] is not None:
        return None
    if size != "low":
        fields.flag("request_fee", f"the fee of a request with search context {size!r} is charged as that of a low one")
    return 1


def read_ollama_native(raw: Mapping[str, object]) -> Usage:
    """Read `ollama.native`: counts beside durations in ns; a prompt that was in its cache is not counted at all."""
    fields = Fields(raw)
    fields.ignore("total_duration", "load_duration", "prompt_eval_duration", "eval_duration")
    return Draft(
        fields=fields, input_tokens=fields.count("prompt_eval_count"), output_tokens=fields.count("eval_count")
    ).usage()


def read_image_count(raw: Mapping[str, object]) -> Usage:
    """Read `image.count`, `{"images": 3}`: priced per image, so there are no tokens."""
    fields = Fields(raw)
    images = fields.count("images")
    tokens = None if images is None else 0
    draft = Draft(fields=fields, input_tokens=tokens, output_tokens=tokens)
    return draft.usage(fees={Meter.IMAGE: images})
