"""Readers for OpenAI's two shapes and the chat APIs modelled on them.

Input includes cached tokens and output includes reasoning, except where a provider's table row says otherwise
(xAI). Data flows one payload -> `Draft` -> `Usage`; each public function is the reader of one payload kind.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.usage.draft import Draft
from harness.usage.families.cache_counts import read_cache_counts
from harness.usage.families.context import largest_unlisted
from harness.usage.families.plain import read_plain_chat
from harness.usage.families.stated_costs import read_stated_cost
from harness.usage.families.totals import check_total
from harness.usage.payload import Fields
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
_TOOL_CALLS = frozenset({
    "server_tool_use", "server_tool_use_details", "server_side_tool_usage_details", "num_server_side_tools_used"
})  # fmt: skip


def read_openai_chat(raw: Mapping[str, object]) -> Usage:
    """Read `openai.chat`; also right for Azure, Cerebras, vLLM, SGLang and other servers with this shape."""
    return read_plain_chat(raw) or read_any_openai_chat(raw)


def read_any_openai_chat(raw: Mapping[str, object]) -> Usage:
    """Read `openai.chat` with every check, whatever it holds."""
    return _chat(Fields(raw))


def read_openai_responses(raw: Mapping[str, object]) -> Usage:
    """Read `openai.responses`, and the same counts of the Realtime API, of image endpoints and of Codex's logs.

    Calls of built-in tools are output items, not usage, so their fees are not in here (harness.usage.tool_calls).
    """
    return _chat(Fields(raw))


def read_deepseek_chat(raw: Mapping[str, object]) -> Usage:
    """Read `deepseek.chat`: prompt_tokens = prompt_cache_hit_tokens + prompt_cache_miss_tokens."""
    fields = Fields(raw)
    hit, miss = fields.count("prompt_cache_hit_tokens"), fields.count("prompt_cache_miss_tokens")
    prompt = fields.count("prompt_tokens")
    if None not in (hit, miss, prompt) and (hit or 0) + (miss or 0) != prompt:
        fields.flag("cache_parts_do_not_sum", f"hit {hit} + miss {miss}, prompt {prompt}")
    return _chat(fields)


def read_xai_chat(raw: Mapping[str, object]) -> Usage:
    """Read `xai.chat`: reasoning lies beside completion_tokens when the total says so, else inside.

    Without a total the usual way of xAI's own chat API (beside) is taken and flagged.
    """
    return _chat(Fields(raw), reasoning_is_outside=True)


def read_openrouter_chat(raw: Mapping[str, object]) -> Usage:
    """Read `openrouter.chat`: OpenAI's counts for every model, and the cost that was charged."""
    return _chat(Fields(raw))


def read_mistral_chat(raw: Mapping[str, object]) -> Usage:
    """Read `mistral.chat`: reasoning is inside completion_tokens and not itemised.

    `prompt_audio_seconds` is billed by the minute, for which no rate can be written: it stays unread and is flagged.
    """
    return _chat(Fields(raw))


def read_groq_chat(raw: Mapping[str, object]) -> Usage:
    """Read `groq.chat`: OpenAI's shape with timings."""
    return _chat(Fields(raw))


def read_together_chat(raw: Mapping[str, object]) -> Usage:
    """Read `together.chat`: totals, and cached tokens where the model has a cache."""
    return _chat(Fields(raw))


def read_fireworks_chat(raw: Mapping[str, object]) -> Usage:
    """Read `fireworks.chat`: totals and cached tokens; reasoning is not itemised."""
    return _chat(Fields(raw))


def _chat(fields: Fields, *, reasoning_is_outside: bool = False) -> Usage:
    draft = open_draft(fields)
    _read_input_details(draft, fields.part("prompt_tokens_details", "input_tokens_details", "input_token_details"))
    _read_output_details(
        draft, fields.part("completion_tokens_details", "output_tokens_details", "output_token_details")
    )
    total = fields.count("total_tokens")
    if reasoning_is_outside and total is None and draft.reasoning_tokens and draft.output_tokens is not None:
        fields.flag("reasoning_place_unknown", "no total_tokens: reasoning taken as beside completion_tokens")
        draft.output_tokens += draft.reasoning_tokens
    check_total(draft, _total_of(draft, total), reasoning_is_outside=reasoning_is_outside)
    return _finish(draft)


def open_draft(fields: Fields) -> Draft:
    """Start with the two totals, which OpenAI itself names in two ways; gateways use both names at any endpoint."""
    return Draft(
        fields=fields,
        input_tokens=_either(fields, "prompt_tokens", "input_tokens"),
        output_tokens=_either(fields, "completion_tokens", "output_tokens"),
    )


def _either(fields: Fields, *names: str) -> int | None:
    """Give the total under one name or the other; under both, zero is a default and two numbers are flagged."""
    counts = [fields.count(name) for name in names]
    if fields.spoiled(*names):
        return None
    known = {count for count in counts if count is not None}
    positive = sorted(known - {0})
    if len(positive) > 1:
        fields.flag("totals_disagree", f"{' and '.join(names)} are {positive}; the larger is taken")
    return positive[-1] if positive else (0 if known else None)


def _total_of(draft: Draft, total: int | None) -> int | None:
    """Give the total, or the one that Anthropic's own shape implies: its input never holds the cache beside it."""
    fields = draft.fields
    anthropic = fields.has("cache_read_input_tokens") or fields.has("cache_creation_input_tokens")
    if total is not None or not anthropic or fields.has("prompt_tokens") or draft.input_tokens is None:
        return total
    return draft.input_tokens + draft.cached + (draft.output_tokens or 0)


def _read_input_details(draft: Draft, details: Fields) -> None:
    """Cached, written, audio and image tokens of the prompt."""
    details.ignore("text_tokens", "video_tokens", "character_count")
    read_cache_counts(draft, details)
    draft.input_audio_tokens = details.count("audio_tokens", "audio")
    draft.input_image_tokens = details.count("image_tokens")


def _read_output_details(draft: Draft, details: Fields) -> None:
    """Reasoning, audio and image tokens of the completion; rejected predictions are inside it and billed."""
    details.ignore("text_tokens", "accepted_prediction_tokens", "rejected_prediction_tokens", "video_tokens")
    draft.output_audio_tokens = details.count("audio_tokens", "audio")
    draft.output_image_tokens = details.count("image_tokens")
    nested = details.count("reasoning_tokens", "reasoning")
    top = draft.fields.count("reasoning_tokens", "reasoning_output_tokens")
    # SGLang writes reasoning_tokens at the top and always 0 there before its PR 15562: 0 is no evidence (2026-08)
    draft.reasoning_tokens = nested if nested is not None else (top or None)


def _finish(draft: Draft) -> Usage:
    fields = draft.fields
    fields.ignore(*TIMINGS)
    fees = _read_tool_calls(fields)
    return draft.usage(
        fees=fees,
        context_tokens=largest_unlisted(fields.flags, draft.input_tokens, sum(count or 0 for count in fees.values())),
        service_tier=fields.text("service_tier"),
        thinking=True if draft.reasoning_tokens else None,
        **read_stated_cost(fields),
    )


def _read_tool_calls(fields: Fields) -> dict[Meter, int | None]:
    """Calls of server-side tools with a fee: OpenRouter counts them as Anthropic does, xAI tool by tool.

    What OpenRouter's other tools cost (an advisor model, an image) is in its `cost` only.
    """
    if fields.lacks(_TOOL_CALLS):
        return {}
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
