"""OpenRouter's account: the activity export (one request a row), `/api/v1/activity` (days), `/api/v1/generation`.

The prompt includes cached tokens and the completion includes reasoning. Of a generation `native_tokens_*` are what is
billed, `tokens_*` a count by another tokenizer. With a key of one's own the cost here is zero, and what that key paid
stands beside. Instants without a zone are UTC. Source: openrouter.ai/docs (activity, generation).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from harness.accounts.account_fields import Fields, amount, count, instant_us, needed_count, text
from harness.accounts.account_rows import AccountRow, AccountTokens
from harness.imports.containers.json_values import a_list
from harness.imports.refusal import ImportRefused
from harness.instants import DAY_US

PROVIDER = "openrouter"
ACTIVITY_COLUMNS = frozenset({"generation_id", "created_at", "cost_total", "tokens_prompt", "tokens_completion",
                              "model_permaslug"})  # fmt: skip
"""What tells an activity export from other CSV files; others of its columns may be missing."""


def export_row(row: Mapping[str, str | None]) -> AccountRow:
    """Read a row of the activity export."""
    fields: Fields = dict(row)
    created_us = instant_us(fields.get("created_at"), "created_at")
    model = text(fields, "model_permaslug")
    is_free = text(fields, "variant") == "free"
    return AccountRow(
        kind="request",
        provider=PROVIDER,
        start_us=created_us,
        end_us=created_us,
        model=None if model is None else f"{model}:free" if is_free else model,
        tokens=_tokens(fields, "tokens_prompt", "tokens_completion", "tokens_reasoning", "tokens_cached"),
        n_requests=1,
        request_id=text(fields, "generation_id"),
        billed_usd=amount(fields.get("cost_total"), "cost_total"),
        own_key_usd=amount(fields.get("byok_usage_inference"), "byok_usage_inference"),
        project=text(fields, "api_key_name"),
    )


def activity_row(item: Fields) -> AccountRow:
    """Read a day of `/api/v1/activity`; it counts no cached tokens, so they are inside the input."""
    start_us = instant_us(item.get("date"), "date")
    model, name = text(item, "model_permaslug"), text(item, "model") or ""
    return AccountRow(
        kind="usage",
        provider=PROVIDER,
        start_us=start_us,
        end_us=start_us + DAY_US,
        model=f"{model}:free" if model is not None and name.endswith(":free") else model,
        tokens=_tokens(item, "prompt_tokens", "completion_tokens", "reasoning_tokens", ""),
        n_requests=count(item, "requests"),
        billed_usd=amount(item.get("usage"), "usage"),
        own_key_usd=amount(item.get("byok_usage_inference"), "byok_usage_inference"),
    )


def generation_row(generation: Fields) -> AccountRow:
    """Read the `data` of a generation."""
    created_us = instant_us(generation.get("created_at"), "created_at")
    names = ("native_tokens_prompt", "native_tokens_completion", "native_tokens_reasoning", "native_tokens_cached")
    return AccountRow(
        kind="request",
        provider=PROVIDER,
        start_us=created_us,
        end_us=created_us,
        model=text(generation, "model"),
        tier=text(generation, "service_tier"),
        tokens=_tokens(generation, *names),
        n_requests=1,
        request_id=text(generation, "id"),
        billed_usd=amount(generation.get("total_cost"), "total_cost"),
        own_key_usd=amount(generation.get("upstream_inference_cost"), "upstream_inference_cost"),
        n_hidden_retries=max(0, len(a_list(generation.get("provider_responses"))) - 1),
    )


def _tokens(fields: Fields, prompt: str, completion: str, reasoning: str, cached: str) -> AccountTokens:
    whole, read = needed_count(fields, prompt), count(fields, cached)
    if (read or 0) > whole:
        raise ImportRefused(f"{cached} is {read}, {prompt} only {whole}")
    return AccountTokens(
        input=whole - (read or 0),
        cache_read=read,
        output=needed_count(fields, completion),
        reasoning=count(fields, reasoning),
    )


def activity_rows(item: Fields) -> Iterator[AccountRow]:
    """Read an element of the activity's list."""
    yield activity_row(item)
