"""Who was asked, by the names that agents give to litellm: `provider/model`, or a model whose maker litellm knows.

Pure. Data flows `anthropic/claude-opus-4-5`, `gpt-4.1`, `openai:gpt-realtime` -> provider and model.
"""

from __future__ import annotations

import re

from harness.imports.harnesses.asked_models import NO_MODEL, UNKNOWN_PROVIDER

_MAKERS = (
    (re.compile(r"gpt-|chatgpt-|o[1-9](?:-|$)|text-|codex-|ft:gpt-"), "openai"),
    (re.compile(r"claude-"), "anthropic"),
    (re.compile(r"gemini-"), "google"),
    (re.compile(r"deepseek-(?:chat|reasoner|coder)"), "deepseek"),
    (re.compile(r"(?:mistral|magistral|codestral|devstral|ministral|pixtral)-"), "mistral"),
    (re.compile(r"grok-"), "xai"),
    (re.compile(r"command-"), "cohere"),
)
"""Bare names that litellm sends to their makers."""


def named(name: str | None) -> tuple[str, str]:
    """Take a name apart into provider and model; "unknown" = the name alone does not say who is asked."""
    if not name:
        return UNKNOWN_PROVIDER, NO_MODEL
    provider, slash, model = name.partition("/")
    if slash and provider and model:
        return provider, model
    provider, colon, model = name.partition(":")
    if colon and provider.isalpha() and model and provider != "ft":
        return provider, model
    return _maker(name), name


def _maker(model: str) -> str:
    return next((maker for pattern, maker in _MAKERS if pattern.match(model)), UNKNOWN_PROVIDER)
