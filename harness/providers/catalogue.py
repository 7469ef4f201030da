"""The one place in code that lists providers: how each is reached, keyed, read and billed.

A provider that is not listed is reached through litellm, which knows the names of a hundred; its answers are read as
those of the chat interface, and nothing is taken for granted. Data flows a provider's name -> `entry_of` -> its entry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from harness.errors import ErrorClass
from harness.providers.endpoints import COMPATIBLE, SIMULATED
from harness.providers.parameters import (
    Mapper,
    map_anthropic,
    map_chat,
    map_deepseek,
    map_google,
    map_mistral,
    map_openai,
    map_openrouter,
)
from harness.suites.image_tokens import ImageRule, anthropic_images, gemini_images, openai_images, simulated_images

_CHAT = "openai.chat"

Failure = tuple[int | None, ErrorClass | None]
"""A status, None = no answer came; and what kind of failure it was, None = any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderEntry:
    """What is known of one provider.

    Attributes:
        source: where its interface is described, an address.
        adapter: which of our adapters asks it.
        other_names: names that mean the same provider.
        litellm: its name at litellm; None = the one that was typed.
        base_url: its own address, where one of our adapters needs it or its usage is told by its host.
        keys: environment variables of which one must hold its key; empty = litellm decides.
        usage_kind: reader of its usage where the names in it tell no other (see `harness.usage.KINDS`).
        settings: maps settings to what it is sent.
        settings_of_families: the same for families of other makers' models, which take their maker's parameters here.
        serves_responses: models that only the responses interface serves are asked without litellm.
        batches: its batch interface: of files (OpenAI's) or of messages (Anthropic's).
        billed: failed attempts that it bills.
        free_failures: its pages say that a request that ends in an error status is not charged.
        recorded: litellm always reaches it through our transport, so what that did not record was not sent. A test asks
            every such provider; of the others only a few facts are known, and litellm may have clients of its own.
        renames: its bodies name parameters differently (`inferenceConfig.maxTokens`) from OpenAI, as which they are
            recorded.
        polled: it takes a question, and is then asked for its answer.
        own_client: litellm asks it by a client that cannot be led through our transport.
        images: its published rule for tokens of images; None = none is known.
        names_makers: it serves models of others under `maker/model`, and images are counted as their makers count them.
        prices: none = nothing that it serves has a price of its own here.
    """

    source: str
    adapter: Literal["litellm", "direct", "simulated"] = "litellm"
    other_names: tuple[str, ...] = ()
    litellm: str | None = None
    base_url: str | None = None
    keys: tuple[str, ...] = ()
    usage_kind: str = _CHAT
    settings: Mapper = map_chat
    settings_of_families: Mapping[str, Mapper] = field(default_factory=dict)
    serves_responses: bool = False
    batches: Literal["files", "messages"] | None = None
    billed: frozenset[Failure] = frozenset()
    free_failures: bool = False
    recorded: bool = True
    renames: bool = False
    polled: bool = False
    own_client: bool = False
    images: ImageRule | None = None
    names_makers: bool = False
    prices: Literal["none"] | None = None


_LITELLM_PAGES = "https://docs.litellm.ai/docs/providers"
_CLAUDE: Mapping[str, Mapper] = {"claude": map_anthropic}
"""At these providers Claude takes Anthropic's own parameters; a gateway takes those of its chat interface."""


