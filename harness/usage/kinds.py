"""The table of usage kinds: how each shape of payload is read, streamed and counted.

Data flows (kind, raw payload) -> its reader -> `Usage`. A reader never raises on a provider's data: it flags.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

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
from harness.usage.stream_events import (
    Fold,
    fold_anthropic,
    fold_bedrock,
    fold_cohere,
    fold_gemini,
    fold_openai_chat,
    fold_openai_responses,
)
from harness.usage.values import Flag, Meter, Usage

CHAT = "openai.chat"
RESPONSES = "openai.responses"
MESSAGES = "anthropic.messages"
GEMINI = "gemini.usageMetadata"
CONVERSE = "bedrock.converse"
COHERE = "cohere.v2"
OLLAMA = "ollama.native"
LITELLM = "litellm.usage"

Reader = Callable[[Mapping[str, object]], Usage]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What is known of one shape of usage payload.

    Attributes:
        read: makes a `Usage` of it.
        fold: makes one payload of a stream's events; None = this kind does not stream usage.
        context_is_input: the size of the prompt is all of its input, never a count of its own.
        counts_calls: fees that it counts whenever a tool was called: no count there means no call.
        free_refusals: of Claude, whose refusals before any output are not billed.
    """

    read: Reader
    fold: Fold | None = None
    context_is_input: bool = False
    counts_calls: frozenset[Meter] = frozenset()
    free_refusals: bool = False


def _chat(read: Reader, *counts_calls: Meter, context_is_input: bool = False) -> Kind:
    """A payload of the chat interface, whose streams are alike whoever sends them."""
    calls = frozenset(counts_calls)
    return Kind(read=read, fold=fold_openai_chat, context_is_input=context_is_input, counts_calls=calls)


KINDS: Mapping[str, Kind] = {
    CHAT: _chat(read_openai_chat, context_is_input=True),
    RESPONSES: Kind(read=read_openai_responses, fold=fold_openai_responses, context_is_input=True),
    MESSAGES: Kind(
        read=read_anthropic_messages,
        fold=fold_anthropic,
        counts_calls=frozenset({Meter.WEB_SEARCH, Meter.WEB_FETCH}),
        free_refusals=True,
    ),
    GEMINI: Kind(read=read_gemini, fold=fold_gemini),
    "gemini.interactions": Kind(
        read=read_gemini_interactions, counts_calls=frozenset({Meter.GROUNDING, Meter.MAPS_GROUNDING})
    ),
    "deepseek.chat": _chat(read_deepseek_chat, context_is_input=True),
    "xai.chat": _chat(read_xai_chat, Meter.WEB_SEARCH, Meter.FILE_SEARCH, Meter.CODE_SESSION, context_is_input=True),
    "openrouter.chat": _chat(read_openrouter_chat, Meter.WEB_SEARCH, Meter.WEB_FETCH, context_is_input=True),
    "mistral.chat": _chat(read_mistral_chat, context_is_input=True),
    "groq.chat": _chat(read_groq_chat),
    "together.chat": _chat(read_together_chat),
    "fireworks.chat": _chat(read_fireworks_chat),
    CONVERSE: Kind(read=read_bedrock_converse, fold=fold_bedrock, free_refusals=True),
    COHERE: Kind(read=read_cohere_v2, fold=fold_cohere),
    "perplexity.chat": _chat(read_perplexity_chat, Meter.WEB_SEARCH),
    OLLAMA: Kind(read=read_ollama_native),
    "image.count": Kind(read=read_image_count),
    LITELLM: Kind(read=read_litellm_usage, free_refusals=True),
}

READERS: Mapping[str, Reader] = {name: kind.read for name, kind in KINDS.items()}
FOLDS: Mapping[str, Fold] = {name: kind.fold for name, kind in KINDS.items() if kind.fold is not None}
_CACHE_WORDS = {"cache_creation_input_tokens", "cache_read_input_tokens", "cache_creation"}


def read_usage(kind: str, raw: Mapping[str, object] | None) -> Usage:
    """Read a provider's usage payload of a known kind.

    Args:
        kind: one of `KINDS`.
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


def likely_kind(provider: str, raw: Mapping[str, object]) -> str:
    """Name the reader of a payload that came without one (a failed answer's): by its words, else by the provider."""
    names = raw.keys()
    if names & {"promptTokenCount", "totalTokenCount"}:
        return GEMINI
    if names & {"inputTokens", "outputTokens"}:
        return CONVERSE
    if "prompt_tokens" not in raw and names & {"input_tokens", "output_tokens"}:
        is_messages = f"{provider}.messages" in KINDS or bool(names & _CACHE_WORDS)
        return MESSAGES if is_messages else RESPONSES
    own = f"{provider.split('_')[0]}.chat"
    return own if own in KINDS else CHAT
