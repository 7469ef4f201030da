"""Makes the adapter that reaches a model; adapters are imported only when they are used.

The catalogue says which one is whose; every provider that it does not list is reached through litellm.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from harness.errors import InputError
from harness.models import ModelSpec
from harness.pricing.model_facts import facts_about
from harness.providers.base import Provider
from harness.providers.catalogue import entry_of
from harness.providers.endpoints import Endpoint
from harness.providers.keys import key_for
from harness.secrets import learn_environment

if TYPE_CHECKING:
    from harness.providers.batch_api.batches import BatchProvider
    from harness.simulation.simulated_models import AnswerKey


def make_provider(
    spec: ModelSpec,
    *,
    base_url: str | Endpoint | None,
    concurrency: int,
    answer_key: AnswerKey | None = None,
    stream: bool = False,
) -> Provider:
    """Make the adapter that reaches a model.

    Args:
        base_url: an address that is this model's, key included; or what a run's `Endpoints` say of it.
        concurrency: requests that may be in flight at once.
        answer_key: what the simulated models answer from; None for every other provider.
        stream: ask for streamed answers where the adapter can, so that long reasoning survives idle limits.

    Raises:
        InputError: the provider needs something that was not given, for example `--base-url`.
    """
    learn_environment(os.environ)
    entry = entry_of(spec.provider)
    endpoint = base_url if isinstance(base_url, Endpoint) else Endpoint(url=base_url)
    if entry.adapter == "simulated":
        return _simulated(spec, answer_key)
    if entry.adapter == "direct":
        from harness.providers.openai_compatible import from_environment

        return from_environment(spec, endpoint=endpoint, concurrency=concurrency, stream=stream)
    facts = facts_about(spec.provider, spec.model)
    if entry.serves_responses and facts is not None and facts.responses_api:
        from harness.providers.openai_compatible import openai_responses

        return openai_responses(spec, endpoint=endpoint, concurrency=concurrency)
    from harness.providers.litellm import LiteLLMProvider

    return LiteLLMProvider(spec, endpoint=endpoint, concurrency=concurrency, stream=stream)


def make_batch_provider(spec: ModelSpec, endpoint: Endpoint) -> BatchProvider:
    """Make the batch interface of a model's provider; the key comes from the environment.

    Raises:
        InputError: the provider has none here, or its key is missing.
    """
    learn_environment(os.environ)
    entry = entry_of(spec.provider)
    if entry.batches is None:
        raise InputError(
            f"{spec.provider} has no batch interface here", where="--batch", fix="leave --batch out for this model"
        )
    key = key_for(spec, endpoint)
    from harness.providers.batch_api.anthropic_batches import AnthropicBatches
    from harness.providers.batch_api.openai_batches import OpenAIBatches

    make = OpenAIBatches if entry.batches == "files" else AnthropicBatches
    return make(spec, base_url=endpoint.url or str(entry.base_url), api_key=key)


def _simulated(spec: ModelSpec, answer_key: AnswerKey | None) -> Provider:
    from harness.providers.simulated import SimulatedProvider

    if answer_key is None:
        raise InputError(f"{spec} answers from the suite's own answer key, and none was given", where="--model")
    return SimulatedProvider(spec, key=answer_key)