PROVIDERS: Mapping[str, ProviderEntry] = {
    COMPATIBLE: ProviderEntry(
        source="https://platform.openai.com/docs/api-reference/chat",
        adapter="direct",
        keys=("OPENAI_COMPATIBLE_API_KEY",),
        prices="none",
    ),
    SIMULATED: ProviderEntry(source="harness/simulation", adapter="simulated", images=simulated_images),
    "openai": ProviderEntry(
        source="https://platform.openai.com/docs/api-reference",
        base_url="https://api.openai.com/v1",
        keys=("OPENAI_API_KEY",),
        settings=map_openai,
        serves_responses=True,
        batches="files",
        images=openai_images,
    ),
    "anthropic": ProviderEntry(
        source="https://platform.claude.com/docs/en/api/errors",
        base_url="https://api.anthropic.com",
        keys=("ANTHROPIC_API_KEY",),
        usage_kind="anthropic.messages",
        settings=map_anthropic,
        batches="messages",
        images=anthropic_images,
        billed=frozenset({(None, ErrorClass.TIMEOUT)}),  # it charges when the client disconnects or times out
        free_failures=True,
    ),
    "google": ProviderEntry(
        source="https://ai.google.dev/gemini-api/docs/billing",
        other_names=("gemini",),
        litellm="gemini",
        keys=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        usage_kind="gemini.usageMetadata",
        settings=map_google,
        settings_of_families=_CLAUDE,
        free_failures=True,
        images=gemini_images,
    ),
    "xai": ProviderEntry(
        source="https://docs.x.ai/docs/api-reference",
        other_names=("x-ai",),
        litellm="xai",
        base_url="https://api.x.ai/v1",
        keys=("XAI_API_KEY",),
        usage_kind="xai.chat",
    ),
    "deepseek": ProviderEntry(
        source="https://api-docs.deepseek.com",
        base_url="https://api.deepseek.com",
        keys=("DEEPSEEK_API_KEY",),
        usage_kind="deepseek.chat",
        settings=map_deepseek,
    ),
    "groq": ProviderEntry(
        source="https://console.groq.com/docs/api-reference",
        base_url="https://api.groq.com/openai/v1",
        keys=("GROQ_API_KEY",),
        usage_kind="groq.chat",
    ),
    "mistral": ProviderEntry(
        source="https://docs.mistral.ai/api",
        base_url="https://api.mistral.ai/v1",
        keys=("MISTRAL_API_KEY",),
        usage_kind="mistral.chat",
        settings=map_mistral,
    ),
    "openrouter": ProviderEntry(
        source="https://openrouter.ai/docs/api-reference/overview",
        base_url="https://openrouter.ai/api/v1",
        keys=("OPENROUTER_API_KEY",),
        usage_kind="openrouter.chat",
        settings=map_openrouter,
        names_makers=True,
    ),
    "together": ProviderEntry(
        source="https://docs.together.ai/reference/chat-completions",
        other_names=("together_ai",),
        litellm="together_ai",
        base_url="https://api.together.xyz/v1",
        keys=("TOGETHERAI_API_KEY", "TOGETHER_API_KEY", "TOGETHER_AI_API_KEY", "TOGETHER_AI_TOKEN"),
        usage_kind="together.chat",
    ),
    "fireworks": ProviderEntry(
        source="https://docs.fireworks.ai/api-reference/post-chatcompletions",
        other_names=("fireworks_ai",),
        litellm="fireworks_ai",
        base_url="https://api.fireworks.ai/inference/v1",
        keys=("FIREWORKS_AI_API_KEY", "FIREWORKS_API_KEY", "FIREWORKSAI_API_KEY", "FIREWORKS_AI_TOKEN"),
        usage_kind="fireworks.chat",
    ),
    "perplexity": ProviderEntry(
        source="https://docs.perplexity.ai/api-reference",
        base_url="https://api.perplexity.ai",
        keys=("PERPLEXITYAI_API_KEY", "PERPLEXITY_API_KEY"),
        usage_kind="perplexity.chat",
    ),
    "cerebras": ProviderEntry(source="https://inference-docs.cerebras.ai", keys=("CEREBRAS_API_KEY",)),
    "cohere": ProviderEntry(
        source="https://docs.cohere.com/reference/chat",
        other_names=("cohere_chat",),
        keys=("COHERE_API_KEY", "CO_API_KEY"),
        usage_kind="cohere.v2",
        renames=True,
    ),
    "azure": ProviderEntry(
        source="https://learn.microsoft.com/azure/ai-foundry/openai/reference",
        keys=("AZURE_API_KEY",),
        settings=map_openai,
        billed=frozenset({(408, None), (400, ErrorClass.CONTENT_FILTER)}),  # not 401 and 429
    ),
    "novita": ProviderEntry(source="https://novita.ai/docs", keys=("NOVITA_API_KEY",), billed=frozenset({(499, None)})),
    "sambanova": ProviderEntry(source="https://docs.sambanova.ai", keys=("SAMBANOVA_API_KEY",)),
    "deepinfra": ProviderEntry(source="https://deepinfra.com/docs", keys=("DEEPINFRA_API_KEY",)),
    "vertex_ai": ProviderEntry(
        source="https://cloud.google.com/vertex-ai/generative-ai/pricing",
        other_names=("vertex", "vertexai"),
        settings=map_google,
        settings_of_families=_CLAUDE,
        free_failures=True,  # only answers with status 200 are charged
        recorded=False,
    ),
    "azure_ai": ProviderEntry(
        source="https://learn.microsoft.com/azure/ai-foundry/foundry-models",
        settings_of_families=_CLAUDE,
        recorded=False,
    ),
    "bedrock": ProviderEntry(
        source="https://docs.aws.amazon.com/bedrock/latest/APIReference",
        other_names=("bedrock_converse",),
        settings_of_families=_CLAUDE,
        recorded=False,
        renames=True,
    ),
    "ollama": ProviderEntry(
        source="https://docs.ollama.com/api", other_names=("ollama_chat",), recorded=False, renames=True
    ),
    "aiohttp_openai": ProviderEntry(source=f"{_LITELLM_PAGES}/openai_compatible", recorded=False, own_client=True),
    "replicate": ProviderEntry(source=f"{_LITELLM_PAGES}/replicate", recorded=False, renames=True, polled=True),
    **{
        name: ProviderEntry(source=f"{_LITELLM_PAGES}/{page}", recorded=False, renames=True)
        for name, page in {
            "huggingface": "huggingface",
            "nlp_cloud": "nlp_cloud",
            "oci": "oci",
            "petals": "petals",
            "predibase": "predibase",
            "sagemaker": "aws_sagemaker",
            "watsonx": "watsonx",
        }.items()
    },
}

_UNLISTED = ProviderEntry(source=_LITELLM_PAGES, recorded=False)
_NAMES: Mapping[str, str] = {
    name: listed for listed, entry in PROVIDERS.items() for name in (listed, *entry.other_names)
}
_KIND_AT_HOST: Mapping[str | None, str] = {
    urlsplit(entry.base_url).hostname: entry.usage_kind
    for entry in PROVIDERS.values()
    if entry.base_url and entry.usage_kind.endswith(".chat")
}


def entry_of(provider: str) -> ProviderEntry:
    """Find what is known of a provider, by any of its names; of one that is not listed, nothing."""
    name = _NAMES.get(provider)
    return _UNLISTED if name is None else PROVIDERS[name]


def provider_names() -> tuple[str, ...]:
    """Every name that is known here: what a misspelt one is compared with."""
    return tuple(_NAMES)


def usage_kind_at(host: str) -> str:
    """The reader of the usage that a host's chat interface states, where the names in it tell no other."""
    return _KIND_AT_HOST.get(host, _CHAT)
