"""The registry of provider adapters: provider name -> how to make one; adapters are imported only when they are used.

Every provider that is not listed is reached through litellm, which knows the names of a hundred of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.errors import InputError
from harness.models import ModelSpec
from harness.providers.base import Provider
from harness.providers.endpoints import COMPATIBLE, Endpoint
from harness.secrets import learn_environment


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderOptions:
    """What a run knows when it makes a provider.

    Attributes:
        endpoint: where the model is asked, and whether the provider's key goes there.
        concurrency: requests that may be in flight at once.
        answer_key: what the simulated models answer from; None for every other provider.
        stream: ask for streamed answers where the adapter can, so that long reasoning survives idle limits.
    """

    endpoint: Endpoint
    concurrency: int
    answer_key: Any = None
    stream: bool = False


Factory = Callable[[ModelSpec, ProviderOptions], Provider]


def _openai_compatible(spec: ModelSpec, options: ProviderOptions) -> Provider:
    from harness.providers.openai_compatible import from_environment

    return from_environment(spec, endpoint=options.endpoint, concurrency=options.concurrency, stream=options.stream)


def _openai(spec: ModelSpec, options: ProviderOptions) -> Provider:
    from harness.pricing.model_facts import facts_about

    facts = facts_about(spec.provider, spec.model)
    if facts is None or not facts.responses_api:
        return _litellm(spec, options)
    from harness.providers.openai_compatible import openai_responses

    return openai_responses(spec, endpoint=options.endpoint, concurrency=options.concurrency)


def _litellm(spec: ModelSpec, options: ProviderOptions) -> Provider:
    from harness.providers.litellm import LiteLLMProvider

    return LiteLLMProvider(spec, endpoint=options.endpoint, concurrency=options.concurrency, stream=options.stream)


def _simulated(spec: ModelSpec, options: ProviderOptions) -> Provider:
    from harness.providers.simulated import SimulatedProvider

    if options.answer_key is None:
        raise InputError(f"{spec} answers from the suite's own answer key, and none was given", where="--model")
    return SimulatedProvider(spec, key=options.answer_key)


PROVIDERS: Mapping[str, Factory] = {
    "openai": _openai,
    "openai-compatible": _openai_compatible,
    "sim": _simulated,
}
"""Providers with an adapter of their own; the others go through litellm."""


def key_variables(spec: ModelSpec) -> tuple[str, ...]:
    """Name the environment variables that may hold the key of a model's provider, as far as they are known."""
    if spec.provider == COMPATIBLE:
        from harness.providers.openai_compatible import KEY_VARIABLE

        return (KEY_VARIABLE,)
    from harness.providers.litellm import KEY_VARIABLES, LITELLM_PROVIDER

    return KEY_VARIABLES.get(LITELLM_PROVIDER.get(spec.provider, spec.provider), ())


def make_provider(
    spec: ModelSpec,
    *,
    base_url: str | Endpoint | None,
    concurrency: int,
    answer_key: Any = None,
    stream: bool = False,
) -> Provider:
    """Make the adapter that reaches a model.

    Args:
        base_url: an address that is this model's, key included; or what a run's `Endpoints` say of it.

    Raises:
        InputError: the provider needs something that was not given, for example `--base-url`.
    """
    learn_environment(os.environ)
    factory = PROVIDERS.get(spec.provider, _litellm)
    endpoint = base_url if isinstance(base_url, Endpoint) else Endpoint(url=base_url)
    options = ProviderOptions(endpoint=endpoint, concurrency=concurrency, answer_key=answer_key, stream=stream)
    return factory(spec, options)
