"""Who was asked for what, from the one name that evaluation tools give a provider and a model together.

Pure. Data flows `openai/azure/gpt-4o-mini`, `openai-api/sim/m`, `openai:chat:gpt-4o` -> `Asked(provider, model)` in our
names of providers, by which prices are found.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from harness.providers.catalogue import PROVIDERS

UNKNOWN_PROVIDER = "unknown"
NO_MODEL = "(not said)"

_NO_PROVIDERS = frozenset({
    UNKNOWN_PROVIDER, "openai-api", "openai-api-completions", "openai-completions", "openai-chat-completions",
    "local-completions", "local-chat-completions",
})  # fmt: skip
"""What logs have in a provider's place and that names nobody: an interface that any server may have."""

_SERVICES = frozenset({"azure", "azureai", "bedrock", "vertex"})
"""Second parts of Inspect's names that say where a maker's model was served."""
_ADDRESSED = ("openai-api", "openai-api-completions", "openai-completions")
"""Inspect's names for any server with OpenAI's interface; the second part names the server."""
_OUR_NAMES = {"azureai": "azure", "grok": "xai", "vertex": "google", "hf-inference-providers": "huggingface"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A provider, in our names, and a model without it."""

    provider: str
    model: str


def is_nobody(provider: str | None) -> bool:
    """Say whether this names no provider whose prices could be looked up."""
    return provider is None or provider in _NO_PROVIDERS


def slashed(name: str) -> Asked:
    """Read Inspect's form, `provider/model` or `provider/service/model`."""
    provider, slash, model = name.partition("/")
    if not slash:
        return Asked(UNKNOWN_PROVIDER, name or NO_MODEL)
    service, deeper, rest = model.partition("/")
    if deeper and (provider in _ADDRESSED or service in _SERVICES):
        provider, model = service, rest
    provider = provider.lower()
    return Asked(_OUR_NAMES.get(provider, provider), model or NO_MODEL)


_ADAPTERS = {
    "azureopenai": "azure",
    "palm": "google",
    "vertex": "google",
    "togetherai": "together",
    "aws": "bedrock",
    "cloudflare-ai": "cloudflare",
    "sagemaker": "sagemaker",
}
_KINDS = frozenset({
    "chat", "completion", "completions", "messages", "message", "responses", "response", "embedding", "embeddings",
    "assistant", "realtime", "agents", "image", "chatkit", "codex", "live", "deployment",
})  # fmt: skip
_NOT_MODELS = frozenset({
    "http", "https", "file", "exec", "python", "webhook", "ws", "wss", "package", "golang", "ruby",
})  # fmt: skip


def coloned(name: str) -> Asked:
    """Read promptfoo's form, `provider:model` or `provider:kind:model`; a script or an address names no provider."""
    provider, colon, rest = name.partition(":")
    if not colon or provider in _NOT_MODELS:
        return Asked(UNKNOWN_PROVIDER, name or NO_MODEL)
    kind, deeper, model = rest.partition(":")
    if kind in _KINDS:
        rest = model if deeper else NO_MODEL
    return Asked(_ADAPTERS.get(provider.lower(), provider.lower()), rest or NO_MODEL)


def provider_at(address: str | None) -> str | None:
    """Name the provider whose interface stands at an address; None = no provider that we know is there."""
    host = urlsplit(address or "").hostname
    if host is None:
        return None
    if host.endswith((".openai.azure.com", ".cognitiveservices.azure.com")):
        return "azure"
    own = {urlsplit(entry.base_url).hostname: name for name, entry in PROVIDERS.items() if entry.base_url}
    return own.get(host)
