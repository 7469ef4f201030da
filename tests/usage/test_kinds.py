"""The table of usage kinds: each has a payload as its provider writes it, and reads it to the token."""

from __future__ import annotations

from typing import Any

import pytest

from harness.usage import KINDS, read_usage
from harness.usage.values import Meter

CHAT = {"prompt_tokens": 120, "completion_tokens": 80, "total_tokens": 200}
PAYLOADS: dict[str, tuple[dict[str, Any], tuple[int | None, int | None, int | None, int | None]]] = {
    "openai.chat": (
        {
            **CHAT,
            "prompt_tokens_details": {"cached_tokens": 20},
            "completion_tokens_details": {"reasoning_tokens": 64},
        },
        (120, 80, 20, 64),
    ),
    "openai.responses": (
        {
            "input_tokens": 120,
            "input_tokens_details": {"cached_tokens": 20},
            "output_tokens": 80,
            "output_tokens_details": {"reasoning_tokens": 64},
            "total_tokens": 200,
        },
        (120, 80, 20, 64),
    ),
    "anthropic.messages": (
        {
            "input_tokens": 12,
            "cache_creation_input_tokens": 88,
            "cache_read_input_tokens": 20,
            "output_tokens": 80,
            "service_tier": "standard",
        },
        (120, 80, 20, None),  # 12 + 88 + 20
    ),
    "gemini.usageMetadata": (
        {
            "promptTokenCount": 120,
            "cachedContentTokenCount": 20,
            "candidatesTokenCount": 16,
            "thoughtsTokenCount": 64,
            "totalTokenCount": 200,
        },
        (120, 80, 20, 64),  # 16 + 64
    ),
    "gemini.interactions": (
        {
            "total_input_tokens": 120,
            "total_cached_tokens": 20,
            "total_output_tokens": 16,
            "total_thought_tokens": 64,
            "total_tokens": 200,
        },
        (120, 80, 20, 64),
    ),
    "deepseek.chat": (
        {
            **CHAT,
            "prompt_cache_hit_tokens": 20,
            "prompt_cache_miss_tokens": 100,
            "completion_tokens_details": {"reasoning_tokens": 64},
        },
        (120, 80, 20, 64),
    ),
    "xai.chat": (
        {
            "prompt_tokens": 120,
            "completion_tokens": 16,
            "total_tokens": 200,
            "prompt_tokens_details": {"cached_tokens": 20},
            "completion_tokens_details": {"reasoning_tokens": 64},
        },
        (120, 80, 20, 64),  # reasoning stands beside the completion: 16 + 64
    ),
    "openrouter.chat": (
        {
            **CHAT,
            "prompt_tokens_details": {"cached_tokens": 20},
            "completion_tokens_details": {"reasoning_tokens": 64},
        },
        (120, 80, 20, 64),
    ),
    "mistral.chat": (CHAT, (120, 80, None, None)),
    "groq.chat": (
        {**CHAT, "queue_time": 0.03, "prompt_time": 0.01, "completion_time": 0.1, "total_time": 0.11},
        (120, 80, None, None),
    ),
    "together.chat": ({**CHAT, "cached_tokens": 20}, (120, 80, 20, None)),
    "fireworks.chat": ({**CHAT, "prompt_tokens_details": {"cached_tokens": 20}}, (120, 80, 20, None)),
    "bedrock.converse": (
        {"inputTokens": 100, "cacheReadInputTokens": 20, "outputTokens": 80, "totalTokens": 200},
        (120, 80, 20, None),
    ),
    "cohere.v2": (
        {"billed_units": {"input_tokens": 120, "output_tokens": 80}, "tokens": {"input_tokens": 300}},
        (120, 80, None, None),
    ),
    "perplexity.chat": ({**CHAT, "search_context_size": "low"}, (120, 80, None, None)),
    "ollama.native": ({"prompt_eval_count": 120, "eval_count": 80, "eval_duration": 5}, (120, 80, None, None)),
    "image.count": ({"images": 3}, (0, 0, None, None)),
    "litellm.usage": (
        {
            **CHAT,
            "prompt_tokens_details": {"cached_tokens": 20},
            "completion_tokens_details": {"reasoning_tokens": 64},
        },
        (120, 80, 20, 64),
    ),
}
"""Kind -> a payload, and its input, output, cached and reasoning tokens."""


@pytest.mark.parametrize("kind", KINDS)
def test_a_payload_of_each_kind_is_read_to_the_token(kind: str) -> None:
    payload, counts = PAYLOADS[kind]
    usage = read_usage(kind, payload)
    assert (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.reasoning_tokens) == counts
    assert not usage.flags
    assert not usage.unknown_fields


def test_images_are_a_fee_and_no_tokens() -> None:
    assert read_usage("image.count", {"images": 3}).fees == {Meter.IMAGE: 3}
