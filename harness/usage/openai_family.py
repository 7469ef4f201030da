"""Readers for OpenAI's two shapes and the chat APIs modelled on them.

Input includes cached tokens and output includes reasoning, except where a provider's table row says otherwise
(xAI). Data flows one payload -> `Draft` -> `Usage`; each public function is the reader of one payload kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from harness.usage.draft import Draft
from harness.usage.payload import Fields
from harness.usage.plain import read_plain_chat
from harness.usage.values import Meter, Usage

TIMINGS = (
    "queue_time",
    "prompt_time",
    "completion_time",
    "total_time",
    "time_info",
    "prompt_tokens_per_second",
    "completion_tokens_per_second",
)
USD_PER_TICK = Decimal("1e-10")
"""xAI states its charge in ticks of 1e-10 USD."""


def read_openai_chat(raw: Mapping[str, Any]) -> Usage:
    """Read `openai.chat`; also right for Azure, Cerebras, vLLM, SGLang and other servers with this shape."""
    return read_plain_chat(raw) or read_any_openai_chat(raw)


def read_any_openai_chat(raw: Mapping[str, Any]) -> Usage:
    """Read `openai.chat` with every check, whatever it holds."""
    return _chat(Fields(raw))


def read_openai_responses(raw: Mapping[str, Any]) -> Usage:
    """Read `openai.responses`; calls of built-in tools are output items, not usage, so their fees are not in here."""
    fields = Fields(raw)
    draft = Draft(fields=fields, input_tokens=fields.count("input_tokens"), output_tokens=fields.count("output_tokens"))
    _read_input_details(draft, fields.part("input_tokens_details"))
    _read_output_details(draft, fields.part("output_tokens_details"))
    draft.check_total(fields.count("total_tokens"))
    return _finish(draft)


def read_deepseek_chat(raw: Mapping[str, Any]) -> Usage:
    """Read `deepseek.chat`: prompt_tokens = prompt_cache_hit_tokens + prompt_cache_miss_tokens."""
    fields = Fields(raw)
    hit, miss = fields.count("prompt_cache_hit_tokens"), fields.count("prompt_cache_miss_tokens")
    prompt = fields.count("prompt_tokens")
    if None not in (hit, miss, prompt) and (hit or 0) + (miss or 0) != prompt:
        fields.flag("cache_parts_do_not_sum", f"hit {hit} + miss {miss}, prompt {prompt}")
    return _chat(fields)


def read_xai_chat(raw: Mapping[str, Any]) -> Usage:
    """Read `xai.chat`: reasoning lies beside completion_tokens when the total says so, else inside.

    Without a total the usual way of xAI's own chat API (beside) is taken and flagged.
    """
    return _chat(Fields(raw), reasoning_is_outside=True)


def read_openrouter_chat(raw: Mapping[str, Any]) -> Usage:
    """Read `openrouter.chat`: OpenAI's counts for every model, and the cost that was charged."""
    return _chat(Fields(raw))


def read_mistral_chat(raw: Mapping[str, Any]) -> Usage:
    """Read `mistral.chat`: reasoning is inside completion_tokens and not itemised."""
    fields = Fields(raw)
    fields.ignore("prompt_audio_seconds")
    return _chat(fields)


def read_groq_chat(raw: Mapping[str, Any]) -> Usage:
    """Read `groq.chat`: OpenAI's shape with timings."""
    return _chat(Fields(raw))


def read_together_chat(raw: Mapping[str, Any]) -> Usage:
    """Read `together.chat`: totals, and cached tokens where the model has a cache."""
    return _chat(Fields(raw))


def read_fireworks_chat(raw: Mapping[str, Any]) -> Usage:
    """Read `fireworks.chat`: totals and cached tokens; reasoning is not itemised."""
    return _chat(Fields(raw))


def _chat(fields: Fields, *, reasoning_is_outside: bool = False) -> Usage:
    draft = Draft(
        fields=fields, input_tokens=fields.count("prompt_tokens"), output_tokens=fields.count("completion_tokens")
    )
    _read_input_details(draft, fields.part("prompt_tokens_details"))
    _read_output_details(draft, fields.part("completion_tokens_details"))
    total = fields.count("total_tokens")
    if reasoning_is_outside and total is None and draft.reasoning_tokens and draft.output_tokens is not None:
        fields.flag("reasoning_place_unknown", "no total_tokens: reasoning taken as beside completion_tokens")
        draft.output_tokens += draft.reasoning_tokens
    draft.check_total(total, reasoning_is_outside=reasoning_is_outside)
    return _finish(draft)


