"""The table of usage readers: which function understands which payload kind.

Data flows (kind, raw payload) -> reader -> `Usage`. A reader never raises on a provider's data: it flags.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from harness.errors import InputError
from harness.usage.families.anthropic_messages import read_anthropic_messages
from harness.usage.families.gemini import read_gemini, read_gemini_interactions
from harness.usage.families.litellm_usage import read_litellm_usage
from harness.usage.families.openai_family import (
    read_deepseek_chat,
    read_fireworks_chat,
    read_groq_chat,
    read_mistral_chat,
    read_openai_chat,
    read_openai_responses,
    read_openrouter_chat,
    read_together_chat,
    read_xai_chat,
)
from harness.usage.families.other_providers import (
    read_bedrock_converse,
    read_cohere_v2,
    read_image_count,
    read_ollama_native,
    read_perplexity_chat,
)
from harness.usage.values import Flag, Usage

READERS: dict[str, Callable[[Mapping[str, Any]], Usage]] = {
    "openai.chat": read_openai_chat,
    "openai.responses": read_openai_responses,
    "anthropic.messages": read_anthropic_messages,
    "gemini.usageMetadata": read_gemini,
    "gemini.interactions": read_gemini_interactions,
    "deepseek.chat": read_deepseek_chat,
    "xai.chat": read_xai_chat,
    "openrouter.chat": read_openrouter_chat,
    "mistral.chat": read_mistral_chat,
    "groq.chat": read_groq_chat,
    "together.chat": read_together_chat,
    "fireworks.chat": read_fireworks_chat,
    "bedrock.converse": read_bedrock_converse,
    "cohere.v2": read_cohere_v2,
    "perplexity.chat": read_perplexity_chat,
    "ollama.native": read_ollama_native,
    "image.count": read_image_count,
    "litellm.usage": read_litellm_usage,
}


def read_usage(kind: str, raw: Mapping[str, Any] | None) -> Usage:
    """Read a provider's usage payload of a known kind.

    Args:
        kind: one of `READERS`.
        raw: the payload as received; None = the provider sent none. Anything else that is no object is flagged.

    Returns:
        The usage; `is_missing` when a total is not known, with the reasons in `flags`.

    Raises:
        InputError: there is no reader of this name.
    """
    reader = READERS.get(kind)
    if reader is None:
        raise InputError(
            f"no reader for usage kind {kind!r}", where="usage_kind", fix=f"use one of: {', '.join(READERS)}"
        )
    if raw is None:
        flag = Flag(name="missing", detail="the provider sent no usage")
        return Usage(input_tokens=None, output_tokens=None, flags=(flag,))
    return reader(raw)