def _read_input_details(draft: Draft, details: Fields) -> None:
    """Cached, written, audio and image tokens of the prompt; cached tokens have four more spellings at the top."""
    fields = draft.fields
    details.ignore("text_tokens", "video_tokens", "character_count")
    cached_details = details.part("cached_tokens_details")
    cached_details.ignore("text_tokens")
    stated = [
        details.count("cached_tokens"),
        fields.count("cached_tokens"),
        fields.count("num_cached_tokens"),
        fields.count("prompt_cache_hit_tokens"),
    ]
    fields.ignore("prompt_cache_miss_tokens", "cache_discount")
    known = [count for count in stated if count is not None]
    if len(set(known)) > 1:
        fields.flag("cache_counts_disagree", f"cached tokens stated as {sorted(set(known))}; the first is taken")
    draft.cache_read_tokens = known[0] if known else None
    draft.cache_write_5m_tokens = details.count("cache_write_tokens", "cache_creation_tokens")
    draft.input_audio_tokens = details.count("audio_tokens")
    draft.input_image_tokens = details.count("image_tokens")
    draft.cache_read_audio_tokens = cached_details.count("audio_tokens")


def _read_output_details(draft: Draft, details: Fields) -> None:
    """Reasoning, audio and image tokens of the completion; rejected predictions are inside it and billed."""
    details.ignore("text_tokens", "accepted_prediction_tokens", "rejected_prediction_tokens", "video_tokens")
    draft.output_audio_tokens = details.count("audio_tokens")
    draft.output_image_tokens = details.count("image_tokens")
    nested, top = details.count("reasoning_tokens"), draft.fields.count("reasoning_tokens")
    # SGLang writes reasoning_tokens at the top and always 0 there before its PR 15562: 0 is no evidence (2026-08)
    draft.reasoning_tokens = nested if nested is not None else (top or None)


def _finish(draft: Draft) -> Usage:
    fields = draft.fields
    fields.ignore(*TIMINGS)
    upstream = fields.part("cost_details")
    upstream.ignore(
        "upstream_inference_prompt_cost",
        "upstream_inference_completions_cost",
        "upstream_inference_input_cost",
        "upstream_inference_output_cost",
    )
    is_byok = fields.truth("is_byok")
    upstream_usd = upstream.usd("upstream_inference_cost")
    stated = fields.usd("cost")
    ticks = fields.count("cost_in_usd_ticks")
    if stated is None and ticks is not None:
        stated = ticks * USD_PER_TICK
    return draft.usage(
        fees=_read_tool_calls(fields),
        stated_cost_usd=stated,
        stated_upstream_usd=upstream_usd if is_byok else None,
        service_tier=fields.text("service_tier"),
        thinking=True if draft.reasoning_tokens else None,
    )


def _read_tool_calls(fields: Fields) -> dict[Meter, int | None]:
    """Calls of server-side tools with a fee: OpenRouter counts them as Anthropic does, xAI tool by tool.

    What OpenRouter's other tools cost (an advisor model, an image) is in its `cost` only.
    """
    openrouter, details = fields.part("server_tool_use"), fields.part("server_tool_use_details")
    details.ignore("tool_calls_requested", "tool_calls_executed")
    xai = fields.part("server_side_tool_usage_details")
    fields.ignore("num_server_side_tools_used")
    searches = _first_known(openrouter.count("web_search_requests"), details.count("web_search_requests"))
    fetches = _first_known(openrouter.count("web_fetch_requests"), details.count("web_fetch_requests"))
    searched = (searches, xai.count("web_search_calls"), xai.count("x_search_calls"))
    documents = (xai.count("file_search_calls"), xai.count("document_search_calls"))
    return {
        Meter.WEB_SEARCH: sum(count or 0 for count in searched),
        Meter.WEB_FETCH: fetches,
        Meter.FILE_SEARCH: sum(count or 0 for count in documents),
        Meter.CODE_SESSION: xai.count("code_interpreter_calls"),
    }


def _first_known(*counts: int | None) -> int | None:
    return next((count for count in counts if count is not None), None)
